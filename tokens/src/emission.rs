//! How much of a native token an epoch may mint at most, and for whom (tokens.md §2).
//!
//! There is no cap on the supply; the rate is bounded, and follows the share that is bonded. What a part does not earn
//! is never minted.

use crate::wide::{MILLION, mul_div_floor, part};
use nupeer_primitives::AssetId;

/// The rate at genesis, parts per billion a year.
pub const GENESIS_RATE_PPB: u32 = 20_000_000;

/// Parameters of the formulas.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EmissionParameters {
    /// Minted at most in each epoch whatever the supply.
    pub base: u64,
    /// Bonded share that leaves the rate as it is, ppm.
    pub target_ppm: u64,
    /// How fast the rate moves, ppm a year.
    pub step_ppm: u64,
    /// The highest rate, ppm a year.
    pub max_ppm: u64,
    /// Epochs that count as a year.
    pub epochs_per_year: u64,
}

impl EmissionParameters {
    /// `E = base + S·i/10^9/epochs`.
    #[must_use]
    pub fn emission(&self, supply: u64, rate_ppb: u32) -> u64 {
        let year = mul_div_floor(supply, u64::from(rate_ppb), 1_000_000_000);
        self.base.saturating_add(year.checked_div(self.epochs_per_year).unwrap_or(0))
    }

    /// `i' = clamp(i + ((target − b)·step·1000/target)/epochs, 0, max·1000)`; without supply i stays.
    #[must_use]
    pub fn next_rate(&self, rate_ppb: u32, bonded: u64, supply: u64) -> u32 {
        if supply == 0 {
            return rate_ppb;
        }
        let bonded_ppm = mul_div_floor(bonded, MILLION, supply);
        let gap = i128::from(self.target_ppm).saturating_sub(i128::from(bonded_ppm));
        let year = gap.saturating_mul(i128::from(self.step_ppm)).saturating_mul(1_000);
        let year = year.checked_div_euclid(i128::from(self.target_ppm)).unwrap_or(0);
        let step = year.checked_div_euclid(i128::from(self.epochs_per_year)).unwrap_or(0);
        let moved = i128::from(rate_ppb).saturating_add(step);
        let most = i128::from(self.max_ppm).saturating_mul(1_000).min(i128::from(u32::MAX));
        u32::try_from(moved.clamp(0, most)).unwrap_or(u32::MAX)
    }
}

/// Shares of an emission, ppm of the whole; or the amounts that they give.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shares {
    /// Delegators on Cardano.
    pub ispo: u64,
    /// Pools of this chain.
    pub pools: u64,
    /// Providers, operators, publishers.
    pub work: u64,
    /// Developers.
    pub developers: u64,
    /// Treasury, minted at once.
    pub treasury: u64,
}

impl Shares {
    /// Shares of a native token.
    #[must_use]
    pub const fn of(token: AssetId) -> Self {
        if token.0 == AssetId::IAAS.0 {
            Self { ispo: 300_000, pools: 200_000, work: 350_000, developers: 50_000, treasury: 100_000 }
        } else {
            Self { ispo: 300_000, pools: 150_000, work: 350_000, developers: 150_000, treasury: 50_000 }
        }
    }

    /// Each part of `emission`, floored; the rest is not minted.
    #[must_use]
    pub fn split(&self, emission: u64) -> Self {
        Self {
            ispo: part(emission, self.ispo),
            pools: part(emission, self.pools),
            work: part(emission, self.work),
            developers: part(emission, self.developers),
            treasury: part(emission, self.treasury),
        }
    }

    /// Sum of the parts.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.ispo
            .saturating_add(self.pools)
            .saturating_add(self.work)
            .saturating_add(self.developers)
            .saturating_add(self.treasury)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAINNET: EmissionParameters = EmissionParameters {
        base: 200_000_000_000,
        target_ppm: 600_000,
        step_ppm: 40_000,
        max_ppm: 80_000,
        epochs_per_year: 365,
    };

    proptest! {
        #[test]
        fn parts_never_exceed_the_whole(emission: u64, token in 1u16..4) {
            let shares = Shares::of(AssetId(token));
            prop_assert_eq!(shares.sum(), MILLION);
            let parts = shares.split(emission).sum();
            prop_assert!(parts <= emission && emission - parts < 5);
        }

        #[test]
        fn the_rate_stays_bounded_and_moves_towards_the_target(rate in 0u32..80_000_001, bonded in 0u64..=1_000_000) {
            let next = MAINNET.next_rate(rate, bonded, 1_000_000);
            prop_assert!(next <= 80_000_000);
            if bonded > 600_000 { prop_assert!(next <= rate) } else { prop_assert!(next >= rate) }
        }
    }
}
