//! The leader check of Praos in exact fixed point (consensus.md §3).
//!
//! ```text
//! leader  <=>  2^256 / (2^256 - value) < e^(-sigma · ln(1 - f))
//! ```
//! Equivalent to `value / 2^256 < 1 - (1-f)^sigma`, in the form in which Cardano computes it.

use super::fixed::{AgainstExp, Fixed, compare_with_exp, ln_below_one};

/// Error bound of the Taylor comparison: e^x on [0, 1] stays below it.
const BOUND: u32 = 3;

/// A share of the whole weight, kept exact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sigma {
    /// Weight of the pool.
    pub weight: u128,
    /// Weight of all pools.
    pub total: u128,
}

/// The check for one active slot coefficient; computes the logarithm once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaderCheck {
    /// `ln(1-f)`; `None` when f is 1 or more: everyone always leads.
    c: Option<Fixed>,
}

impl LeaderCheck {
    /// For f = `num/den`. f >= 1, or `den` 0, means that every pool with weight leads every slot.
    #[must_use]
    pub fn new(f_num: u64, f_den: u64) -> Self {
        if f_num >= f_den {
            return Self { c: None };
        }
        let rest = Fixed::one().minus(&Fixed::ratio(u128::from(f_num), u128::from(f_den)));
        // f = 0 leaves ln(1) = 0: nobody ever leads.
        Self { c: Some(ln_below_one(&rest).unwrap_or_else(Fixed::zero)) }
    }

    /// `ln(1-f)`.
    #[must_use]
    pub const fn ln_one_minus_f(&self) -> Option<&Fixed> {
        self.c.as_ref()
    }

    /// True iff `value` ([`super::vrf::leader_value`]) makes a pool of share `sigma` leader.
    #[must_use]
    pub fn leads(&self, value: &[u8; 32], sigma: Sigma) -> bool {
        if sigma.weight == 0 || sigma.total == 0 {
            return false;
        }
        let Some(c) = &self.c else { return true };
        let whole = Fixed::two_to_256();
        let left = whole.over(&whole.minus(&Fixed::whole_be(value)));
        let x = Fixed::ratio(sigma.weight, sigma.total).times(c).negated();
        match compare_with_exp(&left, &x, BOUND) {
            AgainstExp::Below => true,
            AgainstExp::NotBelow | AgainstExp::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests;
