//! What the ledger stores for consensus, and what it tells consensus: the nonce after a block, and who may lead next.

use super::executor::ExecuteError;
use nupeer_consensus::finality::ChainFacts;
use nupeer_consensus::nonce::Nonce;
use nupeer_consensus::view::{LedgerView, Limits, PoolRow, Snapshot};
use nupeer_primitives::finality::Committee;
use nupeer_primitives::state::{Bug, Diff, View, Work};
use nupeer_primitives::{BlockId, Cbor, Epoch, Hash, HeaderBody, Height};
use nupeer_runtime::apply::NONCE_BYTES_MAX;
use nupeer_runtime::system::Cursor;
use nupeer_runtime::validity::Chain;
use nupeer_runtime::{params, query};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Nonce of a state.
pub fn nonce(state: &dyn View, chain: &Chain, seed: &Hash) -> Result<Nonce, Bug> {
    match query::nonce(state)? {
        Some(bytes) => Nonce::from_cbor(&bytes, NONCE_BYTES_MAX).map_err(|_| Bug::Corrupt { prefix: 0 }),
        None => Ok(Nonce::genesis(&chain.genesis, seed)),
    }
}

/// Encoded nonce after a header on a state.
pub fn after(state: &dyn View, chain: &Chain, seed: Hash, header: &HeaderBody) -> Result<Vec<u8>, ExecuteError> {
    Ok(nonce(state, chain, &seed)?.after(header, &chain.constants).to_cbor())
}

/// Committees with their summed keys, by epoch and the digest of their table: views of many blocks and branches share
/// them, and no key is decompressed twice.
#[derive(Debug, Default)]
pub struct Committees(RefCell<BTreeMap<(Epoch, Hash), Arc<Committee>>>);

/// Committees that are kept: three epochs of some branches.
const COMMITTEES_MAX: usize = 12;

impl Committees {
    /// The committee of `epoch` in a state.
    fn of(&self, state: &dyn View, epoch: Epoch) -> Result<Option<Arc<Committee>>, Bug> {
        let Some(digest) = query::committee_digest(state, epoch)? else { return Ok(None) };
        let mut known = self.0.borrow_mut();
        if let Some(committee) = known.get(&(epoch, digest)) {
            return Ok(Some(Arc::clone(committee)));
        }
        let members = query::committee(state, epoch)?;
        if members.is_empty() {
            return Ok(None);
        }
        let committee = Arc::new(Committee::new(epoch, members));
        known.insert((epoch, digest), Arc::clone(&committee));
        if known.len() > COMMITTEES_MAX {
            known.pop_first();
        }
        Ok(Some(committee))
    }
}

/// Everything of a view that rests on more than the cursor.
fn standing(state: &dyn View, chain: &Chain, cursor: &Cursor, known: &Committees) -> Result<LedgerView, Bug> {
    let work = Work::new(state);
    let limit = |name| params::get(&work, name).map(|value| u32::try_from(value).unwrap_or(u32::MAX));
    let mut snapshots = BTreeMap::new();
    let now = chain.constants.epoch(cursor.slot.0);
    for epoch in [now, now.saturating_add(1)] {
        let pools = query::leading_pools(state, Epoch(epoch))?;
        let row =
            |pool: &query::LeadingPool| PoolRow { weight: pool.weight, vrf_hash: pool.vrf_hash, jailed: pool.jailed };
        let snapshot = Snapshot::new(pools.iter().map(|pool| (pool.id, row(pool))));
        let dead = pools.iter().flat_map(|pool| pool.dead_keys.iter().map(|key| (pool.id, *key)));
        snapshots.insert(Epoch(epoch), Arc::new(snapshot.with_dead_keys(dead)));
    }
    let mut committees = BTreeMap::new();
    for epoch in (now.saturating_sub(1)..=now.saturating_add(1)).map(Epoch) {
        if let Some(committee) = known.of(state, epoch)? {
            committees.insert(epoch, committee);
        }
    }
    let (head, epoch_ends) = query::finality(state)?;
    let certified = head.and_then(|head| head.certified);
    let facts = ChainFacts { certified, final_round: head.map_or(0, |head| head.last.round), epoch_ends };
    Ok(LedgerView {
        slot: cursor.slot,
        snapshots,
        limits: Limits { header_max: limit("header_max")?, body_max: limit("body_max")? },
        versions: vec![(Height(0), cursor.version)],
        committees,
        facts,
    })
}

