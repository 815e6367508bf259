//! Who earned work rewards in which epoch (tokens.md §5), without any loop over providers.
//!
//! An account's record holds one epoch: its next fee or claim computes what that epoch paid from the two numbers that
//! the boundary fixed, W and Σelig. Those stay as long as a record refers to them.

use crate::bank;
use crate::stake::{kind, stake_key};
use crate::supply;
use crate::work_reward::{self, WorkParameters, counted};
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, record};

record! {
    /// All paid work of an epoch in one token.
    #[derive(Copy, Default)]
    pub struct WorkEpoch {
        /// Σ of what is eligible.
        pub eligible: u128,
        /// W, once the epoch has ended.
        pub minted: Option<u64>,
        /// Accounts that have not taken their part.
        pub refs: u32,
    }
}

record! {
    /// Paid work of one account in one token and epoch.
    #[derive(Copy)]
    pub struct WorkDone {
        /// The epoch.
        pub epoch: u32,
        /// Quote units of fee that count.
        pub acc: u64,
        /// What is eligible under its bond.
        pub eligible: u64,
        /// Lost by an offence.
        pub is_void: bool,
    }
}

fn epoch_key(token: AssetId, epoch: u32) -> Key {
    stake_key(kind::WORK_EPOCH).u16(token.0).u32(epoch)
}

/// Key of an account's paid work.
#[must_use]
pub fn work_key(account: &AccountId, token: AssetId) -> Key {
    stake_key(kind::WORK).account(account).u16(token.0)
}

/// Account and token of such a key.
pub fn account_and_token(key: &[u8]) -> Result<(AccountId, AssetId), Bug> {
    let corrupt = || Bug::Corrupt { prefix: 0x0E };
    let (head, token) = key.split_last_chunk::<2>().ok_or_else(corrupt)?;
    let account = head.last_chunk::<28>().ok_or_else(corrupt)?;
    Ok((AccountId(*account), AssetId(u16::from_be_bytes(*token))))
}

/// All paid work of an epoch.
pub fn epoch(work: &Work<'_>, token: AssetId, epoch: u32) -> Result<WorkEpoch, Bug> {
    Ok(work.get(&epoch_key(token, epoch))?.unwrap_or_default())
}

fn store_epoch(work: &mut Work<'_>, token: AssetId, epoch: u32, all: &WorkEpoch) {
    if all.refs == 0 {
        work.remove(epoch_key(token, epoch));
    } else {
        work.put(epoch_key(token, epoch), all);
    }
}

/// A fee that an account earned a reward with.
#[derive(Clone, Copy, Debug)]
pub struct FeeEarned {
    /// Who.
    pub account: AccountId,
    /// Token of the area.
    pub token: AssetId,
    /// The treasury's part, quote units.
    pub treasury_part: u64,
    /// Service delivered, ppm.
    pub service_ppm: u64,
    /// The account's own active position now; 0 if it may earn nothing.
    pub bond: u64,
}

/// Counts a fee. Pays what an earlier epoch owes first.
pub fn earn(work: &mut Work<'_>, now: u32, fee: &FeeEarned, rules: &WorkParameters) -> Result<Amount, Abort> {
    let paid = claim(work, &fee.account, fee.token, now)?;
    let at = work_key(&fee.account, fee.token);
    let mut all = epoch(work, fee.token, now)?;
    let mut done = match work.get::<WorkDone>(&at)? {
        Some(done) => done,
        None => {
            all.refs = all.refs.saturating_add(1);
            WorkDone { epoch: now, acc: 0, eligible: 0, is_void: false }
        }
    };
    done.acc = done.acc.saturating_add(counted(fee.treasury_part, fee.service_ppm));
    let eligible = if done.is_void { 0 } else { rules.eligible(done.acc, fee.bond) };
    set_eligible(&mut all, &mut done, eligible)?;
    work.put(at, &done);
    store_epoch(work, fee.token, now, &all);
    Ok(paid)
}

fn set_eligible(all: &mut WorkEpoch, done: &mut WorkDone, eligible: u64) -> Result<(), Bug> {
    let without = all.eligible.checked_sub(u128::from(done.eligible));
    let with = without.and_then(|rest| rest.checked_add(u128::from(eligible)));
    all.eligible = with.ok_or(Bug::Arithmetic { what: "eligible work" })?;
    done.eligible = eligible;
    Ok(())
}

/// What an ended epoch owes the account; nothing while its epoch runs.
pub fn due(work: &Work<'_>, account: &AccountId, token: AssetId) -> Result<u64, Bug> {
    let Some(done) = work.get::<WorkDone>(&work_key(account, token))? else { return Ok(0) };
    let all = epoch(work, token, done.epoch)?;
    Ok(all.minted.map_or(0, |minted| work_reward::reward(minted, done.eligible, all.eligible)))
}

/// Pays what an ended epoch owes.
pub fn claim(work: &mut Work<'_>, account: &AccountId, token: AssetId, now: u32) -> Result<Amount, Abort> {
    let at = work_key(account, token);
    let Some(done) = work.get::<WorkDone>(&at)?.filter(|done| done.epoch < now) else { return Ok(Amount::ZERO) };
    let paid = Amount::new(due(work, account, token)?);
    let mut all = epoch(work, token, done.epoch)?;
    all.refs = all.refs.saturating_sub(1);
    store_epoch(work, token, done.epoch, &all);
    work.remove(at);
    if paid > Amount::ZERO {
        let rewards = AccountId::system(supply::rewards(token));
        bank::take_free(work, &rewards, token, paid).map_err(|_| Bug::Arithmetic { what: "rewards below claims" })?;
        bank::give_free(work, account, token, paid)?;
    }
    Ok(paid)
}

/// Voids what an account earned in the running epoch: its offence costs it that.
pub fn void(work: &mut Work<'_>, account: &AccountId, token: AssetId, now: u32) -> Result<(), Bug> {
    let at = work_key(account, token);
    let Some(mut done) = work.get::<WorkDone>(&at)?.filter(|done| done.epoch == now) else { return Ok(()) };
    let mut all = epoch(work, token, now)?;
    set_eligible(&mut all, &mut done, 0)?;
    done.is_void = true;
    work.put(at, &done);
    store_epoch(work, token, now, &all);
    Ok(())
}

/// Ends an epoch: mints what its work earned of `pot`.
pub fn close(
    work: &mut Work<'_>,
    token: AssetId,
    ended: u32,
    pot: u64,
    rules: &WorkParameters,
) -> Result<Amount, Abort> {
    let mut all = epoch(work, token, ended)?;
    if all.refs == 0 {
        return Ok(Amount::ZERO);
    }
    let minted = rules.minted(pot, all.eligible);
    all.minted = Some(minted);
    store_epoch(work, token, ended, &all);
    let minted = Amount::new(minted);
    if minted > Amount::ZERO {
        supply::mint(work, token, &AccountId::system(supply::rewards(token)), minted)?;
    }
    Ok(minted)
}
