//! `nupeer stake`.

use super::tx;
use crate::args::stake::Stake;
use crate::context::{Context, parse_amount, parse_pool};
use crate::failure::Failure;
use crate::report::{Report, fields, table};
use crate::row;
use nupeer_client::api::{ForecastInfo, StakeInfo};
use nupeer_primitives::{Action, Amount, AssetId};

pub(super) async fn run(context: &Context, command: Stake) -> Result<Report, Failure> {
    let (action, done) = match command {
        Stake::Show { id } => return show(context, id.as_deref()).await,
        Stake::Supply => return supply(context).await,
        Stake::Forecast { amount, token, pool } => {
            return forecast(context, amount.as_deref(), &token, pool.as_deref()).await;
        }
        Stake::Rewards { id, before } => return rewards(context, id.as_deref(), before).await,
        Stake::Bond { amount, token } => {
            let done = format!("{amount} {token} bonded; it counts from the epoch after next");
            (Action::Bond { token: staking(&token)?, amount: parse_amount(&amount)? }, done)
        }
        Stake::Unbond { amount, token } => {
            let done = format!("{amount} {token} counts no more; `nupeer stake show` says when it can be released");
            (Action::Unbond { token: staking(&token)?, amount: parse_amount(&amount)? }, done)
        }
        Stake::Release { token } => (Action::Release { token: staking(&token)? }, format!("{token} released")),
        Stake::Delegate { pool, token } => {
            let to = if pool == "none" { None } else { Some(parse_pool(&pool)?) };
            let done = format!("{token} earns in pool {pool} from the next epoch");
            (Action::Delegate { token: staking(&token)?, pool: to }, done)
        }
        Stake::Pledge { pool, amount, token } => {
            let done = format!("{amount} {token} pledged");
            let (pool, amount) = (parse_pool(&pool)?, parse_amount(&amount)?);
            (Action::Pledge { pool, token: staking(&token)?, amount }, done)
        }
        Stake::Unpledge { pool, amount, token } => {
            let done = format!("{amount} {token} leaves the pledge");
            let (pool, amount) = (parse_pool(&pool)?, parse_amount(&amount)?);
            (Action::Unpledge { pool, token: staking(&token)?, amount }, done)
        }
        Stake::Claim { token } => (Action::ClaimRewards { token: staking(&token)? }, format!("{token} rewards paid")),
    };
    Ok(tx::report(&context.transact(vec![action]).await?, &done))
}

/// One of the three staking tokens.
fn staking(text: &str) -> Result<AssetId, Failure> {
    match text.trim_start_matches('$').to_ascii_lowercase().as_str() {
        "iaas" => Ok(AssetId::IAAS),
        "paas" => Ok(AssetId::PAAS),
        "saas" => Ok(AssetId::SAAS),
        _ => Err(Failure::usage(format!("`{text}` is not a staking token: write iaas, paas or saas"))),
    }
}

async fn show(context: &Context, id: Option<&str>) -> Result<Report, Failure> {
    let id = context.account_or_own(id)?;
    let rows = context.client.stake(&id).await?;
    let status = context.client.status().await?;
    let mut lines = vec![row!["token", "active", "pending", "leaving", "pool", "due"]];
    let mut notes = Vec::new();
    for info in &rows {
        let StakeInfo { token, active, pending, unbonding, pool, due_pools, due_work, held, pledges } = info;
        let sum = |amounts: &mut dyn Iterator<Item = u64>| Amount::new(amounts.fold(0, u64::saturating_add));
        let due = Amount::new(due_pools.0.saturating_add(due_work.0));
        let pool = pool.as_deref().map_or_else(|| "-".to_string(), crate::report::short);
        lines.push(row![
            token,
            active,
            sum(&mut pending.iter().map(|p| p.amount.0)),
            sum(&mut unbonding.iter().map(|u| u.amount.0)),
            pool,
            due,
        ]);
        notes.extend(pending.iter().map(|p| format!("{} {token} counts from epoch {}", p.amount, p.epoch)));
        for entry in unbonding {
            let vote = if entry.governance_time > 0 { ", and not before its votes are decided" } else { "" };
            notes.push(match entry.epoch <= status.epoch {
                true => {
                    format!("{} {token} can be released now{vote}: nupeer stake release --token {token}", entry.amount)
                }
                false => format!("{} {token} can be released from epoch {}{vote}", entry.amount, entry.epoch),
            });
        }
        notes.extend(pledges.iter().map(|p| format!("{} {token} pledged in pool {}", p.active, p.pool)));
        if *held > 0 {
            notes.push(format!("{held} slash of {token} waits: nothing of it is released before"));
        }
        if due > Amount::ZERO {
            notes.push(format!("{due} {token} is due: nupeer stake claim --token {token}"));
        }
    }
    let notes = if notes.is_empty() { String::new() } else { format!("\n{}", notes.join("\n")) };
    Ok(Report::of(&rows, format!("epoch {}\n{}{notes}", status.epoch, table(&lines))))
}

