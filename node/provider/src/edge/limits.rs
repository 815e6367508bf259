//! What shields hosts from the world (spec/provider.md §3 Limits).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests in flight of one lease.
pub const IN_FLIGHT_MAX: usize = 1_024;
/// Requests a second of one lease, and how many may come at once.
pub const LEASE_RATE: (u32, u32) = (100, 200);
/// Requests a second of one client address, and how many may come at once: a few browsers, or an office.
pub const ADDRESS_RATE: (u32, u32) = (200, 400);
/// Client connections in all.
pub const CONNECTIONS_MAX: usize = 8_192;
/// Bytes of a request's head.
pub const HEADER_BYTES_MAX: usize = 32 << 10;
/// A connection without a request, and a workload without an answer.
pub const IDLE: Duration = Duration::from_secs(120);
/// Addresses remembered; when full, the idle ones are forgotten.
const ADDRESSES_MAX: usize = 16_384;

/// Tokens that come back with time.
#[derive(Debug)]
pub struct Bucket {
    tokens_milli: u64,
    filled: Instant,
    per_second: u32,
    burst: u32,
}

impl Bucket {
    /// Full.
    #[must_use]
    pub fn new((per_second, burst): (u32, u32)) -> Self {
        Self { tokens_milli: u64::from(burst).saturating_mul(1_000), filled: Instant::now(), per_second, burst }
    }
    /// Takes one, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let elapsed_ms = u64::try_from(now.saturating_duration_since(self.filled).as_millis()).unwrap_or(u64::MAX);
        if elapsed_ms > 0 {
            let more = elapsed_ms.saturating_mul(u64::from(self.per_second));
            self.tokens_milli = self.tokens_milli.saturating_add(more).min(u64::from(self.burst).saturating_mul(1_000));
            self.filled = now;
        }
        match self.tokens_milli.checked_sub(1_000) {
            Some(left) => {
                self.tokens_milli = left;
                true
            }
            None => false,
        }
    }
    fn is_idle(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.filled) > IDLE
    }
}

/// One bucket per client address.
#[derive(Debug, Default)]
pub struct Addresses(Mutex<BTreeMap<IpAddr, Bucket>>);

impl Addresses {
    /// Whether a request of this address may pass.
    pub fn permit(&self, address: IpAddr) -> bool {
        let now = Instant::now();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ADDRESSES_MAX && !all.contains_key(&address) {
            all.retain(|_, bucket| !bucket.is_idle(now));
            if all.len() >= ADDRESSES_MAX {
                return false;
            }
        }
        all.entry(address).or_insert_with(|| Bucket::new(ADDRESS_RATE)).take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::new((100, 200));
        let start = Instant::now();
        assert_eq!((0..500).filter(|_| bucket.take(start)).count(), 200);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..500).filter(|_| bucket.take(later)).count(), 100);
    }
}
