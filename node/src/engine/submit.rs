//! Transactions into the mempool (consensus.md §13).

use super::{Engine, Outbound};
use crate::mempool::PoolError;
use crate::storage::Position;
use nupeer_primitives::state::{Abort, View};
use nupeer_primitives::{PoolId, Slot};
use nupeer_runtime::BlockContext;
use nupeer_runtime::mempool_rules::simulate;
use nupeer_runtime::validity::CheckedTx;
use std::sync::Arc;
use thiserror::Error;

/// Why a transaction does not wait here. Never its sender's fault: bytes alone were judged before.
#[derive(Clone, Debug, Error)]
pub enum SubmitError {
    /// The mempool.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The ledger; name, code and sentence of the rule.
    #[error("{0}")]
    Ledger(Abort),
    /// The disk.
    #[error("the node's disk is full; send the transaction to another node, or again when there is room")]
    DiskFull,
}

impl Engine {
    /// Offers transactions to the mempool, all on one state.
    pub(super) fn submit(&mut self, txs: Vec<Arc<CheckedTx>>, out: &mut Vec<Outbound>) {
        for (tx, taken) in self.try_submit(txs) {
            let id = tx.id;
            match taken {
                Ok(fee) => {
                    out.push(Outbound::TxTaken { id, fee });
                    out.push(Outbound::RelayTx(tx));
                }
                Err(error) => out.push(Outbound::TxRefused { id, error }),
            }
        }
    }

    /// Takes back transactions of a block that left the chain; what no longer runs is dropped silently.
    pub(super) fn resubmit(&mut self, txs: Vec<Arc<CheckedTx>>, out: &mut Vec<Outbound>) {
        for (tx, taken) in self.try_submit(txs) {
            if let Ok(fee) = taken {
                out.push(Outbound::TxTaken { id: tx.id, fee });
            }
        }
    }

    fn try_submit(&mut self, txs: Vec<Arc<CheckedTx>>) -> Vec<(Arc<CheckedTx>, Result<u64, SubmitError>)> {
        let storage = Arc::clone(&self.executor.storage);
        let snapshot = storage.snapshot();
        let ctx = self.next_block(snapshot.position());
        let one = |tx: Arc<CheckedTx>| {
            let taken = self.try_submit_one(&snapshot, &ctx, &tx);
            (tx, taken)
        };
        txs.into_iter().map(one).collect()
    }

    /// The context of the next block as far as it is known.
    pub(super) fn next_block(&self, at: Position) -> BlockContext {
        BlockContext {
            genesis: self.executor.chain.genesis,
            constants: self.executor.chain.constants,
            height: nupeer_primitives::Height(at.height.0.saturating_add(1)),
            // The next block comes in a later slot than the tip, and not before now.
            slot: Slot(self.slot.max(at.slot.0.saturating_add(1))),
            parent: at.id,
            parent_slot: at.slot,
            vrf_out: [0; 64],
            issuer: PoolId([0; 28]),
            opcert_counter: 0,
        }
    }

    fn try_submit_one(
        &mut self,
        state: &dyn View,
        ctx: &BlockContext,
        tx: &Arc<CheckedTx>,
    ) -> Result<u64, SubmitError> {
        if self.mempool.contains(&tx.id) {
            return Err(PoolError::Known.into());
        }
        let simulated = simulate(state, &self.executor.chain, ctx, tx).map_err(SubmitError::Ledger)?;
        let fee = simulated.fee.get();
        self.mempool.insert(Arc::clone(tx), fee)?;
        Ok(fee)
    }
}
