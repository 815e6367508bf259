//! A bond: value that counts while it is active, leaves by unbonding and can be slashed until it is released
//! (tokens.md §3, §7).
//!
//! # Invariants
//! - What was bonded = active + unbonding + released + slashed.
//! - Entries of `unbonding` ascend strictly by release epoch.
//! - Held, nothing is released.

use crate::error::TokensError;
use alloc::vec::Vec;
use nupeer_primitives::{AssetId, record};

record! {
    /// An entry on its way out.
    #[derive(Copy)]
    pub struct Unbonding {
        /// First epoch in which it may be released.
        pub release_epoch: u32,
        /// Governance time before which a vote keeps it.
        pub release_gt: u64,
        /// Smallest units.
        pub amount: u64,
    }
}

record! {
    /// A bond of one token.
    #[derive(Default)]
    pub struct Bond {
        /// Active since its epoch has come; only this can be unbonded.
        pub matured: u64,
        /// (first epoch, amount), ascending.
        pub pending: Vec<(u32, u64)>,
        /// On its way out.
        pub unbonding: Vec<Unbonding>,
        /// Slashes that wait for their execution.
        pub held: u16,
    }
}

/// Limits of an unbonding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnbondingTerms {
    /// Epochs until release.
    pub epochs: u32,
    /// Entries of one bond.
    pub entries_max: u64,
    /// Governance time until which votes of the account keep what leaves now.
    pub locked_until: u64,
}

impl Bond {
    /// Bonds `amount` of `asset`, which counts from the start of `from` on; from `epoch` or earlier, at once.
    pub fn add(&mut self, asset: AssetId, epoch: u32, from: u32, amount: u64) -> Result<(), TokensError> {
        if amount == 0 {
            return Err(TokensError::ZeroAmount {});
        }
        self.total().checked_add(amount).ok_or(TokensError::Overflow { asset })?;
        self.mature(epoch);
        if from <= epoch {
            self.matured = self.matured.saturating_add(amount);
            return Ok(());
        }
        match self.pending.iter_mut().find(|(at, _)| *at == from) {
            Some((_, waiting)) => *waiting = waiting.saturating_add(amount),
            None => {
                self.pending.push((from, amount));
                self.pending.sort_unstable();
            }
        }
        Ok(())
    }

    /// Takes in what has become active by `epoch`.
    pub fn mature(&mut self, epoch: u32) {
        let due: u64 = self.pending.iter().filter(|(at, _)| *at <= epoch).map(|(_, amount)| amount).sum();
        self.matured = self.matured.saturating_add(due);
        self.pending.retain(|(at, _)| *at > epoch);
    }

    /// Starts the way out of `amount`.
    pub fn unbond(&mut self, epoch: u32, amount: u64, terms: &UnbondingTerms) -> Result<(), TokensError> {
        self.mature(epoch);
        if amount == 0 || amount > self.matured {
            return Err(TokensError::InsufficientActive { needed: amount, active: self.matured });
        }
        let release_epoch = epoch.saturating_add(terms.epochs);
        let release_gt = terms.locked_until;
        match self.unbonding.iter_mut().find(|entry| entry.release_epoch == release_epoch) {
            Some(entry) => {
                entry.amount = entry.amount.saturating_add(amount);
                entry.release_gt = entry.release_gt.max(release_gt);
            }
            None => {
                if self.unbonding.len() as u64 >= terms.entries_max {
                    return Err(TokensError::TooManyUnbonding { permitted: terms.entries_max });
                }
                self.unbonding.push(Unbonding { release_epoch, release_gt, amount });
                self.unbonding.sort_unstable_by_key(|entry| entry.release_epoch);
            }
        }
        self.matured = self.matured.saturating_sub(amount);
        Ok(())
    }

    /// Releases what may leave in `epoch` at governance time `gt`.
    pub fn release(&mut self, epoch: u32, gt: u64) -> Result<u64, TokensError> {
        if self.held > 0 {
            return Err(TokensError::StakeHeld { slashes: self.held });
        }
        let may_leave = |entry: &Unbonding| entry.release_epoch <= epoch && entry.release_gt <= gt;
        let released = self.unbonding.iter().filter(|entry| may_leave(entry)).map(|entry| entry.amount).sum();
        self.unbonding.retain(|entry| !may_leave(entry));
        Ok(released)
    }

