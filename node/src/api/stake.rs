//! Stake, rewards and supply.

use super::asked::{self, Asked, Part};
use super::blocks::place as block_place;
use super::error::Problem;
use super::ports::BlockAt;
use super::{Api, Ledger, Rows};
use axum::Json;
use axum::extract::State;
use nupeer_client::api::{
    ApiError, ForecastInfo, PendingStake, PledgeInfo, RewardInfo, RewardPage, StakeInfo, SupplyInfo, UnbondingStake,
};
use nupeer_primitives::event::Event;
use nupeer_primitives::state::Bug;
use nupeer_primitives::{AccountId, Amount, AssetId, Height, PoolId};
use nupeer_runtime::params;
use nupeer_runtime::tokens::query::{self, PositionInfo};
use nupeer_tokens::asset;
use serde::Deserialize;
use utoipa::IntoParams;

/// Blocks that one page of rewards reads: about a quarter of a second from a warm disk.
const REWARD_BLOCKS_MAX: u64 = 5_000;
/// Rows of a page; a block's own rows are never torn apart.
const REWARD_ROWS_MAX: usize = 500;

/// An account's stake in each token.
#[utoipa::path(get, path = "/v1/stake/{account}", tag = "dao",
    params(("account" = String, Path, description = "hex or bech32")),
    responses((status = 200, body = Vec<StakeInfo>), (status = "default", body = ApiError)))]
pub async fn stake(State(api): State<Api>, Part(text): Part) -> Result<Rows<StakeInfo>, Problem> {
    let id = asked::account(&text, &api.chain.rules().hrp)?;
    let rows = api.ledger(move |ledger| {
        let positions = query::positions(ledger.snapshot.view, &id)?;
        positions.into_iter().map(|position| shown(ledger, position)).collect()
    });
    rows.await.map(Rows::cut)
}

fn shown(ledger: &Ledger<'_>, position: PositionInfo) -> Result<StakeInfo, Problem> {
    let PositionInfo { token, active, pending, unbonding, held, pool, pledges, due_pools, due_work, work: _ } =
        position;
    let pending =
        pending.into_iter().map(|(epoch, amount)| PendingStake { epoch: epoch.into(), amount: amount.into() });
    let unbonding = unbonding.into_iter().map(|entry| UnbondingStake {
        epoch: entry.release_epoch.into(),
        governance_time: entry.release_gt,
        amount: Amount::new(entry.amount).into(),
    });
    let pledges = pledges.into_iter().map(|(pool, bond)| {
        let leaving = bond.unbonding.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.amount));
        PledgeInfo {
            pool: pool.to_hex(),
            active: Amount::new(bond.matured).into(),
            unbonding: Amount::new(leaving).into(),
        }
    });
    Ok(StakeInfo {
        token: ticker(ledger, token)?,
        active: active.into(),
        pending: pending.collect(),
        unbonding: unbonding.collect(),
        held,
        pool: pool.map(|pool| pool.to_hex()),
        pledges: pledges.collect(),
        due_pools: due_pools.into(),
        due_work: due_work.into(),
    })
}

/// What is to be forecast.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ForecastOf {
    /// Ticker of a staking token, as in `/v1/supply`; case does not matter.
    token: String,
    /// Smallest units; left out, the account's active stake.
    amount: Option<u64>,
    /// Pool, hex; left out, the one that the account's stake earns in.
    pool: Option<String>,
}

/// What stake would earn in an epoch, by the reward rule as it stands.
#[utoipa::path(get, path = "/v1/stake/{account}/forecast", tag = "dao",
    params(("account" = String, Path, description = "hex or bech32"), ForecastOf),
    responses((status = 200, body = ForecastInfo), (status = "default", body = ApiError)))]
pub async fn forecast(
    State(api): State<Api>,
    Part(text): Part,
    Asked(wish): Asked<ForecastOf>,
) -> Result<Json<ForecastInfo>, Problem> {
    let id = asked::account(&text, &api.chain.rules().hrp)?;
    let pool = wish.pool.as_deref().map(asked::pool_id).transpose()?;
    api.ledger(move |ledger| forecast_of(ledger, &id, &wish, pool)).await.map(Json)
}

fn forecast_of(
    ledger: &Ledger<'_>,
    id: &AccountId,
    wish: &ForecastOf,
    pool: Option<PoolId>,
) -> Result<ForecastInfo, Problem> {
    let mut found = None;
    for position in query::positions(ledger.snapshot.view, id)? {
        if ticker(ledger, position.token)?.eq_ignore_ascii_case(&wish.token) {
            found = Some(position);
        }
    }
    let position = found.ok_or_else(|| Problem::not_found("no such staking token"))?;
    let pool = pool.or(position.pool);
    // The account's own active stake is in its pool already; anything else would come on top.
    let is_in = wish.amount.is_none() && pool.is_some() && pool == position.pool;
    let amount = wish.amount.unwrap_or_else(|| position.active.get());
    let asked = pool.as_ref().map(|pool| (pool, is_in));
    let told = query::forecast(ledger.snapshot.view, position.token, amount, asked)?;
    let told = told.ok_or_else(|| Problem::not_found("no such pool"))?;
    let micro = |units: u64| Amount::new(units).into();
    let earning = told.pool.pledge.saturating_mul(told.leverage);
    let note = match pool {
        None => {
            Some("no pool: undelegated stake earns nothing; this is an even share without a pledge's effect".into())
        }
        Some(_) if told.pool.penalised => Some("the pool is jailed: it earns nothing".to_string()),
        Some(_) if told.pool.pledge < told.pledge_min => {
            Some(format!("the pool's pledge is below {}: it earns nothing", Amount::new(told.pledge_min)))
        }
        Some(_) if told.pool.stake > earning => Some(format!(
            "stake beyond {} earns nothing in this pool: its pledge carries no more",
            Amount::new(earning)
        )),
        Some(_) => None,
    };
    Ok(ForecastInfo {
        token: ticker(ledger, position.token)?,
        amount: micro(amount),
        pool: pool.map(|pool| pool.to_hex()),
        pool_pot: micro(told.pot),
        shared_by: micro(told.normal.saturating_mul(Amount::UNIT)),
        pool_stake: micro(told.pool.stake),
        pool_pledge: micro(told.pool.pledge),
        pool_reward: micro(told.pay.reward),
        operator: micro(told.pay.operator),
        an_epoch: micro(told.own),
        epochs_a_year: params::get(&ledger.work, "emit.epochs_per_year")?,
        note,
    })
}

