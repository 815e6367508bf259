//! How much a workload may keep in its volumes: `limits.scratch_bytes` over all of them.
//!
//! The holder measures while requests run. Beyond the limit volumes are opened read-only for new requests; running
//! ones that go a tenth beyond are ended. A filesystem with project quotas would do this exactly; this does it on any.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nupeer_plugin_protocol::plugin::hold::Held;
use nupeer_plugin_protocol::v1::EventKind;

/// For specs that name no limit.
const DEFAULT_BYTES: u64 = 1 << 30;
const MEASURE_EVERY: Duration = Duration::from_millis(250);
/// More entries than this are counted as if over the limit: walking them would cost the host more than their bytes.
const ENTRIES_MAX: usize = 100_000;

/// The state of a workload's volumes.
#[derive(Debug)]
pub struct Quota {
    limit: u64,
    used: AtomicU64,
    busy: AtomicBool,
}

impl Quota {
    /// A quota of `bytes`; 0 means the default of 1 GiB.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        let limit = if bytes == 0 { DEFAULT_BYTES } else { bytes };
        Self { limit, used: AtomicU64::new(0), busy: AtomicBool::new(true) }
    }

    /// New requests get their volumes read-only.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.limit
    }

    /// Running requests end.
    #[must_use]
    pub fn is_overrun(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.limit.saturating_add(self.limit / 10)
    }

    /// A request ran, so there may be something to measure.
    pub fn touched(&self) {
        self.busy.store(true, Ordering::Relaxed);
    }

    /// Measures for as long as the workload runs.
    pub async fn watch(&self, held: &Held, volumes: Vec<PathBuf>) {
        let mut told = false;
        loop {
            if self.busy.swap(false, Ordering::Relaxed) && !volumes.is_empty() {
                let paths = volumes.clone();
                let used = tokio::task::spawn_blocking(move || measure(&paths)).await.unwrap_or(0);
                self.used.store(used, Ordering::Relaxed);
                if self.is_full() && !told {
                    let text = format!("volumes hold {used} bytes of {}", self.limit);
                    held.tell(EventKind::DiskFull, 0, &text);
                    held.log.note(&text);
                }
                told = self.is_full();
            }
            tokio::time::sleep(MEASURE_EVERY).await;
        }
    }
}

fn measure(volumes: &[PathBuf]) -> u64 {
    let mut waiting: Vec<PathBuf> = volumes.to_vec();
    let (mut bytes, mut entries) = (0u64, 0usize);
    while let Some(directory) = waiting.pop() {
        let Ok(listing) = std::fs::read_dir(&directory) else { continue };
        for entry in listing.flatten() {
            entries = entries.saturating_add(1);
            if entries > ENTRIES_MAX {
                return u64::MAX;
            }
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                waiting.push(entry.path());
            }
            bytes = bytes.saturating_add(meta.len());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn files_in_all_directories_count() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("deep")).unwrap();
        std::fs::write(root.path().join("a"), [0; 100]).unwrap();
        std::fs::write(root.path().join("deep/b"), [0; 50]).unwrap();
        assert!(measure(&[root.path().to_owned()]) >= 150);
        let quota = Quota::new(100);
        quota.used.store(105, Ordering::Relaxed);
        assert!(quota.is_full() && !quota.is_overrun());
        quota.used.store(111, Ordering::Relaxed);
        assert!(quota.is_overrun());
    }
}
