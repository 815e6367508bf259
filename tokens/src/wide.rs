//! Exact 256-bit intermediates: products of amounts that no 128-bit integer holds, back to an amount at the end.

use ruint::aliases::U256;

/// `10^6`, the whole of a ppm.
pub const MILLION: u64 = 1_000_000;

/// The product of some factors; saturates where the specification's bounds are broken by hostile input.
#[must_use]
pub fn product(factors: &[u128]) -> U256 {
    factors.iter().fold(U256::from(1u8), |all, factor| all.saturating_mul(U256::from(*factor)))
}

/// `⌊numerator / denominator⌋`, 0 for nothing to divide by, at most what 64 bits hold.
#[must_use]
pub fn div_floor(numerator: U256, denominator: U256) -> u64 {
    numerator.checked_div(denominator).unwrap_or_default().saturating_to::<u64>()
}

/// `⌊a·b/c⌋` of amounts, 0 for c = 0, at most what 64 bits hold.
#[must_use]
pub fn mul_div_floor(a: u64, b: u64, c: u64) -> u64 {
    let quotient = (u128::from(a).saturating_mul(u128::from(b))).checked_div(u128::from(c)).unwrap_or(0);
    u64::try_from(quotient).unwrap_or(u64::MAX)
}

/// `⌊a·ppm/10^6⌋`.
#[must_use]
pub fn part(a: u64, ppm: u64) -> u64 {
    mul_div_floor(a, ppm, MILLION)
}
