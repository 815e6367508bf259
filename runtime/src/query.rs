//! Questions that the node asks the state: for consensus (who may lead) and for its API.

pub mod guarding;

use crate::finality::{self, Head};
use crate::system::{self, Cursor};
use alloc::vec::Vec;
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::finality::Member;
use nupeer_primitives::state::{Bug, Key, View, Work};
use nupeer_primitives::{BlockId, BlsKey, Epoch, Hash, PoolId};
use nupeer_tokens::committee;
use nupeer_tokens::stake::{self, snapshot::may_lead};

/// A pool as leader election sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeadingPool {
    /// The pool.
    pub id: PoolId,
    /// Its weight in the leading snapshot.
    pub weight: u128,
    /// `H(vrf_vkey)` as registered.
    pub vrf_hash: Hash,
    /// Whether it may not lead.
    pub jailed: bool,
    /// Hashes of its hot keys that sign nothing in that epoch.
    pub dead_keys: Vec<Hash>,
}

/// The pools that lead in `epoch`. Answered for the state's own epoch and the next one, whose snapshot is already
/// fixed.
pub fn leading_pools(view: &dyn View, epoch: Epoch) -> Result<Vec<LeadingPool>, Bug> {
    let work = Work::new(view);
    let mut out = Vec::new();
    for (id, weight) in stake::leading(&work, epoch)? {
        let pool: stake::Pool = work.expect(&stake::pool_key(&id), "pool of a snapshot")?;
        let (jailed, dead_keys) = (!may_lead(&pool, epoch), pool.dead_keys(stake::epoch32(epoch)?).collect());
        out.push(LeadingPool { id, weight, vrf_hash: pool.vrf_hash, jailed, dead_keys });
    }
    Ok(out)
}

/// The committees that votes may still come from: of the epoch before `epoch`, of itself, and of the next.
pub fn committees(view: &dyn View, epoch: Epoch) -> Result<Vec<(Epoch, Vec<Member>)>, Bug> {
    let work = Work::new(view);
    let mut out = Vec::new();
    for epoch in epoch.0.saturating_sub(1)..=epoch.0.saturating_add(1) {
        let members = committee::members(&work, Epoch(epoch))?;
        if !members.is_empty() {
            out.push((Epoch(epoch), members));
        }
    }
    Ok(out)
}

/// The committee of one epoch; empty if none was fixed or it is too old.
pub fn committee(view: &dyn View, epoch: Epoch) -> Result<Vec<Member>, Bug> {
    committee::members(&Work::new(view), epoch)
}

/// Keys of finality votes that a pool may still need: those of its seats in the committees that votes may come from,
/// and the one that the next committee will know.
pub fn bls_keys_of(view: &dyn View, pool: &PoolId) -> Result<Vec<BlsKey>, Bug> {
    let tables = committees(view, cursor(view)?.epoch)?;
    let seats = tables.iter().flat_map(|(_, table)| table).filter(|member| member.pool == *pool);
    let mut keys: Vec<BlsKey> = seats.map(|member| member.key).collect();
    let registered: Option<stake::Pool> = Work::new(view).get(&stake::pool_key(pool))?;
    keys.extend(registered.and_then(|pool| pool.bls_key));
    Ok(keys)
}

/// Hash of a committee's table: equal tables need not be read again.
pub fn committee_digest(view: &dyn View, epoch: Epoch) -> Result<Option<Hash>, Bug> {
    committee::digest(&Work::new(view), epoch)
}

/// A block with its epoch, as finality marks it.
pub type Marked = (Epoch, BlockId);

/// Where finality stands on the chain up to this state (`None` before the first block), and the last block of each
/// recent epoch.
pub fn finality(view: &dyn View) -> Result<(Option<Head>, Vec<Marked>), Bug> {
    let work = Work::new(view);
    Ok((finality::head(&work)?, finality::epoch_ends(&work)?))
}

/// Where the ledger stands.
pub fn cursor(view: &dyn View) -> Result<Cursor, Bug> {
    system::cursor(&Work::new(view))
}

/// The nonce state that consensus stored with the last block; `None` at genesis.
pub fn nonce(view: &dyn View) -> Result<Option<Vec<u8>>, Bug> {
    let stored: Option<Bytes<{ crate::apply::NONCE_BYTES_MAX }>> = Work::new(view).get(&system::nonce_key())?;
    Ok(stored.map(|bytes| bytes.as_slice().to_vec()))
}

/// Highest operational certificate counter of every pool that ever made a block.
pub fn opcert_counters(view: &dyn View) -> Result<Vec<(PoolId, u64)>, Bug> {
    let prefix = Key::new(0x00).u8(4);
    let rows = Work::new(view).scan::<u64>(&prefix, &[], stake::POOLS_MAX)?;
    rows.into_iter()
        .map(|(key, counter)| {
            let id = key.get(2..).and_then(|tail| <[u8; 28]>::try_from(tail).ok());
            id.map(|id| (PoolId(id), counter)).ok_or(Bug::Corrupt { prefix: 0 })
        })
        .collect()
}
