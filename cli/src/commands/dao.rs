//! `nupeer dao`: seats, candidates, support, voice.

use super::tx;
use crate::args::dao::{AREAS, Dao};
use crate::args::stake::TOKENS;
use crate::context::{Context, parse_account, parse_amount};
use crate::failure::{Exit, Failure};
use crate::report::{Report, fields, table};
use crate::row;
use crate::wallet::SessionKey;
use nupeer_client::api::{DaoInfo, SeatInfo};
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::governance::{Area, CandidateNo, ProposalId, RoleId};
use nupeer_primitives::proposal::Module;
use nupeer_primitives::{Action, blake2b_256};

mod agenda;
mod proposal;

pub(super) async fn run(context: &Context, command: Dao) -> Result<Report, Failure> {
    let (action, done) = match command {
        Dao::Status => return status(context).await,
        Dao::Seats => return seats(context).await,
        Dao::Candidates { role } => return candidates(context, &role).await,
        Dao::Voice { id } => return voice(context, id.as_deref()).await,
        Dao::Agenda { id } => return agenda::agenda(context, id.as_deref()).await,
        Dao::Stand { role, bond, uri } => stand(&role, &bond, uri)?,
        Dao::Withdraw { role } => {
            (Action::CandidateWithdraw { role: parse_role(&role)? }, format!("candidacy for {role} ended"))
        }
        Dao::Support { role, candidate } => support(&role, &candidate)?,
        Dao::Resign { role } => {
            (Action::Resign { role: parse_role(&role)? }, format!("you left the seat of the {role}"))
        }
        Dao::Lend { area, to } => {
            let account = if to == "none" { None } else { Some(parse_account(&to)?) };
            (
                Action::DelegateVote { area: parse_area(&area)?, to: account },
                format!("your vote in {area} goes to {to}"),
            )
        }
        Dao::Proposals => return proposal::list(context).await,
        Dao::Proposal { id } => return proposal::show(context, id).await,
        Dao::Treasury => return proposal::treasury(context).await,
        Dao::Credential { id } => return proposal::credential(context, id.as_deref()).await,
        Dao::Propose { terms } => proposal::propose(context, terms).await?,
        Dao::Deposit { id, amount } => {
            let done = format!("{amount} ada paid into the deposit of proposal {id}");
            (Action::Deposit { proposal: ProposalId(id), amount: parse_amount(&amount)? }, done)
        }
        Dao::Sponsor { id } => (Action::Sponsor { proposal: ProposalId(id) }, format!("you sponsor proposal {id}")),
        Dao::Vote { id, option } => proposal::vote(id, &option)?,
        Dao::Stance { id, stance } => proposal::stance(id, &stance)?,
        Dao::Cancel { id } => {
            (Action::CancelProposal { proposal: ProposalId(id) }, format!("proposal {id} taken back"))
        }
        Dao::Adopt { id } => (Action::Adopt { proposal: ProposalId(id) }, format!("proposal {id} is yours now")),
        Dao::Execute { id } => (Action::Execute { proposal: ProposalId(id) }, format!("proposal {id} executed")),
        Dao::Pause { module, ticks } => pause(&module, ticks)?,
        Dao::ClaimStream { id } => (Action::ClaimStream { stream: id }, format!("stream {id} paid what has vested")),
        Dao::ClaimSalary { role, tenure } => {
            let done = format!("the salary of the {role}, tenure {tenure}, is paid");
            (Action::ClaimSalary { role: parse_role(&role)?, instance: tenure }, done)
        }
        Dao::Certify { holder, level, until, nullifier, issuer_key } => {
            let (action, done) = proposal::certify(&holder, level, until, &nullifier)?;
            let Some(path) = issuer_key else { return act(context, action, &done).await };
            let key = SessionKey::open(&path)?;
            return Ok(tx::report(&context.transact_with_key(&key, vec![action]).await?, &done));
        }
        Dao::Ping => (Action::Ping {}, "the chain knows that you are alive".to_string()),
    };
    act(context, action, &done).await
}

/// An action and what to say once it is done.
type Act = (Action, String);

fn stand(role: &str, bond: &str, uri: String) -> Result<Act, Failure> {
    let hash = blake2b_256(uri.as_bytes()).0;
    let uri = Bytes::new(uri.into_bytes()).ok_or_else(|| Failure::usage("the link is longer than 256 bytes"))?;
    let done = format!("you stand as {role}; ask for `nupeer dao support {role}` with your number");
    Ok((Action::Candidate { role: parse_role(role)?, bond: parse_amount(bond)?, uri, hash }, done))
}