/// Where a page of rewards ends.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Before {
    /// Only blocks below this height; left out, from the tip.
    before: Option<u64>,
}

/// What an account was paid for stake and work, newest first; a page reads a bounded number of blocks.
#[utoipa::path(get, path = "/v1/stake/{account}/rewards", tag = "dao",
    params(("account" = String, Path, description = "hex or bech32"), Before),
    responses((status = 200, body = RewardPage), (status = "default", body = ApiError)))]
pub async fn rewards(
    State(api): State<Api>,
    Part(text): Part,
    Asked(Before { before }): Asked<Before>,
) -> Result<Json<RewardPage>, Problem> {
    let id = asked::account(&text, &api.chain.rules().hrp)?;
    api.ledger(move |ledger| rewards_of(ledger, &id, before)).await.map(Json)
}

fn rewards_of(ledger: &Ledger<'_>, id: &AccountId, before: Option<u64>) -> Result<RewardPage, Problem> {
    let tip = ledger.snapshot.place.height.0;
    let mut pools = Vec::new();
    let mut tickers = Vec::new();
    for position in query::positions(ledger.snapshot.view, id)? {
        tickers.push((position.token, ticker(ledger, position.token)?));
        pools.extend(position.pledges.into_iter().map(|(pool, _)| pool));
    }
    let mut page = RewardPage { rows: Vec::new(), next_before: None };
    let mut height = before.unwrap_or(u64::MAX).min(tip.saturating_add(1));
    let last = height.saturating_sub(REWARD_BLOCKS_MAX);
    while height > last.max(1) && page.rows.len() < REWARD_ROWS_MAX {
        height = height.saturating_sub(1);
        // A switch may have shortened the chain meanwhile.
        let Some(block) = ledger.chain.block(BlockAt::Height(Height(height))) else { continue };
        let slot = block_place(&block)?.slot.0;
        let epoch = ledger.chain.rules().constants.epoch(slot);
        for event in &block.record.events {
            let Some((kind, token, of_pools, of_work, pool)) = reward(event, id, &pools) else { continue };
            let (pools, work) = (of_pools.into(), of_work.into());
            let token = tickers.iter().find(|(known, _)| *known == token).map(|(_, text)| text.clone());
            let token = token.unwrap_or_default();
            let pool = pool.map(|pool| pool.to_hex());
            page.rows.push(RewardInfo { height, slot, epoch, kind: kind.into(), token, pools, work, pool });
        }
    }
    page.next_before = (height > 1).then_some(height);
    Ok(page)
}

type Reward = (&'static str, AssetId, Amount, Amount, Option<PoolId>);

/// A reward of the account, or of a pool that it pledges in.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other event pays a reward")]
fn reward(event: &Event, id: &AccountId, own: &[PoolId]) -> Option<Reward> {
    match event {
        Event::RewardsClaimed { account, token, pools, work } if account == id => {
            Some(("claim", *token, *pools, *work, None))
        }
        Event::PoolRewarded { pool, token, operator, .. } if own.contains(pool) => {
            Some(("operator", *token, *operator, Amount::ZERO, Some(*pool)))
        }
        _ => None,
    }
}

/// Ticker of an asset.
pub(super) fn ticker(ledger: &Ledger<'_>, token: AssetId) -> Result<String, Problem> {
    let record = asset::record(&ledger.work, token)?;
    Ok(record.ok_or(Bug::Missing { what: "asset of a position" })?.row.ticker)
}

/// The economy of the staking tokens.
#[utoipa::path(get, path = "/v1/supply", tag = "dao",
    responses((status = 200, body = Vec<SupplyInfo>), (status = "default", body = ApiError)))]
pub async fn supply(State(api): State<Api>) -> Result<Rows<SupplyInfo>, Problem> {
    let rows = api.ledger(|ledger| {
        let supplies = query::supplies(ledger.snapshot.view)?;
        let row = |info: query::SupplyInfo| -> Result<_, Problem> {
            Ok(SupplyInfo {
                token: ticker(ledger, info.token)?,
                supply: info.supply.to_string(),
                wrapped: info.wrapped.to_string(),
                minted: info.minted.to_string(),
                burned: info.burned.to_string(),
                bonded: info.bonded.to_string(),
                rate_ppb: info.rate_ppb.into(),
                emission: info.emission.into(),
                pool_pot: info.pool_pot.into(),
            })
        };
        supplies.into_iter().map(row).collect()
    });
    rows.await.map(Rows::cut)
}
