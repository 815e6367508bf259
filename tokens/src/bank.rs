//! Balances: `free` and `locked` per account and asset (ledger.md §1), and the only moves between them.
//!
//! `locked` is the sum of all records that hold the owner's value. Whoever writes a record that holds value calls
//! [`lock`] in the same action; whoever dissolves it calls [`unlock`], or [`settle`] when another is paid from it.

use crate::asset;
use crate::error::TokensError;
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, record};

record! {
    /// What an account owns of an asset.
    #[derive(Copy, Default)]
    pub struct Balance {
        /// May be spent.
        pub free: Amount,
        /// Held by records.
        pub locked: Amount,
    }
}

impl Balance {
    /// Nothing owned: the leaf is removed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.free == Amount::ZERO && self.locked == Amount::ZERO
    }
}

/// Key of a balance; one leaf proves everything that an account owns of the asset.
#[must_use]
pub fn key(account: &AccountId, asset: AssetId) -> Key {
    Key::new(0x02).account(account).u16(asset.0)
}

/// What `account` owns of `asset`.
pub fn balance(work: &Work<'_>, account: &AccountId, asset: AssetId) -> Result<Balance, Bug> {
    Ok(work.get(&key(account, asset))?.unwrap_or_default())
}

fn write(work: &mut Work<'_>, account: &AccountId, asset: AssetId, balance: &Balance) {
    if balance.is_empty() {
        work.remove(key(account, asset));
    } else {
        work.put(key(account, asset), balance);
    }
}

/// free of `from` -> free of `to`.
pub fn transfer(
    work: &mut Work<'_>,
    from: &AccountId,
    to: &AccountId,
    asset: AssetId,
    amount: Amount,
) -> Result<(), Abort> {
    asset::require_active(work, asset)?;
    if amount == Amount::ZERO {
        return Err(TokensError::ZeroAmount {}.into());
    }
    take_free(work, from, asset, amount)?;
    give_free(work, to, asset, amount)
}

/// free -> locked of the same account.
pub fn lock(work: &mut Work<'_>, account: &AccountId, asset: AssetId, amount: Amount) -> Result<(), Abort> {
    take_free(work, account, asset, amount)?;
    let mut own = balance(work, account, asset)?;
    own.locked = own.locked.checked_add(amount).ok_or(TokensError::Overflow { asset })?;
    write(work, account, asset, &own);
    Ok(())
}

/// locked -> free of the same account. Too little locked is our own fault: some record forgot what it holds.
pub fn unlock(work: &mut Work<'_>, account: &AccountId, asset: AssetId, amount: Amount) -> Result<(), Bug> {
    settle(work, account, account, asset, amount)
}

/// locked of `from` -> free of `to`: a record pays somebody.
pub fn settle(
    work: &mut Work<'_>,
    from: &AccountId,
    to: &AccountId,
    asset: AssetId,
    amount: Amount,
) -> Result<(), Bug> {
    let mut payer = balance(work, from, asset)?;
    payer.locked =
        payer.locked.checked_sub(amount).ok_or(Bug::Arithmetic { what: "locked below the record's value" })?;
    write(work, from, asset, &payer);
    let mut receiver = balance(work, to, asset)?;
    receiver.free = receiver.free.checked_add(amount).ok_or(Bug::Arithmetic { what: "free above 64 bits" })?;
    write(work, to, asset, &receiver);
    Ok(())
}

/// Takes from free; the caller gives it elsewhere in the same action.
pub fn take_free(work: &mut Work<'_>, account: &AccountId, asset: AssetId, amount: Amount) -> Result<(), Abort> {
    let mut own = balance(work, account, asset)?;
    let available = own.free;
    own.free = available.checked_sub(amount).ok_or(TokensError::Insufficient { asset, needed: amount, available })?;
    write(work, account, asset, &own);
    Ok(())
}

