//! Runs blocks on the state after their parent and moves the committed chain (contract D5-D7 of
//! `nupeer_consensus::step`).
//!
//! Executed blocks above the final point are kept with their diffs, so that a switch commits what was computed before.

use super::bodies::Bodies;
use super::header_state::{self, Committees, Derived};
use crate::checked::CheckedTxs;
use crate::storage::{Commit, Overlay, State, Storage, StorageError, StoredBlock};
use nupeer_consensus::view::LedgerView;
use nupeer_primitives::event::TxReceipt;
use nupeer_primitives::state::{Abort, Bug, Diff};
use nupeer_primitives::{BlockId, Certificate, Hash, Header, HeaderBody, Height, SealedBody, Slot, TxId};
use nupeer_runtime::apply::{Built, apply_checked, build_block};
use nupeer_runtime::validity::{Chain, CheckedBody, CheckedTx};
use nupeer_runtime::{Applied, BlockContext, InvalidBlock, invariants, query};
use std::collections::HashMap;
use std::sync::Arc;
use thiserror::Error;

/// What a block did, kept until it is final.
#[derive(Clone, Debug)]
pub struct Executed {
    /// Its header.
    pub header: Arc<Header>,
    /// Its body.
    pub body: Arc<SealedBody>,
    /// Its effects on the state.
    pub applied: Arc<Applied>,
}

/// A body of our own with what it does. Whatever it rests on is kept beside it, so that it stands for executing a block
/// only where executing could not give anything else.
#[derive(Debug)]
struct Forged {
    ctx: BlockContext,
    nonce: Vec<u8>,
    body_hash: Hash,
    applied: Arc<Applied>,
}

impl Forged {
    /// Whether this is what executing a block with this header in this context gives.
    fn is_of(&self, header: &HeaderBody, ctx: &BlockContext, nonce: &[u8]) -> bool {
        let Self { ctx: own_ctx, nonce: own_nonce, body_hash, applied } = self;
        own_ctx == ctx && own_nonce == nonce && *body_hash == header.body_hash && applied.root == header.state_root
    }
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

impl ExecuteError {
    /// Whether the disk has no room, and the same may succeed later.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Storage(error) if error.is_retryable())
    }
}

/// A block of our own: its body, what it does, and the transactions that it refuses.
type Made = (Arc<SealedBody>, Arc<Applied>, Vec<(TxId, Abort)>);

/// The executor.
#[derive(Debug)]
pub struct Executor {
    /// Facts of genesis.
    pub chain: Chain,
    /// The committed chain.
    pub storage: Arc<Storage>,
    /// Bodies not committed yet.
    pub bodies: Bodies,
    /// Transactions checked before; shared with the doors.
    pub checked: Arc<CheckedTxs>,
    headers: HashMap<BlockId, Arc<Header>>,
    executed: HashMap<BlockId, Executed>,
    /// The newest body of our own.
    forged: Option<Forged>,
    /// What the newest view was derived from.
    derived: Option<Derived>,
    committees: Committees,
    first_nonce: Hash,
    audit: bool,
}

impl Executor {
    /// Over a committed chain. `first_nonce` is genesis' seed.
    #[must_use]
    pub fn new(chain: Chain, storage: Arc<Storage>, first_nonce: Hash, audit: bool) -> Self {
        Self {
            checked: Arc::new(CheckedTxs::new(chain.clone())),
            chain,
            storage,
            bodies: Bodies::default(),
            headers: HashMap::new(),
            executed: HashMap::new(),
            forged: None,
            derived: None,
            committees: Committees::default(),
            first_nonce,
            audit,
        }
    }

    /// Forgets all that is not on disk; what was checked stays checked.
    pub fn begin_again(&mut self) {
        self.headers.clear();
        self.executed.clear();
        self.bodies = Bodies::default();
        (self.forged, self.derived) = (None, None);
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
        let (applied, view, derived) = self.on_state(parent, |state| {
            let applied = self.apply(state, &header.body, &body)?;
            let mut after = Overlay::default();
            after.push(&applied.diff, &applied.tree);
            let after = after.over(state);
            if self.audit {
                invariants::check(&after)?;
            }
            let old = self.derived.as_ref().filter(|derived| derived.is_of(&parent));
            let (view, derived) =
                header_state::view_after(&after, &self.chain, id, &applied.diff, old, &self.committees)?;
            Ok((applied, view, derived))
        })?;
        self.derived = Some(derived);
        let root = applied.root;
        self.executed.insert(id, Executed { header, body, applied });
        Ok((root, Arc::new(view)))
    }

