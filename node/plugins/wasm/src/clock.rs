//! Coarse clocks: one millisecond, so that a guest cannot time its neighbours' caches.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

const GRAIN: Duration = Duration::from_millis(1);
const GRAIN_NS: u64 = 1_000_000;

/// Wall clock cut to milliseconds.
#[derive(Debug)]
pub struct CoarseWall;

impl HostWallClock for CoarseWall {
    fn resolution(&self) -> Duration {
        GRAIN
    }

    fn now(&self) -> Duration {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Duration::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Monotonic clock since the start of the request, cut to milliseconds.
#[derive(Debug)]
pub struct CoarseMonotonic(pub Instant);

impl HostMonotonicClock for CoarseMonotonic {
    fn resolution(&self) -> u64 {
        GRAIN_NS
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_mul(GRAIN_NS)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn nothing_below_a_millisecond_shows() {
        assert_eq!(CoarseWall.now().subsec_nanos() % 1_000_000, 0);
        assert_eq!(CoarseMonotonic(Instant::now()).now() % GRAIN_NS, 0);
    }
}
