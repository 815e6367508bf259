//! What an account bonded of one token (prefix 09): for votes, and for rewards where it delegates.

use super::checkpoint::{self, References};
use super::pool_stake::{PoolStakeSums, pool_stake_key};
use super::schedule::{Deltas, Step, steps};
use super::{pledge, pool};
use crate::bank;
use crate::bond::{Bond, UnbondingTerms};
use crate::error::TokensError;
use crate::pool_reward::index;
use crate::supply;
use alloc::vec::Vec;
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, PoolId, record};

/// Pools in which an account may pledge.
pub const PLEDGES_MAX: usize = 16;

record! {
    /// Counted with `amount` at `pool` in the snapshots `from..to`.
    #[derive(Copy)]
    pub struct Segment {
        /// First snapshot that is not yet paid out to the owner.
        pub from: u32,
        /// First snapshot in which it does not count; `None` while it runs.
        pub to: Option<u32>,
        /// Where.
        pub pool: PoolId,
        /// How much.
        pub amount: u64,
    }
}

record! {
    /// The pool at which a position counts until an epoch starts.
    #[derive(Copy)]
    pub struct Former {
        /// First epoch of the new pool.
        pub until: u32,
        /// The pool before.
        pub pool: Option<PoolId>,
    }
}

record! {
    /// A position.
    #[derive(Default)]
    pub struct Position {
        /// The account's own bond, without its pledges.
        pub bond: Bond,
        /// Where it delegates, from the next epoch start at the latest.
        pub pool: Option<PoolId>,
        /// Where it counts until then.
        pub former: Option<Former>,
        /// What members' rewards are still computed from, ascending.
        pub segments: Vec<Segment>,
        /// Pools in which the account pledges this token.
        pub pledges: Vec<PoolId>,
    }
}

/// Key of a position.
#[must_use]
pub fn key(owner: &AccountId, token: AssetId) -> Key {
    Key::new(0x09).account(owner).u16(token.0)
}

/// An account's position; empty if it never bonded.
pub fn load(work: &Work<'_>, owner: &AccountId, token: AssetId) -> Result<Position, Bug> {
    Ok(work.get(&key(owner, token))?.unwrap_or_default())
}

fn store(work: &mut Work<'_>, owner: &AccountId, token: AssetId, position: &Position) {
    if *position == Position::default() {
        work.remove(key(owner, token));
    } else {
        work.put(key(owner, token), position);
    }
}

impl Position {
    /// The pool at which it counts in `epoch`.
    #[must_use]
    pub fn pool_in(&self, epoch: u32) -> Option<PoolId> {
        match self.former {
            Some(former) if epoch < former.until => former.pool,
            Some(_) | None => self.pool,
        }
    }

    fn steps(&self, epoch: u32) -> Vec<Step> {
        steps(&self.bond, epoch, self.former.map(|former| former.until), |at| self.pool_in(at))
    }

    fn delegate(&mut self, epoch: u32, pool: Option<PoolId>) {
        let now = self.pool_in(epoch);
        self.former = Some(Former { until: epoch.saturating_add(1), pool: now });
        self.pool = pool;
        if now == pool {
            self.former = None;
        }
    }

    /// Closes what runs at the next start and opens there what `steps` say.
    fn reopen(&mut self, next: u32, steps: &[Step]) {
        self.segments.retain(|segment| segment.from < next);
        for segment in &mut self.segments {
            segment.to = Some(segment.to.map_or(next, |to| to.min(next)));
        }
        for (i, step) in steps.iter().enumerate() {
            let to = steps.get(i.saturating_add(1)).map(|later| later.from);
            let from = step.from.max(next);
            let Some(pool) = step.pool.filter(|_| step.amount > 0 && to.is_none_or(|to| to > from)) else { continue };
            let open = Segment { from, to, pool, amount: step.amount };
            match self.segments.last_mut() {
                Some(last) if last.to == Some(from) && (last.pool, last.amount) == (pool, step.amount) => last.to = to,
                Some(_) | None => self.segments.push(open),
            }
        }
    }
}

fn references(segments: &[Segment], sign: i64, into: &mut References) {
    for segment in segments {
        for epoch in core::iter::once(segment.from).chain(segment.to) {
            let count = into.entry((segment.pool, epoch)).or_default();
            *count = count.saturating_add(sign);
        }
    }
}

