//! 030B Vote and 0309 Stance (governance.md §5-§7). A vote or stance that reverses the decision shortly before the close
//! gives the others time to answer.

use super::judge::{self, judge};
use super::pausing;
use super::record::{PauseCase, Proposal, key, proposal};
use crate::governance::vote::{self, Poll};
use crate::governance::{Now, power};
use crate::params::get;
use nupeer_governance::GovernanceError;
use nupeer_governance::agreement::StanceOf;
use nupeer_governance::proposal::{Bound, Status};
use nupeer_governance::vote::delegate_cap;
use nupeer_primitives::AccountId;
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::{ProposalId, RoleId, VoteOption};
use nupeer_primitives::proposal::Stance;
use nupeer_primitives::state::{Abort, Bug, Work};

/// Action 030B.
pub fn vote(
    work: &mut Work<'_>,
    now: &Now,
    actor: &AccountId,
    id: ProposalId,
    option: VoteOption,
) -> Result<(), Abort> {
    if let Some(case) = work.get::<PauseCase>(&key::pause(id))? {
        return pausing::vote(work, now, actor, case, option);
    }
    let mut p = proposal(work, id)?.ok_or(GovernanceError::UnknownProposal { id })?;
    if p.life.status != Status::Voting {
        return Err(GovernanceError::NotVoting { id }.into());
    }
    if now.tick >= p.life.windows.close {
        return Err(GovernanceError::VotingClosed { id, close: p.life.windows.close }.into());
    }
    let poll = poll(work, &p)?;
    let before = near_decision(work, now, &p)?;
    vote::cast(work, now, &poll, actor, option, &mut p.tally)?;
    answer_reversal(work, now, &mut p, before)?;
    work.put(key::proposal(id), &p);
    Ok(())
}

/// What a vote on a proposal needs to know.
pub fn poll(work: &Work<'_>, p: &Proposal) -> Result<Poll, Bug> {
    let missing = Bug::Missing { what: "snapshot of a proposal in voting" };
    let (snapshot, terms) = (p.snapshot.ok_or(missing.clone())?, p.terms.as_ref().ok_or(missing)?);
    let (a, b, c) = snapshot.guard;
    Ok(Poll {
        id: p.poll(),
        area: p.area,
        s: snapshot.s,
        guard: [a, b, c],
        cap: delegate_cap(snapshot.active.0, terms.delegate_cap),
        proposer: Some(p.proposer),
        locked_until: p.life.windows.unlock.saturating_mul(get(work, "time.tick_gt")?),
    })
}

/// The decision as it stands, if a reversal of it would still be answered.
fn near_decision(work: &Work<'_>, now: &Now, p: &Proposal) -> Result<Option<nupeer_governance::decide::Outcome>, Bug> {
    let near = p.life.windows.close.saturating_sub(now.tick) <= p.life.rules.extension;
    if p.life.status == Status::Voting && near { judge(work, now, p).map(|j| Some(j.outcome)) } else { Ok(None) }
}

fn answer_reversal(
    work: &mut Work<'_>,
    now: &Now,
    p: &mut Proposal,
    before: Option<nupeer_governance::decide::Outcome>,
) -> Result<(), Abort> {
    if let Some(before) = before
        && judge(work, now, p)?.outcome != before
        && let Some(change) = p.life.flip(now.tick)
    {
        super::moved(work, now, p, change)?;
    }
    Ok(())
}

/// Action 0309.
pub fn stance(work: &mut Work<'_>, now: &Now, actor: &AccountId, id: ProposalId, stance: Stance) -> Result<(), Abort> {
    let members = crate::governance::seats::members(work, now)?;
    let own = members.iter().find(|member| member.account == Some(*actor));
    let own = own.ok_or(GovernanceError::RoleMayNotPropose {
        role: None,
        class: nupeer_primitives::proposal::Class::Operational,
    });
    if let Some(case) = work.get::<PauseCase>(&key::pause(id))? {
        let (role, instance) = active_seat(own?)?;
        power::sign_of_life(work, now, actor)?;
        return pausing::stance(work, now, case, StanceOf { role, instance, stance });
    }
    let mut p = proposal(work, id)?.ok_or(GovernanceError::UnknownProposal { id })?;
    if !matches!(p.life.status, Status::Review | Status::Voting) {
        return Err(GovernanceError::NotVoting { id }.into());
    }
    let (role, instance) = active_seat(own?)?;
    let is_recused = judge::recused(&p.actions, &members).contains(&role);
    if p.role() == Some(role) || is_recused {
        return Err(GovernanceError::Recused { role }.into());
    }
    let before = near_decision(work, now, &p)?;
    power::sign_of_life(work, now, actor)?;
    say(&mut p.stances, StanceOf { role, instance, stance });
    work.emit(Event::StanceTaken { proposal: id, role, instance, stance });
    answer_reversal(work, now, &mut p, before)?;
    work.put(key::proposal(id), &p);
    Ok(())
}

fn active_seat(member: &crate::governance::seats::Member) -> Result<(RoleId, u64), GovernanceError> {
    if member.seat.state == nupeer_governance::seat::SeatState::Active {
        Ok((member.role, member.seat.instance))
    } else {
        Err(GovernanceError::SeatNotActive { role: member.role })
    }
}

/// Replaces what a role said; None takes it back.
pub fn say(stances: &mut alloc::vec::Vec<StanceOf>, said: StanceOf) {
    stances.retain(|other| other.role != said.role);
    if said.stance != Stance::None {
        stances.push(said);
    }
}

/// Whether the seat behind a proposal has ended.
pub fn is_gone(work: &Work<'_>, p: &Proposal) -> Result<bool, Bug> {
    Ok(judge::bound(work, p)? == Bound::Gone)
}
