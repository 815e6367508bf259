//! Transactions that wait for a block (consensus.md §13).
//!
//! # Invariants
//! - At most [`BYTES_MAX`] in all, [`PAYER_TXS_MAX`] transactions and [`PAYER_BYTES_MAX`] per payer.
//! - One transaction per (payer, sequence number); a replacement pays a tenth more.
//! - Order: fee per weight, then arrival; within a payer by sequence number.

use nupeer_consensus::compact::ShortId;
use nupeer_primitives::{AccountId, Slot, TxId};
use nupeer_runtime::validity::CheckedTx;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use thiserror::Error;

/// Bytes of all waiting transactions.
pub const BYTES_MAX: u64 = 64 * 1_024 * 1_024;
/// Transactions of one payer: half of its window, so that a payer alone cannot fill the pool.
pub const PAYER_TXS_MAX: usize = 64;
/// Bytes of one payer's transactions.
pub const PAYER_BYTES_MAX: u64 = 1_024 * 1_024;
/// A replacement pays at least this much more, in percent.
const REPLACEMENT_PERCENT: u64 = 110;

/// Why a transaction is not taken; nobody is at fault.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum PoolError {
    #[error("already waiting")]
    Known,
    #[error("sequence number {seq} is taken by a transaction paying {fee}; a replacement pays at least {needed}")]
    ReplacementTooCheap { seq: u64, fee: u64, needed: u64 },
    #[error("payer has {permitted} transactions waiting already; wait for some to be included")]
    PayerTxs { permitted: usize },
    #[error("payer has {permitted} bytes waiting already; wait for some to be included")]
    PayerBytes { permitted: u64 },
    #[error("mempool is full and the fee of {fee} is not above the least one waiting")]
    Full { fee: u64 },
}

/// A waiting transaction.
#[derive(Clone, Debug)]
struct Waiting {
    tx: Arc<CheckedTx>,
    fee: u64,
    rank: Rank,
}

/// Better ranks first: fee per weight in millionths, then arrival.
type Rank = (Reverse<u64>, u64);

/// The ids in a pool, for those who look from other threads while the pool moves.
#[derive(Clone, Debug, Default)]
pub struct WaitingIds(Arc<RwLock<HashSet<TxId>>>);

