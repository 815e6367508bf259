//! Stake, rewards and supply.

use super::asked::{self, Part};
use super::error::Problem;
use super::{Api, Ledger, Rows};
use axum::extract::State;
use nupeer_client::api::{ApiError, PendingStake, PledgeInfo, StakeInfo, SupplyInfo, UnbondingStake};
use nupeer_primitives::state::Bug;
use nupeer_primitives::{Amount, AssetId};
use nupeer_runtime::tokens::query::{self, PositionInfo};
use nupeer_tokens::asset;

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
            })
        };
        supplies.into_iter().map(row).collect()
    });
    rows.await.map(Rows::cut)
}
