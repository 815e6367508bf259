//! Governance time (governance.md §1): slots, of which no gap counts for more than a cap.
//!
//! An outage stretches every political window, as governance time stops with the chain. The cap is at most a tick
//! (guardrail `ClockCap`), so a block crosses at most one tick boundary and no tick is skipped unseen.

use nupeer_primitives::record;

/// Number of a tick, from 0 at genesis. Deadlines are tick numbers; windows open and close on their boundaries.
pub type Tick = u64;

record! {
    /// `gt`: seconds of governance time since genesis.
    #[derive(Copy, Default)]
    pub struct Clock {
        /// Now.
        pub gt: u64,
    }
}

impl Clock {
    /// The clock `slots` after this one.
    #[must_use]
    pub fn advanced(self, slots: u64, cap: u64) -> Self {
        Self { gt: self.gt.saturating_add(slots.min(cap)) }
    }

    /// The running tick.
    #[must_use]
    pub fn tick(self, tick_gt: u64) -> Tick {
        self.gt.checked_div(tick_gt).unwrap_or(0)
    }
}
