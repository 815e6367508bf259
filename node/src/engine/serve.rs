//! What peers may ask (contract D8), and what was on disk when the process started.

use super::Engine;
use super::executor::{ExecuteError, Executor};
use nupeer_consensus::input::{Persisted, Root};
use nupeer_consensus::nonce::Nonce;
use nupeer_consensus::sync::HEADERS_PER_REQUEST_MAX;
use nupeer_primitives::{BlockId, Header, Height, Transaction, TxId};

/// Bodies of one answer.
pub const BODIES_PER_ANSWER_MAX: usize = 64;
/// Bytes of the bodies of one answer; consensus.md §14 permits 8 MiB with framing.
pub const BODY_BYTES_PER_ANSWER_MAX: usize = 7 * 1_024 * 1_024;
/// Transactions of one answer.
pub const TXS_PER_ANSWER_MAX: usize = 256;

impl Engine {
    /// Headers after the first id of the locator that is on the committed chain.
    pub fn headers_after(&self, locator: &[BlockId]) -> Result<Vec<Vec<u8>>, ExecuteError> {
        let storage = &self.executor.storage;
        for id in locator {
            let Some(height) = storage.height_of(id)? else { continue };
            let mut headers = Vec::new();
            for next in (height.0.saturating_add(1)..).take(HEADERS_PER_REQUEST_MAX) {
                match storage.block_at(Height(next))? {
                    Some(block) => headers.push(block.header),
                    None => break,
                }
            }
            return Ok(headers);
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

    /// Waiting transactions by id.
    #[must_use]
    pub fn waiting_txs(&self, ids: &[TxId]) -> Vec<Transaction> {
        let known = ids.iter().take(TXS_PER_ANSWER_MAX).filter_map(|id| self.mempool.get(id));
        known.map(|tx| tx.tx.clone()).collect()
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
        let mut views = vec![(tip.id, self.executor.tip_view()?)];
        for height in root.point.height.0..tip.height.0 {
            let id = self.executor.committed_id(Height(height))?;
            views.push((id, self.executor.view_at(Height(height))?));
        }
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

    /// Encoded body of a block, waiting or committed.
    pub fn body_bytes(&self, id: &BlockId) -> Result<Option<Vec<u8>>, ExecuteError> {
        if let Some(stored) = self.storage.block(id)? {
            return Ok(Some(stored.body));
        }
        let known = self.header(id).and_then(|header| self.bodies.get(&header.body.body_hash));
        Ok(known.map(|body| body.bytes.as_ref().clone()))
    }

    /// Id of the committed block at a height.
    pub fn committed_id(&self, height: Height) -> Result<BlockId, ExecuteError> {
        let origin = self.storage.origin();
        match self.storage.block_at(height)? {
            Some(stored) => Ok(stored.id),
            None if height.0 == 0 => Ok(origin),
            None => Err(ExecuteError::StateUnknown(origin)),
        }
    }
}
