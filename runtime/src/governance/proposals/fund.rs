//! 0306 Deposit, 030A Sponsor, activation, and where a deposit goes (governance.md §4, §6).
//!
//! A deposit is ada that stays locked with those who gave it. Only what is missing is taken, so nobody overpays. A part
//! is at least a sixteenth of what is asked, or sixteen crumbs could bar everybody else from completing it.

use super::record::{CONTRIBUTORS_MAX, Due, Entry, Proposal, key, open_ids, proposal};
use super::{propose, rules};
use crate::governance::{Now, power, state};
use crate::params::get;
use nupeer_governance::GovernanceError;
use nupeer_governance::decide::Fate;
use nupeer_governance::deposit::Price;
use nupeer_governance::power::Amounts;
use nupeer_governance::proposal::{Change, Status};
use nupeer_governance::vote::plus;
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::{Area, ProposalId};
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, Amount, AssetId};
use nupeer_tokens::bank;

/// What is asked now.
pub fn asked(work: &Work<'_>, now: &Now) -> Result<u64, Bug> {
    let (price, open) = (price(work)?, open_ids(work)?.len() as u64);
    Ok(price.asked(&rules::price(work)?, now.tick, open))
}

fn price(work: &Work<'_>) -> Result<Price, Bug> {
    Ok(work.get(&key::price())?.unwrap_or_default())
}

fn funding(work: &Work<'_>, now: &Now, id: ProposalId) -> Result<Proposal, Abort> {
    let p = proposal(work, id)?.ok_or(GovernanceError::UnknownProposal { id })?;
    if p.life.status.is_final() {
        return Err(GovernanceError::ProposalFinal { id }.into());
    }
    let late = p.life.since.saturating_add(get(work, "prop.deposit_window")?) <= now.tick;
    if p.life.status != Status::Funding || late {
        return Err(GovernanceError::NotFunding { id }.into());
    }
    Ok(p)
}

/// Action 0306.
pub fn deposit(work: &mut Work<'_>, now: &Now, actor: &AccountId, id: ProposalId, amount: Amount) -> Result<(), Abort> {
    let mut p = funding(work, now, id)?;
    contribute(work, now, &mut p, actor, amount)?;
    power::sign_of_life(work, now, actor)?;
    try_activate(work, now, &mut p)?;
    work.put(key::proposal(id), &p);
    Ok(())
}

/// Locks what is missing of the deposit, at most `amount`.
pub fn contribute(
    work: &mut Work<'_>,
    now: &Now,
    p: &mut Proposal,
    actor: &AccountId,
    amount: Amount,
) -> Result<(), Abort> {
    let asked = asked(work, now)?;
    let missing = asked.saturating_sub(p.deposited());
    let least = (asked / CONTRIBUTORS_MAX as u64).min(missing);
    if amount == Amount::ZERO && missing > 0 {
        return Err(GovernanceError::ZeroAmount.into());
    }
    if amount.get() < least {
        return Err(GovernanceError::DepositShort { given: amount, asked: Amount::new(least) }.into());
    }
    let taken = Amount::new(amount.get().min(missing));
    if taken == Amount::ZERO {
        return Ok(());
    }
    let count = p.contributions.len();
    match p.contributions.iter_mut().find(|(account, _)| account == actor) {
        Some((_, sum)) => *sum = sum.checked_add(taken).ok_or(Bug::Arithmetic { what: "deposit" })?,
        None if count >= CONTRIBUTORS_MAX => {
            return Err(GovernanceError::TooManyContributors { permitted: CONTRIBUTORS_MAX }.into());
        }
        None => p.contributions.push((*actor, taken)),
    }
    bank::lock(work, actor, AssetId::ADA, taken)?;
    work.emit(Event::Deposited { proposal: p.id, account: *actor, amount: taken });
    Ok(())
}

