//! The record of one offender's offences in one epoch (tokens.md §7): per kind the largest ppm counts, kinds add up, and
//! only what was not slashed before is slashed now.

use super::MILLION;
use alloc::vec::Vec;
use nupeer_primitives::{Amount, code_enum, record};

code_enum! {
    /// What an offender did; the numbers of the table in tokens.md §7.
    pub enum OffenceKind {
        /// S1: two headers in a slot.
        TwoHeaders = 1,
        /// S2: two votes in a round.
        DoubleVote = 2,
        /// S3: a vote that surrounds another.
        SurroundVote = 3,
        /// S4: a bridge signature that contradicts the final chain.
        BridgeContradiction = 4,
        /// Two receipts for one reading.
        Metering = 5,
        /// A ruling of the DAO about a seat's holder.
        Misconduct = 6,
        /// A credential obtained by fraud.
        CredentialFraud = 7,
        /// Wipe, location, capacity or audit breach.
        Breach = 8,
    }
}

impl OffenceKind {
    /// The kind of a number.
    #[must_use]
    pub fn of(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }

    /// Whether its ppm depends on how many offended in the same epoch (kinds 1-3).
    #[must_use]
    pub const fn is_correlated(self) -> bool {
        match self {
            Self::TwoHeaders | Self::DoubleVote | Self::SurroundVote => true,
            Self::BridgeContradiction | Self::Metering | Self::Misconduct | Self::CredentialFraud | Self::Breach => {
                false
            }
        }
    }
}

record! {
    /// The largest part that a kind costs.
    #[derive(Copy)]
    pub struct Offence {
        /// The kind.
        pub kind: OffenceKind,
        /// Parts per million of the base.
        pub ppm: u64,
    }
}

record! {
    /// Offences of one offender in one epoch, against one bond.
    pub struct SlashRecord {
        /// The bond when the first offence was accepted.
        pub base: Amount,
        /// One per kind, ascending.
        pub offences: Vec<Offence>,
        /// Slashed so far.
        pub slashed: Amount,
    }
}

impl SlashRecord {
    /// Nothing slashed yet.
    #[must_use]
    pub const fn new(base: Amount) -> Self {
        Self { base, offences: Vec::new(), slashed: Amount::ZERO }
    }

    /// Parts of the base that the offences cost together.
    #[must_use]
    pub fn ppm(&self) -> u64 {
        self.offences.iter().fold(0u64, |sum, offence| sum.saturating_add(offence.ppm)).min(MILLION)
    }

    /// Adds an offence and says what is newly slashed: never more than `left`, which is what the bond still holds.
    pub fn slash(&mut self, kind: OffenceKind, ppm: u64, left: Amount) -> Amount {
        match self.offences.iter_mut().find(|offence| offence.kind == kind) {
            Some(offence) => offence.ppm = offence.ppm.max(ppm),
            None => {
                self.offences.push(Offence { kind, ppm });
                self.offences.sort_unstable_by_key(|offence| offence.kind);
            }
        }
        // At most the whole base, so both operations stay in range.
        let whole = self.base.mul_div_floor(self.ppm(), MILLION).unwrap_or(self.base);
        let newly = whole.saturating_sub(self.slashed).min(left);
        self.slashed = self.slashed.checked_add(newly).unwrap_or(self.base);
        newly
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_never_slashes_more_than_its_base(base: u64, left: u64, offences in prop::collection::vec((1u8..=8, 0u64..=2_000_000), 0..20)) {
            let mut record = SlashRecord::new(Amount::new(base));
            let (mut left, mut sum) = (left.min(base), 0u64);
            for (kind, ppm) in offences {
                let newly = record.slash(OffenceKind::of(kind).unwrap(), ppm, Amount::new(left)).get();
                prop_assert!(newly <= left);
                left -= newly;
                sum += newly;
                prop_assert!(sum <= base && record.slashed.get() == sum);
            }
        }

        #[test]
        fn order_inside_a_record_does_not_change_the_sum(base: u64, offences in prop::collection::vec((1u8..=8, 0u64..=1_000_000), 0..12)) {
            let sum = |offences: &[(u8, u64)]| {
                let mut record = SlashRecord::new(Amount::new(base));
                for (kind, ppm) in offences {
                    record.slash(OffenceKind::of(*kind).unwrap(), *ppm, Amount::new(base));
                }
                record.slashed
            };
            let mut other = offences.clone();
            other.reverse();
            prop_assert_eq!(sum(&offences), sum(&other));
        }
    }
}
