//! What a network needs before it starts: memory, disk, its ports, the built app. Missing things are named at once, not
//! by a process that ends minutes later.

use anyhow::{Context, Result, bail};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

/// Memory that must be available: four nodes, three daemons, four plugins and the app hold about 400 MB.
const MEMORY_MB_MIN: u64 = 768;
/// Disk that must be free: a day of the chain on four nodes, journals, logs.
const DISK_MB_MIN: u64 = 1_024;
/// How long the processes of a network that was killed a moment ago may take to give their ports back.
const PORTS_WAIT: Duration = Duration::from_secs(10);

/// Whether memory and the disk of `state` suffice.
pub fn must_suffice(state: &Path) -> Result<()> {
    let disk = nix::sys::statvfs::statvfs(state).with_context(|| format!("free space of {}", state.display()))?;
    let free_mb = disk.blocks_available().saturating_mul(disk.fragment_size()) >> 20;
    if free_mb < DISK_MB_MIN {
        bail!(
            "{free_mb} MB are free where {} lies, {DISK_MB_MIN} MB are needed; free some, or choose --state",
            state.display()
        );
    }
    let text = std::fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
    match available_mb(&text) {
        Some(mb) if mb < MEMORY_MB_MIN => {
            bail!("{mb} MB of memory are available, a network needs {MEMORY_MB_MIN} MB; end other programs first")
        }
        Some(_) | None => Ok(()),
    }
}

fn available_mb(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib >> 10)
}

/// Whether a process will get its ports.
pub fn must_be_free(name: &str, ports: &[u16]) -> Result<()> {
    let started = Instant::now();
    loop {
        let Some(taken) = taken(ports) else { return Ok(()) };
        if started.elapsed() > PORTS_WAIT {
            bail!(
                "port {taken} of {name} is in use by another program: see `ss -ltnp 'sport = :{taken}'`; end it, or \
                 start anew with --fresh, which chooses other ports"
            );
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn taken(ports: &[u16]) -> Option<u16> {
    ports.iter().copied().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_err())
}

/// Whether the demo app was built.
pub fn must_have_app(apps: &Path, name: &str) -> Result<()> {
    for file in [format!("{name}.yaml"), format!("{name}.wasm")] {
        let path = apps.join(file);
        if !path.is_file() {
            bail!("{} is missing: run `testnet/apps/build {name}`, which testnet/up does by itself", path.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_taken_port_is_named() {
        let holder = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = holder.local_addr().unwrap().port();
        assert_eq!(taken(&[port]), Some(port));
        drop(holder);
        assert_eq!(taken(&[port]), None);
    }

    #[test]
    fn memory_is_read() {
        assert_eq!(available_mb("MemTotal:  9 kB\nMemAvailable:   2097152 kB\n"), Some(2_048));
        assert_eq!(available_mb("MemTotal: 9 kB"), None);
    }
}
