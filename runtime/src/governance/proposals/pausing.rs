//! 030F Pause: asked for by a seat that may, in force once enough other executives endorse it, ended by itself or by a
//! vote (governance.md §8).
//!
//! 1. `Pause` opens a case under a proposal number; the council's pause is in force at once.
//! 2. Executives endorse it with `Stance`; with a ≥ `pause.agree` it is in force until tick now + ticks, and the seat's
//!    one use is spent. A case that too few endorse within `pause.max` ticks is dropped.
//! 3. `Vote` on the case decides on lifting it, after every vote.
//!
//! # Deviations
//! "At once" is when the last needed executive has endorsed: one transaction carries one seat's signature.

use super::judge;
use super::record::{Due, PauseCase, constitution, key, next_id};
use super::{live, rules, sweep, voting};
use crate::governance::vote::{Poll, cast};
use crate::governance::{Now, power, roles, seats, state};
use crate::params::get;
use nupeer_governance::GovernanceError;
use nupeer_governance::agreement::{Mode, StanceOf, Thresholds};
use nupeer_governance::clock::Tick;
use nupeer_governance::decide::{Counted, Outcome};
use nupeer_governance::pause::{Request, until};
use nupeer_governance::seat::SeatState;
use nupeer_governance::vote::{Tally, delegate_cap};
use nupeer_primitives::AccountId;
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::{Area, RoleId, VoteOption};
use nupeer_primitives::proposal::{Class, Module};
use nupeer_primitives::state::{Abort, Bug, Work};

/// Cases that are looked at in a tick: one a seat, and the council's.
const CASES_MAX: usize = 32;
/// Approval that lifts a pause, ppm.
const LIFT_THRESHOLD: u32 = 500_000;

/// Whether a module stands still in a tick.
pub fn is_paused(work: &Work<'_>, module: Module, tick: Tick) -> Result<bool, Bug> {
    Ok(work.get::<Tick>(&key::paused(module))?.is_some_and(|until| tick < until))
}

/// Action 030F.
pub fn pause(work: &mut Work<'_>, now: &Now, actor: &AccountId, module: Module, ticks: u64) -> Result<(), Abort> {
    let (agree, most) = (get(work, "pause.agree")?, get(work, "pause.max")?);
    let agree = u32::try_from(agree).unwrap_or(u32::MAX);
    let mut charter = constitution(work)?;
    let mut request =
        Request { role: None, is_active: true, is_used: false, agreed: agree, module: Some(module), ticks };
    if charter.council == Some(*actor) {
        if charter.council_ended {
            return Err(GovernanceError::CouncilEnded.into());
        }
        request.is_used = charter.council_paused;
        let ends = until(&request, now.tick, agree, most)?;
        charter.council_paused = true;
        work.put(key::constitution(), &charter);
        let case = open(work, now, actor, None, module, ticks)?;
        return enforce(work, now, case, ends);
    }
    let nobody = GovernanceError::RoleMayNotPropose { role: None, class: Class::Technical };
    let members = seats::members(work, now)?;
    let own = members.iter().find(|member| member.account == Some(*actor)).ok_or(nobody)?;
    if !roles::row(work, own.role)?.may_pause {
        return Err(GovernanceError::RoleMayNotPropose { role: Some(own.role), class: Class::Technical }.into());
    }
    request.role = Some(own.role);
    request.is_active = own.seat.state == SeatState::Active;
    request.is_used = own.seat.pause_used;
    until(&request, now.tick, agree, most)?;
    power::sign_of_life(work, now, actor)?;
    let seat = (own.role, own.seat.instance);
    for case in cases(work)?.into_iter().filter(|case| case.seat == Some(seat) && case.until.is_none()) {
        work.remove(key::pause(case.id));
    }
    let case = open(work, now, actor, Some(seat), module, ticks)?;
    work.put(key::pause(case.id), &case);
    Ok(())
}

fn open(
    work: &mut Work<'_>,
    now: &Now,
    account: &AccountId,
    seat: Option<(RoleId, u64)>,
    module: Module,
    ticks: u64,
) -> Result<PauseCase, Abort> {
    let id = next_id(work)?;
    work.emit(Event::PauseAsked { pause: id, account: *account, module, ticks });
    Ok(PauseCase {
        id,
        module,
        ticks,
        seat,
        account: *account,
        asked: now.tick,
        stances: alloc::vec::Vec::new(),
        until: None,
        snapshot: None,
        tally: Tally::default(),
    })
}

/// Every case, in order.
pub fn cases(work: &Work<'_>) -> Result<alloc::vec::Vec<PauseCase>, Bug> {
    Ok(work.scan::<PauseCase>(&key::pauses(), &[], CASES_MAX)?.into_iter().map(|(_, case)| case).collect())
}

