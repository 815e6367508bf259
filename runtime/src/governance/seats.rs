//! Seats at each tick (governance.md §3): supports are read from the sums, each seat takes at most one step, candidates
//! that nobody wants for long leave.
//!
//! At most 16 seats of 32 candidates: 512 comparisons in a tick, and a block crosses at most one tick boundary.

use super::power::{electorate, totals};
use super::{Now, candidacy, now, role_bond, roles, standing, state};
use crate::params::get;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use nupeer_governance::GovernanceError;
use nupeer_governance::power::{PPM, TokenSums};
use nupeer_governance::seat::{Candidate, Field, Seat, SeatRules, SeatState, Transition};
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::{CandidateNo, ROLE_MAX, RoleId, SeatChange};
use nupeer_primitives::proposal::RoleRow;
use nupeer_primitives::state::{Abort, Bug, Work};

/// Candidates of a role; `seat.max_candidates` never exceeds it.
const CANDIDATES_MAX: usize = 32;

/// Every role id that can exist, ascending.
pub fn role_ids() -> impl Iterator<Item = RoleId> {
    (1..=ROLE_MAX).filter_map(RoleId::new)
}

/// The candidates of a role by number.
pub fn candidates(work: &Work<'_>, role: RoleId) -> Result<Vec<Candidate>, Bug> {
    let rows = work.scan::<u8>(&state::key::candidates_of(role), &[], CANDIDATES_MAX)?;
    rows.into_iter()
        .map(|(key, _)| {
            let no = key.get(2..).and_then(|b| <[u8; 8]>::try_from(b).ok()).ok_or(Bug::Corrupt { prefix: 0x14 })?;
            work.expect(&state::key::candidate(CandidateNo(u64::from_be_bytes(no))), "candidate of a role")
        })
        .collect()
}

/// Whether a candidacy holds the seat of its role.
pub fn holds(work: &Work<'_>, role: RoleId, no: CandidateNo) -> Result<bool, Bug> {
    Ok(state::seat(work, role)?.is_some_and(|seat| seat.holder == Some(no)))
}

/// Support of every candidate of a role in ppm, and whether it is eligible.
pub fn supports(
    work: &Work<'_>,
    now: &Now,
    role: RoleId,
    row: &RoleRow,
    all: &TokenSums,
) -> Result<Vec<(Candidate, u64, bool)>, Bug> {
    let electorate = electorate(work, roles::weights(row), all.value()?)?;
    let needed = roles::bond(work, row)?;
    let mut out = Vec::new();
    for candidate in candidates(work, role)? {
        let sums = state::sums(work, &state::key::support(candidate.no), now.epoch)?;
        let bonded = role_bond::active(work, &candidate.account, roles::bond_token(row))?;
        let banned = state::ban(work, &candidate.nullifier)?.is_some_and(|until| now.tick < until);
        let eligible =
            bonded >= needed && !banned && standing::may_hold(work, &candidate.account, &candidate.nullifier, now)?;
        out.push((candidate, electorate.share_ppm(sums.value()?), eligible));
    }
    Ok(out)
}

/// Evaluates every seat for the tick that began, role ids ascending.
pub fn tick(work: &mut Work<'_>, now: &Now) -> Result<(), Abort> {
    let (rules, all) = (now::seat_rules(work)?, totals(work, now)?);
    for role in role_ids() {
        if let (Some(row), Some(seat)) = (state::role(work, role)?, state::seat(work, role)?) {
            let field = supports(work, now, role, &row, &all)?;
            evaluate(work, now, role, seat, &field, &rules)?;
            evict(work, now, role, &field)?;
        }
    }
    Ok(())
}