/// What paid snapshots owe a position, and its segments without them.
fn settle(work: &Work<'_>, token: AssetId, segments: &mut Vec<Segment>) -> Result<u64, Bug> {
    let mut due = 0u64;
    for segment in segments.iter_mut() {
        let sums: PoolStakeSums = work.expect(&pool_stake_key(&segment.pool, token), "sums of a delegated pool")?;
        let end = segment.to.map_or(sums.unpaid, |to| to.min(sums.unpaid));
        if end <= segment.from {
            continue;
        }
        let from = checkpoint::index(work, &segment.pool, token, segment.from)?;
        let to = if end == sums.unpaid { sums.index } else { checkpoint::index(work, &segment.pool, token, end)? };
        due = due.saturating_add(index::due(segment.amount, from, to));
        segment.from = end;
    }
    segments.retain(|segment| segment.to.is_none_or(|to| segment.from < to));
    Ok(due)
}

/// What the pools owe a position now.
pub fn due(work: &Work<'_>, owner: &AccountId, token: AssetId) -> Result<u64, Bug> {
    settle(work, token, &mut load(work, owner, token)?.segments)
}

/// Runs one operation on a position: settles what its pools owe, changes it, and carries the change into every sum that
/// it is part of. Returns the operation's result and what was paid.
pub fn change<T>(
    work: &mut Work<'_>,
    (owner, token): (&AccountId, AssetId),
    epoch: u32,
    operation: impl FnOnce(&mut Position) -> Result<T, Abort>,
) -> Result<(T, Amount), Abort> {
    let mut position = load(work, owner, token)?;
    let mut changes = References::new();
    references(&position.segments, -1, &mut changes);
    let paid = Amount::new(settle(work, token, &mut position.segments)?);
    position.bond.mature(epoch);
    let before = position.steps(epoch);
    position.former = position.former.filter(|former| former.until > epoch);
    let result = operation(&mut position)?;
    let after = position.steps(epoch);
    if before != after {
        Deltas::between(&before, &after)?.apply(work, token, epoch, false)?;
        position.reopen(epoch.saturating_add(1), &after);
    }
    references(&position.segments, 1, &mut changes);
    checkpoint::refer(work, token, &changes)?;
    store(work, owner, token, &position);
    if paid > Amount::ZERO {
        let rewards = AccountId::system(supply::rewards(token));
        bank::take_free(work, &rewards, token, paid).map_err(|_| Bug::Arithmetic { what: "rewards below claims" })?;
        bank::give_free(work, owner, token, paid)?;
    }
    Ok((result, paid))
}

/// Locks `amount` and bonds it; it counts from the start of `from` on.
pub fn bond(
    work: &mut Work<'_>,
    at: (&AccountId, AssetId),
    epoch: u32,
    from: u32,
    amount: Amount,
) -> Result<Amount, Abort> {
    let (owner, token) = at;
    supply::lock_bond(work, owner, token, amount)?;
    let add = |position: &mut Position| Ok(position.bond.add(token, epoch, from, amount.get())?);
    change(work, at, epoch, add).map(|((), paid)| paid)
}

/// `amount` stops counting and starts its way out.
pub fn unbond(
    work: &mut Work<'_>,
    at: (&AccountId, AssetId),
    epoch: u32,
    amount: Amount,
    terms: &UnbondingTerms,
) -> Result<Amount, Abort> {
    supply::require_bondable(at.1)?;
    let leave = |position: &mut Position| Ok(position.bond.unbond(epoch, amount.get(), terms)?);
    change(work, at, epoch, leave).map(|((), paid)| paid)
}

/// Delegates, or ends a delegation, from the next epoch start.
pub fn delegate(
    work: &mut Work<'_>,
    at: (&AccountId, AssetId),
    epoch: u32,
    to: Option<PoolId>,
) -> Result<Amount, Abort> {
    supply::require_bondable(at.1)?;
    if let Some(id) = &to {
        pool::known(work, id)?;
    }
    let turn = |position: &mut Position| {
        position.delegate(epoch, to);
        Ok(())
    };
    change(work, at, epoch, turn).map(|((), paid)| paid)
}

/// Pays what the pools owe.
pub fn claim(work: &mut Work<'_>, at: (&AccountId, AssetId), epoch: u32) -> Result<Amount, Abort> {
    supply::require_bondable(at.1)?;
    change(work, at, epoch, |_| Ok(())).map(|((), paid)| paid)
}

/// Releases what may leave, of the account's own bond and of its pledges. Fails only when a slash holds back all of it.
pub fn release(work: &mut Work<'_>, at: (&AccountId, AssetId), epoch: u32, gt: u64) -> Result<Amount, Abort> {
    let (owner, token) = at;
    supply::require_bondable(token)?;
    let mut position = load(work, owner, token)?;
    let own = position.bond.release(epoch, gt);
    store(work, owner, token, &position);
    let mut results = alloc::vec![own];
    for pool in &position.pledges {
        results.push(pledge::release(work, pool, token, epoch, gt)?);
    }
    let released = results.iter().flatten().fold(0u64, |sum, amount| sum.saturating_add(*amount));
    if let (0, Some(held)) = (released, results.iter().find_map(|result| result.as_ref().err())) {
        return Err((*held).into());
    }
    pledge::forget_empty(work, owner, token)?;
    let released = Amount::new(released);
    bank::unlock(work, owner, token, released)?;
    Ok(released)
}

