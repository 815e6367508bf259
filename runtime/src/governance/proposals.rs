//! Proposals over state: from their deposit to their execution (governance.md §4-§6, §8-§10).
//!
//! # The way of a proposal
//! [`propose`](mod@propose) classifies and takes the first deposit, [`fund`] completes and activates it, [`voting`] counts
//! votes and stances, [`live`] moves every open one at a tick, [`judge`](mod@judge) decides, `effects` carries it out,
//! [`sweep`](mod@sweep) gives the deposit back.
//!
//! # Invariants
//! - A proposal is in the open index exactly while its status is open, and settled exactly once (§13, 15).
//! - It executes only while its seat's instance is ACTIVE (§13, 7), all or nothing (14), within caps (16).
//! - The council never acts after its end (19); a pause ends by itself (20).
//!
//! # Deviations
//! - A deposit takes what is missing only, in parts of at least a sixteenth.
//! - Votes on an adopted proposal are kept under its number with the highest bit set: they are a poll of their own.
//! - Stances may be taken in review already; they count at the close like all others.

pub mod acts;
pub mod council;
pub mod fund;
pub mod judge;
pub mod live;
pub mod locks;
pub mod pausing;
pub mod propose;
pub mod query;
pub mod record;
pub mod rules;
pub mod schedule;
pub mod spending;
pub mod sweep;
pub mod tables;
pub mod upgrade;
pub mod voting;

use super::{Now, effects};
use crate::context::{Actor, BlockContext};
use crate::invariants::Held;
use nupeer_governance::clock::Tick;
use nupeer_governance::proposal::{Change, Status};
use nupeer_primitives::action::Action;
use nupeer_primitives::event::Event;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, AssetId};
use record::{Constitution, Due, Proposal, key};

/// Runs an action of proposals.
pub fn execute(work: &mut Work<'_>, ctx: &BlockContext, actor: &Actor, action: &Action) -> Result<(), Abort> {
    let now = Now::of(work, ctx)?;
    let id = &actor.account;
    if let Action::Propose { class, actions, uri, hash, expedited, deposit } = action {
        let (class, hash, expedited, deposit) = (*class, *hash, *expedited, *deposit);
        propose::propose(work, &now, id, &propose::Draft { class, actions, uri, hash, expedited, deposit })
    } else if let Action::Deposit { proposal, amount } = action {
        fund::deposit(work, &now, id, *proposal, *amount)
    } else if let Action::CancelProposal { proposal } = action {
        acts::cancel(work, &now, id, *proposal)
    } else if let Action::Adopt { proposal } = action {
        acts::adopt(work, &now, id, *proposal)
    } else if let Action::Stance { proposal, stance } = action {
        voting::stance(work, &now, id, *proposal, *stance)
    } else if let Action::Sponsor { proposal } = action {
        fund::sponsor(work, &now, id, *proposal)
    } else if let Action::Vote { proposal, option } = action {
        voting::vote(work, &now, id, *proposal, *option)
    } else if let Action::Execute { proposal } = action {
        live::execute_action(work, &now, ctx, *proposal)
    } else if let Action::SignalReady { version } = action {
        upgrade::signal(work, id, *version)
    } else if let Action::Pause { module, ticks } = action {
        pausing::pause(work, &now, id, *module, *ticks)
    } else {
        Err(Bug::Missing { what: "dispatch of an action of proposals" }.into())
    }
}

/// What is due when a tick begins, after the seats.
pub fn tick(work: &mut Work<'_>, now: &Now, ctx: &BlockContext) -> Result<(), Abort> {
    council::tick(work, now)?;
    pausing::tick(work, now)?;
    spending::tick(work, now)?;
    live::tick(work, now, ctx)
}

/// Records a change of a proposal: events, indexes, and what follows from a final status. The caller stores the record.
pub fn moved(work: &mut Work<'_>, now: &Now, p: &mut Proposal, change: Change) -> Result<(), Abort> {
    let (proposal, windows) = (p.id, p.life.windows);
    match change {
        Change::Extended(close) => work.emit(Event::VotingExtended { proposal, close }),
        Change::Converted => work.emit(Event::VotingExtended { proposal, close: windows.close }),
        Change::Adopted => {
            work.emit(Event::ProposalAdopted { proposal, account: p.proposer, open: windows.open });
        }
        Change::To(status) => {
            work.emit(Event::ProposalMoved { proposal, status: status.name().into(), tick: now.tick });
            if status == Status::Review || status.is_final() {
                effects::slash_waits(work, now, p)?;
            }
            if status.is_final() {
                finish(work, now, p, status)?;
            }
        }
    }
    Ok(())
}

