//! `nupeer stake`.

use super::tx;
use crate::args::stake::Stake;
use crate::context::{Context, parse_amount};
use crate::failure::{Exit, Failure};
use crate::report::{Report, fields, table};
use crate::row;
use nupeer_client::api::StakeInfo;
use nupeer_primitives::{Action, Amount, AssetId, PoolId};

pub(super) async fn run(context: &Context, command: Stake) -> Result<Report, Failure> {
    let (action, done) = match command {
        Stake::Show { id } => return show(context, id.as_deref()).await,
        Stake::Supply => return supply(context).await,
        Stake::Forecast { amount, token } => return forecast(context, amount.as_deref(), &token).await,
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

fn parse_pool(text: &str) -> Result<PoolId, Failure> {
    let wrong =
        || Failure::usage(format!("`{text}` is not a pool id: write 56 hex digits")).next("see `nupeer node pools`");
    PoolId::from_hex(text).ok_or_else(wrong)
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

/// Pools get 200,000 ppm of $IaaS' emission and 150,000 ppm of the others' (tokens.md §2).
const fn pools_share_ppm(token: AssetId) -> u128 {
    if token.0 == AssetId::IAAS.0 { 200_000 } else { 150_000 }
}

async fn forecast(context: &Context, amount: Option<&str>, token: &str) -> Result<Report, Failure> {
    let asset = staking(token)?;
    let supply = context.client.supply().await?.into_iter().find(|s| s.token.eq_ignore_ascii_case(token));
    let supply = supply.ok_or_else(|| Failure::new(Exit::NotFound, "cli.NotFound", format!("no supply of {token}")))?;
    let stake = match amount {
        Some(amount) => parse_amount(amount)?,
        None => {
            let own = context.client.stake(&context.own_id()?).await?;
            own.into_iter().find(|s| s.token == supply.token).map_or(Amount::ZERO, |s| s.active.into())
        }
    };
    let bonded = supply.bonded.parse::<u128>().unwrap_or(0).max(u128::from(stake.get()));
    let pot = u128::from(supply.emission.0) * pools_share_ppm(asset) / 1_000_000;
    let epoch = (pot * u128::from(stake.get())).checked_div(bonded).unwrap_or(0);
    let epoch = Amount::new(u64::try_from(epoch).unwrap_or(u64::MAX));
    let rows = [
        ("stake", format!("{stake} {token}")),
        ("an epoch", format!("about {epoch} {token}, before the pool's cost and margin")),
        (
            "assumes",
            "a pool that makes all its blocks and is below saturation; what is not earned is not minted".into(),
        ),
    ];
    let json = serde_json::json!({
        "token": supply.token, "stake": stake.get().to_string(), "epoch_estimate": epoch.get().to_string(),
        "pool_pot": pot.to_string(), "bonded": bonded.to_string(),
    });
    Ok(Report::new(json, fields(&rows)))
}