fn support(role: &str, candidate: &str) -> Result<Act, Failure> {
    let wrong = || Failure::usage(format!("`{candidate}` is not a candidate number, nor `none`"));
    let number = || candidate.parse().map(CandidateNo).map_err(|_| wrong());
    let to = if candidate == "none" { None } else { Some(number()?) };
    let done = format!("your power for {role} stands behind {candidate}");
    Ok((Action::Support { role: parse_role(role)?, candidate: to }, done))
}

fn pause(module: &str, ticks: u64) -> Result<Act, Failure> {
    let named = Module::ALL.iter().find(|known| known.name().eq_ignore_ascii_case(module));
    let module = *named.ok_or_else(|| Failure::usage(format!("`{module}` is no module that can be paused")))?;
    let name = module.name();
    let done = format!("a pause of {name} for {ticks} ticks is asked for; it begins once enough seats agree");
    Ok((Action::Pause { module, ticks }, done))
}

/// Does it, and says which number the chain gave out.
async fn act(context: &Context, action: Action, done: &str) -> Result<Report, Failure> {
    let info = context.transact(vec![action]).await?;
    let number = |event, field, what| tx::given(&info, event, field).map(|number| format!("{done} ({what} {number})"));
    let numbered =
        number("Proposed", "proposal", "number").or_else(|| number("CandidateStood", "candidate", "candidate"));
    Ok(tx::report(&info, numbered.as_deref().unwrap_or(done)))
}

pub(super) fn parse_role(text: &str) -> Result<RoleId, Failure> {
    let by_name = RoleId::from_name(&text.to_ascii_uppercase());
    let found = by_name.or_else(|| text.parse().ok().and_then(RoleId::new));
    found.ok_or_else(|| {
        Failure::usage(format!("`{text}` is not a role: write CEO, CFO, CLO, COO, CTO, CISO, CIO, CPO, CAO"))
    })
}

fn parse_area(text: &str) -> Result<Area, Failure> {
    let at = AREAS.iter().position(|name| *name == text.to_ascii_lowercase());
    let wrong = || Failure::usage(format!("`{text}` is not an area: write {}", AREAS.join(", ")));
    at.and_then(|at| Area::ALL.get(at).copied()).ok_or_else(wrong)
}

/// `12.34 %` of parts per million.
pub(super) fn percent(ppm: u64) -> String {
    format!("{}.{:02} %", ppm / 10_000, ppm / 100 % 100)
}

async fn status(context: &Context) -> Result<Report, Failure> {
    let dao = context.client.dao().await?;
    let DaoInfo { epoch, governance_time, tick, tick_length, active, areas, deposit, paused, pauses, scheduled } = &dao;
    let mature: Vec<&str> = areas.iter().filter(|area| area.mature).map(|area| area.name.as_str()).collect();
    let votable: Vec<String> = TOKENS.iter().zip(active).map(|(t, a)| format!("{a} {t}")).collect();
    let next = tick.saturating_add(1).saturating_mul(*tick_length).saturating_sub(*governance_time);
    let mut rows = vec![
        ("epoch", epoch.to_string()),
        ("tick", format!("{tick}, the next in {next} of governance time")),
        ("votable", votable.join(", ")),
        (
            "mature areas",
            if mature.is_empty() { "none: decisions need active approval".into() } else { mature.join(", ") },
        ),
        ("deposit", format!("{deposit} ada for a proposal now")),
    ];
    rows.extend(scheduled.iter().map(|s| ("changes", format!("{} to {} with epoch {}", s.name, s.value, s.epoch))));
    rows.extend(paused.iter().map(|p| ("paused", format!("{} until tick {}", p.module, p.until))));
    rows.extend(pauses.iter().map(|p| {
        let now = p.until.map_or("asked for".to_string(), |until| format!("in force until tick {until}"));
        let agreed = percent(p.agreed_ppm);
        (
            "pause",
            format!("{} of {} for {} ticks, {now}; {agreed} of the executives agree", p.number, p.module, p.ticks),
        )
    }));
    Ok(Report::of(&dao, fields(&rows)))
}

