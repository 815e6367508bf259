//! The account record (prefix 01): replay window and number of session keys (ledger.md §4).

use crate::error::Rejected;
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{AccountId, record};

/// Sequence numbers of an account that may be in flight at once.
pub const WINDOW: u64 = 128;

record! {
    /// An account.
    #[derive(Copy, Default)]
    pub struct Account {
        /// Least sequence number that was never used.
        pub base: u64,
        /// Bit i is set once `base + i` was used; bit 0 is always clear.
        pub map: u128,
        /// Session keys.
        pub grants: u32,
    }
}

/// Key of an account.
#[must_use]
pub fn key(id: &AccountId) -> Key {
    Key::new(0x01).account(id)
}

/// Record of an account, fresh if it was never used.
pub fn load(work: &Work<'_>, id: &AccountId) -> Result<Account, Bug> {
    Ok(work.get(&key(id))?.unwrap_or_default())
}

/// Writes an account.
pub fn store(work: &mut Work<'_>, id: &AccountId, account: &Account) {
    work.put(key(id), account);
}

/// Creates the account if it does not exist.
pub fn touch(work: &mut Work<'_>, id: &AccountId) -> Result<(), Bug> {
    if !work.has(&key(id)) {
        store(work, id, &Account::default());
    }
    Ok(())
}

impl Account {
    /// Whether `seq` may still run.
    pub fn check(&self, seq: u64) -> Result<(), Rejected> {
        match seq.checked_sub(self.base) {
            Some(offset) if offset < WINDOW => {
                if self.map >> offset & 1 == 0 {
                    Ok(())
                } else {
                    Err(Rejected::SequenceUsed { seq })
                }
            }
            Some(_) => Err(Rejected::SequenceTooHigh { seq, permitted: self.base.saturating_add(WINDOW - 1) }),
            None => Err(Rejected::SequenceUsed { seq }),
        }
    }

    /// Uses `seq`: sets its bit, then moves the window past every used number.
    #[must_use]
    pub fn used(mut self, seq: u64) -> Self {
        if let Some(offset) = seq.checked_sub(self.base).filter(|offset| *offset < WINDOW) {
            self.map |= 1 << offset;
        }
        let run = u64::from(self.map.trailing_ones());
        self.map = self.map.checked_shr(self.map.trailing_ones()).unwrap_or(0);
        self.base = self.base.saturating_add(run);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    proptest! {
        /// Against a plain set: each number runs once, in any order, inside the window.
        #[test]
        fn the_window_is_a_set_of_used_numbers(tries in prop::collection::vec(0u64..400, 0..400)) {
            let (mut account, mut used) = (Account::default(), BTreeSet::new());
            for seq in tries {
                let base = (0..).find(|n| !used.contains(n)).unwrap_or(0);
                prop_assert_eq!(account.base, base);
                let expected = !used.contains(&seq) && seq < base + WINDOW;
                prop_assert_eq!(account.check(seq).is_ok(), expected);
                if expected {
                    account = account.used(seq);
                    used.insert(seq);
                }
            }
        }
    }

    #[test]
    fn a_full_window_moves_by_128() {
        let account = (1..WINDOW).fold(Account::default(), Account::used);
        assert_eq!(account.base, 0);
        let account = account.used(0);
        assert_eq!((account.base, account.map), (128, 0));
    }
}