fn evaluate(
    work: &mut Work<'_>,
    now: &Now,
    role: RoleId,
    mut seat: Seat,
    field: &[(Candidate, u64, bool)],
    rules: &SeatRules,
) -> Result<(), Abort> {
    let before = (seat.holder, seat.instance);
    let stands = |(candidate, _, eligible): &&(Candidate, u64, bool)| *eligible || Some(candidate.no) == before.0;
    let support: BTreeMap<CandidateNo, u64> =
        field.iter().filter(stands).map(|(candidate, support, _)| (candidate.no, *support)).collect();
    let holder_ok = field.iter().any(|(candidate, _, eligible)| *eligible && Some(candidate.no) == before.0);
    let transition = seat.evaluate(now.tick, &Field { support: &support, holder_ok }, rules);
    work.put(state::key::seat(role), &seat);
    let Some(transition) = transition else { return Ok(()) };
    if before.0.is_some() && (seat.holder, seat.instance) != before {
        standing::burn_executive(work, role, before.1)?;
    }
    let holder = field.iter().find(|(candidate, ..)| Some(candidate.no) == seat.holder);
    let holder = holder.map(|(candidate, ..)| candidate.account);
    if let Some(account) = holder.filter(|_| seat.instance != before.1) {
        standing::mint_executive(work, &account, role, seat.instance)?;
    }
    let (until, bar_ppm) = match transition {
        Transition::Grace { until, bar, .. } => (Some(until), Some(bar)),
        Transition::Suspend { until } => (Some(until), None),
        Transition::Elect { .. }
        | Transition::Collapse { .. }
        | Transition::Lapse
        | Transition::Restore { .. }
        | Transition::Renew { .. }
        | Transition::Expire
        | Transition::Recover
        | Transition::Revoke
        | Transition::Supersede { .. } => (None, None),
    };
    let (change, instance, tick) = (transition.change(), seat.instance, now.tick);
    work.emit(Event::SeatMoved { role, change, instance, holder, tick, until, bar_ppm });
    Ok(())
}

/// Candidates below the floor for long leave, with a fee; the holder never.
fn evict(work: &mut Work<'_>, now: &Now, role: RoleId, field: &[(Candidate, u64, bool)]) -> Result<(), Abort> {
    let (floor, after, fee_ppm) =
        (get(work, "seat.evict")?, get(work, "seat.evict_after")?, get(work, "seat.evict_fee")?);
    let holder = state::seat(work, role)?.and_then(|seat| seat.holder);
    for (candidate, support, _) in field.iter().filter(|(candidate, ..)| Some(candidate.no) != holder) {
        let low_since = (*support < floor).then(|| candidate.low_since.unwrap_or(now.tick));
        if low_since.is_some_and(|since| now.tick.saturating_sub(since) >= after) {
            let fee = candidate.bond.mul_div_floor(fee_ppm, PPM).ok_or(Bug::Arithmetic { what: "eviction fee" })?;
            candidacy::end(work, now, candidate, fee)?;
        } else if low_since != candidate.low_since {
            work.put(state::key::candidate(candidate.no), &Candidate { low_since, ..candidate.clone() });
        }
    }
    Ok(())
}

/// Ends the present tenure of a seat otherwise than by a tick. A vacant seat stays as it is.
pub fn vacate(work: &mut Work<'_>, now: &Now, role: RoleId, change: SeatChange) -> Result<(), Abort> {
    let mut seat = state::seat(work, role)?.ok_or(GovernanceError::UnknownRole { role })?;
    if seat.state == SeatState::Vacant {
        return Ok(());
    }
    standing::burn_executive(work, role, seat.instance)?;
    seat.vacate(now.tick);
    work.put(state::key::seat(role), &seat);
    let (instance, tick) = (seat.instance, now.tick);
    work.emit(Event::SeatMoved { role, change, instance, holder: None, tick, until: None, bar_ppm: None });
    Ok(())
}

/// A seat as the committee of executives counts it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its role.
    pub role: RoleId,
    /// The seat.
    pub seat: Seat,
    /// Who holds it.
    pub account: Option<nupeer_primitives::AccountId>,
    /// μ in ppm; 0 unless ACTIVE.
    pub weight: u64,
}

/// Every seat with its holder and weight as of now, role ids ascending.
pub fn members(work: &Work<'_>, now: &Now) -> Result<Vec<Member>, Bug> {
    let (rules, all) = (now::seat_rules(work)?, totals(work, now)?);
    let mut out = Vec::new();
    for role in role_ids() {
        let (Some(row), Some(seat)) = (state::role(work, role)?, state::seat(work, role)?) else { continue };
        let holder = seat.holder.map(|no| work.expect::<Candidate>(&state::key::candidate(no), "holder of a seat"));
        let (mut account, mut weight) = (None, 0);
        if let Some(candidate) = holder.transpose()? {
            let electorate = electorate(work, roles::weights(&row), all.value()?)?;
            let sums = state::sums(work, &state::key::support(candidate.no), now.epoch)?;
            weight = seat.weight(electorate.share_ppm(sums.value()?), &rules);
            account = Some(candidate.account);
        }
        out.push(Member { role, seat, account, weight });
    }
    Ok(out)
}