    /// Slashes at most `amount`: what is active first, then what waits to become active, then the entries that leave
    /// last. Returns what was taken.
    pub fn slash(&mut self, amount: u64) -> u64 {
        let mut left = amount;
        take(&mut self.matured, &mut left);
        for (_, waiting) in self.pending.iter_mut().rev() {
            take(waiting, &mut left);
        }
        for entry in self.unbonding.iter_mut().rev() {
            take(&mut entry.amount, &mut left);
        }
        self.pending.retain(|(_, amount)| *amount > 0);
        self.unbonding.retain(|entry| entry.amount > 0);
        amount.saturating_sub(left)
    }

    /// A slash waits: nothing is released until it is executed or cancelled.
    pub const fn hold(&mut self) {
        self.held = self.held.saturating_add(1);
    }

    /// A waiting slash is gone.
    pub const fn unhold(&mut self) {
        self.held = self.held.saturating_sub(1);
    }

    /// What counts or will count.
    #[must_use]
    pub fn active(&self) -> u64 {
        self.pending.iter().fold(self.matured, |sum, (_, amount)| sum.saturating_add(*amount))
    }

    /// What counts in `epoch`.
    #[must_use]
    pub fn active_in(&self, epoch: u32) -> u64 {
        let due = self.pending.iter().filter(|(at, _)| *at <= epoch);
        due.fold(self.matured, |sum, (_, amount)| sum.saturating_add(*amount))
    }

    /// What is on its way out.
    #[must_use]
    pub fn leaving(&self) -> u64 {
        self.unbonding.iter().fold(0, |sum, entry| sum.saturating_add(entry.amount))
    }

    /// Everything that is locked by it, all of which can be slashed.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.active().saturating_add(self.leaving())
    }

    /// Nothing bonded and nothing leaving.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total() == 0 && self.held == 0
    }
}

fn take(from: &mut u64, left: &mut u64) {
    let taken = (*from).min(*left);
    *from = from.saturating_sub(taken);
    *left = left.saturating_sub(taken);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use nupeer_primitives::Cbor;
    use proptest::prelude::*;

    const TERMS: UnbondingTerms = UnbondingTerms { epochs: 3, entries_max: 3, locked_until: 0 };

    #[test]
    fn entries_are_limited_and_merge_by_release_epoch() {
        let mut bond = Bond::default();
        bond.add(AssetId::IAAS, 0, 0, 100).unwrap();
        for epoch in [0, 1, 2] {
            bond.unbond(epoch, 1, &TERMS).unwrap();
        }
        assert_eq!(bond.unbond(3, 1, &TERMS), Err(TokensError::TooManyUnbonding { permitted: 3 }));
        bond.unbond(2, 5, &UnbondingTerms { locked_until: 77, ..TERMS }).unwrap();
        bond.unbond(2, 5, &TERMS).unwrap();
        assert_eq!(bond.unbonding.last(), Some(&Unbonding { release_epoch: 5, release_gt: 77, amount: 11 }));
        assert_eq!((bond.release(5, 76), bond.release(5, 77)), (Ok(2), Ok(11)));
        bond.hold();
        assert_eq!(bond.release(9, 99), Err(TokensError::StakeHeld { slashes: 1 }));
        assert_eq!(bond.add(AssetId::IAAS, 9, 9, u64::MAX), Err(TokensError::Overflow { asset: AssetId::IAAS }));
    }

    proptest! {
        #[test]
        fn nothing_appears_and_nothing_vanishes(ops in prop::collection::vec((0u8..5, 0u32..3, 0u64..1_000), 0..120)) {
            let (mut bond, mut epoch, mut outside) = (Bond::default(), 0, 0u64);
            let mut put_in = 0u64;
            for (op, step, amount) in ops {
                epoch += step;
                let before = bond.clone();
                let refused = match op {
                    0 | 1 => bond.add(AssetId::IAAS, epoch, epoch + 2, amount).map(|()| put_in += amount).is_err(),
                    2 => bond.unbond(epoch, amount, &TERMS).is_err(),
                    3 => bond.release(epoch, 0).map(|paid| outside += paid).is_err(),
                    _ => { outside += bond.slash(amount); false }
                };
                if refused {
                    let mut matured = before.clone();
                    matured.mature(epoch);
                    prop_assert!(bond == before || bond == matured);
                }
                prop_assert_eq!(bond.total() + outside, put_in);
                prop_assert!(bond.unbonding.is_sorted_by_key(|entry| entry.release_epoch));
                prop_assert!(bond.unbonding.len() <= 3);
                prop_assert_eq!(Bond::from_cbor(&bond.to_cbor(), usize::MAX).unwrap(), bond.clone());
            }
        }
    }
}
