//! Positions, pools, their stake, and the weight snapshots that leaders are drawn from (tokens.md §3, consensus.md §2,
//! ledger.md §6).
//!
//! # How it works
//! 1. A bond of an account lives in its [`Position`], an operator's in the [`pledge::Pledge`] of the pool. Both add to
//!    the pool's sums and to `bonded`: later for what becomes active, at once for what leaves.
//! 2. A snapshot is taken at each epoch boundary under its epoch's number. The one taken at the boundary into `e-1` is
//!    `set` during `e`: stake that leads is two epochs old and was fixed before the randomness of its nonce existed.
//! 3. Members are paid by an index per pool (tokens.md §4): a position remembers in which snapshots it counted with how
//!    much at which pool, and a [`checkpoint`] keeps the index of every start and end that some position remembers.
//!
//! # Invariants
//! - Σ pool stake + undelegated positions = bonded, at every epoch start; every sum equals the one over all records.
//! - A position shrinks by its owner's operations or its owner's own offence only; a token counts in one pool.
//! - Σ claims ≤ Σ minted: amounts are never rescaled and every product floors.
//!
//! # Deviations
//! - A position's `stake` is not kept as a sum of its own: it follows from matured and pending.
//! - The map of checkpoints has one key per entry, so that a claim reads and writes only those that it needs.
//! - `cost` stands beside the margin in the pool's terms: both change together, from a snapshot on.
//! - While the pools of a boundary are being paid, a position may remember one segment more than four.

pub mod checkpoint;
pub mod pledge;
pub mod pool;
pub mod pool_stake;
pub mod position;
mod schedule;
pub mod snapshot;

pub use pool::{Jail, Pool, PoolTerms, pool_key};
pub use pool_stake::{PoolStakeSums, bonded, pool_stake_key};
pub use position::Position;
pub use snapshot::{SnapshotRules, leading, snapshot, take_snapshot};

use nupeer_primitives::state::{Bug, Key};
use nupeer_primitives::{AssetId, Epoch, PoolId};

/// Pools of one snapshot; registration costs a pledge, so this is never reached by accident.
pub const POOLS_MAX: usize = 10_000;
/// Epoch starts that the sums of a pool remember: what is paid lies two back, more only when payment lags.
pub const STARTS_KEPT: u32 = 16;

/// Kinds of keys under prefix 0E.
pub mod kind {
    /// (pool, token) -> the operator's bond.
    pub const PLEDGE: u8 = 1;
    /// token -> sum of all active stake.
    pub const BONDED: u8 = 2;
    /// token -> rate of emission, ppb.
    pub const RATE: u8 = 3;
    /// snapshot epoch -> payment of the pools that is under way.
    pub const ROUND: u8 = 4;
    /// (epoch, pool) -> blocks made.
    pub const BLOCKS: u8 = 5;
    /// (token, epoch) -> paid work of all.
    pub const WORK_EPOCH: u8 = 6;
    /// (account, token) -> paid work of one.
    pub const WORK: u8 = 7;
}

/// A key of prefix 0E: stake that ledger.md's table does not name.
#[must_use]
pub fn stake_key(kind: u8) -> Key {
    Key::new(0x0E).u8(kind)
}

/// An epoch as sums count it.
pub fn epoch32(epoch: Epoch) -> Result<u32, Bug> {
    u32::try_from(epoch.0).map_err(|_| Bug::Arithmetic { what: "epoch above 32 bits" })
}

/// Pool and token at the end of a key.
pub(crate) fn pool_of(key: &[u8]) -> Result<PoolId, Bug> {
    let tail = key.len().checked_sub(28).and_then(|at| key.get(at..)).and_then(|t| <[u8; 28]>::try_from(t).ok());
    tail.map(PoolId).ok_or(Bug::Corrupt { prefix: key.first().copied().unwrap_or(0) })
}

/// A pool and a token, as the key of a sum or bond ends.
pub fn pool_and_token(key: &[u8]) -> Result<(PoolId, AssetId), Bug> {
    let (pool, token) = key.split_last_chunk::<2>().ok_or(Bug::Corrupt { prefix: 0x0A })?;
    Ok((pool_of(pool)?, AssetId(u16::from_be_bytes(*token))))
}
