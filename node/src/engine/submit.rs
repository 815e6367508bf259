//! Transactions into the mempool (consensus.md §13).

use super::{Engine, Outbound};
use crate::mempool::PoolError;
use nupeer_primitives::state::Abort;
use nupeer_primitives::{BlockId, PoolId, Slot};
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
}

impl Engine {
    pub(super) fn submit(&mut self, tx: Arc<CheckedTx>, out: &mut Vec<Outbound>) {
        let id = tx.id;
        match self.try_submit(&tx) {
            Ok(fee) => {
                out.push(Outbound::TxTaken { id, fee });
                out.push(Outbound::RelayTx(tx));
            }
            Err(error) => out.push(Outbound::TxRefused { id, error }),
        }
    }

    /// Takes back a transaction of a block that left the chain; what no longer runs is dropped silently.
    pub(super) fn resubmit(&mut self, tx: Arc<CheckedTx>, out: &mut Vec<Outbound>) {
        if let Ok(fee) = self.try_submit(&tx) {
            out.push(Outbound::TxTaken { id: tx.id, fee });
        }
    }

    fn try_submit(&mut self, tx: &Arc<CheckedTx>) -> Result<u64, SubmitError> {
        if self.mempool.contains(&tx.id) {
            return Err(PoolError::Known.into());
        }
        let snapshot = self.executor.storage.snapshot();
        let at = snapshot.position();
        // The next block comes in a later slot than the tip, and not before now.
        let slot = Slot(self.slot.max(at.slot.0.saturating_add(1)));
        let ctx = BlockContext {
            genesis: self.executor.chain.genesis,
            constants: self.executor.chain.constants,
            height: nupeer_primitives::Height(at.height.0.saturating_add(1)),
            slot,
            parent: BlockId(at.id.0),
            parent_slot: at.slot,
            vrf_out: [0; 64],
            issuer: PoolId([0; 28]),
            opcert_counter: 0,
        };
        let simulated = simulate(&snapshot, &self.executor.chain, &ctx, tx).map_err(SubmitError::Ledger)?;
        drop(snapshot);
        let fee = simulated.fee.get();
        self.mempool.insert(Arc::clone(tx), fee)?;
        Ok(fee)
    }
}
