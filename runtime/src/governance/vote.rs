//! 030B Vote: what a vote weighs on a proposal, and how delegated power is taken back (governance.md §7).

use super::power::{Signed, reattach};
use super::{Now, standing, state};
use nupeer_governance::GovernanceError;
use nupeer_governance::power::{Amounts, TokenSums};
use nupeer_governance::vote::{Tally, VoteRecord, Weight, least, lent_weight, own_weight, plus};
use nupeer_primitives::AccountId;
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::{Area, ProposalId, VoteOption};
use nupeer_primitives::state::{Abort, Bug, Work};

/// What a vote needs to know of its proposal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Poll {
    /// The proposal.
    pub id: ProposalId,
    /// Its area: whose delegations count.
    pub area: Area,
    /// s: the epoch in which it opened.
    pub s: u32,
    /// s' per token.
    pub guard: [u32; 3],
    /// `A·delegate_cap/10^6` of the snapshot.
    pub cap: Amounts,
    /// Nobody lends to a proposer on its own proposal.
    pub proposer: Option<AccountId>,
    /// Governance time until which a vote locks what the voter unbonds: (hard + timelock)·tick_gt.
    pub locked_until: u64,
}

impl Poll {
    /// What a sum stood at in both snapshots, the lesser per token.
    fn snapshot(&self, sums: &TokenSums) -> Result<Amounts, Bug> {
        Ok(least(sums.at_start(self.s)?, sums.at_starts(self.guard)?))
    }
}

/// Casts or replaces the vote of `id`. The caller has checked that the proposal is in voting and not closed, and stores
/// the tally.
pub fn cast(
    work: &mut Work<'_>,
    now: &Now,
    poll: &Poll,
    id: &AccountId,
    option: VoteOption,
    tally: &mut Tally,
) -> Result<(), Abort> {
    standing::require_person(work, id, now)?;
    let (own, power, delegate) = reattach(work, now, id, Signed::ByOwner, |work, account| {
        account.locked_until = account.locked_until.max(poll.locked_until);
        let power = poll.snapshot(&account.power)?;
        let own = own_weight(power, power, standing::slashable(work, id)?, Amounts::default());
        Ok((own, power, account.delegate_at(poll.area, poll.s)))
    })?;
    let before = state::vote(work, poll.id, id)?;
    if let Some(delegate) = delegate.filter(|_| before.is_none()) {
        take_back(work, poll, &delegate, power, tally)?;
    }
    let lent = if delegate.is_none() { lent(work, poll, id)? } else { Amounts::default() };
    let weight = plus(own, lent);
    if weight == Amounts::default() {
        return Err(GovernanceError::NoPower { account: *id }.into());
    }
    let record = VoteRecord { option, own: Weight(own), weight: Weight(weight) };
    tally.replace(before.as_ref(), &record)?;
    work.put(state::key::vote(poll.id, id), &record);
    let [iaas, paas, saas] = weight;
    work.emit(Event::Voted { proposal: poll.id, account: *id, option, weight: (iaas, paas, saas) });
    Ok(())
}

/// The first direct vote of a delegator takes its power out of what the delegate speaks for, whoever votes first.
fn take_back(
    work: &mut Work<'_>,
    poll: &Poll,
    delegate: &AccountId,
    power: Amounts,
    tally: &mut Tally,
) -> Result<(), Abort> {
    let over = plus(state::over(work, poll.id, delegate)?.0, power);
    work.put(state::key::over(poll.id, delegate), &Weight(over));
    let Some(before) = state::vote(work, poll.id, delegate)? else { return Ok(()) };
    let lends = state::account(work, delegate)?.delegate_at(poll.area, poll.s).is_none();
    let lent = if lends { lent(work, poll, delegate)? } else { Amounts::default() };
    let after = VoteRecord { weight: Weight(plus(before.own.0, lent)), ..before };
    tally.replace(Some(&before), &after)?;
    work.put(state::key::vote(poll.id, delegate), &after);
    Ok(())
}

/// What others lend to the vote of `id`; nothing on its own proposal.
fn lent(work: &Work<'_>, poll: &Poll, id: &AccountId) -> Result<Amounts, Bug> {
    if poll.proposer == Some(*id) {
        return Ok(Amounts::default());
    }
    // Advanced to the opening alone: what changed later is no part of either snapshot.
    let inbound = state::sums(work, &state::key::inbound(id, poll.area), poll.s)?;
    Ok(lent_weight(poll.snapshot(&inbound)?, state::over(work, poll.id, id)?.0, poll.cap))
}
