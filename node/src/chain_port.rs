//! The API's view of this node: storage for what is committed, the engine for what waits.

use crate::api::ports::{BlockAt, Chain, CommittedBlock, Finality, Mode, Place, Refusal, Snapshot, Standing, TxPlace};
use crate::door::{Door, DoorError};
use crate::engine::SubmitError;
use crate::mempool::{PoolError, WaitingIds};
use crate::storage::{Position, Storage, StoredBlock};
use futures::future::BoxFuture;
use nupeer_client::light::Step;
use nupeer_primitives::genesis::Genesis;
use nupeer_primitives::{Amount, BlockId, Epoch, Hash, Height, TxId};
use nupeer_runtime::validity::Chain as Rules;
use std::sync::Arc;
use tokio::sync::watch;

/// Implements the API's port.
#[derive(Debug)]
pub struct NodeChain {
    /// Facts of genesis.
    pub rules: Rules,
    /// The genesis record.
    pub genesis: Genesis,
    /// What is committed.
    pub storage: Arc<Storage>,
    /// Kept up to date by the driver.
    pub standing: watch::Receiver<Standing>,
    /// Ids of transactions that wait, for look-ups without the engine.
    pub waiting: WaitingIds,
    /// Where transactions come in.
    pub door: Door,
}

/// A place of the API from one of storage.
#[must_use]
pub fn place(position: Position) -> Place {
    Place { height: position.height, slot: position.slot, id: position.id }
}

impl NodeChain {
    fn committed(&self, stored: StoredBlock, height: Height) -> Option<CommittedBlock> {
        let record = self.storage.record_at(height).ok().flatten()?;
        Some(CommittedBlock { id: stored.id, header: stored.header, body: stored.body, record })
    }
}

impl Chain for NodeChain {
    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    fn read(&self, query: &mut dyn FnMut(&Snapshot<'_>)) {
        let snapshot = self.storage.snapshot();
        query(&Snapshot { place: place(snapshot.position()), view: &snapshot, tree: &snapshot });
    }

    fn place(&self, height: Height) -> Option<Place> {
        if height.0 == 0 {
            return Some(Place { height, slot: nupeer_primitives::Slot(0), id: self.storage.origin() });
        }
        let stored = self.storage.header_at(height).ok().flatten()?;
        let header = nupeer_primitives::Header::decode(&stored.header).ok()?;
        Some(Place { height, slot: header.body.slot, id: stored.id })
    }

    fn maker(&self, height: Height) -> Option<(nupeer_primitives::Slot, nupeer_primitives::PoolId)> {
        let stored = self.storage.block_at(height).ok().flatten()?;
        let header = nupeer_primitives::Header::decode(&stored.header).ok()?;
        Some((header.body.slot, header.body.pool()))
    }

    fn block(&self, at: BlockAt) -> Option<CommittedBlock> {
        let height = match at {
            BlockAt::Height(height) => height,
            BlockAt::Id(id) => self.storage.height_of(&id).ok().flatten()?,
        };
        let stored = self.storage.block_at(height).ok().flatten()?;
        self.committed(stored, height)
    }

    fn finality(&self) -> Option<Finality> {
        let (round, point, certificates) = self.storage.finalized().ok().flatten()?;
        let place = Place { height: point.height, slot: point.slot, id: point.id };
        Some(Finality { round, place, certificates })
    }

    fn epoch_step(&self, epoch: Epoch) -> Option<Step> {
        let bytes = self.storage.step(epoch).ok().flatten()?;
        serde_json::from_slice(&bytes).ok()
    }

    fn event_digest(&self, height: Height) -> Option<Hash> {
        let snapshot = self.storage.snapshot();
        let undone = self.storage.undone(&snapshot, height).ok()?;
        nupeer_runtime::query::cursor(&undone.over(&snapshot)).ok().map(|cursor| cursor.events)
    }

    fn tx(&self, id: &TxId) -> Option<TxPlace> {
        if let Some((height, index)) = self.storage.tx_place(id).ok().flatten() {
            return Some(TxPlace::Included { height, index });
        }
        self.waiting.contains(id).then_some(TxPlace::Waiting)
    }

    fn submit(&self, tx: Vec<u8>) -> BoxFuture<'_, Result<(TxId, Amount), Refusal>> {
        Box::pin(async move {
            match self.standing().mode {
                Mode::Syncing => return Err(Refusal::Syncing),
                Mode::Stopping => return Err(Refusal::Stopping),
                Mode::DiskFull => return Err(Refusal::DiskFull),
                Mode::Following => {}
            }
            match self.door.enter(tx).await {
                Ok((id, fee)) => Ok((id, Amount::new(fee))),
                Err(DoorError::Malformed(error)) => Err(Refusal::Malformed(error)),
                Err(DoorError::Refused(error)) => Err(refusal(&error)),
                Err(DoorError::Busy) => Err(Refusal::Busy),
                Err(DoorError::Closed) => Err(Refusal::Stopping),
            }
        })
    }

    fn moved(&self, seen: BlockId, last: BlockId) -> BoxFuture<'_, ()> {
        let mut standing = self.standing.clone();
        Box::pin(async move {
            let stop = |s: &Standing| s.tip.id != seen || s.final_place.id != last || s.mode == Mode::Stopping;
            drop(standing.wait_for(stop).await);
        })
    }
}

fn refusal(error: &SubmitError) -> Refusal {
    match error {
        SubmitError::DiskFull => Refusal::DiskFull,
        SubmitError::Ledger(abort) => Refusal::Ledger(abort.clone()),
        SubmitError::Pool(pool) => {
            let name = match pool {
                PoolError::Known => "mempool.Known",
                PoolError::ReplacementTooCheap { .. } => "mempool.ReplacementTooCheap",
                PoolError::PayerTxs { .. } => "mempool.PayerTxs",
                PoolError::PayerBytes { .. } => "mempool.PayerBytes",
                PoolError::Full { .. } => "mempool.Full",
            };
            Refusal::Mempool { name, detail: pool.to_string() }
        }
    }
}
