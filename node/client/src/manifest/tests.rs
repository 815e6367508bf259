#![allow(clippy::unwrap_used)]
use super::*;

pub(crate) fn workload() -> Workload {
    Workload {
        app: "vision".into(),
        service: "api".into(),
        artifact: Artifact { kind: ArtifactKind::Image, reference: "registry.example/vision".into(), digest: [9; 32] },
        command: vec!["/bin/server".into(), "--port=8080".into()],
        env: vec![("A".into(), String::new()), ("MODEL".into(), "m".repeat(4_096))],
        secrets: vec!["API_TOKEN".into(), "b-2".into()],
        family: Family::S,
        lots: 2,
        mounts: vec![("/data".into(), SCRATCH.into())],
        expose: Some(Expose { port: 8_080, host: Some("vision.demo.nup".into()), health: Some("/healthz".into()) }),
        meters: vec![1, 4],
        egress: EgressMode::List,
        egress_hosts: vec!["registry.example".into()],
        restart: Restart::OnFailure,
    }
}

#[test]
fn a_workload_survives_its_encoding() {
    let workload = workload();
    workload.check().unwrap();
    assert_eq!(Workload::decode(&workload.to_cbor()), Ok(workload));
}

type Spoil = fn(&mut Workload);

#[test]
fn each_rule_refuses_its_violation() {
    let cases: [(&str, Spoil); 17] = [
        ("name", |w| w.app = "Vision".into()),
        ("name", |w| w.service = "a".repeat(64)),
        ("lots", |w| w.lots = 0),
        ("entries", |w| w.command = vec![String::new(); 65]),
        ("bytes", |w| w.command = vec!["x".repeat(4_097)]),
        ("order", |w| w.env.swap(0, 1)),
        ("order", |w| w.env[1].0 = "A".into()),
        ("variable", |w| w.env[0].0 = "A=B".into()),
        ("secret", |w| w.secrets[0] = "../x".into()),
        ("mount", |w| w.mounts[0].0 = "/data/../etc".into()),
        ("mount", |w| w.mounts[0].0 = "data".into()),
        ("volume", |w| w.mounts.push(("/more".into(), SCRATCH.into()))),
        ("order", |w| w.meters = vec![4, 1]),
        ("egress", |w| w.egress_hosts.clear()),
        ("egress", |w| w.egress = EgressMode::Open),
        ("host", |w| w.expose.as_mut().unwrap().host = Some("-x.nup".into())),
        ("health", |w| w.expose.as_mut().unwrap().health = Some("healthz".into())),
    ];
    for (word, spoil) in cases {
        let mut bad = workload();
        spoil(&mut bad);
        let error = bad.check().unwrap_err();
        assert!(error.to_string().contains(word), "{word}: {error}");
        assert!(Workload::decode(&bad.to_cbor()).is_err(), "{word}");
    }
    let mut wasm = workload();
    wasm.artifact.kind = ArtifactKind::Wasm;
    assert_eq!(wasm.check(), Err(ManifestError::WasmPort));
}
