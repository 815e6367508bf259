//! The guard against an electorate that jumps just before a proposal opens (governance.md §6, "at open").

use super::PPM;

/// Parameters of the guard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpikeRules {
    /// `power.spike_factor`, ppm.
    pub factor_ppm: u64,
    /// `power.spike_lookback`, epochs.
    pub lookback: u32,
}

/// s': the epoch whose start counts instead of `s`: the earliest of the least totals among the previous `lookback`
/// epoch starts, if the total at `s` is more than `factor` times that; else `s` itself.
#[must_use]
pub fn guard_epoch(at_start: impl Fn(u32) -> u64, s: u32, rules: &SpikeRules) -> u32 {
    let Some(first) = s.checked_sub(rules.lookback) else { return s };
    let Some((least, epoch)) = (first..s).map(|epoch| (at_start(epoch), epoch)).min() else { return s };
    let jumped = u128::from(at_start(s)).saturating_mul(u128::from(PPM));
    if jumped > u128::from(least).saturating_mul(u128::from(rules.factor_ppm)) { epoch } else { s }
}
