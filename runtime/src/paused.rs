//! Modules that stand still: which transactions wait until a pause is over (governance.md §8, ledger.md §8).
//!
//! Votes, unbonding and claims cannot be paused, nor can what ends or settles what already runs.

use crate::error::Rejected;
use crate::governance::{proposals, state};
use crate::params;
use nupeer_governance::clock::Tick;
use nupeer_primitives::action::Action;
use nupeer_primitives::proposal::Module;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::tx::ActorAction;

/// Whether a module stands still now.
pub fn is_paused(work: &Work<'_>, module: Module) -> Result<bool, Bug> {
    Ok(until(work, module)?.is_some())
}

/// Tick until which a module stands still.
pub fn until(work: &Work<'_>, module: Module) -> Result<Option<Tick>, Bug> {
    let Some(until) = work.get::<Tick>(&proposals::record::key::paused(module))? else { return Ok(None) };
    let tick = state::clock(work)?.tick(params::get(work, "time.tick_gt")?);
    Ok(Some(until).filter(|until| tick < *until))
}

/// Keeps transactions of paused modules out of the block.
pub fn check(work: &Work<'_>, actions: &[ActorAction]) -> Result<(), Abort> {
    for action in actions {
        if let Some(module) = module(&action.action)
            && let Some(until) = until(work, module)?
        {
            return Err(Rejected::Paused { module, until }.into());
        }
    }
    Ok(())
}

/// The module that an action needs.
const fn module(action: &Action) -> Option<Module> {
    if matches!(action, Action::Bid { .. } | Action::Ask { .. } | Action::PairOrder { .. }) {
        Some(Module::Market)
    } else if matches!(
        action,
        Action::Provider { .. } | Action::Host { .. } | Action::Edge { .. } | Action::Candidate { .. }
    ) {
        Some(Module::Registration)
    } else if matches!(action, Action::SignalReady { .. }) {
        Some(Module::Upgrade)
    } else {
        None
    }
}
