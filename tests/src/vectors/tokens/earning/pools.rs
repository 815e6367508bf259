//! Kinds max_pool, pool_perf, pool_payouts, split_pool, reward_index.

use super::{parameter, wide};
use crate::vectors::json::{Malformed, boolean, list, malformed, text, uint};
use nupeer_tokens::pool_reward::{self, PoolParameters, PoolSnapshot, index};
use serde_json::{Value, json};

fn preset(input: &Value) -> Result<PoolParameters, Malformed> {
    Ok(PoolParameters {
        target_count: parameter(input, "pool.target_count")?,
        a0_ppm: parameter(input, "pool.a0")?,
        leverage: parameter(input, "leverage")?,
        pledge_min: parameter(input, "pledge_min")?,
        perf_cap_ppm: parameter(input, "pool.perf_cap")?,
    })
}

pub fn max_pool(input: &Value) -> Result<Value, Malformed> {
    let parameters = PoolParameters {
        target_count: uint(input, "target_count")?,
        a0_ppm: uint(input, "a0_ppm")?,
        leverage: uint(input, "leverage")?,
        ..preset(input)?
    };
    let (pot, stake, pledge) = (uint(input, "pot")?, uint(input, "stake")?, uint(input, "pledge")?);
    Ok(json!({ "reward": pool_reward::max_pool(pot, stake, pledge, uint(input, "n")?, &parameters) }))
}

pub fn perf(input: &Value) -> Result<Value, Malformed> {
    let (weight, total) = (u128::from(uint(input, "weight")?), u128::from(uint(input, "total")?));
    let (made, blocks, cap) = (uint(input, "made")?, uint(input, "blocks")?, uint(input, "cap_ppm")?);
    Ok(json!({ "perf_ppm": pool_reward::perf(made, blocks, weight, total, cap) }))
}

pub fn payouts(input: &Value) -> Result<Value, Malformed> {
    let read = |pool: &Value| {
        Ok(PoolSnapshot {
            stake: uint(pool, "stake")?,
            pledge: uint(pool, "pledge")?,
            cost: uint(pool, "cost")?,
            margin_ppm: uint(pool, "margin")?,
            perf_ppm: uint(pool, "perf")?,
            penalised: boolean(pool, "slashed")?,
        })
    };
    let pools = list(input, "pools")?.iter().map(read).collect::<Result<Vec<_>, Malformed>>()?;
    let target = parameter(input, "emit.target")?;
    let n = pool_reward::normal(uint(input, "bonded")?, uint(input, "supply")?, target);
    let paid = pool_reward::payouts(uint(input, "pot")?, n, &pools, &preset(input)?);
    let pools: Vec<Value> =
        paid.iter().map(|p| json!({ "f": p.reward, "operator": p.operator, "members": p.members })).collect();
    Ok(json!({ "n": n, "pools": pools }))
}

pub fn split(input: &Value) -> Result<Value, Malformed> {
    let pool = PoolSnapshot {
        stake: uint(input, "stake")?,
        pledge: uint(input, "pledge")?,
        cost: uint(input, "cost")?,
        margin_ppm: uint(input, "margin_ppm")?,
        ..PoolSnapshot::default()
    };
    let paid = pool_reward::split(uint(input, "reward")?, &pool);
    Ok(json!({ "operator": paid.operator, "members": paid.members }))
}

pub fn index(input: &Value) -> Result<Value, Malformed> {
    let mut now = 0u128;
    let mut steps = Vec::new();
    for step in list(input, "steps")? {
        steps.push(match text(step, "op")? {
            "add" => {
                let (minted, next) = index::add(now, uint(step, "pot")?, uint(step, "active")?);
                now = next;
                json!({ "minted": minted, "index": now.to_string() })
            }
            "due" => json!({ "due": index::due(uint(step, "amount")?, wide(step, "from_index")?, now) }),
            _ => return Err(malformed("op", "add or due")),
        });
    }
    Ok(json!({ "steps": steps }))
}
