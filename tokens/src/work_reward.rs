//! What providers, operators, publishers and developers earn by paid work (tokens.md §5).
//!
//! Only the part of a fee that no trader can get back counts, so trading with oneself pays at least
//! `1/cap_per_quote` quote units per token.

use crate::wide::{div_floor, part, product};

/// Parameters of the formula.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WorkParameters {
    /// Most tokens per quote unit of eligible fee.
    pub cap_per_quote: u64,
    /// Most quote units of eligible fee per token of bond.
    pub leverage: u64,
}

/// What one fee payment adds: the treasury's part, scaled by the service that was delivered.
#[must_use]
pub fn counted(treasury_part: u64, service_ppm: u64) -> u64 {
    part(treasury_part, service_ppm)
}

impl WorkParameters {
    /// `elig = min(acc, bond·leverage)`.
    #[must_use]
    pub fn eligible(&self, acc: u64, bond: u64) -> u64 {
        acc.min(bond.saturating_mul(self.leverage))
    }

    /// `W = min(pot, cap_per_quote·Σelig)`.
    #[must_use]
    pub fn minted(&self, pot: u64, eligible_sum: u128) -> u64 {
        let cap = eligible_sum.saturating_mul(u128::from(self.cap_per_quote));
        u64::try_from(cap).unwrap_or(u64::MAX).min(pot)
    }
}

/// `W·elig/Σelig`.
#[must_use]
pub fn reward(minted: u64, eligible: u64, eligible_sum: u128) -> u64 {
    div_floor(product(&[u128::from(minted), u128::from(eligible)]), product(&[eligible_sum]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rewards_stay_within_what_is_minted_and_wash_trading_costs_its_price(
            pot: u64, items in prop::collection::vec((0u64..1_000_000_000_000, 0u64..1_000_000_000_000), 0..30),
        ) {
            let p = WorkParameters { cap_per_quote: 10, leverage: 10 };
            let eligible: Vec<u64> = items.iter().map(|(acc, bond)| p.eligible(*acc, *bond)).collect();
            let sum: u128 = eligible.iter().map(|e| u128::from(*e)).sum();
            let minted = p.minted(pot, sum);
            let rewards: Vec<u64> = eligible.iter().map(|e| reward(minted, *e, sum)).collect();
            prop_assert!(rewards.iter().map(|r| u128::from(*r)).sum::<u128>() <= u128::from(minted));
            prop_assert!(minted <= pot);
            for (reward, (acc, _)) in rewards.iter().zip(&items) {
                prop_assert!(*reward <= acc.saturating_mul(10));
            }
        }
    }

    extern crate std;
    use std::vec::Vec;
}