/// Action 030A.
pub fn sponsor(work: &mut Work<'_>, now: &Now, actor: &AccountId, id: ProposalId) -> Result<(), Abort> {
    let mut p = funding(work, now, id)?;
    if p.entry != Entry::Community {
        return Err(GovernanceError::NotFunding { id }.into());
    }
    if work.has(&key::sponsor(id, actor)) {
        return Err(GovernanceError::SponsorTwice { account: *actor }.into());
    }
    power::sign_of_life(work, now, actor)?;
    let mut account = state::account(work, actor)?;
    account.power.advance(now.epoch)?;
    let own = account.power.value()?;
    if own == Amounts::default() {
        return Err(GovernanceError::NoPower { account: *actor }.into());
    }
    p.sponsored.0 = plus(p.sponsored.0, own);
    work.put(key::sponsor(id, actor), &1u8);
    let share_ppm = power::electorate_now(work, now, Area::General)?.share_ppm(p.sponsored.0);
    work.emit(Event::Sponsored { proposal: id, account: *actor, share_ppm });
    try_activate(work, now, &mut p)?;
    work.put(key::proposal(id), &p);
    Ok(())
}

/// Share of the electorate that sponsors a proposal, and the share that it needs, ppm.
pub fn sponsored(work: &Work<'_>, now: &Now, p: &Proposal) -> Result<(u64, u64), Bug> {
    let needed = if p.entry == Entry::Community { get(work, "prop.sponsor")? } else { 0 };
    Ok((power::electorate_now(work, now, Area::General)?.share_ppm(p.sponsored.0), needed))
}

/// Activates once deposit and sponsors are complete.
pub fn try_activate(work: &mut Work<'_>, now: &Now, p: &mut Proposal) -> Result<(), Abort> {
    let (share, needed) = sponsored(work, now, p)?;
    if p.deposited() < asked(work, now)? || share < needed {
        return Ok(());
    }
    let (open, permitted) = (open_ids(work)?.len() as u64, get(work, "prop.max_open")?);
    if open >= permitted {
        return Err(GovernanceError::TooManyOpen { permitted }.into());
    }
    let price = price(work)?.activated(&rules::price(work)?, now.tick, open);
    work.put(key::price(), &price);
    work.remove(lapse_key(work, p)?);
    p.life.rules = rules::life(work, p.class)?;
    p.terms = Some(rules::terms(work, p.class, &p.actions)?);
    p.resubmit_locked = propose::is_locked(work, now, p.class, &p.actions)?;
    let change = p.life.activate(now.tick);
    work.put(key::open(p.id), &1u8);
    super::moved(work, now, p, change)
}

fn lapse_key(work: &Work<'_>, p: &Proposal) -> Result<nupeer_primitives::state::Key, Bug> {
    let due = p.life.since.saturating_add(get(work, "prop.deposit_window")?);
    Ok(key::due(due, Due::Lapse, &p.id.0.to_be_bytes()))
}

/// A proposal that waits for its deposit lapses by itself.
pub fn queue_lapse(work: &mut Work<'_>, now: &Now, p: &Proposal) -> Result<(), Bug> {
    let due = now.tick.saturating_add(get(work, "prop.deposit_window")?);
    work.put(key::due(due, Due::Lapse, &p.id.0.to_be_bytes()), &1u8);
    Ok(())
}

/// Returns or forfeits a deposit, once.
pub fn settle(work: &mut Work<'_>, p: &mut Proposal) -> Result<u64, Bug> {
    let forfeits = p.fate == Some(Fate::Forfeit);
    let treasury = AccountId::system(SystemAccount::Treasury);
    let contributions = core::mem::take(&mut p.contributions);
    let items = contributions.len() as u64;
    for (account, amount) in contributions {
        let (proposal, to) = (p.id, if forfeits { treasury } else { account });
        bank::settle(work, &account, &to, AssetId::ADA, amount)?;
        work.emit(if forfeits {
            Event::DepositForfeited { proposal, account, amount }
        } else {
            Event::DepositReturned { proposal, account, amount }
        });
    }
    Ok(items)
}

/// A late deposit: the proposal lapses.
pub fn lapse(work: &mut Work<'_>, now: &Now, id: ProposalId) -> Result<(), Abort> {
    let Some(mut p) = proposal(work, id)? else { return Ok(()) };
    // The length of the window is read when it is due: a change meanwhile moves nobody's deadline twice.
    if p.life.status == Status::Funding {
        p.life.status = Status::Lapsed;
        super::moved(work, now, &mut p, Change::To(Status::Lapsed))?;
        work.put(key::proposal(id), &p);
    }
    Ok(())
}
