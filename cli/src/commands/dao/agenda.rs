//! `nupeer dao agenda`: what the DAO wants of an account, and before when.
//!
//! A pure function of what the node tells: seats, proposals, voice, credential, stake. Windows open and close when a tick
//! begins, so what is due "before tick n" must be in a block before that tick's first.

use super::percent;
use crate::context::Context;
use crate::failure::Failure;
use crate::report::{Report, duration, table};
use crate::row;
use nupeer_client::api::{CredentialInfo, DaoInfo, EpochInfo, ProposalInfo, SeatInfo, StakeInfo, VoiceInfo};
use serde::Serialize;

/// Something to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Duty {
    /// Tick before which it must be done.
    before_tick: Option<u64>,
    /// Epoch before which it must be done.
    before_epoch: Option<u64>,
    /// Time left, ms, at the pace of slots; an outage gives more.
    left_ms: Option<u64>,
    /// What, and what follows otherwise.
    what: String,
    /// How.
    command: String,
}

/// When something is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    Tick(u64),
    Epoch(u64),
    Any,
}

/// What the node tells about an account and the DAO.
struct Facts {
    dao: DaoInfo,
    epoch: EpochInfo,
    voice: VoiceInfo,
    credential: CredentialInfo,
    seats: Vec<SeatInfo>,
    proposals: Vec<ProposalInfo>,
    stake: Vec<StakeInfo>,
}

pub(super) async fn agenda(context: &Context, id: Option<&str>) -> Result<Report, Failure> {
    let (id, client) = (context.account_or_own(id)?, &context.client);
    let facts = Facts {
        dao: client.dao().await?,
        epoch: client.epoch().await?,
        voice: client.voice(&id).await?,
        credential: client.credential(&id).await?,
        seats: client.seats().await?,
        proposals: client.proposals().await?,
        stake: client.stake(&id).await?,
    };
    let duties = duties(&facts);
    let mut rows = vec![row!["before", "left", "what", "how"]];
    rows.extend(duties.iter().map(|duty| {
        let before = match (duty.before_tick, duty.before_epoch) {
            (Some(tick), _) => format!("tick {tick}"),
            (None, Some(epoch)) => format!("epoch {epoch}"),
            (None, None) => "any time".into(),
        };
        row![before, duty.left_ms.map_or("-".into(), duration), duty.what, duty.command]
    }));
    let now = format!("tick {}, epoch {}", facts.dao.tick, facts.dao.epoch);
    let text = if duties.is_empty() { "nothing to do".to_string() } else { table(&rows) };
    Ok(Report::of(&duties, format!("{now}\n{text}")))
}

/// Everything due, most urgent first.
fn duties(facts: &Facts) -> Vec<Duty> {
    let mut due = Vec::new();
    standing(facts, &mut due);
    seats(facts, &mut due);
    for proposal in &facts.proposals {
        of_proposal(facts, proposal, &mut due);
    }
    pauses(facts, &mut due);
    stake(facts, &mut due);
    let mut out: Vec<Duty> = due.into_iter().map(|(when, what, command)| duty(facts, when, what, command)).collect();
    out.sort_by_key(|duty| duty.left_ms.unwrap_or(u64::MAX));
    out
}

fn duty(facts: &Facts, when: Due, what: String, command: String) -> Duty {
    let (dao, epoch) = (&facts.dao, &facts.epoch);
    let slots = match when {
        Due::Tick(tick) => Some(tick.saturating_mul(dao.tick_length).saturating_sub(dao.governance_time)),
        Due::Epoch(number) => Some(number.saturating_mul(epoch.slots).saturating_sub(epoch.slot_now)),
        Due::Any => None,
    };
    let (before_tick, before_epoch) = match when {
        Due::Tick(tick) => (Some(tick), None),
        Due::Epoch(number) => (None, Some(number)),
        Due::Any => (None, None),
    };
    let left_ms = slots.map(|slots| slots.saturating_mul(epoch.slot_ms));
    Duty { before_tick, before_epoch, left_ms, what, command }
}

type Found = Vec<(Due, String, String)>;

fn has_power(voice: &VoiceInfo) -> bool {
    voice.power.iter().any(|power| power.0 > 0)
}

/// Credential and signs of life.
fn standing(facts: &Facts, due: &mut Found) {
    let Facts { voice, credential, dao, stake, .. } = facts;
    let has_stake = stake.iter().any(|row| row.active.0 > 0 || !row.pending.is_empty() || !row.pledges.is_empty());
    if credential.level == 0 || credential.fault.is_some() {
        if has_stake {
            let why = credential.fault.clone().unwrap_or_else(|| "there is none".into());
            let what = format!("your stake does not vote for want of a credential: {why}");
            due.push((Due::Any, what, "ask an issuer to certify you".into()));
        }
        return;
    }
    let what = format!("your credential of level {} ends; without it nothing of yours votes", credential.level);
    due.push((Due::Epoch(credential.expiry), what, "ask the issuer to renew it".into()));
    if has_power(voice) && voice.expiry > dao.epoch && voice.expiry < credential.expiry {
        let what = "sign anything, or your voice falls silent".to_string();
        due.push((Due::Epoch(voice.expiry), what, "nupeer dao ping".into()));
    } else if voice.expiry <= dao.epoch && has_stake {
        due.push((Due::Any, "your voice is silent: a signature brings it back".into(), "nupeer dao ping".into()));
    }
}

