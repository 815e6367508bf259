//! What the ledger stores for consensus, and what it tells consensus: the nonce after a block, and who may lead next.

use super::executor::ExecuteError;
use nupeer_consensus::finality::ChainFacts;
use nupeer_consensus::nonce::Nonce;
use nupeer_consensus::view::{LedgerView, Limits, PoolRow, Snapshot};
use nupeer_primitives::finality::Committee;
use nupeer_primitives::state::{Bug, View, Work};
use nupeer_primitives::{Cbor, Epoch, Hash, HeaderBody, Height};
use nupeer_runtime::apply::NONCE_BYTES_MAX;
use nupeer_runtime::validity::Chain;
use nupeer_runtime::{params, query};
use std::collections::BTreeMap;
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

/// What headers after a state are checked against.
pub fn ledger_view(state: &dyn View, chain: &Chain) -> Result<LedgerView, Bug> {
    let cursor = query::cursor(state)?;
    let work = Work::new(state);
    let limit = |name| params::get(&work, name).map(|value| u32::try_from(value).unwrap_or(u32::MAX));
    let mut snapshots = BTreeMap::new();
    let now = chain.constants.epoch(cursor.slot.0);
    for epoch in [now, now.saturating_add(1)] {
        let rows = query::leading_pools(state, Epoch(epoch))?;
        let rows = rows
            .into_iter()
            .map(|pool| (pool.id, PoolRow { weight: pool.weight, vrf_hash: pool.vrf_hash, jailed: pool.jailed }));
        snapshots.insert(Epoch(epoch), Arc::new(Snapshot::new(rows)));
    }
    let mut committees = BTreeMap::new();
    for (epoch, members) in query::committees(state, Epoch(now))? {
        committees.insert(epoch, Arc::new(Committee::new(epoch, members)));
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
