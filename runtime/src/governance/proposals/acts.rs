//! 0307 Cancel and 0308 Adopt, and the end of a proposal by another (governance.md §6).

use super::record::{Entry, Proposal, key, proposal};
use super::{judge, moved};
use crate::governance::{Now, power, roles};
use crate::params::get;
use alloc::vec::Vec;
use nupeer_governance::GovernanceError;
use nupeer_governance::proposal::Status;
use nupeer_governance::vote::Tally;
use nupeer_primitives::AccountId;
use nupeer_primitives::governance::ProposalId;
use nupeer_primitives::state::{Abort, Work};

/// Action 0307: also while the proposer's seat is in grace.
pub fn cancel(work: &mut Work<'_>, now: &Now, actor: &AccountId, id: ProposalId) -> Result<(), Abort> {
    let mut p = proposal(work, id)?.ok_or(GovernanceError::UnknownProposal { id })?;
    if p.proposer != *actor {
        return Err(GovernanceError::NotProposer { account: *actor }.into());
    }
    power::sign_of_life(work, now, actor)?;
    let change = p.life.cancel(id)?;
    moved(work, now, &mut p, change)?;
    work.put(key::proposal(id), &p);
    Ok(())
}

/// Ends a proposal that is not final (inner action StrikeProposal).
pub fn strike(work: &mut Work<'_>, now: &Now, id: ProposalId) -> Result<(), Abort> {
    let mut p = proposal(work, id)?.ok_or(GovernanceError::UnknownProposal { id })?;
    let change = p.life.strike(id)?;
    moved(work, now, &mut p, change)?;
    work.put(key::proposal(id), &p);
    Ok(())
}

/// Action 0308: another ACTIVE, unrecused seat with the right takes an orphan over. Review restarts, votes and stances
/// start anew, the deposit stays.
pub fn adopt(work: &mut Work<'_>, now: &Now, actor: &AccountId, id: ProposalId) -> Result<(), Abort> {
    let mut p = proposal(work, id)?.ok_or(GovernanceError::UnknownProposal { id })?;
    let change = p.life.clone().adopt(id, now.tick)?;
    let nobody = GovernanceError::RoleMayNotPropose { role: None, class: p.class };
    let own = judge::seat_of(work, now, actor)?.ok_or(nobody)?;
    let row = roles::row(work, own.role)?;
    if !row.rights.contains(&p.class) {
        return Err(GovernanceError::RoleMayNotPropose { role: Some(own.role), class: p.class }.into());
    }
    if let Some(area) = row.area.filter(|area| *area != p.area) {
        return Err(GovernanceError::AreaMismatch { role: own.role, own: area, area: p.area }.into());
    }
    let members = crate::governance::seats::members(work, now)?;
    if judge::recused(&p.actions, &members).contains(&own.role) {
        return Err(GovernanceError::Recused { role: own.role }.into());
    }
    move_count(work, &mut p, actor)?;
    power::sign_of_life(work, now, actor)?;
    p.life.adopt(id, now.tick)?;
    (p.entry, p.seat) = (Entry::Seat, Some((own.role, own.seat.instance)));
    (p.tally, p.stances, p.snapshot) = (Tally::default(), Vec::new(), None);
    // The votes of the first poll have no further use.
    super::sweep::queue(work, now.tick, super::record::Due::Votes, &id.0.to_be_bytes());
    moved(work, now, &mut p, change)?;
    work.put(key::proposal(id), &p);
    Ok(())
}

/// The adopter answers for the proposal from now on.
fn move_count(work: &mut Work<'_>, p: &mut Proposal, to: &AccountId) -> Result<(), Abort> {
    let permitted = get(work, "prop.max_per_proposer")?;
    let count: u64 = work.get(&key::by_proposer(to))?.unwrap_or(0);
    if count >= permitted && p.proposer != *to {
        return Err(GovernanceError::TooManyByProposer { permitted }.into());
    }
    super::count_out(work, &p.proposer)?;
    let count: u64 = work.get(&key::by_proposer(to))?.unwrap_or(0);
    work.put(key::by_proposer(to), &count.saturating_add(1));
    p.proposer = *to;
    Ok(())
}

/// Whether a proposal counts as past Funding and not final: a pending slash waits for it.
#[must_use]
pub fn is_pending(p: &Proposal) -> bool {
    p.life.status != Status::Funding && !p.life.status.is_final()
}
