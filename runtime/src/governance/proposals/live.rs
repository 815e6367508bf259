//! What a tick does with proposals: orphans, closes, executions, openings, each over all open ones in id order
//! (governance.md §6, §10). At most 64 are open, so a tick has at most 64 decisions and 512 actions.

use super::judge::{self, judge};
use super::record::{Proposal, Snapshot, key, open_ids, proposal};
use super::{moved, pausing};
use crate::context::BlockContext;
use crate::governance::{Now, effects, power};
use alloc::vec::Vec;
use nupeer_governance::GovernanceError;
use nupeer_governance::power::Electorate;
use nupeer_governance::proposal::{Change, Life, Status};
use nupeer_governance::vote::Weight;
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::{Area, ProposalId};
use nupeer_primitives::state::{Abort, Bug, Work};

/// One pass over what is open.
fn each(
    work: &mut Work<'_>,
    mut run: impl FnMut(&mut Work<'_>, &mut Proposal) -> Result<bool, Abort>,
) -> Result<(), Abort> {
    for id in open_ids(work)? {
        // An earlier one of this pass may have ended it.
        let Some(mut p) = proposal(work, id)?.filter(|p| p.life.status.is_open()) else { continue };
        if run(work, &mut p)? {
            work.put(key::proposal(id), &p);
        }
    }
    Ok(())
}

/// The work of a tick that began.
pub fn tick(work: &mut Work<'_>, now: &Now, ctx: &BlockContext) -> Result<(), Abort> {
    each(work, |work, p| {
        let bound = judge::bound(work, p)?;
        let change = p.life.check_seat(now.tick, bound);
        note(work, now, p, change)
    })?;
    each(work, |work, p| close(work, now, p))?;
    each(work, |work, p| {
        let (attempt, changes) = due(work, now, p)?;
        let moved = note_all(work, now, p, changes)?;
        if attempt {
            execute(work, now, ctx, p)?;
        }
        Ok(moved || attempt)
    })?;
    each(work, |work, p| {
        let change = p.life.open(now.tick);
        if change.is_some() {
            p.snapshot = Some(snapshot(work, now, p)?);
        }
        note(work, now, p, change)
    })
}

fn note(work: &mut Work<'_>, now: &Now, p: &mut Proposal, change: Option<Change>) -> Result<bool, Abort> {
    note_all(work, now, p, change.into_iter().collect())
}

fn note_all(work: &mut Work<'_>, now: &Now, p: &mut Proposal, changes: Vec<Change>) -> Result<bool, Abort> {
    let any = !changes.is_empty();
    for change in changes {
        moved(work, now, p, change)?;
    }
    Ok(any)
}

fn close(work: &mut Work<'_>, now: &Now, p: &mut Proposal) -> Result<bool, Abort> {
    if !p.life.closes_at(now.tick) {
        return Ok(false);
    }
    let judged = judge(work, now, p)?;
    let change = p.life.close(now.tick, judged.outcome, judged.agreement.a);
    if p.life.status != Status::Voting {
        (p.outcome, p.fate) = (Some(judged.outcome), Some(judged.fate));
        let ppm = |x: i64| u64::try_from(x).unwrap_or(0);
        work.emit(Event::Decided {
            proposal: p.id,
            outcome: judged.outcome.name().into(),
            mode: judged.thresholds.mode.name().into(),
            quorum_ppm: judged.thresholds.q,
            threshold_ppm: judged.thresholds.x,
            endorsed_ppm: ppm(judged.agreement.a),
            objected_ppm: ppm(judged.agreement.o),
        });
    }
    note(work, now, p, change)
}

/// Whether an attempt may be made now.
pub fn due(work: &Work<'_>, now: &Now, p: &mut Proposal) -> Result<(bool, Vec<Change>), Bug> {
    let bound = judge::bound(work, p)?;
    let mut is_paused = false;
    for module in p.actions.iter().filter_map(effects::module) {
        is_paused |= pausing::is_paused(work, module, now.tick)?;
    }
    Ok(p.life.wants_attempt(now.tick, bound, is_paused))
}

/// One attempt: all actions hold, or none does and the reason stays.
pub fn execute(work: &mut Work<'_>, now: &Now, ctx: &BlockContext, p: &mut Proposal) -> Result<(), Abort> {
    let done = work.attempt(|work| effects::run(work, now, ctx, p))?;
    let change = p.life.attempted(now.tick, done.is_ok());
    if let Err(Abort::Rule { code, .. }) = &done {
        p.failure = Some(*code);
        work.emit(Event::AttemptFailed { proposal: p.id, tick: now.tick, code: *code });
    }
    note(work, now, p, change).map(|_| ())
}

/// The electorate of the opening.
fn snapshot(work: &Work<'_>, now: &Now, p: &Proposal) -> Result<Snapshot, Bug> {
    let mature_sum = p.terms.as_ref().map_or(0, |terms| terms.mature_sum);
    snapshot_of(work, now, p.area, mature_sum)
}

/// The electorate of an area now, looked at where it did not jump.
pub fn snapshot_of(work: &Work<'_>, now: &Now, area: Area, mature_sum: u64) -> Result<Snapshot, Bug> {
    let guard = power::guard_epochs(work, now)?;
    let active = power::totals(work, now)?.at_starts(guard)?;
    let electorate: Electorate = power::electorate(work, power::area_weights(work, area)?, active)?;
    let ([a, b, c], [x, y, z]) = (guard, electorate.eff);
    let immature = !electorate.is_mature(mature_sum);
    Ok(Snapshot { s: now.epoch, guard: (a, b, c), active: Weight(active), eff: (x, y, z), immature })
}

/// Action 030D: an attempt in a tick that had none.
pub fn execute_action(work: &mut Work<'_>, now: &Now, ctx: &BlockContext, id: ProposalId) -> Result<(), Abort> {
    let mut p = proposal(work, id)?.ok_or(GovernanceError::UnknownProposal { id })?;
    if p.life.status.is_final() {
        return Err(GovernanceError::ProposalFinal { id }.into());
    }
    if p.life.attempted == Some(now.tick) {
        return Err(GovernanceError::AttemptUsed { id, tick: now.tick }.into());
    }
    let before: Life = p.life;
    let (attempt, changes) = due(work, now, &mut p)?;
    if !attempt {
        p.life = before;
        return Err(GovernanceError::NotExecutable { id }.into());
    }
    note_all(work, now, &mut p, changes)?;
    execute(work, now, ctx, &mut p)?;
    work.put(key::proposal(id), &p);
    Ok(())
}
