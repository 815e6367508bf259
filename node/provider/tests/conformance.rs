#![allow(clippy::unwrap_used, clippy::panic)]
//! The conformance kit on both plugins. It needs their programs beside this test's own, and for components the target
//! wasm32-wasip2; where they are missing the test says so and passes, except in continuous integration.

use std::path::{Path, PathBuf};
use std::process::Command;

use nupeer_provider::conformance::Kit;

/// The directory that cargo puts programs in.
fn programs() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_owned()
}

fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("SKIPPED: {why}");
}

fn program(name: &str) -> Option<PathBuf> {
    let path = programs().join(name);
    if path.is_file() {
        return Some(path);
    }
    skip(&format!("{} is not built: cargo build --bin {name}", path.display()));
    None
}

async fn stand(kit: Kit) {
    let reports = kit.run(None).await;
    let told: Vec<String> = reports.iter().map(ToString::to_string).collect();
    assert!(!reports.is_empty() && reports.iter().all(|report| report.is_passed()), "{}", told.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_plugin_conforms() {
    if !nix::unistd::geteuid().is_root() {
        return skip("cgroups and user ids of workloads need root");
    }
    if let Some(plugin) = program("nupeer-plugin-process") {
        stand(Kit::new(&plugin)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wasm_plugin_conforms() {
    let Some(plugin) = program("nupeer-plugin-wasm") else { return };
    let manifest =
        Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../plugins/wasm/fixture/Cargo.toml");
    let target = programs().join("fixture");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--locked", "--target", "wasm32-wasip2", "--manifest-path"])
        .arg(manifest)
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .unwrap();
    if !built.success() {
        return skip("the fixture component does not build: rustup target add wasm32-wasip2");
    }
    let artifact = target.join("wasm32-wasip2/release/nupeer_fixture.wasm");
    stand(Kit { artifact: Some(artifact), ..Kit::new(&plugin) }).await;
}
