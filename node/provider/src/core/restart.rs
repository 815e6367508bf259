//! When to try again: failed tasks back off, ended workloads follow the restart policy (spec/provider.md §1 Recovery).

/// Delays before the first, second, ... restart of a workload that ended by itself.
pub const RESTART_DELAYS_MS: [u64; 5] = [0, 30_000, 300_000, 900_000, 1_800_000];
/// A workload that ran this long starts its series anew.
pub const STABLE_MS: u64 = 600_000;
/// First and longest wait after a failed task.
pub const RETRY_FIRST_MS: u64 = 1_000;
/// Longest wait after a failed task.
pub const RETRY_LAST_MS: u64 = 60_000;

/// Waits 1 s, 2 s, 4 s ... 60 s after failures in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retry {
    failures: u32,
    not_before_ms: u64,
}

impl Retry {
    /// Notes a failure.
    pub fn failed(&mut self, now_ms: u64) {
        let wait = RETRY_FIRST_MS.saturating_mul(1 << self.failures.min(6)).min(RETRY_LAST_MS);
        self.failures = self.failures.saturating_add(1);
        self.not_before_ms = now_ms.saturating_add(wait);
    }
    /// Notes a success.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }
    /// Waits without blaming anybody.
    pub fn wait_until(&mut self, now_ms: u64) {
        self.not_before_ms = now_ms;
    }
    /// Whether trying is due.
    #[must_use]
    pub const fn is_due(&self, now_ms: u64) -> bool {
        now_ms >= self.not_before_ms
    }
}

/// Restarts of one workload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restarts {
    count: usize,
    started_ms: u64,
    exited_ms: Option<u64>,
}

impl Restarts {
    /// It runs.
    pub const fn started(&mut self, now_ms: u64) {
        self.started_ms = now_ms;
        self.exited_ms = None;
    }
    /// The first time its end is noticed.
    pub fn exited(&mut self, now_ms: u64) {
        if self.exited_ms.is_none() {
            if now_ms.saturating_sub(self.started_ms) >= STABLE_MS {
                self.count = 0;
            }
            self.exited_ms = Some(now_ms);
        }
    }
    /// It is started again.
    pub const fn restarting(&mut self) {
        self.count = self.count.saturating_add(1);
    }
    /// Whether the delay of this attempt has passed.
    #[must_use]
    pub fn is_due(&self, now_ms: u64) -> bool {
        let last = RESTART_DELAYS_MS.len().saturating_sub(1);
        let delay = RESTART_DELAYS_MS.get(self.count.min(last)).copied().unwrap_or(0);
        self.exited_ms.is_none_or(|at| now_ms >= at.saturating_add(delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_slowed_and_a_calm_forgets_it() {
        let mut r = Restarts::default();
        r.started(0);
        let mut now = 0;
        for delay in RESTART_DELAYS_MS {
            r.exited(now);
            assert!(delay == 0 || !r.is_due(now + delay - 1));
            assert!(r.is_due(now + delay));
            now += delay;
            r.restarting();
            r.started(now);
        }
        now += STABLE_MS;
        r.exited(now);
        assert!(r.is_due(now));
    }

    #[test]
    fn failures_back_off_to_a_minute() {
        let mut r = Retry::default();
        let waits: Vec<u64> = (0..9)
            .map(|_| {
                r.failed(0);
                (0..).step_by(1_000).find(|now| r.is_due(*now)).unwrap_or(0)
            })
            .collect();
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    }
}
