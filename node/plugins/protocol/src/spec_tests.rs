#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::v1::{Artifact, Limits, Port};
use proptest::prelude::*;

fn good() -> Spec {
    Spec {
        id: "lease1/web".into(),
        lease_epoch: 1,
        artifact: Some(Artifact { kind: ArtifactKind::Wasm.into(), r#ref: "/a".into(), digest: vec![0; 32] }),
        limits: Some(Limits { ram_bytes: 1, cpu_milli: 1, ..Limits::default() }),
        mounts: vec![Mount { volume: "data".into(), path: "/data".into(), read_only: false }],
        port: Some(Port { number: 80, protocol: "http".into(), socket: "/run/s".into() }),
        ..Spec::default()
    }
}

#[test]
fn a_good_spec_passes() {
    assert_eq!(validate(&good()).unwrap().as_str(), "lease1/web");
}

#[test]
fn each_fault_is_found() {
    type Spoil = fn(&mut Spec);
    let cases: [(&str, Spoil); 14] = [
        ("id", |s| s.id = "../../etc".into()),
        ("id", |s| s.id = "a/b/c".into()),
        ("artifact is absent", |s| s.artifact = None),
        ("digest", |s| s.artifact.as_mut().unwrap().digest = vec![0; 20]),
        ("artifact kind", |s| s.artifact.as_mut().unwrap().kind = 77),
        ("limits", |s| s.limits = None),
        ("ram_bytes", |s| s.limits.as_mut().unwrap().ram_bytes = 0),
        ("env", |s| drop(s.env.insert("A=B".into(), String::new()))),
        ("argv", |s| s.argv.push("a\0b".into())),
        ("mount path", |s| s.mounts[0].path = "/data/../etc".into()),
        ("volume name", |s| s.mounts[0].volume = "../x".into()),
        ("mounted twice", |s| s.mounts.push(s.mounts[0].clone())),
        ("port", |s| s.port.as_mut().unwrap().number = 70_000),
        ("egress host", |s| s.hosts.push("a b".into())),
    ];
    for (word, spoil) in cases {
        let mut spec = good();
        spoil(&mut spec);
        let faults = validate(&spec).unwrap_err();
        assert!(faults.iter().any(|f| f.text.contains(word)), "{word}: {faults:?}");
        assert!(faults.iter().all(|f| f.reason == Reason::SpecInvalid));
    }
}

#[test]
fn private_ranges_are_out_of_reach() {
    for bad in [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:db8::1",
        "::7f00:1",
    ] {
        assert!(is_out_of_reach(bad.parse().unwrap()), "{bad}");
    }
    for good in ["1.1.1.1", "8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"] {
        assert!(!is_out_of_reach(good.parse().unwrap()), "{good}");
    }
}

proptest! {
    #[test]
    fn an_accepted_id_is_a_plain_directory_name(text in "\\PC{0,40}") {
        if let Ok(id) = WorkloadId::parse(&text) {
            prop_assert_eq!(id.directory_name().len(), 32);
        }
    }
}
