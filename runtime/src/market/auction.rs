//! The batch auction (market.md §4): one uniform price per instrument and block.
//!
//! Results depend on the orders, the band and the seed, never on the order of arrival (invariant 5): both sides are
//! sorted by tick and tie key before anything is decided. Pure: the caller moves the money.

pub mod clearing;
pub mod divisible;
pub mod packed;
#[cfg(test)]
mod tests;

use nupeer_primitives::OrderId;

/// Legal ticks of a batch (market.md §2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Band {
    /// Lowest.
    pub lo: u16,
    /// Highest.
    pub hi: u16,
}

impl Band {
    /// A bid's effective tick; `None` when it lies below the band.
    #[must_use]
    pub fn bid(self, tick: u16) -> Option<u16> {
        (tick >= self.lo).then(|| tick.min(self.hi))
    }
    /// An ask's effective tick; `None` when it lies above the band.
    #[must_use]
    pub fn ask(self, tick: u16) -> Option<u16> {
        (tick <= self.hi).then(|| tick.max(self.lo))
    }
}

/// An order as the auction sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order {
    /// Sequential id, the source of its tie key.
    pub id: OrderId,
    /// Limit.
    pub tick: u16,
    /// Lots wanted or offered.
    pub lots: u64,
}
