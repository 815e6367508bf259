//! The operator's own bond in a pool: part of the pool's stake, and the only stake of it that can be slashed.

use super::schedule::{Deltas, steps};
use super::{kind, pool, position, stake_key};
use crate::bank;
use crate::bond::{Bond, UnbondingTerms};
use crate::error::TokensError;
use crate::supply;
use alloc::vec::Vec;
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, PoolId, record};

record! {
    /// A pledge in one token.
    pub struct Pledge {
        /// Whose it is.
        pub owner: AccountId,
        /// The bond.
        pub bond: Bond,
    }
}

/// Key of a pledge.
#[must_use]
pub fn key(pool: &PoolId, token: AssetId) -> Key {
    stake_key(kind::PLEDGE).pool(pool).u16(token.0)
}

/// A pool's pledge in a token.
pub fn load(work: &Work<'_>, pool: &PoolId, token: AssetId) -> Result<Option<Pledge>, Bug> {
    work.get(&key(pool, token))
}

/// Changes a pledge and every sum that it is part of.
fn change<T>(
    work: &mut Work<'_>,
    (id, token): (&PoolId, AssetId),
    pledge: &mut Pledge,
    epoch: u32,
    operation: impl FnOnce(&mut Bond) -> Result<T, TokensError>,
) -> Result<T, Abort> {
    pledge.bond.mature(epoch);
    let before = steps(&pledge.bond, epoch, None, |_| Some(*id));
    let result = operation(&mut pledge.bond)?;
    let after = steps(&pledge.bond, epoch, None, |_| Some(*id));
    Deltas::between(&before, &after)?.apply(work, token, epoch, true)?;
    if pledge.bond.is_empty() {
        work.remove(key(id, token));
    } else {
        work.put(key(id, token), pledge);
    }
    Ok(result)
}

/// Only the operator of a pool moves its pledge.
fn operated(work: &Work<'_>, actor: &AccountId, id: &PoolId) -> Result<(), Abort> {
    let known = pool::known(work, id)?;
    if known.owner == *actor { Ok(()) } else { Err(TokensError::NotOperator { pool: *id, account: *actor }.into()) }
}

/// Locks and pledges `amount`; it counts from the start of `from` on. Some token's pledge must then reach `minimum`.
pub fn add(
    work: &mut Work<'_>,
    actor: &AccountId,
    (id, token): (&PoolId, AssetId),
    (epoch, from): (u32, u32),
    amount: Amount,
    minimum: Amount,
) -> Result<(), Abort> {
    operated(work, actor, id)?;
    supply::lock_bond(work, actor, token, amount)?;
    position::note_pledge(work, (actor, token), id)?;
    let mut pledge = load(work, id, token)?.unwrap_or(Pledge { owner: *actor, bond: Bond::default() });
    if pledge.owner != *actor {
        return Err(TokensError::NotOperator { pool: *id, account: *actor }.into());
    }
    change(work, (id, token), &mut pledge, epoch, |bond| bond.add(token, epoch, from, amount.get()))?;
    let mut highest = Amount::ZERO;
    for token in supply::NATIVE {
        highest = highest.max(Amount::new(load(work, id, token)?.map_or(0, |pledge| pledge.bond.active())));
    }
    if highest < minimum {
        return Err(TokensError::PledgeTooSmall { pledge: highest, minimum }.into());
    }
    Ok(())
}

/// `amount` stops counting and starts its way out; slashable until it is released.
pub fn unpledge(
    work: &mut Work<'_>,
    actor: &AccountId,
    (id, token): (&PoolId, AssetId),
    epoch: u32,
    amount: Amount,
    terms: &UnbondingTerms,
) -> Result<(), Abort> {
    supply::require_bondable(token)?;
    pool::known(work, id)?;
    let mut pledge =
        load(work, id, token)?.ok_or(TokensError::InsufficientActive { needed: amount.get(), active: 0 })?;
    if pledge.owner != *actor {
        return Err(TokensError::NotOperator { pool: *id, account: *actor }.into());
    }
    change(work, (id, token), &mut pledge, epoch, |bond| bond.unbond(epoch, amount.get(), terms))
}

/// Releases entries of one pledge; the caller unlocks them.
pub(super) fn release(
    work: &mut Work<'_>,
    id: &PoolId,
    token: AssetId,
    epoch: u32,
    gt: u64,
) -> Result<Result<u64, TokensError>, Bug> {
    let mut pledge = load(work, id, token)?.ok_or(Bug::Missing { what: "pledge of a position" })?;
    let released = pledge.bond.release(epoch, gt);
    if pledge.bond.is_empty() {
        work.remove(key(id, token));
    } else {
        work.put(key(id, token), &pledge);
    }
    Ok(released)
}

/// Drops an account's pledges that are gone from its position.
pub(super) fn forget_empty(work: &mut Work<'_>, owner: &AccountId, token: AssetId) -> Result<(), Bug> {
    let position = position::load(work, owner, token)?;
    let gone: Vec<PoolId> = position.pledges.into_iter().filter(|id| !work.has(&key(id, token))).collect();
    if gone.is_empty() { Ok(()) } else { position::drop_pledges(work, (owner, token), &gone) }
}

/// Takes at most `amount` of a pledge; the account `slashed` holds it then.
pub fn slash(work: &mut Work<'_>, (id, token): (&PoolId, AssetId), epoch: u32, amount: u64) -> Result<Amount, Abort> {
    let Some(mut pledge) = load(work, id, token)? else { return Ok(Amount::ZERO) };
    let owner = pledge.owner;
    let taken = change(work, (id, token), &mut pledge, epoch, |bond| Ok(bond.slash(amount)))?;
    forget_empty(work, &owner, token)?;
    let taken = Amount::new(taken);
    bank::settle(work, &owner, &AccountId::system(SystemAccount::Slashed), token, taken)?;
    Ok(taken)
}

/// Changes the number of slashes that wait for a pledge.
pub fn set_held(work: &mut Work<'_>, id: &PoolId, token: AssetId, is_held: bool) -> Result<(), Bug> {
    let Some(mut pledge) = load(work, id, token)? else { return Ok(()) };
    if is_held {
        pledge.bond.hold()
    } else {
        pledge.bond.unhold()
    }
    work.put(key(id, token), &pledge);
    if !is_held && pledge.bond.is_empty() {
        work.remove(key(id, token));
        forget_empty(work, &pledge.owner, token)?;
    }
    Ok(())
}

/// A pledge that exists since genesis, active from snapshot 0 on.
pub fn at_genesis(
    work: &mut Work<'_>,
    owner: &AccountId,
    (id, token): (&PoolId, AssetId),
    amount: u64,
) -> Result<(), Abort> {
    position::note_pledge(work, (owner, token), id)?;
    let mut pledge = Pledge { owner: *owner, bond: Bond::default() };
    change(work, (id, token), &mut pledge, 0, |bond| bond.add(token, 0, 0, amount))
}
