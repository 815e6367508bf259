//! 030E SignalReady and scheduled versions (governance.md §4, ledger.md §11): at least three quarters of the pool weight
//! must run what is to come, and two epochs must lie before it.

use super::record::{Scheduled, key};
use crate::context::BlockContext;
use crate::system;
use nupeer_governance::GovernanceError;
use nupeer_primitives::event::Event;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, Epoch, Height, PoolId};
use nupeer_tokens::stake;

/// Highest major version whose rules this node knows; minor versions change no rule.
pub const RULES_MAJOR: u16 = 1;
/// Share of the pool weight that must have signalled, ppm.
pub const READY_PPM: u64 = 750_000;

/// Action 030E: the operator's account is the hash of the cold key, as is the pool's id.
pub fn signal(work: &mut Work<'_>, actor: &AccountId, version: (u16, u16)) -> Result<(), Abort> {
    let pool = PoolId(actor.0);
    if !work.has(&stake::pool_key(&pool)) {
        return Err(GovernanceError::NoPower { account: *actor }.into());
    }
    work.put(key::ready(version, &pool), &1u8);
    work.emit(Event::ReadySignalled { pool, version });
    Ok(())
}

/// Share of the pool weight of `epoch` that has signalled for a version, ppm.
pub fn ready_ppm(work: &Work<'_>, epoch: Epoch, version: (u16, u16)) -> Result<u64, Bug> {
    let (mut all, mut ready) = (0u128, 0u128);
    for (pool, weight) in stake::leading(work, epoch)? {
        all = all.saturating_add(weight);
        if work.has(&key::ready(version, &pool)) {
            ready = ready.saturating_add(weight);
        }
    }
    let share = ready.saturating_mul(1_000_000).checked_div(all).unwrap_or(0);
    Ok(u64::try_from(share).unwrap_or(u64::MAX))
}

/// Schedules a version (inner action ScheduleUpgrade). A slot has at most one block, so so many blocks as two epochs
/// have slots take two epochs at least.
pub fn schedule(work: &mut Work<'_>, ctx: &BlockContext, version: (u16, u16), height: Height) -> Result<(), Abort> {
    let signalled_ppm = ready_ppm(work, ctx.epoch(), version)?;
    let ahead = ctx.height.0.saturating_add(ctx.constants.epoch_slots.saturating_mul(2));
    let current = system::cursor(work)?.version;
    if signalled_ppm < READY_PPM || height.0 < ahead || version <= current {
        return Err(GovernanceError::UpgradeNotReady { signalled_ppm, needed_ppm: READY_PPM }.into());
    }
    work.put(key::version(), &Scheduled { version, height });
    work.emit(Event::UpgradeScheduled { version, height });
    Ok(())
}

/// The version that is to come.
pub fn scheduled(work: &Work<'_>) -> Result<Option<Scheduled>, Bug> {
    work.get(&key::version())
}

/// Step 1 of a block: the scheduled version begins at its height. A node that does not know its rules stops before it,
/// keeps serving old blocks, and never forks.
pub fn begin(work: &mut Work<'_>, height: Height) -> Result<(), Bug> {
    let Some(Scheduled { version, .. }) = scheduled(work)?.filter(|scheduled| scheduled.height <= height) else {
        return Ok(());
    };
    if version.0 > RULES_MAJOR {
        return Err(Bug::NodeTooOld { version, height: height.0 });
    }
    work.remove(key::version());
    let cursor = system::cursor(work)?;
    work.put(system::cursor_key(), &system::Cursor { version, ..cursor });
    work.emit(Event::VersionBegan { version });
    Ok(())
}
