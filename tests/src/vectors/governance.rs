//! governance.json: every kind of it.

mod decision;
mod power;

use super::Failure;
use serde_json::Value;

/// Computes what `input` leads to.
pub fn run(kind: &str, input: &Value) -> Result<Value, Failure> {
    let result = power::run(kind, input).or_else(|| decision::run(kind, input));
    result.ok_or_else(|| Failure::NotBuilt { kind: kind.to_string() })?.map_err(Failure::from)
}
