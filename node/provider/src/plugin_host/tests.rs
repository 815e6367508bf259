#![allow(clippy::unwrap_used, clippy::panic)]
//! C1, the host's half: plugins that are late, talk twice or lie. Each is a shell script named for its sin.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

const DESCRIPTOR: &str = r#"{"artifacts":[],"caps":0,"config_schema":{},"development":true,"isolation":[],"meters":[],"name":"liar","network":false,"rpp":[1],"version":"0.1.0"}"#;

fn plugin(root: &Path, serve: &str) -> PluginPlace {
    let program = root.join("plugin");
    let script =
        format!("#!/bin/sh\nif [ \"$1\" = descriptor ]; then printf '%s\\n' '{DESCRIPTOR}'; exit 0; fi\n{serve}\n");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    PluginPlace {
        program,
        config_json: String::new(),
        state_dir: root.join("state"),
        cache_dir: root.join("cache"),
        cgroup: String::new(),
        uid: None,
    }
}

fn line(socket: &Path, descriptor: &[u8]) -> String {
    let hash = hex::encode(nupeer_plugin_protocol::descriptor::hash(descriptor));
    format!("RPP|1|0.1.0|unix|{}|grpc|{hash}", socket.display())
}

async fn fault(serve: impl FnOnce(&Path) -> String) -> LaunchError {
    let root = tempfile::tempdir().unwrap();
    let place = plugin(root.path(), &serve(root.path()));
    launch(&place).await.err().unwrap()
}

/// A socket that is private, so that only the sin at hand is found.
fn listening(root: &Path) -> std::os::unix::net::UnixListener {
    let listener = std::os::unix::net::UnixListener::bind(root.join("rpp")).unwrap();
    fs::set_permissions(root.join("rpp"), fs::Permissions::from_mode(0o600)).unwrap();
    listener
}

#[tokio::test]
async fn an_absent_program_is_the_machines_fault() {
    let root = tempfile::tempdir().unwrap();
    let mut place = plugin(root.path(), "");
    place.program = root.path().join("nothing");
    let error = launch(&place).await.err().unwrap();
    assert!(matches!(error, LaunchError::NotStarted { .. }) && !error.is_plugin_fault());
}

#[tokio::test]
async fn a_mumbler_is_refused() {
    for said in ["echo hello", "printf 'no newline'", "head -c 3000 /dev/zero | tr '\\0' x; echo", "exit 0"] {
        let error = fault(|_| said.to_owned()).await;
        assert!(matches!(error, LaunchError::Handshake { .. }) && error.is_plugin_fault(), "{said}: {error}");
    }
}

#[tokio::test]
async fn a_speaker_of_another_version_is_told_apart() {
    let error = fault(|root| {
        format!("echo '{}'; sleep 60", line(&root.join("rpp"), DESCRIPTOR.as_bytes()).replace("RPP|1", "RPP|2"))
    })
    .await;
    assert!(error.is_version(), "{error}");
}

#[tokio::test]
async fn an_impostor_with_another_descriptor_is_refused() {
    let error = fault(|root| format!("echo '{}'; sleep 60", line(&root.join("rpp"), b"another"))).await;
    assert!(matches!(error, LaunchError::Deviant { .. }), "{error}");
}

#[tokio::test]
async fn an_open_door_is_refused() {
    let mut listener = None;
    let error = fault(|root| {
        listener = Some(listening(root));
        fs::set_permissions(root.join("rpp"), fs::Permissions::from_mode(0o666)).unwrap();
        format!("echo '{}'; sleep 60", line(&root.join("rpp"), DESCRIPTOR.as_bytes()))
    })
    .await;
    assert!(matches!(&error, LaunchError::Deviant { what, .. } if what.contains("not private")), "{error}");
}

#[tokio::test]
async fn a_talker_is_refused() {
    let mut listener = None;
    let error = fault(|root| {
        listener = Some(listening(root));
        let line = line(&root.join("rpp"), DESCRIPTOR.as_bytes());
        format!("printf '%s\\n%s\\n' '{line}' '{line}'; sleep 60")
    })
    .await;
    assert!(matches!(&error, LaunchError::Deviant { what, .. } if what.contains("more than one line")), "{error}");
}

#[tokio::test]
async fn a_sleeper_is_late() {
    let root = tempfile::tempdir().unwrap();
    let place = plugin(root.path(), "exec sleep 60");
    let error = super::launch::launch_within(&place, std::time::Duration::from_millis(200)).await.err().unwrap();
    assert!(matches!(error, LaunchError::LineLate { .. }), "{error}");
}

#[tokio::test]
async fn the_keeper_tells_failures_and_pauses_longer_each_time() {
    let root = tempfile::tempdir().unwrap();
    let host = PluginHost::keep(plugin(root.path(), "echo hello"));
    let HostEvent::Failed { plugin_fault, pause, .. } = host.next_event().await.unwrap() else {
        panic!("no failure told")
    };
    assert!(plugin_fault && pause == std::time::Duration::from_secs(1));
    assert!(host.plugin().is_none());
    host.retire().await;
}
