//! The epoch boundary (ledger.md §7), once per crossed epoch, before anything else of a block.
//!
//! 1. counters of the ended epoch are closed by what reads them below; 2. due slashes; 3. pots of the ended epoch, paid
//!    over the next blocks; 4. new terms of pools, and 5. bonds that become active, count by their epoch and need no step;
//! 6. the snapshot of the new epoch; 7. the committee of the one after it; 9. parameters.
//!
//! # Invariants
//! Nothing here loops over accounts: work that cannot wait is O(pools).

use crate::context::BlockContext;
use crate::governance::Now;
use crate::governance::proposals::schedule;
use crate::tokens::{emission, rules};
use crate::{params, slashing, system};
use nupeer_primitives::Epoch;
use nupeer_primitives::state::{Abort, Work};
use nupeer_tokens::stake::{self, epoch32};
use nupeer_tokens::{committee, reward_round};

/// Runs the boundary of every epoch that `ctx` crosses.
pub fn cross(work: &mut Work<'_>, ctx: &BlockContext) -> Result<(), Abort> {
    for ended in system::cursor(work)?.epoch.0..ctx.epoch().0 {
        boundary(work, Epoch(ended))?;
    }
    Ok(())
}

fn boundary(work: &mut Work<'_>, ended: Epoch) -> Result<(), Abort> {
    let next = Epoch(ended.0.saturating_add(1));
    slashing::boundary(work, &Now::at(work, ended)?)?;
    emission::close(work, epoch32(ended)?)?;
    let snapshots = rules::snapshots(work)?;
    stake::take_snapshot(work, next, &snapshots)?;
    committee::fix(work, Epoch(next.0.saturating_add(1)), next)?;
    // A link may reach one epoch further back than the evidence in which it stands.
    let reach = params::get(work, "evidence_epochs")?.saturating_add(2);
    if let Some(old) = next.0.checked_sub(reach) {
        committee::forget(work, Epoch(old))?;
    }
    schedule::activate(work, next)?;
    Ok(())
}

/// What every block does for stake: it counts for its issuer, and pays some pools of the oldest open round.
pub fn every_block(work: &mut Work<'_>, ctx: &BlockContext) -> Result<(), Abort> {
    let now = epoch32(ctx.epoch())?;
    reward_round::count_block(work, now, &ctx.issuer)?;
    reward_round::step(work, now)
}
