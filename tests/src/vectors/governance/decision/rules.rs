//! Kinds params, param_change, pause, resubmit, bootstrap, deposit, spend_cap.

use super::{class, constant, error, preset_value};
use crate::vectors::json::{Malformed, boolean, field, list, malformed, narrow, text, texts, uint};
use nupeer_governance::GovernanceError;
use nupeer_governance::class::first_row;
use nupeer_governance::deposit::{Price, PriceRules};
use nupeer_governance::params::{ParamChange, broken_guardrail, check_change};
use nupeer_governance::pause::Request;
use nupeer_governance::spend::Payment;
use nupeer_governance::{bootstrap as council, resubmit as lock, spend};
use nupeer_primitives::AssetId;
use nupeer_primitives::governance::RoleId;
use nupeer_primitives::proposal::{Class, Module};
use nupeer_runtime::params as table;
use serde_json::{Value, json};

pub fn params(input: &Value) -> Result<Value, Malformed> {
    let row = table::row(text(input, "name")?).ok_or_else(|| malformed("name", "a parameter"))?;
    Ok(json!({
        "unit": row.unit, "mainnet": row.mainnet, "devnet": row.devnet, "min": row.min, "max": row.max,
        "owner": row.owner.name()
    }))
}

pub fn param_change(input: &Value) -> Result<Value, Malformed> {
    let is_mainnet = match text(input, "preset")? {
        "mainnet" => true,
        "devnet" => false,
        _ => return Err(malformed("preset", "a preset")),
    };
    let (name, value) = (text(input, "name")?, uint(input, "value")?);
    let row = table::row(name);
    if let Err(refusal) = check_change(&ParamChange { name, value }, row, class(input, "cls")?, is_mainnet) {
        return Ok(error(&refusal));
    }
    let after = |wanted: &'static str| -> Result<u64, Malformed> {
        let row = table::row(wanted).ok_or_else(|| malformed(wanted, "a parameter"))?;
        let preset = if is_mainnet { row.mainnet } else { row.devnet };
        Ok(if wanted == name { value } else { preset })
    };
    let window = Class::ALL.iter().map(|class| first_row(*class).window).max().unwrap_or(0);
    Ok(match broken_guardrail(after, window)? {
        Some(guardrail) => error(&GovernanceError::GuardrailBroken { guardrail }),
        None => json!({ "ok": true }),
    })
}

pub fn pause(input: &Value) -> Result<Value, Malformed> {
    let name = text(input, "module")?;
    let request = Request {
        role: Some(RoleId::CISO),
        is_active: text(input, "seat")? == "ACTIVE",
        is_used: boolean(input, "used")?,
        agreed: narrow(input, "agree")?,
        module: Module::ALL.iter().copied().find(|module| module.name() == name),
        ticks: uint(input, "ticks")?,
    };
    let (agree, most) = (
        narrow(&json!({ "a": constant(input, "pause_agree", "pause.agree")? }), "a")?,
        constant(input, "pause_max", "pause.max")?,
    );
    Ok(match nupeer_governance::pause::until(&request, uint(input, "tick")?, agree, most) {
        Ok(until) => json!({ "until_tick": until }),
        Err(refusal) => error(&refusal),
    })
}

pub fn resubmit(input: &Value) -> Result<Value, Malformed> {
    let (keys, tick) = (texts(input, "keys")?, uint(input, "tick")?);
    let ticks = constant(input, "lock", "prop.resubmit_lock")?;
    let mut locked = false;
    for entry in list(input, "blocked")? {
        let (key, at) = (entry.get(0).and_then(Value::as_str), entry.get(1).and_then(Value::as_u64));
        let (key, at) = key.zip(at).ok_or_else(|| malformed("blocked", "a list of [key, tick]"))?;
        locked |= keys.contains(&key) && lock::is_locked(at, tick, ticks);
    }
    Ok(json!({ "locked": locked }))
}

pub fn bootstrap(input: &Value) -> Result<Value, Malformed> {
    let sunset = constant(input, "sunset", "boot.sunset")?;
    let (mut rules, mut out) = (true, Vec::new());
    for tick in list(input, "ticks")? {
        let seats = uint(tick, "active_seats")?;
        rules &= !council::ends(uint(tick, "epoch")?, sunset, boolean(tick, "mature")?, seats);
        out.push(rules);
    }
    Ok(json!({ "council": out }))
}

pub fn deposit(input: &Value) -> Result<Value, Malformed> {
    let rules = PriceRules {
        floor: constant(input, "floor", "prop.deposit_floor")?,
        up: constant(input, "up", "prop.deposit_up")?,
        down: constant(input, "down", "prop.deposit_down")?,
        target: constant(input, "target", "prop.deposit_target")?,
    };
    let mut price = Price { stored: uint(input, "start")?, tick: 0 };
    let (mut asked, mut stored) = (Vec::new(), Vec::new());
    for event in list(input, "events")? {
        let (tick, open) = (uint(event, "tick")?, uint(event, "open")?);
        asked.push(price.asked(&rules, tick, open));
        price = price.activated(&rules, tick, open);
        stored.push(price.stored);
    }
    Ok(json!({ "asked": asked, "stored": stored }))
}

pub fn spend_cap(input: &Value) -> Result<Value, Malformed> {
    let payment = Payment {
        asset: AssetId::ADA,
        amount: uint(input, "amount")?,
        used: uint(input, "used")?,
        base: uint(input, "free_at_window_start")?,
        free: uint(input, "free")?,
    };
    field(input, "cls")?;
    let (operational, financial) = (preset_value(input, "spend.operational")?, preset_value(input, "spend.financial")?);
    Ok(match spend::check(class(input, "cls")?, &payment, operational, financial) {
        Ok(()) => json!({ "ok": true }),
        Err(refusal) => error(&refusal),
    })
}
