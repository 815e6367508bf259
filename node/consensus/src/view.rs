//! What the ledger tells consensus: who may lead, under which keys, parameters and versions (consensus.md §2, §7).
//!
//! A view is taken after an executed block and serves every header up to 3k/f slots past it: stake of an epoch is fixed
//! before the epoch begins, and no jail or parameter changes sooner.

use crate::crypto::leader::Sigma;
use crate::finality::ChainFacts;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use nupeer_primitives::finality::Committee;
use nupeer_primitives::{Epoch, Hash, Height, PoolId, Slot};

/// A pool in the snapshot that leads an epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolRow {
    /// `w(p)`.
    pub weight: u128,
    /// `H(vrf_vkey)` as registered.
    pub vrf_hash: Hash,
    /// A jailed pool may not lead, whatever its weight.
    pub jailed: bool,
}

/// The weights that lead one epoch (`set`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    total: u128,
    pools: BTreeMap<PoolId, PoolRow>,
    /// Hashes of hot keys that signed an offence, by pool.
    dead_keys: BTreeSet<(PoolId, Hash)>,
}

impl Snapshot {
    /// From the weights of the ledger; `total` is their sum, jailed pools included: their weight is lost, not shared.
    #[must_use]
    pub fn new(pools: impl IntoIterator<Item = (PoolId, PoolRow)>) -> Self {
        let pools: BTreeMap<_, _> = pools.into_iter().collect();
        let total = pools.values().fold(0u128, |sum, row| sum.saturating_add(row.weight));
        Self { total, pools, dead_keys: BTreeSet::new() }
    }
    /// With tombstones: hashes of hot keys under which no header of the epoch is valid.
    #[must_use]
    pub fn with_dead_keys(mut self, keys: impl IntoIterator<Item = (PoolId, Hash)>) -> Self {
        self.dead_keys.extend(keys);
        self
    }
    /// Whether a pool's hot key of this hash signs nothing.
    #[must_use]
    pub fn is_dead(&self, pool: &PoolId, key: &Hash) -> bool {
        self.dead_keys.contains(&(*pool, *key))
    }
    /// `W`.
    #[must_use]
    pub const fn total(&self) -> u128 {
        self.total
    }
    /// The row of a pool.
    #[must_use]
    pub fn pool(&self, id: &PoolId) -> Option<&PoolRow> {
        self.pools.get(id)
    }
    /// Every pool, ascending by id.
    pub fn pools(&self) -> impl Iterator<Item = (&PoolId, &PoolRow)> {
        self.pools.iter()
    }
    /// Share of a pool that may lead.
    #[must_use]
    pub fn sigma(&self, id: &PoolId) -> Option<Sigma> {
        let row = self.pools.get(id).filter(|row| row.weight > 0 && !row.jailed)?;
        Some(Sigma { weight: row.weight, total: self.total })
    }
}

/// Limits that governance may move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// P:header_max, bytes.
    pub header_max: u32,
    /// P:body_max, bytes.
    pub body_max: u32,
}

/// See the module header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LedgerView {
    /// Slot of the executed block.
    pub slot: Slot,
    /// Snapshots by the epoch that they lead: the block's epoch and the next.
    pub snapshots: BTreeMap<Epoch, Arc<Snapshot>>,
    /// Limits in force.
    pub limits: Limits,
    /// Version schedule: (first height, version), ascending by height. Heights before the first have version (0, 0).
    pub versions: Vec<(Height, (u16, u16))>,
    /// Finality committees: of the epoch before the block's, its own, and the next. Built once per epoch by the driver.
    pub committees: BTreeMap<Epoch, Arc<Committee>>,
    /// What the chain up to the block says about finality.
    pub facts: ChainFacts,
}

impl LedgerView {
    /// The version that a header of this height must carry.
    #[must_use]
    pub fn version_at(&self, height: Height) -> (u16, u16) {
        let next = self.versions.partition_point(|(from, _)| *from <= height);
        next.checked_sub(1).and_then(|i| self.versions.get(i)).map_or((0, 0), |(_, version)| *version)
    }
    /// The snapshot that leads an epoch; `None` when the epoch is out of the view's reach.
    #[must_use]
    pub fn leading(&self, epoch: Epoch) -> Option<&Snapshot> {
        self.snapshots.get(&epoch).map(Arc::as_ref)
    }
    /// Whether a header of `slot` may be judged by this view: at most `horizon` (3k/f) slots past its block.
    #[must_use]
    pub const fn reaches(&self, slot: Slot, horizon: u64) -> bool {
        slot.0 <= self.slot.0.saturating_add(horizon)
    }
}
