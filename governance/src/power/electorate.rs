//! Who could vote, and what share of them an amount is (governance.md §2.3).
//!
//! Each token's votable total is a full electorate of its own; areas weigh them. A token of which little is votable
//! weighs less, so that a few early coins of one token cannot decide. All decisions compare exact integers.

use super::account::part;
use super::{Amounts, PPM, Weights};
use ruint::aliases::U256;

/// Parameters of maturity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Maturity {
    /// `power.maturity_min`.
    pub min: u64,
    /// `power.maturity_ppm`.
    pub ppm: u64,
}

impl Maturity {
    /// `M = max(maturity_min, S·maturity_ppm/10^6)` per token.
    #[must_use]
    pub fn of(&self, supply: Amounts) -> Amounts {
        supply.map(|s| part(s, self.ppm).max(self.min))
    }
}

/// Votable totals and effective weights of an area at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Electorate {
    /// `A`: votable total per token.
    pub active: Amounts,
    /// `w'`: weight of each token after maturity, ppm.
    pub eff: Weights,
}

impl Electorate {
    /// `w' = w·min(A, M)/M`.
    #[must_use]
    pub fn new(weights: Weights, active: Amounts, maturity: Amounts) -> Self {
        let mut eff = [0; 3];
        for (((to, w), a), m) in eff.iter_mut().zip(weights).zip(active).zip(maturity) {
            let product = u128::from(w).saturating_mul(u128::from(a.min(m)));
            let whole = if a > 0 { w } else { 0 };
            *to = product.checked_div(u128::from(m)).map_or(whole, |x| u32::try_from(x).unwrap_or(w));
        }
        Self { active, eff }
    }

    /// `W = Σw'`.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.eff.iter().map(|w| u64::from(*w)).sum()
    }

    /// Whether enough of the weight is votable to decide alone.
    #[must_use]
    pub fn is_mature(&self, mature_sum: u64) -> bool {
        self.sum() >= mature_sum
    }

    /// `N(x) = Σ w'_t·x_t·Π_{s≠t} A_s` over the tokens that weigh something.
    #[must_use]
    pub fn numerator(&self, x: [u128; 3]) -> U256 {
        let mut sum = U256::ZERO;
        for (t, (w, x)) in self.eff.iter().zip(x).enumerate().filter(|(_, (w, _))| **w > 0) {
            let own = U256::from(*w).saturating_mul(U256::from(x));
            let others = self.weighing().filter(|(s, _)| *s != t);
            sum = sum.saturating_add(others.fold(own, |product, (_, a)| product.saturating_mul(U256::from(a))));
        }
        sum
    }

    /// `full = W·P`, `P = ΠA` over the tokens that weigh something; 0 if none does.
    #[must_use]
    pub fn full(&self) -> U256 {
        let product = self.weighing().fold(U256::from(1), |product, (_, a)| product.saturating_mul(U256::from(a)));
        product.saturating_mul(U256::from(self.sum()))
    }

    /// The composite share of `x` in ppm: `⌊10^6·N/(W·P)⌋`, 0 without electorate.
    #[must_use]
    pub fn share_ppm(&self, x: Amounts) -> u64 {
        let numerator = self.numerator(x.map(u128::from)).saturating_mul(U256::from(PPM));
        numerator.checked_div(self.full()).map_or(0, |share| u64::try_from(share).unwrap_or(u64::MAX))
    }

    fn weighing(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let tokens = self.active.into_iter().zip(self.eff).enumerate();
        tokens.filter(|(_, (_, w))| *w > 0).map(|(t, (a, _))| (t, a))
    }
}
