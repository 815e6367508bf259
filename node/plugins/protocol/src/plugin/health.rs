//! The tenant's health check, asked by the holder over the workload's own socket as any visitor would: plain
//! HTTP/1.1, so a probe costs the tenant what a request costs.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::hold::Held;
use crate::uds::ShortPath;
use crate::v1::{EventKind, Health, HealthCheck};

const EVERY_MS_MIN: u32 = 500;
const TIMEOUT_MS_DEFAULT: u32 = 2_000;

/// Probes for as long as the holder lives; `unhealthy` is told once per fall.
pub async fn watch(held: &Held, check: &HealthCheck, socket: &Path) {
    let every = Duration::from_millis(u64::from(check.every_ms.max(EVERY_MS_MIN)));
    let timeout_ms = if check.timeout_ms == 0 { TIMEOUT_MS_DEFAULT } else { check.timeout_ms };
    let timeout = Duration::from_millis(u64::from(timeout_ms));
    let mut failures = 0u32;
    loop {
        let healthy = matches!(tokio::time::timeout(timeout, probe(socket, &check.path)).await, Ok(Ok(true)));
        if healthy {
            failures = 0;
            held.health.store(Health::Healthy.into(), Ordering::Relaxed);
        } else {
            failures = failures.saturating_add(1);
            let was = held.health.load(Ordering::Relaxed);
            if failures >= check.failures.max(1) && was != i32::from(Health::Unhealthy) {
                held.health.store(Health::Unhealthy.into(), Ordering::Relaxed);
                held.tell(EventKind::Unhealthy, 0, &format!("{} failed {failures} times", check.path));
            }
        }
        tokio::time::sleep(every).await;
    }
}

/// One request; true for a status below 400.
async fn probe(socket: &Path, path: &str) -> io::Result<bool> {
    let mut stream = UnixStream::connect(ShortPath::new(socket)?).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    // "HTTP/1.1 200" is all that is needed.
    let mut start = [0u8; 12];
    stream.read_exact(&mut start).await?;
    let status: u16 = String::from_utf8_lossy(&start[9..]).parse().unwrap_or(0);
    Ok(start.starts_with(b"HTTP/1.") && (100..400).contains(&status))
}
