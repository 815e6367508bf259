//! Cases of slashing, evidence, credentials, role NFTs, treasury.

mod credentials;
mod slashing;
mod treasury;

use crate::vectors::json::{Malformed, malformed, uint};
use serde_json::Value;

/// What `input` leads to, or nothing if `kind` is not of this file.
pub fn run(kind: &str, input: &Value) -> Option<Result<Value, Malformed>> {
    Some(match kind {
        "equivocation" => slashing::equivocation(input),
        "slash_record" => slashing::slash_record(input),
        "slash_split" => slashing::slash_split(input),
        "evidence" => slashing::evidence(input),
        "evidence_key" => slashing::evidence_key(input),
        "credential" => credentials::credential(input),
        "role_name" => credentials::role_name(input),
        "cip67" => credentials::cip67(input),
        "developer_valid" => credentials::developer_valid(input),
        "hardware_valid" => credentials::hardware_valid(input),
        "vested" => treasury::vested(input),
        "rebalance" => treasury::rebalance(input),
        "price_valid" => treasury::price_valid(input),
        _ => return None,
    })
}

/// A constant that the input carries under the last part of its name, else the value of the preset that the input
/// names, else mainnet's.
fn constant(input: &Value, name: &'static str) -> Result<u64, Malformed> {
    let own = name.rsplit('.').next().unwrap_or(name);
    if input.get(own).is_some_and(Value::is_u64) {
        return uint(input, own);
    }
    let row = nupeer_runtime::params::row(name).ok_or_else(|| malformed(name, "a known parameter"))?;
    match input.get("preset").and_then(Value::as_str) {
        None | Some("mainnet") => Ok(row.mainnet),
        Some("devnet" | "sim") => Ok(row.devnet),
        Some(_) => Err(malformed("preset", "mainnet, devnet or sim")),
    }
}
