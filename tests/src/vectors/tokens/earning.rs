//! Cases of emission, positions, pools, rewards, ISPO, supply.

mod bond;
mod emission;
mod ispo;
mod pools;
mod supply;
mod work;

use crate::vectors::json::{Malformed, malformed, text};
use nupeer_primitives::AssetId;
use nupeer_tokens::params::PARAMETERS;
use serde_json::{Value, json};

/// What `input` leads to, or nothing if `kind` is not of this file.
pub fn run(kind: &str, input: &Value) -> Option<Result<Value, Malformed>> {
    Some(match kind {
        "params" => params(input),
        "shares" => emission::shares(input),
        "emission" => emission::emission(input),
        "controller" => emission::controller(input),
        "emission_split" => emission::split(input),
        "max_pool" => pools::max_pool(input),
        "pool_perf" => pools::perf(input),
        "pool_payouts" => pools::payouts(input),
        "split_pool" => pools::split(input),
        "reward_index" => pools::index(input),
        "ispo_split" => ispo::split(input),
        "ispo_delegator" => ispo::delegator(input),
        "ispo_claim" => ispo::claim(input),
        "work" => work::work(input),
        "bond" => bond::bond(input),
        "supply" => supply::supply(input),
        _ => return None,
    })
}

fn params(input: &Value) -> Result<Value, Malformed> {
    let name = text(input, "name")?;
    let row = PARAMETERS.iter().find(|row| row.name == name).ok_or_else(|| malformed("name", "a parameter"))?;
    Ok(json!({
        "unit": row.unit, "mainnet": row.mainnet, "devnet": row.devnet, "min": row.min, "max": row.max,
        "owner": row.owner.name()
    }))
}

/// A parameter of the preset that the case names, else of mainnet; a case may carry its own value.
fn parameter(input: &Value, name: &str) -> Result<u64, Malformed> {
    let own = nupeer_runtime::params::row(name).ok_or_else(|| malformed(name, "a parameter"))?;
    Ok(match input.get("preset").and_then(Value::as_str) {
        None | Some("mainnet") => own.mainnet,
        Some("devnet" | "sim") => own.devnet,
        Some(_) => return Err(malformed("preset", "mainnet, devnet or sim")),
    })
}

fn token(input: &Value) -> Result<AssetId, Malformed> {
    match text(input, "token")? {
        "IaaS" => Ok(AssetId::IAAS),
        "PaaS" => Ok(AssetId::PAAS),
        "SaaS" => Ok(AssetId::SAAS),
        _ => Err(malformed("token", "IaaS, PaaS or SaaS")),
    }
}

/// A number that JSON cannot hold, as decimal text.
fn wide(object: &Value, name: &str) -> Result<u128, Malformed> {
    text(object, name)?.parse().map_err(|_| malformed(name, "an unsigned number in a text"))
}
