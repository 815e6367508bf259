//! Actions 03xx of power and seats: who does what, now.

use super::candidacy::{self, Programme};
use super::{Now, delegation, support};
use crate::context::{Actor, BlockContext};
use nupeer_primitives::action::Action;
use nupeer_primitives::state::{Abort, Bug, Work};

/// Runs an action of power and seats.
pub fn execute(work: &mut Work<'_>, ctx: &BlockContext, actor: &Actor, action: &Action) -> Result<(), Abort> {
    let now = Now::of(work, ctx)?;
    let id = &actor.account;
    if let Action::Candidate { role, bond, uri, hash } = action {
        let programme = Programme { uri: uri.clone(), hash: *hash };
        candidacy::stand(work, &now, id, *role, *bond, &programme)
    } else if let Action::CandidateWithdraw { role } = action {
        candidacy::withdraw(work, &now, id, *role)
    } else if let Action::Support { role, candidate } = action {
        support::support(work, &now, id, *role, *candidate)
    } else if let Action::Resign { role } = action {
        candidacy::resign(work, &now, id, *role)
    } else if let Action::DelegateVote { area, to } = action {
        delegation::delegate_vote(work, &now, id, *area, *to)
    } else {
        Err(Bug::Missing { what: "dispatch of an action of power and seats" }.into())
    }
}
