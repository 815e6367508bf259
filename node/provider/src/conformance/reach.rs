//! C9: what section 5 puts out of a tenant's reach is not reached, with the widest egress that the plugin gives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::ensure;
use nupeer_plugin_protocol::handshake::COOKIE_VARIABLE;
use nupeer_plugin_protocol::v1::Egress;
use tokio::net::TcpListener;

use super::{Bench, Steps};

const ID: &str = "lease-c9/web";
const ELSEWHERE: [&str; 9] = [
    "169.254.169.254:80",
    "10.0.0.1:80",
    "172.16.0.1:80",
    "192.168.0.1:80",
    "100.64.0.1:80",
    "0.0.0.0:80",
    "[::1]:80",
    "[fd00::1]:80",
    "[fe80::1]:80",
];
const FILES: [&str; 5] = ["/etc/shadow", "/proc/1/environ", "/root/.bashrc", "/run/docker.sock", "/sys/kernel/notes"];

pub async fn run(bench: &mut Bench, steps: &mut Steps) -> anyhow::Result<()> {
    let mut spec = bench.spec(ID, 1);
    spec.egress = Egress::Open.into();
    let open = bench.plugin()?.check(spec.clone()).await?.ok;
    if !open {
        spec.egress = Egress::None.into();
    }
    bench.start_spec(spec).await?;
    steps.done(if open { "egress open" } else { "egress none, the widest that this plugin gives" });

    let seen = Arc::new(AtomicU32::new(0));
    let listener = TcpListener::bind("0.0.0.0:0").await?;
    let port = listener.local_addr()?.port();
    let visitors = Arc::clone(&seen);
    let accepting = tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            visitors.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut targets: Vec<String> = ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]"]
        .into_iter()
        .map(|host| format!("{host}:{port}"))
        .collect();
    targets.extend(own_addresses().into_iter().map(|address| format!("{address}:{port}")));
    targets.extend(ELSEWHERE.map(str::to_owned));
    for target in &targets {
        let answer = bench.get(ID, &format!("/connect?to={target}")).await?;
        ensure!(answer.starts_with("error"), "{target}: {answer}");
    }
    accepting.abort();
    ensure!(seen.load(Ordering::Relaxed) == 0, "a listener of the host was reached");
    steps.done(format!("{} addresses of host, LAN and metadata: none reached", targets.len()));

    let state = bench.state_dir().to_string_lossy().into_owned();
    let secrets = [format!("{state}/events"), format!("/proc/{}/environ", std::process::id())];
    let paths: Vec<String> = FILES.map(str::to_owned).into_iter().chain(secrets).collect();
    for path in &paths {
        let inside = bench.get(ID, &format!("/read?path={path}")).await?;
        let outside = std::fs::read_to_string(path).unwrap_or_default();
        ensure!(inside.starts_with("error") || inside != outside, "{path} of the host is readable inside");
    }
    let escape = bench.get(ID, "/write?path=/data/../../escaped&text=x").await?;
    ensure!(escape.starts_with("error") || bench.subject == super::Subject::Binary, "a volume can be left: {escape}");
    ensure!(!bench.state_dir().join("escaped").exists(), "a volume was left by ..");
    steps.done(format!("{} files of the host: none readable", paths.len()));

    let (_, pids) = bench.inspect(ID).await?;
    for pid in pids {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let cookie = environment.windows(COOKIE_VARIABLE.len()).any(|part| part == COOKIE_VARIABLE.as_bytes());
        ensure!(!cookie, "process {pid} inherited the cookie");
    }
    steps.done("the processes inherited nothing of the plugin's environment");
    Ok(())
}

/// This machine's own addresses, as far as routes tell them, without sending anything.
fn own_addresses() -> Vec<std::net::IpAddr> {
    let local = |target: &str| {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
        socket.connect(target).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    local("192.0.2.1:9").into_iter().collect()
}