    fn apply(&self, state: &dyn State, header: &HeaderBody, body: &SealedBody) -> Result<Arc<Applied>, ExecuteError> {
        let nonce = header_state::after(state, &self.chain, self.first_nonce, header)?;
        let ctx = BlockContext::of(&self.chain, header, query::cursor(state)?.slot);
        if let Some(own) = self.forged.as_ref().filter(|own| own.is_of(header, &ctx, &nonce)) {
            return Ok(Arc::clone(&own.applied));
        }
        let checked = CheckedBody::new(&self.chain, body, self.checked.as_ref())
            .map_err(|(index, error)| InvalidBlock::Malformed { index, error })?;
        let applied = apply_checked(&self.chain, state, state, header, &checked, &nonce)?;
        checked.txs().iter().for_each(|tx| self.checked.keep(tx));
        Ok(Arc::new(applied))
    }

    /// Builds a body on `parent` from `candidates`. The draft names all that the ledger looks at.
    pub fn build<'c>(
        &self,
        ctx: &BlockContext,
        header: &HeaderBody,
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
        self.executed.get(id).map(|executed| executed.body.body().certs.clone()).unwrap_or_default()
    }

    /// [`Executor::build`] for a block of our own: the body is kept, and executing that block costs nothing more.
    pub fn forge<'c>(
        &mut self,
        ctx: &BlockContext,
        header: &HeaderBody,
        certificates: &[Certificate],
        candidates: impl Iterator<Item = &'c CheckedTx>,
    ) -> Result<Made, ExecuteError> {
        let Built { body, applied, refused } = self.build(ctx, header, certificates, candidates)?;
        let nonce =
            self.on_state(header.parent, |state| header_state::after(state, &self.chain, self.first_nonce, header))?;
        let (body, applied) = (self.bodies.insert(SealedBody::new(body)), Arc::new(applied));
        self.forged = Some(Forged { ctx: *ctx, nonce, body_hash: body.hash(), applied: Arc::clone(&applied) });
        Ok((body, applied, refused))
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

    /// Views of the committed tip and of the blocks below it that can still be undone, down to `height`. One walk: each
    /// block is taken back once, and its view is derived from its child's where nothing between them differs.
    pub fn views_down_to(&self, height: Height) -> Result<Vec<(BlockId, Arc<LedgerView>)>, ExecuteError> {
        let snapshot = self.storage.snapshot();
        let mut at = snapshot.position();
        let (tip, mut derived) =
            header_state::view_after(&snapshot, &self.chain, at.id, &Diff::new(), None, &self.committees)?;
        let mut views = vec![(at.id, Arc::new(tip))];
        let mut overlay = Overlay::default();
        while at.height > height {
            let (parent, values) = self.storage.undo_one(&snapshot, &mut overlay, at.height)?;
            let state = overlay.over(&snapshot);
            let (view, next) =
                header_state::view_after(&state, &self.chain, parent.id, &values, Some(&derived), &self.committees)?;
            views.push((parent.id, Arc::new(view)));
            (at, derived) = (parent, next);
        }
        Ok(views)
    }

    /// Height and slot of the state after `id`.
    pub fn point_of(&self, id: &BlockId) -> Result<(Height, Slot), ExecuteError> {
        if let Some(executed) = self.executed.get(id) {
            return Ok((executed.header.body.height, executed.header.body.slot));
        }
        let height = self.storage.height_of(id)?.ok_or(ExecuteError::StateUnknown(*id))?;
        match self.storage.header_at(height)? {
            Some(stored) => {
                let header = Header::decode(&stored.header).map_err(|_| ExecuteError::StateUnknown(*id))?;
                Ok((header.body.height, header.body.slot))
            }
            None => Ok((Height(0), Slot(0))),
        }
    }

    /// Looks at the state after `at`, an executed or committed block.
    pub fn on_state<T>(
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
            id = executed.header.body.parent;
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
            let Executed { header, body, applied } = executed;
            let Applied { diff, tree, record, .. } = applied.as_ref();
            let commit = Commit { id: *id, header, body: body.bytes(), diff, tree, record };
            self.storage.commit(&commit)?;
        }
        for stored in &left {
            if let Ok(body) = SealedBody::decode(stored.body.clone(), usize::MAX) {
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
            let Some(known) = self.storage.header_at(Height(height))? else { continue };
            if self.executed.contains_key(&known.id) {
                continue;
            }
            let Some(stored) = self.storage.block_at(Height(height))? else { continue };
            let header = Header::decode(&stored.header).map_err(|_| ExecuteError::HeaderUnknown(stored.id))?;
            let body = SealedBody::decode(stored.body, usize::MAX).map_err(|_| ExecuteError::BodyUnknown(stored.id))?;
            let parent = header.body.parent;
            self.bodies.insert(body);
            self.headers.entry(stored.id).or_insert_with(|| Arc::new(header));
            self.execute(stored.id, parent)?;
        }
        Ok(())
    }
}
