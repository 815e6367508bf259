//! Votes, their weight and the running tally (governance.md §7).
//!
//! # The weight of a vote
//! 1. own: what the voter had at both snapshot epochs, and no more than it still has bonded or unbonding now, so that a
//!    slash after the snapshot counts;
//! 2. lent: an account that has not delegated adds what others lent it at both snapshots, less what those who voted
//!    themselves took back (`over`), up to a cap; nothing on its own proposals.
//!
//! A vote is stored with its weight. Replacing it takes the stored weight out of the tally and puts the new one in, so
//! the tally is a recount at every moment; the order of voters does not matter. There is no un-vote.

use crate::power::{Amounts, account::part};
use nupeer_primitives::cbor::{Cbor, Reader, Writer};
use nupeer_primitives::error::Malformed;
use nupeer_primitives::governance::VoteOption;
use nupeer_primitives::record;
use nupeer_primitives::state::Bug;

/// Own weight: `min(at s, at s', stake + unbonding now)` per token.
#[must_use]
pub fn own_weight(at_start: Amounts, at_guard: Amounts, stake: Amounts, unbonding: Amounts) -> Amounts {
    let mut out = least(at_start, at_guard);
    for ((own, stake), unbonding) in out.iter_mut().zip(stake).zip(unbonding) {
        *own = (*own).min(stake.saturating_add(unbonding));
    }
    out
}

/// The lesser per token: what stood at both snapshots.
#[must_use]
pub fn least(a: Amounts, b: Amounts) -> Amounts {
    let mut out = a;
    for (x, y) in out.iter_mut().zip(b) {
        *x = (*x).min(y);
    }
    out
}

/// Per token sum. Powers are parts of a supply that fits 64 bits, so nothing is cut off.
#[must_use]
pub fn plus(a: Amounts, b: Amounts) -> Amounts {
    let mut out = a;
    for (x, y) in out.iter_mut().zip(b) {
        *x = x.saturating_add(y);
    }
    out
}

/// `A·delegate_cap/10^6` per token.
#[must_use]
pub fn delegate_cap(active: Amounts, cap_ppm: u64) -> Amounts {
    active.map(|a| part(a, cap_ppm))
}

/// Lent weight: `min(inbound − over, cap)` per token.
#[must_use]
pub fn lent_weight(inbound: Amounts, over: Amounts, cap: Amounts) -> Amounts {
    let mut out = inbound;
    for ((lent, over), cap) in out.iter_mut().zip(over).zip(cap) {
        *lent = lent.saturating_sub(over).min(cap);
    }
    out
}

/// Encoded amounts of the three tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Weight(pub Amounts);

impl Cbor for Weight {
    fn write(&self, w: &mut Writer) {
        w.array(3);
        for x in &self.0 {
            w.put(x);
        }
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(3)?;
        Ok(Self([r.get()?, r.get()?, r.get()?]))
    }
}

record! {
    /// A vote as it stands: key (proposal, account).
    #[derive(Copy)]
    pub struct VoteRecord {
        /// For, against, abstain.
        pub option: VoteOption,
        /// The voter's own part of the weight.
        pub own: Weight,
        /// All of it, as it stands in the tally.
        pub weight: Weight,
    }
}

/// Sums of votes, `[For, Against, Abstain]`, per token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally([[u128; 3]; 3]);

impl Tally {
    /// Sum of an option.
    #[must_use]
    pub fn of(&self, option: VoteOption) -> [u128; 3] {
        self.0.get(usize::from(option.code())).copied().unwrap_or_default()
    }

    /// Takes out what stood and puts in what stands now.
    pub fn replace(&mut self, old: Option<&VoteRecord>, new: &VoteRecord) -> Result<(), Bug> {
        const OUT_OF_RANGE: Bug = Bug::Arithmetic { what: "tally" };
        if let Some(old) = old {
            for (sum, x) in self.sums(old.option).iter_mut().zip(old.weight.0) {
                *sum = sum.checked_sub(u128::from(x)).ok_or(OUT_OF_RANGE)?;
            }
        }
        for (sum, x) in self.sums(new.option).iter_mut().zip(new.weight.0) {
            *sum = sum.checked_add(u128::from(x)).ok_or(OUT_OF_RANGE)?;
        }
        Ok(())
    }

    fn sums(&mut self, option: VoteOption) -> &mut [u128; 3] {
        let [yes, no, abstain] = &mut self.0;
        match option {
            VoteOption::For => yes,
            VoteOption::Against => no,
            VoteOption::Abstain => abstain,
        }
    }
}

impl Cbor for Tally {
    fn write(&self, w: &mut Writer) {
        w.array(9);
        for x in self.0.iter().flatten() {
            w.put(x);
        }
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(9)?;
        let mut out = Self::default();
        for x in out.0.iter_mut().flatten() {
            *x = r.get()?;
        }
        Ok(out)
    }
}