/// Takes at most `amount` of the owner's own bond for the owner's own offence; the account `slashed` holds it then.
pub fn slash(work: &mut Work<'_>, at: (&AccountId, AssetId), epoch: u32, amount: u64) -> Result<Amount, Abort> {
    let (taken, _) = change(work, at, epoch, |position| Ok(position.bond.slash(amount)))?;
    let taken = Amount::new(taken);
    bank::settle(work, at.0, &AccountId::system(SystemAccount::Slashed), at.1, taken)?;
    Ok(taken)
}

/// Changes the number of slashes that wait for the owner's own bond.
pub fn set_held(work: &mut Work<'_>, owner: &AccountId, token: AssetId, is_held: bool) -> Result<(), Bug> {
    let mut position = load(work, owner, token)?;
    if is_held {
        position.bond.hold()
    } else {
        position.bond.unhold()
    }
    store(work, owner, token, &position);
    Ok(())
}

/// What counts for votes: the position and the account's pledges. Only `matured` and `pending` are filled.
pub fn votable(work: &Work<'_>, owner: &AccountId, token: AssetId) -> Result<Bond, Bug> {
    let position = load(work, owner, token)?;
    let mut all = Bond { unbonding: Vec::new(), held: 0, ..position.bond };
    for pool in &position.pledges {
        let pledge = pledge::load(work, pool, token)?.ok_or(Bug::Missing { what: "pledge of a position" })?;
        all.matured = all.matured.saturating_add(pledge.bond.matured);
        for (from, amount) in pledge.bond.pending {
            match all.pending.iter_mut().find(|(at, _)| *at == from) {
                Some((_, waiting)) => *waiting = waiting.saturating_add(amount),
                None => all.pending.push((from, amount)),
            }
        }
    }
    all.pending.sort_unstable();
    Ok(all)
}

/// What leaves of an account, its position and its pledges: a vote weighs stake that can still be slashed.
pub fn leaving(work: &Work<'_>, owner: &AccountId, token: AssetId) -> Result<u64, Bug> {
    let position = load(work, owner, token)?;
    let mut sum = position.bond.leaving();
    for pool in &position.pledges {
        sum = sum.saturating_add(pledge::load(work, pool, token)?.map_or(0, |pledge| pledge.bond.leaving()));
    }
    Ok(sum)
}

/// Notes that the account pledges in `pool`.
pub(super) fn note_pledge(work: &mut Work<'_>, at: (&AccountId, AssetId), pool: &PoolId) -> Result<(), Abort> {
    let mut position = load(work, at.0, at.1)?;
    if !position.pledges.contains(pool) {
        if position.pledges.len() >= PLEDGES_MAX {
            return Err(TokensError::TooManyPledges { permitted: PLEDGES_MAX }.into());
        }
        position.pledges.push(*pool);
        position.pledges.sort_unstable();
        store(work, at.0, at.1, &position);
    }
    Ok(())
}

/// Forgets pledges that are gone.
pub(super) fn drop_pledges(work: &mut Work<'_>, at: (&AccountId, AssetId), gone: &[PoolId]) -> Result<(), Bug> {
    let mut position = load(work, at.0, at.1)?;
    position.pledges.retain(|pool| !gone.contains(pool));
    store(work, at.0, at.1, &position);
    Ok(())
}

/// A position that exists since genesis: active, delegated to `pool` from snapshot 0 on.
pub fn at_genesis(
    work: &mut Work<'_>,
    (owner, token): (&AccountId, AssetId),
    pool: &PoolId,
    amount: u64,
) -> Result<bool, Bug> {
    let mut position = load(work, owner, token)?;
    if position.pool.is_some_and(|other| other != *pool) {
        return Ok(false);
    }
    let before = position.steps(0);
    let mut changes = References::new();
    references(&position.segments, -1, &mut changes);
    position.bond.matured = position.bond.matured.saturating_add(amount);
    position.pool = Some(*pool);
    let after = position.steps(0);
    Deltas::between(&before, &after)?.apply(work, token, 0, false)?;
    position.reopen(0, &after);
    references(&position.segments, 1, &mut changes);
    checkpoint::refer(work, token, &changes)?;
    store(work, owner, token, &position);
    Ok(true)
}
