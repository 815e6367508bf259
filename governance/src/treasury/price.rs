//! Whether a day's index may be acted upon (tokens.md §9).

use super::MILLION;

/// Parameters of [`is_price_valid`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PriceRules {
    /// Least lots of the day.
    pub min_lots: u128,
    /// Most that the index may have moved, ppm of the one before.
    pub jump_ppm: u64,
}

/// Valid if the index is not 0, at least `min_lots` traded and it did not jump; without a previous index (0) no jump is
/// known.
#[must_use]
pub fn is_price_valid(index: u64, previous: u64, lots: u128, rules: &PriceRules) -> bool {
    let moved = u128::from(index.abs_diff(previous)).saturating_mul(u128::from(MILLION));
    let permitted = u128::from(previous).saturating_mul(u128::from(rules.jump_ppm));
    index != 0 && lots >= rules.min_lots && (previous == 0 || moved <= permitted)
}
