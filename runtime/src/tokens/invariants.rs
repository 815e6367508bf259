//! What must hold of stake after every block (tokens.md §13: 1-5, 8), found by brute force over all records.

use crate::invariants::Held;
use crate::system;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{AccountId, AssetId, PoolId};
use nupeer_tokens::bank;
use nupeer_tokens::bond::Bond;
use nupeer_tokens::stake::checkpoint::Checkpoint;
use nupeer_tokens::stake::pledge::Pledge;
use nupeer_tokens::stake::{self, PoolStakeSums, Position, epoch32, kind, pool_and_token, stake_key};
use nupeer_tokens::supply::{self, NATIVE};
use nupeer_tokens::work_ledger::{self, WorkDone, WorkEpoch};
use nupeer_tokens::{ispo_ledger, work_reward};

fn owner_of(key: &[u8]) -> Result<(AccountId, AssetId), Bug> {
    let account = key.get(1..29).and_then(|b| <[u8; 28]>::try_from(b).ok());
    let token = key.get(29..31).and_then(|b| <[u8; 2]>::try_from(b).ok());
    let both = account.zip(token).ok_or(Bug::Corrupt { prefix: 0x09 })?;
    Ok((AccountId(both.0), AssetId(u16::from_be_bytes(both.1))))
}

/// Records with whose they are.
type Rows<Owner, Record> = Vec<((Owner, AssetId), Record)>;

fn positions(work: &Work<'_>) -> Result<Rows<AccountId, Position>, Bug> {
    let rows = work.scan::<Position>(&Key::new(0x09), &[], usize::MAX)?;
    rows.into_iter().map(|(key, position)| owner_of(&key).map(|owner| (owner, position))).collect()
}

fn pledges(work: &Work<'_>) -> Result<Rows<PoolId, Pledge>, Bug> {
    let rows = work.scan::<Pledge>(&stake_key(kind::PLEDGE), &[], usize::MAX)?;
    rows.into_iter().map(|(key, pledge)| pool_and_token(&key).map(|at| (at, pledge))).collect()
}

/// Adds what positions and pledges hold for each owner.
pub fn held(work: &Work<'_>, held: &mut Held) -> Result<(), Bug> {
    let mut add = |owner: (AccountId, AssetId), bond: &Bond| {
        let sum = held.entry(owner).or_default();
        *sum = sum.saturating_add(u128::from(bond.total()));
    };
    for (owner, position) in positions(work)? {
        add(owner, &position.bond);
    }
    for ((_, token), pledge) in pledges(work)? {
        add((pledge.owner, token), &pledge.bond);
    }
    Ok(())
}

/// Checks every incremental sum of stake.
pub fn check(work: &Work<'_>) -> Result<(), Bug> {
    let now = epoch32(system::cursor(work)?.epoch)?;
    let mut owed: BTreeMap<AssetId, u128> = BTreeMap::new();
    let mut references = BTreeMap::<(PoolId, AssetId, u32), u32>::new();
    for ((owner, token), position) in positions(work)? {
        add(&mut owed, token, stake::position::due(work, &owner, token)?);
        for segment in &position.segments {
            for epoch in core::iter::once(segment.from).chain(segment.to) {
                let count = references.entry((segment.pool, token, epoch)).or_default();
                *count = count.saturating_add(1);
            }
        }
    }
    for ahead in 0..10 {
        check_stake_in(work, now.saturating_add(ahead))?;
    }
    check_segments(work, now)?;
    check_checkpoints(work, &references)?;
    check_work(work, &mut owed)?;
    check_rewards(work, &owed)
}

fn add(sums: &mut BTreeMap<AssetId, u128>, token: AssetId, amount: u64) {
    let sum = sums.entry(token).or_default();
    *sum = sum.saturating_add(u128::from(amount));
}

fn differ(what: &str, sum: impl core::fmt::Debug, records: impl core::fmt::Debug) -> Bug {
    Bug::Invariant { what: format!("{what}: the sum says {sum:?}, the records {records:?}") }
}

/// Σ over positions and pledges of what counts in `epoch` = the sums of each pool and `bonded`.
fn check_stake_in(work: &Work<'_>, epoch: u32) -> Result<(), Bug> {
    let (mut pools, mut bonded) = (BTreeMap::<(PoolId, AssetId), (i128, i128)>::new(), BTreeMap::new());
    for ((_, token), position) in positions(work)? {
        let amount = position.bond.active_in(epoch);
        add(&mut bonded, token, amount);
        if let Some(pool) = position.pool_in(epoch) {
            pools.entry((pool, token)).or_default().0 += i128::from(amount);
        }
    }
    for (at, pledge) in pledges(work)? {
        let amount = pledge.bond.active_in(epoch);
        add(&mut bonded, at.1, amount);
        let sums = pools.entry(at).or_default();
        (sums.0, sums.1) = (sums.0 + i128::from(amount), sums.1 + i128::from(amount));
    }
    for (key, mut sums) in work.scan::<PoolStakeSums>(&Key::new(0x0A), &[], usize::MAX)? {
        sums.advance(epoch)?;
        let at = pool_and_token(&key)?;
        let expected = pools.remove(&at).unwrap_or_default();
        let found = (sums.stake.value(), sums.pledge.value());
        if found != expected {
            return Err(differ(&format!("stake of {at:?} in epoch {epoch}"), found, expected));
        }
    }
    if let Some((at, amounts)) = pools.into_iter().find(|(_, amounts)| *amounts != (0, 0)) {
        return Err(differ(&format!("stake of {at:?}"), "nothing", amounts));
    }
    for token in NATIVE {
        let (found, expected) = (stake::bonded(work, token, epoch)?.value(), bonded.get(&token).copied().unwrap_or(0));
        if u128::try_from(found) != Ok(expected) {
            return Err(differ(&format!("bonded of {token} in epoch {epoch}"), found, expected));
        }
    }
    Ok(())
}

