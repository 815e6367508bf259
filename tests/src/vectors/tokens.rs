//! tokens.json: every kind of it.

mod earning;
mod guarding;

use super::Failure;
use serde_json::Value;

/// Computes what `input` leads to.
pub fn run(kind: &str, input: &Value) -> Result<Value, Failure> {
    let result = earning::run(kind, input).or_else(|| guarding::run(kind, input));
    result.ok_or_else(|| Failure::NotBuilt { kind: kind.to_string() })?.map_err(Failure::from)
}
