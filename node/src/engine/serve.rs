//! What peers may ask (contract D8), and what was on disk when the process started.

use super::Engine;
use super::executor::{ExecuteError, Executor};
use nupeer_consensus::compact::{CompactBody, Filled, ShortId, TXS_PER_REQUEST_MAX};
use nupeer_consensus::input::{Persisted, Root};
use nupeer_consensus::nonce::Nonce;
use nupeer_consensus::sync::HEADERS_PER_REQUEST_MAX;
use nupeer_primitives::{BlockId, Header, Height, SealedBody, Transaction, TxId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Bodies of one answer.
pub const BODIES_PER_ANSWER_MAX: usize = 64;
/// Bytes of the bodies of one answer; consensus.md §14 permits 8 MiB with framing.
pub const BODY_BYTES_PER_ANSWER_MAX: usize = 7 * 1_024 * 1_024;

impl Engine {
    /// Headers after the first id of the locator that is on the committed chain.
    pub fn headers_after(&self, locator: &[BlockId]) -> Result<Vec<Vec<u8>>, ExecuteError> {
        let storage = &self.executor.storage;
        for id in locator {
            let Some(height) = storage.height_of(id)? else { continue };
            let headers = storage.headers_after(height, HEADERS_PER_REQUEST_MAX)?;
            return Ok(headers.into_iter().map(|stored| stored.header).collect());
        }
        Ok(Vec::new())
    }

    /// Bodies of blocks that this node knows, in the order asked; none where the answer would grow too long.
    pub fn bodies_of(&self, ids: &[BlockId]) -> Result<Vec<Option<Vec<u8>>>, ExecuteError> {
        let mut bytes = 0usize;
        let mut bodies = Vec::with_capacity(ids.len().min(BODIES_PER_ANSWER_MAX));
        for id in ids.iter().take(BODIES_PER_ANSWER_MAX) {
            let body = self.executor.body_bytes(id)?;
            bytes = bytes.saturating_add(body.as_ref().map_or(0, Vec::len));
            bodies.push(body.filter(|_| bytes <= BODY_BYTES_PER_ANSWER_MAX));
        }
        Ok(bodies)
    }

    /// Bodies by short ids, in the order asked; none for a body that is not in memory, which is one that its peers have
    /// long had.
    #[must_use]
    pub fn compact_of(&self, ids: &[BlockId]) -> Vec<Option<CompactBody>> {
        let compact = |id| self.executor.recent_body(id).map(|body| CompactBody::of_sealed(&body));
        ids.iter().take(BODIES_PER_ANSWER_MAX).map(compact).collect()
    }

    /// Transactions of a body by short id, those that are there.
    #[must_use]
    pub fn txs_of_body(&self, block: &BlockId, ids: &[ShortId]) -> Vec<Transaction> {
        let Some(body) = self.executor.recent_body(block) else { return Vec::new() };
        let wanted: BTreeSet<ShortId> = ids.iter().take(TXS_PER_REQUEST_MAX).copied().collect();
        let txs = body.leaves().iter().zip(&body.body().txs);
        let found = txs.filter(|(leaf, _)| wanted.contains(&ShortId::of_leaf(leaf)));
        found.take(TXS_PER_REQUEST_MAX).map(|(_, tx)| tx.clone()).collect()
    }

    /// Fills a compact body from the mempool and from what a peer sent for it. `None` without the block's header.
    #[must_use]
    pub fn fill(&self, id: &BlockId, compact: &CompactBody, sent: &[Transaction]) -> Option<Filled> {
        let body_hash = self.executor.header(id)?.body.body_hash;
        let sent: BTreeMap<ShortId, &Transaction> = sent.iter().map(|tx| (ShortId::of(tx), tx)).collect();
        Some(compact.fill(body_hash, |short| match sent.get(short) {
            Some(tx) => Some((*tx).clone()),
            None => self.mempool.get_short(short).map(|waiting| waiting.tx.clone()),
        }))
    }

    /// What consensus boots from.
    pub(super) fn load_persisted(&mut self) -> Result<Persisted, ExecuteError> {
        let records = self.executor.storage.load_consensus()?;
        let first = Root {
            point: nupeer_consensus::input::Point {
                id: self.executor.storage.origin(),
                height: Height(0),
                slot: nupeer_primitives::Slot(0),
            },
            mc: nupeer_consensus::bodies::NO_CARDANO,
            nonce: Nonce::genesis(&self.executor.chain.genesis, &self.executor.seed()),
            counters: Vec::new(),
        };
        let root = records.root.unwrap_or(first);
        for (id, bytes) in &records.headers {
            let header = Header::decode(bytes).map_err(|_| ExecuteError::HeaderUnknown(*id))?;
            self.executor.add_header(*id, header);
        }
        let tip = self.executor.storage.position();
        let views = self.executor.views_down_to(root.point.height)?;
        Ok(Persisted {
            root,
            headers: records.headers.into_iter().map(|(_, bytes)| bytes).collect(),
            tip: tip.id,
            views,
            signed: records.signed,
            bans: records.bans,
            finality: records.finality,
        })
    }
}

impl Executor {
    /// Transactions of a block that is executed or committed.
    #[must_use]
    pub fn txs_of(&self, id: &BlockId) -> Vec<TxId> {
        self.receipts_of(id).into_iter().map(|receipt| receipt.tx).collect()
    }

    /// Body of a block above the final point, if it is in memory.
    #[must_use]
    pub fn recent_body(&self, id: &BlockId) -> Option<Arc<SealedBody>> {
        self.header(id).and_then(|header| self.bodies.get(&header.body.body_hash))
    }

    /// Encoded body of a block, waiting or committed.
    pub fn body_bytes(&self, id: &BlockId) -> Result<Option<Vec<u8>>, ExecuteError> {
        if let Some(body) = self.storage.body(id)? {
            return Ok(Some(body));
        }
        Ok(self.recent_body(id).map(|body| body.bytes().to_vec()))
    }
}
