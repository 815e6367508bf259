//! 0303 Support: all of an account's power behind one candidate of a role, changeable at any time, effective at once.

use super::power::{Signed, reattach};
use super::{Now, state};
use nupeer_governance::GovernanceError;
use nupeer_primitives::AccountId;
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::{CandidateNo, RoleId};
use nupeer_primitives::state::{Abort, Work};

/// Action 0303.
pub fn support(
    work: &mut Work<'_>,
    now: &Now,
    id: &AccountId,
    role: RoleId,
    to: Option<CandidateNo>,
) -> Result<(), Abort> {
    if let Some(no) = to {
        let known = state::candidate(work, no)?.filter(|candidate| candidate.role == role);
        known.ok_or(GovernanceError::UnknownCandidate)?;
    }
    reattach(work, now, id, Signed::ByOwner, |_, account| {
        match to {
            Some(no) => account.support.insert(role, no),
            None => account.support.remove(&role),
        };
        Ok(())
    })?;
    work.emit(Event::Supported { account: *id, role, candidate: to });
    Ok(())
}
