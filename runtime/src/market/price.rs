//! Reference price, phase and band of an instrument (market.md §2).

use super::auction::Band;
use alloc::collections::BTreeSet;
use nupeer_primitives::record;

/// Parts of a whole in basis points.
pub const B: u64 = 10_000;
/// Phase without a band.
pub const PHASE_FREE: u8 = 3;

record! {
    /// What an instrument remembers of its past days.
    #[derive(Copy)]
    pub struct PriceState {
        /// Reference tick.
        pub reference: u16,
        /// 0 fixed, 1 and 2 banded, 3 free.
        pub phase: u8,
        /// Days in a row that count up.
        pub good_days: u32,
        /// Days in a row that count down.
        pub thin_days: u32,
    }
}

/// What moves an instrument between phases.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhaseRules {
    /// Least selling providers of a good day.
    pub up_sellers: u64,
    /// Least lots of a good day.
    pub up_lots: u64,
    /// Good days in a row that widen the band.
    pub up_days: u64,
    /// A day with fewer selling providers is thin.
    pub down_sellers: u64,
    /// Thin days in a row that narrow the band.
    pub down_days: u64,
    /// Governed maximum.
    pub phase_max: u8,
}

/// Half widths of the bands of phases 1 and 2, bps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BandWidths {
    /// Phase 1.
    pub phase_1_bps: u64,
    /// Phase 2.
    pub phase_2_bps: u64,
}

impl Default for BandWidths {
    fn default() -> Self {
        Self { phase_1_bps: 2_000, phase_2_bps: 5_000 }
    }
}

/// One day's trades of an instrument; `S` identifies a seller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Day<S: Ord> {
    /// Σ tick·lots.
    pub value: u128,
    /// Σ lots.
    pub lots: u128,
    /// Who sold.
    pub sellers: BTreeSet<S>,
}

impl<S: Ord> Default for Day<S> {
    fn default() -> Self {
        Self { value: 0, lots: 0, sellers: BTreeSet::new() }
    }
}

impl<S: Ord> Day<S> {
    /// Counts a trade.
    pub fn add(&mut self, tick: u16, lots: u64, seller: S) {
        if lots > 0 {
            self.value = self.value.saturating_add(u128::from(tick).saturating_mul(u128::from(lots)));
            self.lots = self.lots.saturating_add(u128::from(lots));
            self.sellers.insert(seller);
        }
    }

    /// `⌊Σ tick·lots / Σ lots⌋`; `None` without trades. An average of ticks is a tick.
    #[must_use]
    pub fn index(&self) -> Option<u16> {
        u16::try_from(self.value.checked_div(self.lots)?).ok()
    }
}

/// Legal ticks.
#[must_use]
pub fn band(reference: u16, phase: u8, widths: BandWidths) -> Band {
    let width_bps = match phase {
        0 => 0,
        1 => widths.phase_1_bps.min(B),
        2 => widths.phase_2_bps.min(B),
        _ => return Band { lo: 1, hi: u16::MAX },
    };
    let reference = u64::from(reference);
    let lo = reference.saturating_mul(B.saturating_sub(width_bps)).div_ceil(B).max(1);
    let hi = reference.saturating_mul(B.saturating_add(width_bps)).checked_div(B).unwrap_or(0);
    let tick = |x: u64| u16::try_from(x).unwrap_or(u16::MAX);
    Band { lo: tick(lo), hi: tick(hi) }
}

/// State after a day. In phase 0 the reference stays as the platform set it.
#[must_use]
pub fn close_day<S: Ord>(state: PriceState, rules: &PhaseRules, day: &Day<S>) -> PriceState {
    let mut next = state;
    if let Some(index) = day.index().filter(|_| state.phase > 0) {
        let step = i32::from(index).saturating_sub(i32::from(state.reference)).div_euclid(8);
        let moved = i32::from(state.reference).saturating_add(step).max(1);
        next.reference = u16::try_from(moved).unwrap_or(u16::MAX);
    }
    let sellers = day.sellers.len() as u64;
    let is_good = sellers >= rules.up_sellers && day.lots >= u128::from(rules.up_lots);
    let is_thin = sellers < rules.down_sellers;
    next.good_days = if is_good { state.good_days.saturating_add(1) } else { 0 };
    next.thin_days = if is_thin { state.thin_days.saturating_add(1) } else { 0 };
    let up = u64::from(next.good_days) >= rules.up_days && state.phase < rules.phase_max.min(PHASE_FREE) && is_good;
    let down = u64::from(next.thin_days) >= rules.down_days && state.phase > 0 && is_thin;
    if up || down {
        next.phase = if up { state.phase.saturating_add(1) } else { state.phase.saturating_sub(1) };
        next.good_days = 0;
        next.thin_days = 0;
    }
    next
}