/// Every snapshot that is not paid: Σ of the segments that count in it = the pool's stake without its pledge.
fn check_segments(work: &Work<'_>, now: u32) -> Result<(), Bug> {
    let positions = positions(work)?;
    for (key, mut sums) in work.scan::<PoolStakeSums>(&Key::new(0x0A), &[], usize::MAX)? {
        let (pool, token) = pool_and_token(&key)?;
        sums.advance(now)?;
        for snapshot in sums.unpaid..=now.saturating_add(9) {
            if snapshot > now {
                sums.advance(snapshot)?;
            }
            let counts = |s: &&stake::position::Segment| {
                s.pool == pool && s.from <= snapshot && s.to.is_none_or(|to| snapshot < to)
            };
            let own = positions.iter().filter(|((_, t), _)| *t == token).flat_map(|(_, p)| &p.segments);
            let counted: i128 = own.filter(counts).map(|s| i128::from(s.amount)).sum();
            let delegated = sums.stake.at_start(snapshot) - sums.pledge.at_start(snapshot);
            if counted != delegated {
                return Err(differ(&format!("members of {pool} in snapshot {snapshot}"), delegated, counted));
            }
        }
    }
    Ok(())
}

fn check_checkpoints(work: &Work<'_>, references: &BTreeMap<(PoolId, AssetId, u32), u32>) -> Result<(), Bug> {
    let mut found = BTreeMap::new();
    for (key, checkpoint) in work.scan::<Checkpoint>(&Key::new(0x0F), &[], usize::MAX)? {
        let (head, epoch) = key.split_last_chunk::<4>().ok_or(Bug::Corrupt { prefix: 0x0F })?;
        let (pool, token) = pool_and_token(head)?;
        found.insert((pool, token, u32::from_be_bytes(*epoch)), checkpoint.refs);
    }
    if found == *references { Ok(()) } else { Err(differ("references of checkpoints", &found, references)) }
}

/// Σelig, references and what ended epochs owe.
fn check_work(work: &Work<'_>, owed: &mut BTreeMap<AssetId, u128>) -> Result<(), Bug> {
    let mut epochs = BTreeMap::<(AssetId, u32), (u128, u32)>::new();
    for (key, done) in work.scan::<WorkDone>(&stake_key(kind::WORK), &[], usize::MAX)? {
        let (_, token) = work_ledger::account_and_token(&key)?;
        let all = epochs.entry((token, done.epoch)).or_default();
        (all.0, all.1) = (all.0.saturating_add(u128::from(done.eligible)), all.1.saturating_add(1));
        let WorkEpoch { eligible, minted, .. } = work_ledger::epoch(work, token, done.epoch)?;
        add(owed, token, minted.map_or(0, |minted| work_reward::reward(minted, done.eligible, eligible)));
    }
    let count = work.scan::<WorkEpoch>(&stake_key(kind::WORK_EPOCH), &[], usize::MAX)?.len();
    if count != epochs.len() {
        return Err(differ("epochs of work", count, epochs.len()));
    }
    for ((token, epoch), expected) in epochs {
        let all = work_ledger::epoch(work, token, epoch)?;
        // Who took their part of an ended epoch left the records, not the sum that the others are paid by.
        let is_sum = if all.minted.is_some() { expected.0 <= all.eligible } else { expected.0 == all.eligible };
        if !is_sum || all.refs != expected.1 {
            return Err(differ(&format!("work of {token} in epoch {epoch}"), (all.eligible, all.refs), expected));
        }
    }
    Ok(())
}

/// `rewards.t` covers everything that is owed: Σ claims ≤ Σ minted.
fn check_rewards(work: &Work<'_>, owed: &BTreeMap<AssetId, u128>) -> Result<(), Bug> {
    for token in NATIVE {
        let rewards = bank::balance(work, &AccountId::system(supply::rewards(token)), token)?.free;
        let due = owed.get(&token).copied().unwrap_or(0);
        let due = due.saturating_add(u128::from(ispo_ledger::unclaimed(work, token)?));
        if due > u128::from(rewards.get()) {
            return Err(differ(&format!("rewards of {token}"), rewards, due));
        }
    }
    Ok(())
}
