//! What people ask about proposals: where one stands, what would happen if it closed now and why, what must happen by
//! when.

use super::judge::{Judgement, judge};
use super::record::{self, Entry, PauseCase, Proposal, Scheduled, key, proposal};
use super::{fund, pausing, schedule, upgrade};
use crate::governance::{Now, query::now_of};
use crate::params::get;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use nupeer_governance::agreement::Mode;
use nupeer_governance::clock::Tick;
use nupeer_governance::decide::Outcome;
use nupeer_governance::proposal::Status;
use nupeer_primitives::governance::ProposalId;
use nupeer_primitives::proposal::Module;
use nupeer_primitives::state::{Bug, View, Work};
use nupeer_primitives::{Epoch, Hash};
use ruint::aliases::U256;

/// A proposal with its prospects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProposalInfo {
    /// The record.
    pub proposal: Proposal,
    /// Deposit asked now, lovelace.
    pub asked: u64,
    /// Share of the electorate that sponsors it and that it needs, ppm.
    pub sponsored: (u64, u64),
    /// How it would be judged if it closed now; none before activation and once it is decided.
    pub judgement: Option<Judgement>,
    /// Shares of the electorate for, against and participating, ppm.
    pub shares: (u64, u64, u64),
    /// In words.
    pub why: String,
    /// The next tick that matters, and what it brings.
    pub next: Option<(Tick, &'static str)>,
}

/// One proposal.
pub fn info(view: &dyn View, id: ProposalId) -> Result<Option<ProposalInfo>, Bug> {
    let (work, now) = (Work::new(view), now_of(view)?);
    proposal(&work, id)?.map(|p| describe(&work, &now, p)).transpose()
}

/// Proposals below `before`, newest first.
pub fn list(view: &dyn View, before: Option<ProposalId>, limit: usize) -> Result<Vec<ProposalInfo>, Bug> {
    let (work, now) = (Work::new(view), now_of(view)?);
    let next: ProposalId = work.get(&key::next_id())?.unwrap_or(ProposalId(1));
    let end = before.map_or(next.0, |before| before.0.min(next.0));
    let mut out = Vec::new();
    for id in (1..end).rev() {
        if out.len() >= limit {
            break;
        }
        if let Some(p) = proposal(&work, ProposalId(id))? {
            out.push(describe(&work, &now, p)?);
        }
    }
    Ok(out)
}

fn describe(work: &Work<'_>, now: &Now, p: Proposal) -> Result<ProposalInfo, Bug> {
    let judgement = p.terms.as_ref().map(|_| judge(work, now, &p)).transpose()?;
    let share = |x: U256, full: U256| {
        let ppm = x.saturating_mul(U256::from(1_000_000u64)).checked_div(full).unwrap_or_default();
        u64::try_from(ppm).unwrap_or(u64::MAX)
    };
    let shares = judgement.as_ref().map_or((0, 0, 0), |j| {
        let c = &j.counted;
        (share(c.yes, c.full), share(c.no, c.full), share(c.all, c.full))
    });
    let (asked, sponsored) = (fund::asked(work, now)?, fund::sponsored(work, now, &p)?);
    // What executives said counts at the close: judged again later, a decided proposal would look otherwise.
    let judgement = judgement.filter(|_| p.outcome.is_none());
    let why = why(&p, judgement.as_ref(), shares, asked, sponsored);
    let next = next(work, &p)?;
    Ok(ProposalInfo { proposal: p, asked, sponsored, judgement, shares, why, next })
}

fn percent(ppm: u64) -> String {
    format!("{}.{:02} %", ppm / 10_000, ppm / 100 % 100)
}

