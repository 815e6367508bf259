//! Proposals, votes, the treasury, credentials.

use super::{Act, parse_role, percent};
use crate::args::dao::Propose;
use crate::context::{Context, parse_account, parse_amount};
use crate::failure::Failure;
use crate::report::{Report, fields, table};
use crate::row;
use nupeer_client::api::ProposalInfo;
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::governance::{ProposalId, VoteOption};
use nupeer_primitives::proposal::{AskedClass, Class, Inner, Stance};
use nupeer_primitives::{AccountId, Action, Amount, AssetId, Epoch, Hash, blake2b_256};

pub(super) async fn credential(context: &Context, id: Option<&str>) -> Result<Report, Failure> {
    let info = context.client.credential(&context.account_or_own(id)?).await?;
    let fault = info.fault.clone().unwrap_or_else(|| "valid".into());
    let level = if info.level == 0 { "none".to_string() } else { info.level.to_string() };
    let rows =
        [("holder", info.holder.clone()), ("level", level), ("until epoch", info.expiry.to_string()), ("now", fault)];
    Ok(Report::of(&info, fields(&rows)))
}

pub(super) async fn list(context: &Context) -> Result<Report, Failure> {
    let all = context.client.proposals().await?;
    let mut rows = vec![row!["number", "class", "status", "for", "against", "if it closed now", "next"]];
    rows.extend(all.iter().map(|p| {
        let would = p.would.clone().unwrap_or_else(|| "-".into());
        row![p.id, p.class, p.status, percent(p.for_ppm), percent(p.against_ppm), would, next(p)]
    }));
    let text = if all.is_empty() { "no proposals".to_string() } else { table(&rows) };
    Ok(Report::of(&all, text))
}

fn next(p: &ProposalInfo) -> String {
    match (&p.next, p.next_tick) {
        (Some(what), Some(tick)) => format!("{what} in tick {tick}"),
        _ => "-".into(),
    }
}

pub(super) async fn show(context: &Context, id: u64) -> Result<Report, Failure> {
    Ok(report(&context.client.proposal(id).await?))
}

fn report(p: &ProposalInfo) -> Report {
    let mut rows = vec![
        ("proposal", format!("{} {} ({})", p.id, p.class, p.area)),
        ("status", p.status.clone()),
        ("by", p.seat.as_ref().map_or_else(|| p.proposer.clone(), |seat| format!("{seat}, {}", p.proposer))),
    ];
    rows.extend(p.actions.iter().map(|action| ("does", action.clone())));
    if !p.uri.is_empty() {
        rows.push(("document", p.uri.clone()));
    }
    if let (Some(mode), Some(q), Some(x)) = (&p.mode, p.quorum_ppm, p.threshold_ppm) {
        rows.push(("mode", format!("{mode}, quorum {}, threshold {}", percent(q), percent(x))));
    }
    rows.push((
        "votes",
        format!(
            "{} for, {} against, {} took part",
            percent(p.for_ppm),
            percent(p.against_ppm),
            percent(p.taken_part_ppm)
        ),
    ));
    rows.push((if p.would.is_some() { "if it closed now" } else { "stands" }, p.why.clone()));
    rows.extend(
        p.stances
            .iter()
            .filter(|of| of.stance != "none")
            .map(|of| ("stance", format!("{} {}: {}", of.role, of.instance, of.stance))),
    );
    rows.push(("next", next(p)));
    Report::of(p, fields(&rows))
}

pub(super) async fn treasury(context: &Context) -> Result<Report, Failure> {
    let info = context.client.treasury().await?;
    let mut rows = vec![row!["asset", "free", "reserved", "target"]];
    rows.extend(
        info.assets.iter().map(|a| row![a.ticker, a.free, a.reserved, a.target_ppm.map_or("-".into(), percent)]),
    );
    let mut text = table(&rows);
    for s in &info.streams {
        text.push_str(&format!("\nstream {} pays {} {} to {}, {} so far", s.id, s.total, s.ticker, s.to, s.claimed));
    }
    Ok(Report::of(&info, text))
}

pub(super) fn vote(id: u64, option: &str) -> Result<Act, Failure> {
    let found = match option {
        "for" => VoteOption::For,
        "against" => VoteOption::Against,
        "abstain" => VoteOption::Abstain,
        _ => return Err(Failure::usage(format!("`{option}` is not a vote: write for, against or abstain"))),
    };
    Ok((Action::Vote { proposal: ProposalId(id), option: found }, format!("voted {option} on proposal {id}")))
}

