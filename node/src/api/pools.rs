//! The epoch and its nonce, one pool, and what a pool made.

use super::asked::{self, Part};
use super::error::Problem;
use super::ledger::share_ppm;
use super::ports::BlockAt;
use super::{Api, Ledger};
use crate::engine::header_state;
use axum::Json;
use axum::extract::State;
use nupeer_client::api::{ApiError, EpochInfo, Micro, PoolDetail, PoolEpoch, PoolStakeInfo, PoolWeight};
use nupeer_primitives::state::View;
use nupeer_primitives::{AssetId, Epoch, Header, PoolId};
use nupeer_runtime::query;
use nupeer_tokens::asset;
use nupeer_tokens::stake::{self, Pool, pool_stake, snapshot::may_lead};

const TOKENS: [AssetId; 3] = [AssetId::IAAS, AssetId::PAAS, AssetId::SAAS];

/// The epoch of the tip, its nonce, and the next nonce once it is fixed.
#[utoipa::path(get, path = "/v1/epoch", tag = "ledger",
    responses((status = 200, body = EpochInfo), (status = "default", body = ApiError)))]
pub async fn epoch(State(api): State<Api>) -> Result<Json<EpochInfo>, Problem> {
    api.ledger(epoch_of_tip).await.map(Json)
}

fn epoch_of_tip(ledger: &Ledger<'_>) -> Result<EpochInfo, Problem> {
    let (chain, rules) = (ledger.chain, ledger.chain.rules());
    let constants = rules.constants;
    let cursor = query::cursor(ledger.snapshot.view)?;
    let nonce = header_state::nonce(ledger.snapshot.view, rules, &chain.genesis().seed)?;
    let first_slot = cursor.epoch.0.saturating_mul(constants.epoch_slots);
    let standing = chain.standing();
    let with_cardano = follows_cardano(ledger)?;
    let next_nonce_slot = first_slot.saturating_add(if with_cardano { constants.target } else { constants.freeze });
    // The candidate no longer moves once a final block lies past the freeze. Where blocks name Cardano blocks, the
    // nonce also waits for Cardano's part.
    let frozen = standing.final_place.slot.0 >= first_slot.saturating_add(constants.freeze);
    let is_fixed = frozen && (!with_cardano || nonce.cardano.is_some());
    let next = nonce.at_epoch(Epoch(cursor.epoch.0.saturating_add(1)));
    Ok(EpochInfo {
        epoch: cursor.epoch.0,
        first_slot,
        slots: constants.epoch_slots,
        slot_now: standing.slot_now.0,
        slot_ms: constants.slot_ms,
        system_start_ms: chain.genesis().system_start_ms,
        f_num: constants.f.0,
        f_den: constants.f.1,
        nonce: nonce.at_epoch(cursor.epoch).eta.to_hex(),
        next_nonce: is_fixed.then(|| next.eta.to_hex()),
        next_nonce_slot,
        kes_period: standing.slot_now.0.checked_div(constants.kes_period).unwrap_or(0),
        kes_period_slots: constants.kes_period,
        kes_evolutions: constants.kes_evolutions,
    })
}

fn follows_cardano(ledger: &Ledger<'_>) -> Result<bool, Problem> {
    let Some(block) = ledger.chain.block(BlockAt::Id(ledger.snapshot.place.id)) else { return Ok(false) };
    let header = Header::decode(&block.header).map_err(|why| Problem::bug(format!("stored header: {why}")))?;
    Ok(header.body.mc != nupeer_consensus::bodies::NO_CARDANO)
}

/// A stake pool: keys, stake, and its weight in this epoch and the next.
#[utoipa::path(get, path = "/v1/pools/{id}", tag = "ledger",
    params(("id" = String, Path, description = "28 bytes in hex")),
    responses((status = 200, body = PoolDetail), (status = "default", body = ApiError)))]
pub async fn pool(State(api): State<Api>, Part(text): Part) -> Result<Json<PoolDetail>, Problem> {
    let id = asked::pool_id(&text)?;
    api.ledger(move |ledger| pool_of(ledger, id)).await.map(Json)
}