/// Seats that the account holds and candidacies.
fn seats(facts: &Facts, due: &mut Found) {
    let own = &facts.voice.account;
    for seat in &facts.seats {
        let role = &seat.role;
        if seat.holder.as_ref() == Some(own) {
            if let (Some(end), Some(bar)) = (seat.grace_end, seat.grace_bar_ppm) {
                let what = format!(
                    "the seat of the {role} is lost unless your support of {} reaches {}",
                    percent(seat.support_ppm),
                    percent(bar)
                );
                due.push((Due::Tick(end), what, format!("nupeer dao candidates {role}")));
            } else if seat.state == "suspended" {
                let what = format!("the seat of the {role} is suspended: your credential or role bond does not hold");
                due.push((Due::Any, what, "nupeer dao credential".into()));
            }
            if let Some(end) = seat.term_end {
                let what = format!("your term as {role} ends; it is renewed if you lead then");
                due.push((Due::Tick(end), what, format!("nupeer dao candidates {role}")));
            }
        }
        for candidate in seat.candidates.iter().filter(|candidate| candidate.account == *own) {
            if let Some(tick) = candidate.evicted_at {
                let what = format!("find support, or your candidacy for {role} ends and a part of its bond burns");
                due.push((Due::Tick(tick), what, format!("nupeer dao candidates {role}")));
            }
        }
    }
}

fn of_proposal(facts: &Facts, p: &ProposalInfo, due: &mut Found) {
    let Facts { voice, seats, .. } = facts;
    let id = p.id;
    let is_own = p.proposer == voice.account;
    let seat = seats.iter().find(|seat| seat.holder.as_ref() == Some(&voice.account) && seat.state == "active");
    let next = p.next_tick.map_or(Due::Any, Due::Tick);
    match (p.status.as_str(), p.close) {
        ("funding", _) if is_own => {
            let missing = nupeer_primitives::Amount::new(p.asked.0.saturating_sub(p.deposited.0));
            due.push((next, format!("proposal {id} lapses unless complete: {}", p.why), {
                if missing > nupeer_primitives::Amount::ZERO {
                    format!("nupeer dao deposit {id} {missing}")
                } else {
                    format!("nupeer dao sponsor {id}")
                }
            }));
        }
        ("voting", Some(close)) if has_power(voice) && voice.votes.iter().all(|vote| vote.proposal != id) => {
            let what = format!("vote on proposal {id} ({}); if it closed now it {}", p.actions.join("; "), p.why);
            due.push((Due::Tick(close), what, format!("nupeer dao vote {id} for|against|abstain")));
        }
        ("orphaned", _) if seat.is_some() => {
            let what = format!("proposal {id} lost its executive: it is void unless a seat adopts it");
            due.push((next, what, format!("nupeer dao adopt {id}")));
        }
        _ => {}
    }
    if let (Some(seat), "review" | "voting", Some(close)) = (seat, p.status.as_str(), p.close) {
        let said =
            p.stances.iter().any(|of| of.role == seat.role && of.instance == seat.instance && of.stance != "none");
        let brought = p.seat.as_ref().is_some_and(|by| by.split(' ').next() == Some(seat.role.as_str()));
        if !said && !brought {
            let what = format!("say as {} what you think of proposal {id}: agreement moves its thresholds", seat.role);
            due.push((Due::Tick(close), what, format!("nupeer dao stance {id} endorse|object")));
        }
    }
}

/// Pauses that wait for the agreement of a seat.
fn pauses(facts: &Facts, due: &mut Found) {
    let holds = |seat: &SeatInfo| seat.holder.as_ref() == Some(&facts.voice.account) && seat.state == "active";
    if !facts.seats.iter().any(holds) {
        return;
    }
    for pause in facts.dao.pauses.iter().filter(|pause| pause.until.is_none()) {
        let what = format!("a pause of {} for {} ticks waits for agreement", pause.module, pause.ticks);
        due.push((Due::Any, what, format!("nupeer dao stance {} endorse|object", pause.number)));
    }
}

/// What waits to be taken.
fn stake(facts: &Facts, due: &mut Found) {
    for row in &facts.stake {
        let token = row.token.to_ascii_lowercase();
        let ready = |entry: &&nupeer_client::api::UnbondingStake| {
            entry.epoch <= facts.dao.epoch && entry.governance_time <= facts.dao.governance_time
        };
        if row.held == 0 && row.unbonding.iter().any(|entry| ready(&entry)) {
            let what = format!("unbonded {} can be released", row.token);
            due.push((Due::Any, what, format!("nupeer stake release --token {token}")));
        }
        let earned = nupeer_primitives::Amount::new(row.due_pools.0.saturating_add(row.due_work.0));
        if earned > nupeer_primitives::Amount::ZERO {
            let what = format!("{earned} {} of rewards are due; they do not expire", row.token);
            due.push((Due::Any, what, format!("nupeer stake claim --token {token}")));
        }
    }
}

#[cfg(test)]
mod tests;