pub(super) fn stance(id: u64, stance: &str) -> Result<Act, Failure> {
    let found = match stance {
        "endorse" => Stance::Endorse,
        "object" => Stance::Object,
        "none" => Stance::None,
        _ => return Err(Failure::usage(format!("`{stance}` is not a stance: write endorse, object or none"))),
    };
    Ok((Action::Stance { proposal: ProposalId(id), stance: found }, format!("stance on proposal {id}: {stance}")))
}

pub(super) fn certify(holder: &str, level: u8, until: u64, nullifier: &str) -> Result<Act, Failure> {
    let wrong = || Failure::usage(format!("`{nullifier}` is not 64 hex digits"));
    let nullifier = Hash::from_hex(nullifier).ok_or_else(wrong)?;
    let done = format!("{holder} is certified at level {level} until epoch {until}");
    let holder = parse_account(holder)?;
    Ok((Action::CredIssue { holder, level, expiry: Epoch(until), nullifier, schema: 1 }, done))
}

pub(super) async fn propose(context: &Context, terms: Propose) -> Result<Act, Failure> {
    let Propose { text, spend, settle, set, salary, class, uri, expedited, deposit } = terms;
    let mut actions = Vec::new();
    if let Some(path) = &text {
        let document = std::fs::read(path).map_err(|e| Failure::usage(format!("`{}`: {e}", path.display())))?;
        actions.push(Inner::Text { hash: blake2b_256(&document) });
    }
    for spend in &spend {
        let (asset, to, amount) = payment(context, spend).await?;
        actions.push(Inner::SpendTreasury { asset, to, amount });
    }
    for settle in &settle {
        let (asset, to, amount) = payment(context, settle).await?;
        actions.push(Inner::Settlement { to, asset, amount, agreement: blake2b_256(uri.as_bytes()) });
    }
    for salary in &salary {
        let wrong = || Failure::usage(format!("`{salary}` is not like CTO:usd:1.5"));
        let (role, rest) = salary.split_once(':').ok_or_else(wrong)?;
        let (ticker, amount) = rest.split_once(':').ok_or_else(wrong)?;
        let asset = AssetId(context.asset(ticker).await?.id);
        actions.push(Inner::Salary { role: parse_role(role)?, asset, per_tick: parse_amount(amount)? });
    }
    for set in &set {
        let wrong = || Failure::usage(format!("`{set}` is not like fee_base=1200@9"));
        let (name, rest) = set.split_once('=').ok_or_else(wrong)?;
        let (value, at) = rest.split_once('@').ok_or_else(wrong)?;
        let (value, at) = (value.parse().map_err(|_| wrong())?, at.parse().map(Epoch).map_err(|_| wrong())?);
        actions.push(Inner::SetParam { name: name.into(), value, at });
    }
    if actions.is_empty() {
        return Err(Failure::usage("a proposal does something: give --text, --spend, --settle, --set or --salary"));
    }
    let asked = class.as_deref().map(|text| {
        let known: Vec<&str> = Class::ALL.iter().map(|class| class.text()).collect();
        let wrong = || Failure::usage(format!("`{text}` is not one of {}", known.join(", ")));
        Class::from_text(&text.to_ascii_uppercase()).ok_or_else(wrong)
    });
    let hash = blake2b_256(uri.as_bytes()).0;
    let uri = Bytes::new(uri.into_bytes()).ok_or_else(|| Failure::usage("the link is longer than 256 bytes"))?;
    let deposit = parse_amount(&deposit)?;
    let action = Action::Propose { class: AskedClass(asked.transpose()?), actions, uri, hash, expedited, deposit };
    Ok((action, "proposed; `nupeer dao proposal` with its number shows what it waits for".into()))
}

async fn payment(context: &Context, text: &str) -> Result<(AssetId, AccountId, Amount), Failure> {
    let wrong = || Failure::usage(format!("`{text}` is not like usd:nup_test1...:250"));
    let mut parts = text.splitn(3, ':');
    let (Some(ticker), Some(to), Some(amount)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    Ok((AssetId(context.asset(ticker).await?.id), parse_account(to)?, parse_amount(amount)?))
}