fn finish(work: &mut Work<'_>, now: &Now, p: &Proposal, status: Status) -> Result<(), Abort> {
    let id = p.id.0.to_be_bytes();
    work.remove(key::open(p.id));
    count_out(work, &p.proposer)?;
    sweep::queue(work, now.tick, Due::Deposit, &id);
    sweep::queue(work, now.tick, Due::Votes, &p.poll().0.to_be_bytes());
    sweep::queue(work, now.tick, Due::Sponsors, &id);
    if status == Status::Blocked {
        let ends: Tick = now.tick.saturating_add(crate::params::get(work, "prop.resubmit_lock")?);
        for lock in locks::of(p.class, &p.actions) {
            work.put(key::lock(&lock), &now.tick);
            sweep::queue(work, ends, Due::Lock, &lock.0);
        }
    }
    Ok(())
}

/// One proposal less that is not final.
fn count_out(work: &mut Work<'_>, account: &AccountId) -> Result<(), Bug> {
    let count: u64 = work.get(&key::by_proposer(account))?.unwrap_or(0);
    match count.checked_sub(1).ok_or(Bug::Arithmetic { what: "count of a proposer's proposals" })? {
        0 => work.remove(key::by_proposer(account)),
        rest => work.put(key::by_proposer(account), &rest),
    }
    Ok(())
}

/// The DAO's part of the first state.
pub fn first_state(work: &mut Work<'_>, is_mainnet: bool, council: Option<AccountId>) -> Result<(), Bug> {
    let charter = Constitution { is_mainnet, council, council_ended: council.is_none(), council_paused: false };
    work.put(key::constitution(), &charter);
    let price = nupeer_governance::deposit::Price { stored: crate::params::get(work, "prop.deposit_floor")?, tick: 0 };
    work.put(key::price(), &price);
    spending::tick(work, &Now { epoch: 0, gt: 0, tick: 0 })
}

/// Deposits are locked value of those who gave them.
pub fn held(work: &Work<'_>, held: &mut Held) -> Result<(), Bug> {
    for (_, p) in work.scan::<Proposal>(&key::proposals(), &[], usize::MAX)? {
        for (account, amount) in p.contributions {
            let sum = held.entry((account, AssetId::ADA)).or_default();
            *sum = sum.saturating_add(u128::from(amount.get()));
        }
    }
    Ok(())
}

/// Index, counters and statuses fit each other; every tally equals a recount (§13, 3).
pub fn invariants(work: &Work<'_>) -> Result<(), Bug> {
    let broken = |what| Err(Bug::Invariant { what });
    let mut counts = alloc::collections::BTreeMap::<AccountId, u64>::new();
    for (_, p) in work.scan::<Proposal>(&key::proposals(), &[], usize::MAX)? {
        if work.has(&key::open(p.id)) != p.life.status.is_open() {
            return broken(alloc::format!("proposal {} is {:?}, its index says otherwise", p.id, p.life.status));
        }
        if !p.life.status.is_final() {
            let count = counts.entry(p.proposer).or_default();
            *count = count.saturating_add(1);
            recount(work, &p)?;
        }
    }
    for (account, count) in counts {
        if work.get::<u64>(&key::by_proposer(&account))? != Some(count) {
            return broken(alloc::format!("{account} has {count} proposals, its counter says otherwise"));
        }
    }
    Ok(())
}

fn recount(work: &Work<'_>, p: &Proposal) -> Result<(), Bug> {
    let mut sum = nupeer_governance::vote::Tally::default();
    let votes = super::state::key::votes(p.poll());
    for (_, vote) in work.scan::<nupeer_governance::vote::VoteRecord>(&votes, &[], usize::MAX)? {
        sum.replace(None, &vote)?;
    }
    if sum == p.tally {
        return Ok(());
    }
    Err(Bug::Invariant { what: alloc::format!("tally of proposal {} is {:?}, votes give {sum:?}", p.id, p.tally) })
}