async fn supply(context: &Context) -> Result<Report, Failure> {
    let rows = context.client.supply().await?;
    let mut lines = vec![row!["token", "supply", "bonded", "on Cardano", "rate a year", "this epoch at most"]];
    let units =
        |text: &str| text.parse::<u64>().map_or_else(|_| text.to_string(), |units| Amount::new(units).to_string());
    lines.extend(rows.iter().map(|s| {
        let rate = format!("{}.{:03} %", s.rate_ppb / 10_000_000, s.rate_ppb / 10_000 % 1_000);
        row![s.token, units(&s.supply), units(&s.bonded), units(&s.wrapped), rate, s.emission]
    }));
    Ok(Report::of(&rows, table(&lines)))
}

async fn forecast(context: &Context, amount: Option<&str>, token: &str, pool: Option<&str>) -> Result<Report, Failure> {
    staking(token)?;
    let mut query = format!("token={}", token.trim_start_matches('$'));
    if let Some(amount) = amount {
        query.push_str(&format!("&amount={}", parse_amount(amount)?.get()));
    }
    if let Some(pool) = pool {
        query.push_str(&format!("&pool={}", parse_pool(pool)?));
    }
    let told = context.client.forecast(&context.own_id()?, &query).await?;
    let ForecastInfo { token, amount, pool, pool_stake, pool_pledge, pool_reward, operator, an_epoch, .. } = &told;
    let year = Amount::new(an_epoch.0.saturating_mul(told.epochs_a_year));
    let mut rows = vec![
        ("stake", format!("{amount} {token}")),
        ("an epoch", format!("about {an_epoch} {token}, if the pool makes all its blocks")),
        ("a year", format!("about {year} {token} at this pace, without what rewards themselves would earn")),
    ];
    if let Some(pool) = pool {
        rows.push(("pool", pool.clone()));
        rows.push(("has", format!("{pool_stake} {token} with it, {pool_pledge} of it pledged")));
        rows.push(("earns", format!("{pool_reward} {token} an epoch, {operator} of it its operator's")));
    }
    rows.push(("pot", format!("{} {token} an epoch, shared by {}", told.pool_pot, told.shared_by)));
    rows.extend(told.note.iter().map(|note| ("note", note.clone())));
    Ok(Report::of(&told, fields(&rows)))
}

async fn rewards(context: &Context, id: Option<&str>, before: Option<u64>) -> Result<Report, Failure> {
    let id = context.account_or_own(id)?;
    let page = context.client.rewards(&id, before.unwrap_or(u64::MAX)).await?;
    let mut lines = vec![row!["block", "epoch", "token", "of pools", "of work", "what"]];
    lines.extend(page.rows.iter().map(|r| {
        let of = r.pool.as_deref().map_or(String::new(), |pool| format!(" of pool {}", crate::report::short(pool)));
        row![r.height, r.epoch, r.token, r.pools, r.work, format!("{}{of}", r.kind)]
    }));
    let mut text = if page.rows.is_empty() { "no rewards were paid in these blocks".into() } else { table(&lines) };
    if let Some(height) = page.next_before {
        text.push_str(&format!("\nolder ones: nupeer stake rewards --before {height}"));
    }
    Ok(Report::of(&page, text))
}
