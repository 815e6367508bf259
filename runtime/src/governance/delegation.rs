//! 030C DelegateVote: lends the vote on proposals of an area, one hop, never for seats (governance.md §2.4).

use super::power::{Signed, reattach};
use super::{Now, standing, state};
use nupeer_governance::GovernanceError;
use nupeer_primitives::AccountId;
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::Area;
use nupeer_primitives::state::{Abort, Work};

/// Action 030C. What others lent to an account that now lends its own vote stays idle until they vote themselves.
pub fn delegate_vote(
    work: &mut Work<'_>,
    now: &Now,
    id: &AccountId,
    area: Area,
    to: Option<AccountId>,
) -> Result<(), Abort> {
    if let Some(target) = to {
        let lends = state::account(work, &target)?.delegate_now(area).is_some();
        if target == *id || lends || !standing::is_person(work, &target, now)? {
            return Err(GovernanceError::NotDelegate { account: target }.into());
        }
    }
    reattach(work, now, id, Signed::ByOwner, |_, account| {
        if account.delegated_in(area, now.epoch) {
            return Err(GovernanceError::DelegationThisEpoch { epoch: u64::from(now.epoch) }.into());
        }
        account.set_delegate(area, now.epoch, to);
        Ok(())
    })?;
    work.emit(Event::Delegated { account: *id, area, to });
    Ok(())
}
