//! Runs blocks on the state after their parent and moves the committed chain (contract D5-D7 of
//! `nupeer_consensus::step`).
//!
//! Executed blocks above the final point are kept with their diffs, so that a switch commits what was computed before.

use super::bodies::Bodies;
use super::header_state;
use crate::storage::{Commit, Overlay, State, Storage, StorageError, StoredBlock};
use nupeer_consensus::view::LedgerView;
use nupeer_primitives::event::TxReceipt;
use nupeer_primitives::state::Bug;
use nupeer_primitives::{Block, BlockBody, BlockId, Cbor, Certificate, Hash, Header, Height, Slot};
use nupeer_runtime::apply::{Built, build_block};
use nupeer_runtime::validity::{Chain, CheckedTx};
use nupeer_runtime::{Applied, BlockContext, InvalidBlock, apply_block, invariants};
use std::collections::HashMap;
use std::sync::Arc;
use thiserror::Error;

/// What a block did, kept until it is final.
#[derive(Clone, Debug)]
pub struct Executed {
    /// Header and body.
    pub block: Arc<Block>,
    /// Its effects on the state.
    pub applied: Arc<Applied>,
}

/// Why a block was not executed.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum ExecuteError {
    #[error("header of {0} is not known")]
    HeaderUnknown(BlockId),
    #[error("body of {0} is not in the store")]
    BodyUnknown(BlockId),
    #[error("state after {0} is not known")]
    StateUnknown(BlockId),
    #[error(transparent)]
    Invalid(#[from] InvalidBlock),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("bug: {0}")]
    Bug(#[from] Bug),
}

/// The executor.
#[derive(Debug)]
pub struct Executor {
    /// Facts of genesis.
    pub chain: Chain,
    /// The committed chain.
    pub storage: Arc<Storage>,
    /// Bodies not committed yet.
    pub bodies: Bodies,
    headers: HashMap<BlockId, Arc<Header>>,
    executed: HashMap<BlockId, Executed>,
    first_nonce: Hash,
    audit: bool,
}

impl Executor {
    /// Over a committed chain. `first_nonce` is genesis' seed.
    #[must_use]
    pub fn new(chain: Chain, storage: Arc<Storage>, first_nonce: Hash, audit: bool) -> Self {
        Self {
            chain,
            storage,
            bodies: Bodies::default(),
            headers: HashMap::new(),
            executed: HashMap::new(),
            first_nonce,
            audit,
        }
    }

    /// Remembers a header that consensus trusts.
    pub fn add_header(&mut self, id: BlockId, header: Header) {
        self.headers.insert(id, Arc::new(header));
    }

    /// Forgets headers and what their blocks did.
    pub fn forget(&mut self, ids: &[BlockId]) {
        for id in ids {
            self.headers.remove(id);
            self.executed.remove(id);
        }
    }

    /// A header above the final point.
    #[must_use]
    pub fn header(&self, id: &BlockId) -> Option<Arc<Header>> {
        self.headers.get(id).cloned()
    }

    /// Runs a block; gives its root and the view that its children are checked against.
    pub fn execute(&mut self, id: BlockId, parent: BlockId) -> Result<(Hash, Arc<LedgerView>), ExecuteError> {
        let header = self.header(&id).ok_or(ExecuteError::HeaderUnknown(id))?;
        let body = self.bodies.get(&header.body.body_hash).ok_or(ExecuteError::BodyUnknown(id))?;
        let block = Block { header: (*header).clone(), body: (*body.body).clone() };
        let (chain, first_nonce, audit) = (self.chain.clone(), self.first_nonce, self.audit);
        let (applied, view) = self.on_state(parent, |state| {
            let header_state = header_state::after(state, &chain, first_nonce, &block.header.body)?;
            let applied = apply_block(&chain, state, state, &block, &header_state)?;
            let mut after = Overlay::default();
            after.push(&applied.diff, &applied.tree);
            let after = after.over(state);
            if audit {
                invariants::check(&after)?;
            }
            let view = header_state::ledger_view(&after, &chain)?;
            Ok((applied, view))
        })?;
        let root = applied.root;
        self.executed.insert(id, Executed { block: Arc::new(block), applied: Arc::new(applied) });
        Ok((root, Arc::new(view)))
    }

    /// Builds a body on `parent` from `candidates`.
    pub fn build<'c>(
        &self,
        ctx: &BlockContext,
        header: &nupeer_primitives::HeaderBody,
        certificates: &[Certificate],
        candidates: impl Iterator<Item = &'c CheckedTx>,
    ) -> Result<Built, ExecuteError> {
        let (chain, first_nonce) = (&self.chain, self.first_nonce);
        self.on_state(header.parent, |state| {
            let nonce = header_state::after(state, chain, first_nonce, header)?;
            Ok(build_block(chain, state, state, ctx, certificates, candidates, &nonce)?)
        })
    }

    /// Certificates in the body of an executed block.
    #[must_use]
    pub fn certificates_of(&self, id: &BlockId) -> Vec<Certificate> {
        self.executed.get(id).map(|executed| executed.block.body.certs.clone()).unwrap_or_default()
    }

    /// Genesis' seed.
    #[must_use]
    pub const fn seed(&self) -> Hash {
        self.first_nonce
    }

    /// Transaction receipts of a block that is executed.
    #[must_use]
    pub fn receipts_of(&self, id: &BlockId) -> Vec<TxReceipt> {
        self.executed.get(id).map(|executed| executed.applied.record.receipts.clone()).unwrap_or_default()
    }

    /// View of the committed tip.
    pub fn tip_view(&self) -> Result<Arc<LedgerView>, ExecuteError> {
        let snapshot = self.storage.snapshot();
        Ok(Arc::new(header_state::ledger_view(&snapshot, &self.chain)?))
    }

    /// View of a committed block that can still be undone.
    pub fn view_at(&self, height: Height) -> Result<Arc<LedgerView>, ExecuteError> {
        let snapshot = self.storage.snapshot();
        let overlay = self.storage.undone(&snapshot, height)?;
        Ok(Arc::new(header_state::ledger_view(&overlay.over(&snapshot), &self.chain)?))
    }

    /// Height and slot of the state after `id`.
    pub fn point_of(&self, id: &BlockId) -> Result<(Height, Slot), ExecuteError> {
        if let Some(executed) = self.executed.get(id) {
            return Ok((executed.block.header.body.height, executed.block.header.body.slot));
        }
        let height = self.storage.height_of(id)?.ok_or(ExecuteError::StateUnknown(*id))?;
        match self.storage.block_at(height)? {
            Some(stored) => {
                let header = Header::decode(&stored.header).map_err(|_| ExecuteError::StateUnknown(*id))?;
                Ok((header.body.height, header.body.slot))
            }
            None => Ok((Height(0), Slot(0))),
        }
    }

    fn on_state<T>(
        &self,
        at: BlockId,
        work: impl FnOnce(&dyn State) -> Result<T, ExecuteError>,
    ) -> Result<T, ExecuteError> {
        let snapshot = self.storage.snapshot();
        if snapshot.position().id == at {
            return work(&snapshot);
        }
        let mut path = Vec::new();
        let mut id = at;
        let root = loop {
            if let Some(height) = self.storage.height_of(&id)? {
                break height;
            }
            let executed = self.executed.get(&id).ok_or(ExecuteError::StateUnknown(id))?;
            path.push(executed);
            id = executed.block.header.body.parent;
        };
        let mut overlay = self.storage.undone(&snapshot, root)?;
        for executed in path.into_iter().rev() {
            overlay.push(&executed.applied.diff, &executed.applied.tree);
        }
        work(&overlay.over(&snapshot))
    }

    /// Undoes down to `rollback_to` and commits `apply`; gives the blocks that left, newest first.
    pub fn switch(&mut self, rollback_to: BlockId, apply: &[BlockId]) -> Result<Vec<StoredBlock>, ExecuteError> {
        let height = self.storage.height_of(&rollback_to)?.ok_or(ExecuteError::StateUnknown(rollback_to))?;
        self.keep_executed(height)?;
        let left = self.storage.rollback_to(height)?;
        for id in apply {
            let executed = self.executed.get(id).ok_or(ExecuteError::StateUnknown(*id))?;
            let Executed { block, applied } = executed;
            let commit = Commit { id: *id, block, diff: &applied.diff, tree: &applied.tree, record: &applied.record };
            self.storage.commit(&commit)?;
        }
        for stored in &left {
            if let Ok(body) = BlockBody::decode(&stored.body, usize::MAX) {
                self.bodies.insert(body);
            }
        }
        Ok(left)
    }

    /// Blocks committed in an earlier life of the process were executed then; consensus may come back to them after
    /// this switch, so they are executed again while their parents' states are at hand.
    fn keep_executed(&mut self, above: Height) -> Result<(), ExecuteError> {
        let tip = self.storage.position().height.0;
        for height in above.0.saturating_add(1)..=tip {
            let Some(stored) = self.storage.block_at(Height(height))? else { continue };
            if self.executed.contains_key(&stored.id) {
                continue;
            }
            let header = Header::decode(&stored.header).map_err(|_| ExecuteError::HeaderUnknown(stored.id))?;
            let body = BlockBody::decode(&stored.body, usize::MAX).map_err(|_| ExecuteError::BodyUnknown(stored.id))?;
            let parent = header.body.parent;
            self.bodies.insert(body);
            self.headers.entry(stored.id).or_insert_with(|| Arc::new(header));
            self.execute(stored.id, parent)?;
        }
        Ok(())
    }
}

/// The encoding of a block's body and where it belongs.
#[must_use]
pub fn digest_of(body: &BlockBody) -> (u32, Hash) {
    (u32::try_from(body.to_cbor().len()).unwrap_or(u32::MAX), body.hash())
}
