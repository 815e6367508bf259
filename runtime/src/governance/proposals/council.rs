//! The genesis council, and its end once the DAO stands on its own (governance.md §9).

use super::record::{constitution, key};
use crate::governance::{Now, power, seats, state};
use crate::params::get;
use nupeer_governance::bootstrap::ends;
use nupeer_governance::seat::SeatState;
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::Area;
use nupeer_primitives::state::{Bug, Work};

/// Ends the council's power if this tick is its last.
pub fn tick(work: &mut Work<'_>, now: &Now) -> Result<(), Bug> {
    let mut charter = constitution(work)?;
    if charter.council_ended {
        return Ok(());
    }
    let mature_sum = get(work, "power.mature_sum")?;
    let mut all_mature = true;
    for area in Area::ALL {
        all_mature &= power::electorate_now(work, now, *area)?.is_mature(mature_sum);
    }
    let mut active = 0u64;
    for role in seats::role_ids() {
        let is_active = state::seat(work, role)?.is_some_and(|seat| seat.state == SeatState::Active);
        active = active.saturating_add(u64::from(is_active));
    }
    if ends(u64::from(now.epoch), get(work, "boot.sunset")?, all_mature, active) {
        charter.council_ended = true;
        work.put(key::constitution(), &charter);
        work.emit(Event::CouncilEnded { tick: now.tick });
    }
    Ok(())
}