fn pool_of(ledger: &Ledger<'_>, id: PoolId) -> Result<PoolDetail, Problem> {
    let (work, view) = (&ledger.work, ledger.snapshot.view);
    let Some(record) = work.get::<Pool>(&stake::pool_key(&id))? else {
        return Err(Problem::not_found("no pool of this id is registered"));
    };
    let epoch = query::cursor(view)?.epoch.0;
    let at = stake::epoch32(Epoch(epoch))?;
    let tickers = asset::tickers(work)?;
    let mut rows = Vec::with_capacity(TOKENS.len());
    for token in TOKENS {
        let (stake, pledge) = pool_stake::load(work, &id, token, at)?.at_start(at)?;
        let ticker = tickers.get(&token).cloned().unwrap_or_default();
        rows.push(PoolStakeInfo { ticker, stake: Micro(stake), pledge: Micro(pledge) });
    }
    let counters = query::opcert_counters(view)?;
    Ok(PoolDetail {
        id: id.to_hex(),
        cold_key: record.cold_key.to_hex(),
        vrf_hash: record.vrf_hash.to_hex(),
        bls_key: record.bls_key.map(|key| key.to_hex()),
        reward_account: ledger.text_of(&record.reward_account(Epoch(epoch))),
        jailed: !may_lead(&record, Epoch(epoch)),
        opcert_counter: counters.into_iter().find(|(pool, _)| *pool == id).map(|(_, counter)| counter),
        stake: rows,
        now: weight_in(view, id, epoch)?,
        next: weight_in(view, id, epoch.saturating_add(1))?,
    })
}

fn weight_in(view: &dyn View, id: PoolId, epoch: u64) -> Result<PoolWeight, Problem> {
    let pools = query::leading_pools(view, Epoch(epoch))?;
    let total = pools.iter().map(|pool| pool.weight).fold(0, u128::saturating_add);
    let weight = pools.iter().find(|pool| pool.id == id).map_or(0, |pool| pool.weight);
    Ok(PoolWeight { epoch, weight: weight.to_string(), total: total.to_string(), share_ppm: share_ppm(weight, total) })
}

/// Blocks that a pool made, against what its share led one to expect, for the epochs whose weights are kept.
#[utoipa::path(get, path = "/v1/pools/{id}/performance", tag = "ledger",
    params(("id" = String, Path, description = "28 bytes in hex")),
    responses((status = 200, body = Vec<PoolEpoch>), (status = "default", body = ApiError)))]
pub async fn performance(State(api): State<Api>, Part(text): Part) -> Result<Json<Vec<PoolEpoch>>, Problem> {
    let id = asked::pool_id(&text)?;
    let tally = std::sync::Arc::clone(&api.tally);
    let counted = api.blocking(move |chain| tally.count(chain)).await?;
    let rows = api.ledger(move |ledger| {
        let constants = ledger.chain.rules().constants;
        if ledger.work.get::<Pool>(&stake::pool_key(&id))?.is_none() {
            return Err(Problem::not_found("no pool of this id is registered"));
        }
        let mut rows = Vec::with_capacity(counted.epochs.len());
        for (epoch, made) in counted.epochs {
            let leading = query::leading_pools(ledger.snapshot.view, Epoch(epoch))?;
            if leading.is_empty() {
                // Its weights are forgotten: there is nothing to compare with.
                continue;
            }
            let total = leading.iter().map(|pool| pool.weight).fold(0, u128::saturating_add);
            let weight = leading.iter().find(|pool| pool.id == id).map_or(0, |pool| pool.weight);
            let first = epoch.saturating_mul(constants.epoch_slots);
            // Slot 0 is genesis' own and has no leader.
            let begun = counted.tip_slot.saturating_sub(first).saturating_add(1).min(constants.epoch_slots);
            let slots = if epoch == 0 { begun.saturating_sub(1) } else { begun };
            rows.push(PoolEpoch {
                epoch,
                slots,
                blocks: made.get(&id).copied().unwrap_or(0),
                blocks_of_all: made.values().fold(0, |sum, blocks| sum.saturating_add(*blocks)),
                expected: expected_blocks(slots, weight, total, constants.f),
                share_ppm: share_ppm(weight, total),
            });
        }
        Ok(rows)
    });
    rows.await.map(Json)
}

/// `slots · (1 - (1-f)^σ)`: for people, so a float will do.
#[expect(clippy::cast_precision_loss, reason = "a forecast for people; consensus has its own exact arithmetic")]
fn expected_blocks(slots: u64, weight: u128, total: u128, f: (u64, u64)) -> f64 {
    if total == 0 || f.1 == 0 {
        return 0.0;
    }
    let (sigma, f) = (weight as f64 / total as f64, (f.0 as f64 / f.1 as f64).min(1.0));
    slots as f64 * (1.0 - (1.0 - f).powf(sigma))
}

#[cfg(test)]
mod tests {
    use super::expected_blocks;

    #[test]
    fn expectations_follow_the_leader_formula() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(expected_blocks(100, 1, 1, (1, 2)), 50.0));
        assert!(near(expected_blocks(100, 1, 2, (3, 4)), 50.0), "half of the weight leads half of the quarter left");
        assert!(near(expected_blocks(100, 0, 5, (1, 2)), 0.0));
        assert!(near(expected_blocks(100, 0, 0, (1, 2)), 0.0));
    }
}