fn why(
    p: &Proposal,
    judgement: Option<&Judgement>,
    (yes, no, all): (u64, u64, u64),
    asked: u64,
    (sponsored, needed): (u64, u64),
) -> String {
    match p.outcome {
        Some(Outcome::Execute) => return "it was decided that it executes".into(),
        Some(Outcome::Block) => return "it was blocked".into(),
        None => {}
    }
    let Some(j) = judgement else {
        let missing = nupeer_primitives::Amount::new(asked.saturating_sub(p.deposited()));
        return match p.entry {
            Entry::Community => format!(
                "waits for {missing} ada of deposit and sponsors with {} of the power, {} so far",
                percent(needed),
                percent(sponsored)
            ),
            Entry::Seat | Entry::Council => format!("waits for {missing} ada of deposit"),
        };
    };
    let t = &j.thresholds;
    let (q, x) = (percent(u64::from(t.q)), percent(u64::from(t.x)));
    let of_cast = |part: u64| part.saturating_mul(1_000_000).checked_div(all).unwrap_or(0);
    let verb = if j.outcome == Outcome::Execute { "would execute" } else { "would be blocked" };
    let strict = p.terms.as_ref().is_some_and(|terms| terms.row.strict);
    match (t.mode, strict) {
        (Mode::Optimistic, true) => format!(
            "{verb}: {} of the electorate took part where a veto needs {q}, {} of them against where it needs {x}",
            percent(all),
            percent(of_cast(no))
        ),
        (Mode::Optimistic, false) => format!(
            "{verb}: {} of the electorate is against; a veto needs {x} of whoever takes part, of {q} at least ({} did)",
            percent(no),
            percent(all)
        ),
        (Mode::Active, _) => {
            let spoken = yes.saturating_add(no);
            let approved = yes.saturating_mul(1_000_000).checked_div(spoken).unwrap_or(0);
            format!(
                "{verb}: {} of the electorate took part where {q} is needed, {} of the votes are for where more than {x} is",
                percent(all),
                percent(approved)
            )
        }
    }
}

fn next(work: &Work<'_>, p: &Proposal) -> Result<Option<(Tick, &'static str)>, Bug> {
    let windows = p.life.windows;
    Ok(match p.life.status {
        Status::Funding => {
            Some((p.life.since.saturating_add(get(work, "prop.deposit_window")?), "lapses unless complete"))
        }
        Status::Review => Some((windows.open, "voting opens")),
        Status::Voting if p.life.expedited => Some((windows.close, "closes if enough executives agree")),
        Status::Voting => Some((windows.close, "voting closes")),
        Status::Queued => Some((p.life.queued_until, "executes")),
        Status::Frozen => Some((p.life.queued_until, "executes once its seat is active again")),
        Status::Orphaned => {
            Some((p.life.since.saturating_add(p.life.rules.adopt_window), "is void unless a seat adopts it"))
        }
        Status::Blocked
        | Status::Executed
        | Status::Failed
        | Status::Expired
        | Status::Lapsed
        | Status::Cancelled
        | Status::Struck
        | Status::Void => None,
    })
}

/// What stands still, pauses that are asked for or in force, and what is to come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Modules that stand still, until which tick.
    pub paused: Vec<(Module, Tick)>,
    /// Pauses asked for or in force, with the share of executives that agree, ppm.
    pub pauses: Vec<(PauseCase, u32)>,
    /// Parameters that change at later epochs.
    pub scheduled: Vec<(Epoch, String, u64)>,
    /// The version that is to come, and the pool weight that signalled for it, ppm.
    pub version: Option<(Scheduled, u64)>,
    /// Whether the genesis council may still act.
    pub council_acts: bool,
    /// Deposit that a proposal asks for now, lovelace.
    pub deposit: u64,
    /// Proposals that are open.
    pub open: Vec<ProposalId>,
}

/// The DAO's standing.
pub fn standing(view: &dyn View) -> Result<Standing, Bug> {
    let (work, now) = (Work::new(view), now_of(view)?);
    let mut paused = Vec::new();
    for module in Module::ALL {
        paused.extend(crate::paused::until(&work, *module)?.map(|until| (*module, until)));
    }
    let mut pauses = Vec::new();
    for case in pausing::cases(&work)? {
        let agreed = pausing::agreed(&work, &now, &case)?;
        pauses.push((case, agreed));
    }
    let version = match upgrade::scheduled(&work)? {
        Some(scheduled) => Some((scheduled, upgrade::ready_ppm(&work, now.consensus_epoch(), scheduled.version)?)),
        None => None,
    };
    Ok(Standing {
        paused,
        pauses,
        scheduled: schedule::scheduled(&work)?,
        version,
        council_acts: !record::constitution(&work)?.council_ended,
        deposit: fund::asked(&work, &now)?,
        open: record::open_ids(&work)?,
    })
}

/// Locks of a proposal that stand, with the tick in which something with them was blocked.
pub fn locks(view: &dyn View, id: ProposalId) -> Result<Vec<(Hash, Tick)>, Bug> {
    let work = Work::new(view);
    let Some(p) = proposal(&work, id)? else { return Ok(Vec::new()) };
    let mut out = Vec::new();
    for lock in super::locks::of(p.class, &p.actions) {
        out.extend(work.get::<Tick>(&key::lock(&lock))?.map(|blocked| (lock, blocked)));
    }
    Ok(out)
}
