//! Actions about people: roles, personnel, issuers, developers, rulings.

use crate::governance::{Now, candidacy, roles, seats, state};
use crate::{credentials, slashing};
use nupeer_governance::GovernanceError;
use nupeer_governance::seat::SeatState;
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::{ProposalId, RoleId, SeatChange};
use nupeer_primitives::proposal::{IssuerOp, PersonnelOp, RoleRow};
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, Hash, VerificationKey};

fn refused(what: &str) -> Abort {
    GovernanceError::InnerRefused { what: what.into() }.into()
}

/// Role: defines or retires.
pub fn role(work: &mut Work<'_>, now: &Now, role: RoleId, row: Option<&RoleRow>) -> Result<(), Abort> {
    match row {
        Some(row) => {
            let (a, b, c) = row.weights;
            let sum = u64::from(a).saturating_add(u64::from(b)).saturating_add(u64::from(c));
            if sum != 1_000_000 {
                return Err(GovernanceError::GuardrailBroken { guardrail: "SumToWhole" }.into());
            }
            roles::define(work, now, role, row)?;
        }
        None => roles::retire(work, now, role)?,
    }
    work.emit(Event::RoleSet { role, defined: row.is_some() });
    Ok(())
}

/// Personnel: vacates the instance that was meant, and no later one.
pub fn personnel(work: &mut Work<'_>, now: &Now, role: RoleId, instance: u64, op: PersonnelOp) -> Result<(), Abort> {
    let seat = state::seat(work, role)?.ok_or(GovernanceError::UnknownRole { role })?;
    if seat.instance != instance || seat.state == SeatState::Vacant {
        return Err(refused("that instance of the seat has ended"));
    }
    let no = seat.holder.ok_or(Bug::Missing { what: "holder of a held seat" })?;
    let candidate = state::candidate(work, no)?.ok_or(Bug::Missing { what: "candidacy of a holder" })?;
    seats::vacate(work, now, role, SeatChange::Personnel)?;
    match op {
        PersonnelOp::ForceElection => Ok(()),
        PersonnelOp::Discipline(ppm, ban_ticks) => {
            if ppm > 0 {
                slashing::misconduct(work, now, &candidate.account, u64::from(ppm))?;
            }
            let until = now.tick.saturating_add(ban_ticks);
            candidacy::ban(work, &candidate.nullifier, &candidate.account, until)?;
            Ok(())
        }
    }
}

/// PauseRearm.
pub fn rearm(work: &mut Work<'_>, role: RoleId) -> Result<(), Abort> {
    let mut seat = state::seat(work, role)?.ok_or(GovernanceError::UnknownRole { role })?;
    seat.pause_used = false;
    work.put(state::key::seat(role), &seat);
    work.emit(Event::PauseRearmed { role });
    Ok(())
}

/// SlashRuling: kinds without automatic proof.
pub fn ruling(work: &mut Work<'_>, now: &Now, target: &AccountId, kind: u8, ppm: u32) -> Result<(), Abort> {
    slashing::ruling(work, now, target, (kind, u64::from(ppm)), None)?;
    Ok(())
}

/// StrikeSlash.
pub fn strike_slash(work: &mut Work<'_>, id: u64) -> Result<(), Abort> {
    slashing::strike(work, id)
}

/// A slash waits while a proposal that would strike it is pending; one that is gone or waited before is left alone.
pub fn slash_waits(work: &mut Work<'_>, now: &Now, id: u64, by: ProposalId, is_pending: bool) -> Result<(), Abort> {
    let done = work
        .attempt(|work| if is_pending { slashing::delay(work, id, by) } else { slashing::resume(work, now, id, by) })?;
    // A refusal says that there is nothing to delay or resume: no part of the proposal's own life.
    drop(done);
    Ok(())
}

/// Issuers.
pub fn issuer(
    work: &mut Work<'_>,
    op: IssuerOp,
    issuer: &AccountId,
    key: VerificationKey,
    level: u8,
) -> Result<(), Abort> {
    credentials::issuers::change(work, op, issuer, key, level)
}

/// MintDeveloper.
pub fn developer(work: &mut Work<'_>, now: &Now, holder: &AccountId, scope: u16, level: u8) -> Result<(), Abort> {
    credentials::developer::mint(work, now.consensus_epoch(), holder, scope, level)?;
    Ok(())
}

/// RevokeNft.
pub fn revoke(work: &mut Work<'_>, nft: &Hash) -> Result<(), Abort> {
    credentials::developer::revoke(work, nft)
}