/// Takes from locked; the caller dissolves the record that held it and gives it elsewhere in the same action.
pub fn take_locked(work: &mut Work<'_>, account: &AccountId, asset: AssetId, amount: Amount) -> Result<(), Abort> {
    let mut own = balance(work, account, asset)?;
    let available = own.locked;
    own.locked = available.checked_sub(amount).ok_or(TokensError::Insufficient { asset, needed: amount, available })?;
    write(work, account, asset, &own);
    Ok(())
}

/// Gives to free what was taken elsewhere in the same action.
pub fn give_free(work: &mut Work<'_>, account: &AccountId, asset: AssetId, amount: Amount) -> Result<(), Abort> {
    let mut own = balance(work, account, asset)?;
    own.free = own.free.checked_add(amount).ok_or(TokensError::Overflow { asset })?;
    write(work, account, asset, &own);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use nupeer_primitives::cbor::{Bytes, Cbor};
    use nupeer_primitives::genesis::{AssetRow, AssetStatus};
    use nupeer_primitives::state::{MemoryState, Rule};
    use proptest::prelude::*;

    const ADA: AssetId = AssetId::ADA;
    const ACCOUNTS: [AccountId; 3] = [AccountId([1; 28]), AccountId([2; 28]), AccountId([3; 28])];

    fn state() -> MemoryState {
        let row = AssetRow {
            id: ADA,
            policy: [0; 28],
            name: Bytes::default(),
            ticker: "ada".into(),
            status: AssetStatus::Active,
        };
        let record = asset::AssetRecord { issued: 300, ..asset::AssetRecord::new(row) };
        let mut state = MemoryState::new();
        state.insert(asset::key(ADA).into_vec(), record.to_cbor());
        for account in &ACCOUNTS {
            let own = Balance { free: Amount::new(100), locked: Amount::ZERO };
            state.insert(key(account, ADA).into_vec(), own.to_cbor());
        }
        state
    }

    proptest! {
        #[test]
        fn whatever_is_tried_the_sum_stays(ops in prop::collection::vec((0u8..4, 0usize..3, 0usize..3, 0u64..150), 0..80)) {
            let state = state();
            let mut work = Work::new(&state);
            for (op, a, b, amount) in ops {
                let (from, to, amount) = (&ACCOUNTS[a], &ACCOUNTS[b], Amount::new(amount));
                work.begin_tx();
                let done = match op {
                    0 => transfer(&mut work, from, to, ADA, amount),
                    1 => lock(&mut work, from, ADA, amount),
                    2 => unlock(&mut work, from, ADA, amount).map_err(Abort::from),
                    _ => settle(&mut work, from, to, ADA, amount).map_err(Abort::from),
                };
                if done.is_ok() { work.keep_tx() } else { work.drop_tx() }
                let sum: u64 = ACCOUNTS.iter().map(|x| balance(&work, x, ADA).unwrap()).map(|b| b.free.get() + b.locked.get()).sum();
                prop_assert_eq!(sum, 300);
            }
        }
    }

    #[test]
    fn what_is_refused_says_why() {
        let state = state();
        let mut work = Work::new(&state);
        let [a, b, _] = &ACCOUNTS;
        let code = |done: Result<(), Abort>| match done {
            Err(Abort::Rule { name, .. }) => name,
            Ok(()) | Err(Abort::Bug(_)) => "",
        };
        assert_eq!(code(transfer(&mut work, a, b, ADA, Amount::ZERO)), "tokens.ZeroAmount");
        assert_eq!(code(transfer(&mut work, a, b, ADA, Amount::new(101))), "tokens.Insufficient");
        assert_eq!(code(transfer(&mut work, a, b, AssetId(9), Amount::new(1))), "tokens.AssetUnknown");
        assert_eq!(code(asset::require_payment(&work, AssetId::IAAS)), "tokens.NotPaymentAsset");
        assert_eq!(TokensError::ZeroAmount {}.code(), 8_452);
    }
}