impl WaitingIds {
    /// Whether a transaction waits.
    #[must_use]
    pub fn contains(&self, id: &TxId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    fn ids(&self) -> RwLockWriteGuard<'_, HashSet<TxId>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pool.
#[derive(Debug, Default)]
pub struct Mempool {
    by_id: HashMap<TxId, Waiting>,
    ids: WaitingIds,
    by_rank: BTreeMap<Rank, TxId>,
    /// Two transactions may share a short id: the later one is found, and whoever asks compares hashes.
    by_short: BTreeMap<ShortId, TxId>,
    by_payer: HashMap<AccountId, BTreeMap<u64, TxId>>,
    bytes: u64,
    arrivals: u64,
}

impl Mempool {
    /// Number of waiting transactions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Bytes of all waiting transactions.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A waiting transaction.
    #[must_use]
    pub fn get(&self, id: &TxId) -> Option<Arc<CheckedTx>> {
        self.by_id.get(id).map(|waiting| Arc::clone(&waiting.tx))
    }

    /// Sequence numbers of a payer that are taken here.
    pub fn seqs_of(&self, payer: &AccountId) -> impl Iterator<Item = u64> {
        self.by_payer.get(payer).into_iter().flat_map(|own| own.keys().copied())
    }

    /// Whether a waiting transaction is as asked.
    pub fn any(&self, is: impl Fn(&CheckedTx) -> bool) -> bool {
        self.by_id.values().any(|waiting| is(&waiting.tx))
    }

    /// A waiting transaction by its short id.
    #[must_use]
    pub fn get_short(&self, id: &ShortId) -> Option<Arc<CheckedTx>> {
        self.by_short.get(id).and_then(|id| self.get(id))
    }

    /// Whether a transaction waits.
    #[must_use]
    pub fn contains(&self, id: &TxId) -> bool {
        self.by_id.contains_key(id)
    }

    /// Takes a transaction that the ledger would run, with the fee it pays.
    pub fn insert(&mut self, tx: Arc<CheckedTx>, fee: u64) -> Result<(), PoolError> {
        if self.by_id.contains_key(&tx.id) {
            return Err(PoolError::Known);
        }
        let replaced = self.check_payer(&tx, fee)?;
        let rate = fee.saturating_mul(1_000_000).checked_div(tx.weight.max(1)).unwrap_or(0);
        self.arrivals = self.arrivals.saturating_add(1);
        let rank = (Reverse(rate), self.arrivals);
        let free = replaced.and_then(|id| self.by_id.get(&id)).map_or(0, |old| old.tx.size);
        while self.bytes.saturating_sub(free).saturating_add(tx.size) > BYTES_MAX {
            match self.by_rank.last_key_value() {
                Some((worst, id)) if *worst > rank => {
                    let id = *id;
                    self.remove(&id);
                }
                Some(_) | None => return Err(PoolError::Full { fee }),
            }
        }
        if let Some(old) = replaced {
            self.remove(&old);
        }
        self.bytes = self.bytes.saturating_add(tx.size);
        self.by_rank.insert(rank, tx.id);
        self.by_short.insert(ShortId::of_leaf(&tx.leaf), tx.id);
        self.by_payer.entry(tx.tx.body.payer).or_default().insert(tx.tx.body.seq, tx.id);
        self.ids.ids().insert(tx.id);
        self.by_id.insert(tx.id, Waiting { tx, fee, rank });
        Ok(())
    }

    /// The transaction that this one replaces, if it may.
    fn check_payer(&self, tx: &CheckedTx, fee: u64) -> Result<Option<TxId>, PoolError> {
        let Some(own) = self.by_payer.get(&tx.tx.body.payer) else { return Ok(None) };
        let seq = tx.tx.body.seq;
        if let Some(old) = own.get(&seq).and_then(|id| self.by_id.get(id)) {
            let needed = old.fee.saturating_mul(REPLACEMENT_PERCENT).div_ceil(100);
            return if fee >= needed {
                Ok(Some(old.tx.id))
            } else {
                Err(PoolError::ReplacementTooCheap { seq, fee: old.fee, needed })
            };
        }
        if own.len() >= PAYER_TXS_MAX {
            return Err(PoolError::PayerTxs { permitted: PAYER_TXS_MAX });
        }
        let bytes: u64 = own.values().filter_map(|id| self.by_id.get(id)).map(|waiting| waiting.tx.size).sum();
        if bytes.saturating_add(tx.size) > PAYER_BYTES_MAX {
            return Err(PoolError::PayerBytes { permitted: PAYER_BYTES_MAX });
        }
        Ok(None)
    }

    /// Drops a transaction.
    pub fn remove(&mut self, id: &TxId) {
        let Some(waiting) = self.by_id.remove(id) else { return };
        self.ids.ids().remove(id);
        self.bytes = self.bytes.saturating_sub(waiting.tx.size);
        self.by_rank.remove(&waiting.rank);
        let short = ShortId::of_leaf(&waiting.tx.leaf);
        if self.by_short.get(&short) == Some(id) {
            self.by_short.remove(&short);
        }
        let payer = waiting.tx.tx.body.payer;
        if let Some(own) = self.by_payer.get_mut(&payer) {
            own.remove(&waiting.tx.tx.body.seq);
            if own.is_empty() {
                self.by_payer.remove(&payer);
            }
        }
    }

    /// Drops what can no longer be included from `slot` on.
    pub fn expire(&mut self, slot: Slot) {
        let old: Vec<TxId> = self
            .by_id
            .values()
            .filter(|waiting| waiting.tx.tx.body.until < slot)
            .map(|waiting| waiting.tx.id)
            .collect();
        for id in old {
            self.remove(&id);
        }
    }

    /// Candidates for a block, best first; a payer's transactions in the order of their sequence numbers.
    #[must_use]
    pub fn candidates(&self, count_max: usize) -> Vec<Arc<CheckedTx>> {
        let mut next: HashMap<AccountId, std::collections::btree_map::Values<'_, u64, TxId>> = HashMap::new();
        let mut out = Vec::new();
        for id in self.by_rank.values() {
            let Some(ranked) = self.by_id.get(id) else { continue };
            // The payer's place in the order is kept, but it is taken by the payer's lowest number left.
            let payer = ranked.tx.tx.body.payer;
            let Some(own) = self.by_payer.get(&payer) else { continue };
            let turn = next.entry(payer).or_insert_with(|| own.values());
            if let Some(waiting) = turn.next().and_then(|id| self.by_id.get(id)) {
                out.push(Arc::clone(&waiting.tx));
            }
            if out.len() >= count_max {
                break;
            }
        }
        out
    }

    /// The ids that wait, kept up to date.
    #[must_use]
    pub fn ids(&self) -> WaitingIds {
        self.ids.clone()
    }
}
