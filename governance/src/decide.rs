//! The decision over a tally, in exact integers (governance.md §5). [decide, deposit_fate]
//!
//! ```text
//! Strict:  BLOCK   <=> G > 0 and D·10^6 >= Q·full and G·10^6 >= V·D
//! Filled:  BLOCK   <=> G > 0 and G·10^12 >= V·max(D·10^6, Q·full)
//! active:  EXECUTE <=> D·10^6 >= Q·full and F+G > 0 and F·10^6 > T·(F+G)
//! ```
//! F, G, B are composite numerators of the votes for, against and abstaining, D their sum, full the whole electorate.
//!
//! # Invariants
//! - Filled: a vote for never blocks, a vote against never executes. Active: a vote for never blocks.
//! - No operand reaches 2^256: numerators < 2^214, thresholds < 2^20 each.
//!
//! # Deviations
//! In Strict mode a vote for can complete the quorum of a veto; intended for LEGAL_SETTLEMENT alone.

use crate::agreement::{Mode, Thresholds};
use crate::power::Electorate;
use nupeer_primitives::code_enum;
use ruint::aliases::U256;

code_enum! {
    /// What becomes of a proposal.
    pub enum Outcome {
        /// It goes on to its timelock.
        Execute = 0,
        /// It ends.
        Block = 1,
    }
}

code_enum! {
    /// What becomes of a deposit.
    pub enum Fate {
        /// Back to who gave it.
        Refund = 0,
        /// To the treasury.
        Forfeit = 1,
    }
}

/// Composite numerators of a tally.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counted {
    /// F.
    pub yes: U256,
    /// G.
    pub no: U256,
    /// D = F + G + B.
    pub all: U256,
    /// W·P.
    pub full: U256,
}

impl Counted {
    /// Weighs votes for, against and abstaining.
    #[must_use]
    pub fn new(electorate: &Electorate, yes: [u128; 3], no: [u128; 3], abstain: [u128; 3]) -> Self {
        let (yes, no, rest) = (electorate.numerator(yes), electorate.numerator(no), electorate.numerator(abstain));
        Self { yes, no, all: yes.saturating_add(no).saturating_add(rest), full: electorate.full() }
    }

    /// The decision. Without electorate an optimistic proposal executes, an active one does not.
    #[must_use]
    pub fn decide(&self, t: &Thresholds, strict: bool) -> Outcome {
        let (q, x) = (times(self.full, t.q), u64::from(t.x));
        let quorate = times(self.all, PPM) >= q;
        let executes = match (t.mode, strict) {
            (Mode::Optimistic, true) => {
                let blocked = quorate && times(self.no, PPM) >= times(self.all, x);
                self.no.is_zero() || !blocked
            }
            (Mode::Optimistic, false) => {
                let filled = times(self.all, PPM).max(q);
                self.no.is_zero() || times(times(self.no, PPM), PPM) < times(filled, x)
            }
            (Mode::Active, _) => {
                let spoken = self.yes.saturating_add(self.no);
                !self.full.is_zero() && quorate && !spoken.is_zero() && times(self.yes, PPM) > times(spoken, x)
            }
        };
        if executes { Outcome::Execute } else { Outcome::Block }
    }

    /// Forfeited only by a block in which enough took part and nearly all were against.
    #[must_use]
    pub fn fate(&self, outcome: Outcome, forfeit_part: u64, forfeit_against: u64) -> Fate {
        let part = times(self.all, PPM) >= times(self.full, forfeit_part);
        let against = times(self.no, PPM) >= times(self.all, forfeit_against);
        match outcome {
            Outcome::Block if part && against => Fate::Forfeit,
            Outcome::Block | Outcome::Execute => Fate::Refund,
        }
    }
}

const PPM: u64 = 1_000_000;

fn times(x: U256, by: impl Into<u64>) -> U256 {
    x.saturating_mul(U256::from(by.into()))
}

#[cfg(test)]
mod tests;
