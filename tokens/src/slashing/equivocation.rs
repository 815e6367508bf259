//! Correlated slashing of kinds 1-3 (tokens.md §7): alone it costs the floor, a third together costs everything.

use super::MILLION;
use ruint::aliases::U256;

/// `max(floor, min(10^6, ⌊9·x²·10^6/n²⌋))`, where `x` is the weight of all offenders of the kind in the epoch and `n`
/// the whole weight. With no weight at all the offender is everybody: the whole bond.
#[must_use]
pub fn equivocation_ppm(offending: u128, total: u128, floor_ppm: u64) -> u64 {
    let million = U256::from(MILLION);
    let (x, n) = (U256::from(offending.min(total)), U256::from(total));
    let part = (|| {
        let scaled = x.checked_mul(x)?.checked_mul(U256::from(9u8))?.checked_mul(million)?;
        scaled.checked_div(n.checked_mul(n)?)
    })();
    let ppm = part.unwrap_or(million).min(million);
    u64::try_from(ppm).unwrap_or(MILLION).max(floor_ppm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn alone_the_floor_a_third_everything() {
        for (x, ppm) in [(1, 100_000), (10, 100_000), (20, 360_000), (34, 1_000_000), (100, 1_000_000)] {
            assert_eq!(equivocation_ppm(x, 100, 100_000), ppm, "{x} of 100");
        }
        assert_eq!(equivocation_ppm(0, 0, 100_000), 1_000_000);
    }

    proptest! {
        #[test]
        fn more_offenders_never_cost_less(x in 0u128..1_000_000_000_000_000, more in 0u128..1_000_000, floor in 10_000u64..=1_000_000) {
            let n = 1_000_000_000_000_000;
            let (less, more) = (equivocation_ppm(x, n, floor), equivocation_ppm((x + more).min(n), n, floor));
            prop_assert!(less <= more && less >= floor && more <= 1_000_000);
        }
    }
}
