//! Arrows between crates go down (ARCHITECTURE.md). A new arrow is a change of that page first.

use crate::source::{root, text};
use std::collections::{BTreeMap, BTreeSet};

/// Crate -> crates of ours that it may name.
const ALLOWED: &[(&str, &[&str])] = &[
    ("runtime/primitives", &[]),
    ("tokens", &["primitives"]),
    ("governance", &["primitives", "tokens"]),
    ("runtime", &["primitives", "tokens", "governance"]),
    ("node/consensus", &["primitives"]),
    ("node/client", &["primitives", "consensus"]),
    ("node/plugins/protocol", &[]),
    ("node/plugins/wasm", &["plugin-protocol"]),
    ("node/plugins/process", &["plugin-protocol"]),
    ("node/provider", &["primitives", "client", "plugin-protocol"]),
    ("node", &["primitives", "tokens", "governance", "runtime", "consensus", "client", "contracts", "console"]),
    ("cli", &["primitives", "client", "contracts", "console"]),
    ("testnet", &["primitives", "tokens", "runtime", "consensus", "client", "node", "provider"]),
    ("tests", &["primitives", "tokens", "governance", "runtime", "consensus", "client", "node", "provider", "testnet"]),
];

/// What only some crates may name.
const RESERVED: &[(&str, &[&str])] = &[
    (
        "tokio",
        &[
            "node",
            "node/provider",
            "cli",
            "testnet",
            "node/client",
            "node/plugins/protocol",
            "node/plugins/wasm",
            "node/plugins/process",
        ],
    ),
    ("rocksdb", &["node"]),
    ("libp2p", &["node"]),
];

const PURE: [&str; 5] = ["runtime/primitives", "tokens", "governance", "runtime", "node/consensus"];

fn sections(manifest: &str) -> BTreeMap<String, BTreeSet<String>> {
    let table: toml::Table = manifest.parse().unwrap();
    ["dependencies", "build-dependencies", "dev-dependencies"]
        .into_iter()
        .map(|section| {
            let keys = table.get(section).and_then(toml::Value::as_table);
            (section.to_string(), keys.map(|t| t.keys().cloned().collect()).unwrap_or_default())
        })
        .collect()
}

#[test]
fn arrows_between_crates_go_down() {
    let workspace: toml::Table = text(&root().join("Cargo.toml")).parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let members: BTreeSet<&str> = members.iter().map(|m| m.as_str().unwrap()).collect();
    let listed: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    assert_eq!(members, listed, "every crate has its row of allowed arrows");
    for (crate_path, allowed) in ALLOWED {
        let sections = sections(&text(&root().join(crate_path).join("Cargo.toml")));
        for section in ["dependencies", "build-dependencies"] {
            for dependency in &sections[section] {
                if let Some(ours) = dependency.strip_prefix("nupeer-") {
                    assert!(allowed.contains(&ours), "{crate_path} may not name nupeer-{ours}");
                }
                if let Some((_, who)) = RESERVED.iter().find(|(name, _)| name == dependency) {
                    assert!(who.contains(crate_path), "{crate_path} may not name {dependency}");
                }
            }
        }
    }
}

#[test]
fn pure_crates_are_no_std() {
    for pure in PURE {
        let lib = text(&root().join(pure).join("src/lib.rs"));
        assert!(lib.contains("#![no_std]"), "{pure} must not link std");
    }
}

#[test]
fn only_storage_names_the_database_and_only_p2p_the_network() {
    for (word, room) in [("rocksdb", "node/src/storage"), ("libp2p", "node/src/p2p")] {
        for file in crate::source::files(&root().join("node/src"), ".rs") {
            let name = crate::source::name(&file);
            let code = text(&file);
            let named = code.lines().any(|line| {
                let line = line.trim_start();
                !line.starts_with("//")
                    && (line.contains(&format!("{word}::")) || line.contains(&format!("use {word}")))
            });
            assert!(!named || name.starts_with(room), "{name} names {word}, which belongs to {room}");
        }
    }
}