/// Endorsing share of the other executives, ppm.
pub fn agreed(work: &Work<'_>, now: &Now, case: &PauseCase) -> Result<u32, Bug> {
    let members = seats::members(work, now)?;
    let row = rules::row(work, Class::Technical)?;
    let mut voices = alloc::vec::Vec::new();
    for member in &members {
        voices.push((member.role, rules::voice(work, Class::Technical, member.role)?));
    }
    let voice = |role| voices.iter().find(|(known, _)| *known == role).map_or(0, |(_, voice)| *voice);
    let own = case.seat.map(|(role, _)| role);
    let sums = judge::sums(&row, own, &members, &case.stances, &[], voice);
    let a = sums.agreement(get(work, "agree.min_committee")?).a;
    Ok(u32::try_from(a).unwrap_or(0))
}

/// An executive speaks about a pause.
pub fn stance(work: &mut Work<'_>, now: &Now, mut case: PauseCase, said: StanceOf) -> Result<(), Abort> {
    let StanceOf { role, instance, stance } = said;
    if case.seat.is_some_and(|(own, _)| own == role) {
        return Err(GovernanceError::Recused { role }.into());
    }
    voting::say(&mut case.stances, said);
    work.emit(Event::StanceTaken { proposal: case.id, role, instance, stance });
    let agreed = agreed(work, now, &case)?;
    let needed = u32::try_from(get(work, "pause.agree")?).unwrap_or(u32::MAX);
    let Some((role, instance)) = case.seat.filter(|_| case.until.is_none() && agreed >= needed) else {
        work.put(key::pause(case.id), &case);
        return Ok(());
    };
    let mut seat = state::seat(work, role)?.filter(|seat| seat.instance == instance);
    let request = Request {
        role: Some(role),
        is_active: seat.as_ref().is_some_and(|seat| seat.state == SeatState::Active),
        is_used: seat.as_ref().is_some_and(|seat| seat.pause_used),
        agreed,
        module: Some(case.module),
        ticks: case.ticks,
    };
    let ends = until(&request, now.tick, needed, get(work, "pause.max")?)?;
    if let Some(seat) = &mut seat {
        seat.pause_used = true;
        work.put(state::key::seat(role), seat);
    }
    enforce(work, now, case, ends)
}

fn enforce(work: &mut Work<'_>, now: &Now, mut case: PauseCase, ends: Tick) -> Result<(), Abort> {
    case.until = Some(ends);
    case.snapshot = Some(live::snapshot_of(work, now, Area::General, 0)?);
    let stands: Tick = work.get(&key::paused(case.module))?.unwrap_or(0);
    work.put(key::paused(case.module), &stands.max(ends));
    work.emit(Event::Paused { pause: case.id, module: case.module, until: ends });
    work.put(key::pause(case.id), &case);
    Ok(())
}

/// A vote on lifting: for lifts, against keeps.
pub fn vote(
    work: &mut Work<'_>,
    now: &Now,
    actor: &AccountId,
    mut case: PauseCase,
    option: VoteOption,
) -> Result<(), Abort> {
    let id = case.id;
    let (Some(ends), Some(snapshot)) = (case.until, case.snapshot) else {
        return Err(GovernanceError::NotVoting { id }.into());
    };
    if now.tick >= ends {
        return Err(GovernanceError::VotingClosed { id, close: ends }.into());
    }
    let (a, b, c) = snapshot.guard;
    let poll = Poll {
        id,
        area: Area::General,
        s: snapshot.s,
        guard: [a, b, c],
        cap: delegate_cap(snapshot.active.0, get(work, "power.delegate_cap")?),
        proposer: None,
        locked_until: ends.saturating_mul(get(work, "time.tick_gt")?),
    };
    cast(work, now, &poll, actor, option, &mut case.tally)?;
    let tally = |option| case.tally.of(option);
    let counted = Counted::new(
        &snapshot.electorate(),
        tally(VoteOption::For),
        tally(VoteOption::Against),
        tally(VoteOption::Abstain),
    );
    let q = u32::try_from(get(work, "pause.lift_quorum")?).unwrap_or(u32::MAX);
    if counted.decide(&Thresholds { mode: Mode::Active, q, x: LIFT_THRESHOLD }, false) == Outcome::Execute {
        work.remove(key::paused(case.module));
        work.emit(Event::PauseEnded { module: case.module, lifted: true });
        end(work, now, &case);
    } else {
        work.put(key::pause(id), &case);
    }
    Ok(())
}

fn end(work: &mut Work<'_>, now: &Now, case: &PauseCase) {
    work.remove(key::pause(case.id));
    sweep::queue(work, now.tick, Due::Votes, &case.id.0.to_be_bytes());
}

/// Pauses whose time is over end; cases that nobody endorsed are dropped.
pub fn tick(work: &mut Work<'_>, now: &Now) -> Result<(), Bug> {
    for module in Module::ALL {
        if work.get::<Tick>(&key::paused(*module))?.is_some_and(|until| now.tick >= until) {
            work.remove(key::paused(*module));
            work.emit(Event::PauseEnded { module: *module, lifted: false });
        }
    }
    let most = get(work, "pause.max")?;
    for case in cases(work)? {
        if now.tick >= case.until.unwrap_or(case.asked.saturating_add(most)) {
            end(work, now, &case);
        }
    }
    Ok(())
}
