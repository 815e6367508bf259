//! What this machine has, as far as a software runtime can offer it. Devices belong to plugins with their bits.

use std::path::Path;

use crate::v1::InventorySnapshot;

/// Looks at the machine now.
#[must_use]
pub fn snapshot(seq: u64, state_dir: &Path) -> InventorySnapshot {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let ram = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| memory_total(&text));
    let scratch = rustix::fs::statvfs(state_dir).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    let reason = match (&ram, &scratch) {
        (None, _) => "/proc/meminfo cannot be read".to_owned(),
        (_, Err(error)) => format!("state directory cannot be measured: {error}"),
        (Some(_), Ok(_)) => String::new(),
    };
    InventorySnapshot {
        seq,
        cpu_milli: u64::try_from(cores).unwrap_or(1).saturating_mul(1_000),
        ram_bytes: ram.unwrap_or(0),
        scratch_bytes: scratch.unwrap_or(0),
        devices: Vec::new(),
        traits: 0,
        healthy: reason.is_empty(),
        reason,
    }
}

fn memory_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(memory_total("MemTotal:       24566 kB\nMemFree: 1 kB\n"), Some(24_566 * 1_024));
        assert_eq!(memory_total("nothing"), None);
    }
}