/// A view and all that it was derived from: while a block changes none of that, its view differs in the slot alone.
#[derive(Clone, Debug)]
pub struct Derived {
    block: BlockId,
    view: LedgerView,
    epoch: u64,
    version: (u16, u16),
    reads: Reads,
}

impl Derived {
    /// Whether this is the view after `block`.
    #[must_use]
    pub fn is_of(&self, block: &BlockId) -> bool {
        self.block == *block
    }
}

/// The view after a block, from its neighbour's where nothing that a view rests on is in `diff`, what differs between
/// the two states.
pub fn view_after(
    state: &dyn View,
    chain: &Chain,
    block: BlockId,
    diff: &Diff,
    neighbour: Option<&Derived>,
    known: &Committees,
) -> Result<(LedgerView, Derived), Bug> {
    let cursor = query::cursor(state)?;
    let (epoch, version) = (chain.constants.epoch(cursor.slot.0), cursor.version);
    if let Some(old) = neighbour.filter(|old| old.epoch == epoch && old.version == version && !old.reads.meet(diff)) {
        let view = LedgerView { slot: cursor.slot, ..old.view.clone() };
        return Ok((view.clone(), Derived { block, view, ..old.clone() }));
    }
    let watched = Watched { state, reads: RefCell::default() };
    let view = standing(&watched, chain, &cursor, known)?;
    let reads = watched.reads.into_inner();
    Ok((view.clone(), Derived { block, view, epoch, version, reads }))
}

/// What was read.
#[derive(Clone, Debug, Default)]
struct Reads {
    keys: BTreeSet<Vec<u8>>,
    prefixes: BTreeSet<Vec<u8>>,
}

impl Reads {
    /// Whether a diff changes any of it.
    fn meet(&self, diff: &Diff) -> bool {
        let under =
            |prefix: &Vec<u8>| diff.range(prefix.clone()..).next().is_some_and(|(key, _)| key.starts_with(prefix));
        self.keys.iter().any(|key| diff.contains_key(key)) || self.prefixes.iter().any(under)
    }
}

/// A state that remembers what is read of it.
struct Watched<'a> {
    state: &'a dyn View,
    reads: RefCell<Reads>,
}

impl View for Watched<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.reads.borrow_mut().keys.insert(key.to_vec());
        self.state.get(key)
    }
    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.reads.borrow_mut().prefixes.insert(prefix.to_vec());
        self.state.scan(prefix, from, limit)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use nupeer_primitives::state::MemoryState;

    #[test]
    fn a_diff_meets_what_was_read_and_nothing_else() {
        let state: MemoryState = [(vec![1, 1], vec![1]), (vec![2, 7], vec![1])].into();
        let watched = Watched { state: &state, reads: RefCell::default() };
        assert!(watched.get(&[1, 1]).is_some() && watched.get(&[1, 2]).is_none());
        assert_eq!(watched.scan(&[2], &[2, 5], 1).len(), 1);
        let reads = watched.reads.into_inner();
        let diff = |key: &[u8]| Diff::from([(key.to_vec(), None)]);
        for key in [&[1, 1][..], &[1, 2], &[2], &[2, 0], &[2, 9]] {
            assert!(reads.meet(&diff(key)), "{key:?}");
        }
        for key in [&[1][..], &[1, 3], &[3], &[1, 1, 0]] {
            assert!(!reads.meet(&diff(key)), "{key:?}");
        }
    }
}
