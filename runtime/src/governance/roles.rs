//! Roles of the constitution in state: defined at genesis, later by the action Role (governance.md §3, §4).

use super::{Now, candidacy, seats, state};
use crate::params::get;
use nupeer_governance::GovernanceError;
use nupeer_governance::power::Weights;
use nupeer_governance::seat::{Seat, role as first};
use nupeer_primitives::governance::{RoleId, SeatChange};
use nupeer_primitives::proposal::RoleRow;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{Amount, AssetId};

/// A role that exists.
pub fn row(work: &Work<'_>, role: RoleId) -> Result<RoleRow, Abort> {
    state::role(work, role)?.ok_or_else(|| GovernanceError::UnknownRole { role }.into())
}

/// Election weights of a role.
#[must_use]
pub const fn weights(row: &RoleRow) -> Weights {
    let (iaas, paas, saas) = row.weights;
    [iaas, paas, saas]
}

/// Token of a role's bond.
#[must_use]
pub fn bond_token(row: &RoleRow) -> AssetId {
    first::bond_token(weights(row))
}

/// Least role bond: the row's own, or the parameter `bond.role` where the row says nothing.
pub fn bond(work: &Work<'_>, row: &RoleRow) -> Result<Amount, Bug> {
    if row.bond > Amount::ZERO { Ok(row.bond) } else { Ok(Amount::new(get(work, "bond.role")?)) }
}

/// Writes the roles of the first constitution, all seats vacant.
pub fn first_state(work: &mut Work<'_>) {
    for role in seats::role_ids() {
        if let Some(row) = first::row(role) {
            work.put(state::key::seat(role), &Seat::vacant(0, row.term_ticks));
            work.put(state::key::role(role), &row);
        }
    }
}

/// Defines a role or changes one. A seat that exists goes on, its term as now defined.
pub fn define(work: &mut Work<'_>, now: &Now, role: RoleId, row: &RoleRow) -> Result<(), Abort> {
    let known = state::role(work, role)?;
    if known.as_ref().is_some_and(|known| bond_token(known) != bond_token(row)) {
        // Bonds of the old token secure nothing in the new role: whoever stands must bond anew.
        retire(work, now, role)?;
    }
    let mut seat = state::seat(work, role)?.unwrap_or_else(|| Seat::vacant(now.tick, None));
    if known.is_none() {
        seat.opened = now.tick;
    }
    seat.term = row.term_ticks;
    work.put(state::key::seat(role), &seat);
    work.put(state::key::role(role), row);
    Ok(())
}

/// Retires a role: its seat falls vacant, its candidacies end and their bonds unbond. Its instance number stays, as
/// numbers only grow.
pub fn retire(work: &mut Work<'_>, now: &Now, role: RoleId) -> Result<(), Abort> {
    row(work, role)?;
    seats::vacate(work, now, role, SeatChange::Retire)?;
    for candidate in seats::candidates(work, role)? {
        candidacy::end(work, now, &candidate, Amount::ZERO)?;
    }
    work.remove(state::key::role(role));
    Ok(())
}