async fn seats(context: &Context) -> Result<Report, Failure> {
    let seats = context.client.seats().await?;
    let mut rows = vec![row!["role", "state", "holder", "support", "keeps above", "tenure", "next"]];
    rows.extend(seats.iter().map(|seat| {
        let holder = seat.holder.clone().unwrap_or_else(|| "-".into());
        row![
            seat.role,
            seat.state,
            holder,
            percent(seat.support_ppm),
            percent(seat.retain_ppm),
            seat.instance,
            next(seat)
        ]
    }));
    Ok(Report::of(&seats, table(&rows)))
}

/// What happens next to a seat, and by what.
fn next(seat: &SeatInfo) -> String {
    if let Some(streak) = &seat.streak {
        return format!("candidate {} has met the conditions for {} ticks", streak.candidate, streak.ticks);
    }
    if let (Some(end), Some(bar)) = (seat.grace_end, seat.grace_bar_ppm) {
        return format!("lost in tick {end} unless support reaches {}", percent(bar));
    }
    match (seat.state.as_str(), seat.term_end) {
        ("vacant", _) => format!("goes to a leader with {} of all support", percent(seat.need_ppm)),
        (_, Some(end)) => format!("term ends in tick {end}"),
        (_, None) => "held while support lasts".into(),
    }
}

async fn candidates(context: &Context, role: &str) -> Result<Report, Failure> {
    let role = parse_role(role)?.to_string();
    let seat = context.client.seats().await?.into_iter().find(|seat| seat.role == role);
    let seat = seat.ok_or_else(|| Failure::new(Exit::NotFound, "cli.NotFound", format!("there is no role {role}")))?;
    let mut rows = vec![row!["number", "account", "support", "bond", "eligible", "evicted in tick"]];
    rows.extend(seat.candidates.iter().map(|c| {
        let evicted = c.evicted_at.map_or_else(|| "-".to_string(), |tick| tick.to_string());
        let eligible = if c.eligible { "yes" } else { "no" };
        row![c.number, c.account, percent(c.support_ppm), format!("{} {}", c.bond, c.bond_token), eligible, evicted]
    }));
    let text = if seat.candidates.is_empty() { format!("nobody stands as {role}") } else { table(&rows) };
    Ok(Report::of(&seat.candidates, text))
}

async fn voice(context: &Context, id: Option<&str>) -> Result<Report, Failure> {
    let id = context.account_or_own(id)?;
    let (voice, dao) = (context.client.voice(&id).await?, context.client.dao().await?);
    let power: Vec<String> = TOKENS.iter().zip(&voice.power).map(|(t, a)| format!("{a} {t}")).collect();
    let silent = voice.expiry <= dao.epoch;
    let mut rows = vec![
        ("account", voice.account.clone()),
        (
            "credential",
            if voice.is_person { "valid: bonded stake votes" } else { "none: bonded stake does not vote" }.into(),
        ),
        ("power", power.join(", ")),
    ];
    if voice.power.iter().any(|power| power.0 > 0) && !silent {
        rows.push((
            "do before",
            format!("epoch {}: sign anything, or `nupeer dao ping`, else the voice falls silent", voice.expiry),
        ));
    } else if silent && voice.is_person {
        rows.push(("silent", "since its last signature is long ago; `nupeer dao ping` brings it back".into()));
    }
    for support in &voice.support {
        rows.push(("supports", format!("candidate {} as {}", support.candidate, support.role)));
    }
    for lend in &voice.lends {
        rows.push(("lends", format!("its vote in {} to {}", lend.area, lend.to)));
    }
    for lent in &voice.lent {
        let power: Vec<String> = lent.power.iter().map(ToString::to_string).collect();
        rows.push(("speaks for", format!("{} in {}", power.join(" / "), lent.area)));
    }
    Ok(Report::of(&voice, fields(&rows)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn roles_and_areas_are_read_as_people_write_them() {
        assert_eq!(parse_role("cto").unwrap(), RoleId::CTO);
        assert_eq!(parse_role("12").unwrap().get(), 12);
        assert!(parse_role("boss").is_err() && parse_role("0").is_err() && parse_role("17").is_err());
        assert_eq!(parse_area("Technical").unwrap(), Area::Technical);
        assert!(parse_area("somewhere").is_err());
        assert_eq!(percent(123_456), "12.34 %");
    }
}
