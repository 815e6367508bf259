//! 0301 Candidate, 0302 CandidateWithdraw, and candidacies that end otherwise (governance.md §3).
//!
//! A person stands for at most one role: the credential's nullifier counts, not the account. What supporters gave to a
//! candidacy that ended is not taken anywhere else; their next choice replaces it.

use super::{Now, role_bond, roles, seats, standing, state};
use crate::params::get;
use nupeer_governance::GovernanceError;
use nupeer_governance::power::TokenSums;
use nupeer_governance::seat::Candidate;
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::{CandidateNo, RoleId, SeatChange};
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, Amount};

/// What a candidate publishes.
#[derive(Clone, Debug)]
pub struct Programme {
    /// Where it stands.
    pub uri: Bytes<256>,
    /// Its hash.
    pub hash: [u8; 32],
}

/// Action 0301.
pub fn stand(
    work: &mut Work<'_>,
    now: &Now,
    id: &AccountId,
    role: RoleId,
    bond: Amount,
    programme: &Programme,
) -> Result<(), Abort> {
    let row = roles::row(work, role)?;
    let nullifier = standing::require_candidate(work, id, now)?;
    if work.has(&state::key::nullifier(&nullifier)) {
        return Err(GovernanceError::NullifierInUse.into());
    }
    role_bond::require(bond, roles::bond(work, &row)?)?;
    let permitted = get(work, "seat.max_candidates")?;
    if seats::candidates(work, role)?.len() as u64 >= permitted {
        return Err(GovernanceError::TooManyCandidates { permitted }.into());
    }
    if let Some(until) = state::ban(work, &nullifier)?.filter(|until| now.tick < *until) {
        return Err(GovernanceError::Banned { until }.into());
    }
    let no: CandidateNo = work.get(&state::key::next_candidate())?.unwrap_or(CandidateNo(1));
    role_bond::lock(work, now, id, roles::bond_token(&row), bond)?;
    super::power::sign_of_life(work, now, id)?;
    let Programme { uri, hash } = programme.clone();
    let candidate = Candidate { no, account: *id, role, nullifier, bond, low_since: None, uri, hash };
    work.put(state::key::next_candidate(), &CandidateNo(no.0.saturating_add(1)));
    work.put(state::key::candidate(no), &candidate);
    work.put(state::key::candidate_of(role, no), &1u8);
    work.put(state::key::support(no), &TokenSums::at(now.epoch));
    work.put(state::key::nullifier(&nullifier), &no);
    work.emit(Event::CandidateStood { candidate: no, account: *id, role, bond });
    Ok(())
}

/// The account's candidacy for a role.
pub fn of_account(work: &Work<'_>, id: &AccountId, role: RoleId) -> Result<Option<Candidate>, Bug> {
    Ok(seats::candidates(work, role)?.into_iter().find(|candidate| candidate.account == *id))
}

/// Action 0302. Who holds the seat leaves it too.
pub fn withdraw(work: &mut Work<'_>, now: &Now, id: &AccountId, role: RoleId) -> Result<(), Abort> {
    let candidate = of_account(work, id, role)?.ok_or(GovernanceError::UnknownCandidate)?;
    super::power::sign_of_life(work, now, id)?;
    if seats::holds(work, role, candidate.no)? {
        seats::vacate(work, now, role, SeatChange::Resign)?;
    }
    end(work, now, &candidate, Amount::ZERO)
}

/// Action 0304: leaves the seat; the candidacy stays.
pub fn resign(work: &mut Work<'_>, now: &Now, id: &AccountId, role: RoleId) -> Result<(), Abort> {
    let candidate = of_account(work, id, role)?.ok_or(GovernanceError::UnknownCandidate)?;
    if !seats::holds(work, role, candidate.no)? {
        return Err(GovernanceError::SeatNotActive { role }.into());
    }
    super::power::sign_of_life(work, now, id)?;
    seats::vacate(work, now, role, SeatChange::Resign)
}

/// Ends a candidacy that holds no seat: `fee` of its bond burns, the rest unbonds.
pub fn end(work: &mut Work<'_>, now: &Now, candidate: &Candidate, fee: Amount) -> Result<(), Abort> {
    let Candidate { no, account, role, nullifier, .. } = candidate;
    let token = roles::bond_token(&roles::row(work, *role)?);
    let burned = role_bond::burn(work, account, token, fee)?;
    role_bond::unbond(work, now, account, token)?;
    work.remove(state::key::candidate(*no));
    work.remove(state::key::candidate_of(*role, *no));
    work.remove(state::key::support(*no));
    work.remove(state::key::nullifier(nullifier));
    work.emit(Event::CandidateLeft { candidate: *no, account: *account, role: *role, burned });
    Ok(())
}

/// Bans the person behind an account until a tick; a longer ban stays. Its candidacy is not eligible while it lasts.
pub fn ban(work: &mut Work<'_>, nullifier: &[u8; 32], id: &AccountId, until: u64) -> Result<(), Bug> {
    let until = state::ban(work, nullifier)?.unwrap_or(0).max(until);
    work.put(state::key::ban(nullifier), &until);
    work.emit(Event::Banned { account: *id, until });
    Ok(())
}
