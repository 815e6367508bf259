//! What the mempool asks the ledger (consensus.md §13): would this transaction run on the current state?

use crate::context::BlockContext;
use crate::execute;
use crate::validity::{Chain, CheckedTx};
use alloc::vec::Vec;
use nupeer_primitives::Amount;
use nupeer_primitives::event::{Event, TxOutcome};
use nupeer_primitives::state::{Abort, View, Work};

/// What a simulated transaction would do.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// What its payer would pay.
    pub fee: Amount,
    /// Its events.
    pub events: Vec<Event>,
}

/// Simulates a transaction at the slot of `ctx`. A transaction that would fail is refused like one that may not be
/// included: the mempool does not carry transactions that only pay fees.
pub fn simulate(view: &dyn View, chain: &Chain, ctx: &BlockContext, tx: &CheckedTx) -> Result<Simulated, Abort> {
    let mut work = Work::new(view);
    let ran = execute::run(&mut work, chain, ctx, tx)?;
    match (ran.receipt.outcome, ran.failure) {
        (TxOutcome::Failed(_), Some(failure)) => Err(failure),
        (TxOutcome::Ok | TxOutcome::Failed(_), _) => {
            Ok(Simulated { fee: ran.receipt.fee, events: work.events().to_vec() })
        }
    }
}
