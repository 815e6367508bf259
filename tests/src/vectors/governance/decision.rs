//! Cases of classes, agreement, thresholds, the life of a proposal, parameters.

mod classes;
mod committees;
mod lives;
mod rules;

use crate::vectors::json::{Malformed, malformed, text};
use nupeer_governance::GovernanceError;
use nupeer_governance::agreement::Mode;
use nupeer_primitives::governance::RoleId;
use nupeer_primitives::proposal::{Class, ClassRow};
use serde_json::{Value, json};

/// What `input` leads to, or nothing if `kind` is not of this file.
pub fn run(kind: &str, input: &Value) -> Option<Result<Value, Malformed>> {
    Some(match kind {
        "params" => rules::params(input),
        "param_change" => rules::param_change(input),
        "class_table" => classes::table(input),
        "class_of" => classes::class_of(input),
        "agreement" => committees::agreement(input),
        "committee" => committees::committee(input),
        "thresholds" => committees::thresholds(input),
        "decide" => committees::decide(input),
        "outcome" => committees::outcome(input),
        "deposit_fate" => committees::deposit_fate(input),
        "windows" => lives::windows(input),
        "lifecycle" => lives::lifecycle(input),
        "pause" => rules::pause(input),
        "resubmit" => rules::resubmit(input),
        "bootstrap" => rules::bootstrap(input),
        "deposit" => rules::deposit(input),
        "spend_cap" => rules::spend_cap(input),
        _ => return None,
    })
}

/// A refusal.
fn error(refusal: &GovernanceError) -> Value {
    if let GovernanceError::GuardrailBroken { guardrail } = refusal {
        return json!({ "error": refusal.variant(), "guardrail": guardrail });
    }
    json!({ "error": refusal.variant() })
}

fn class(input: &Value, name: &str) -> Result<Class, Malformed> {
    Class::from_text(text(input, name)?).ok_or_else(|| malformed(name, "a class"))
}

fn row(input: &Value) -> Result<ClassRow, Malformed> {
    class(input, "cls").map(nupeer_governance::class::first_row)
}

fn role(input: &Value, name: &str) -> Result<Option<RoleId>, Malformed> {
    match input.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => RoleId::from_name(text(input, name)?).map(Some).ok_or_else(|| malformed(name, "a role")),
    }
}

const fn mode_text(mode: Mode) -> &'static str {
    match mode {
        Mode::Optimistic => "optimistic",
        Mode::Active => "active",
    }
}

/// A value that the input carries, else the parameter of the preset that it names, else of mainnet.
fn constant(input: &Value, field: &str, name: &str) -> Result<u64, Malformed> {
    match input.get(field) {
        Some(_) => crate::vectors::json::uint(input, field),
        None => preset_value(input, name),
    }
}

fn preset_value(input: &Value, name: &str) -> Result<u64, Malformed> {
    let row = nupeer_runtime::params::row(name).ok_or_else(|| malformed(name, "a parameter"))?;
    let is_devnet = input.get("preset").and_then(Value::as_str) == Some("devnet");
    Ok(if is_devnet { row.devnet } else { row.mainnet })
}
