//! Cases of voting power, areas, seats, votes.

mod accounts;
mod ballots;
mod seats;

use crate::vectors::json::{Malformed, field, list, malformed, narrow, uint, uints};
use nupeer_governance::clock::Clock;
use nupeer_governance::params::PARAMETERS;
use nupeer_governance::power::spike::{SpikeRules, guard_epoch};
use nupeer_governance::power::{Amounts, Electorate, Maturity, Weights};
use ruint::aliases::U256;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What `input` leads to, or nothing if `kind` is not of this file.
pub fn run(kind: &str, input: &Value) -> Option<Result<Value, Malformed>> {
    Some(match kind {
        "clock" => clock(input),
        "electorate" => electorate(input),
        "composite" => composite(input),
        "epoch_sum" => accounts::epoch_sum(input),
        "power" => accounts::power(input),
        "spike" => spike(input),
        "vote_weight" => ballots::vote_weight(input),
        "tally" => ballots::tally(input),
        "seat" => seats::seat(input),
        "seat_weight" => seats::weight(input),
        "need" => seats::need(input),
        _ => return None,
    })
}

fn clock(input: &Value) -> Result<Value, Malformed> {
    let cap = constant(input, "clock_cap", "time.clock_cap")?;
    let tick_gt = constant(input, "tick_gt", "time.tick_gt")?;
    let slots = uints(input, "slots")?;
    let mut clock = Clock::default();
    let mut before = slots.first().copied().unwrap_or(0);
    let (mut gt, mut tick) = (Vec::new(), Vec::new());
    for slot in slots {
        let gap = slot.checked_sub(before).ok_or_else(|| malformed("slots", "ascending"))?;
        clock = clock.advanced(gap, cap);
        before = slot;
        gt.push(clock.gt);
        tick.push(clock.tick(tick_gt));
    }
    Ok(json!({ "gt": gt, "tick": tick }))
}

fn electorate(input: &Value) -> Result<Value, Malformed> {
    let rules = Maturity {
        min: constant(input, "maturity_min", "power.maturity_min")?,
        ppm: constant(input, "maturity_ppm", "power.maturity_ppm")?,
    };
    let maturity = rules.of(three(input, "supply")?);
    let electorate = Electorate::new(weights(input, "weights")?, three(input, "active")?, maturity);
    let mature = electorate.is_mature(constant(input, "mature_sum", "power.mature_sum")?);
    Ok(json!({ "maturity": maturity, "eff": electorate.eff, "sum": electorate.sum(), "mature": mature }))
}

fn composite(input: &Value) -> Result<Value, Malformed> {
    let electorate = Electorate { active: three(input, "active")?, eff: weights(input, "eff")? };
    let x = three(input, "x")?;
    let (numerator, full) = (electorate.numerator(x.map(u128::from)), electorate.full());
    let exact = match numerator.gcd(full) {
        _ if full == U256::ZERO => Value::Null,
        common => json!([(numerator / common).to_string(), (full / common).to_string()]),
    };
    Ok(json!({ "ppm": electorate.share_ppm(x), "exact": exact }))
}

fn spike(input: &Value) -> Result<Value, Malformed> {
    let mut starts = BTreeMap::new();
    for start in list(input, "starts")? {
        starts.insert(narrow::<u32>(start, "epoch")?, uint(start, "active")?);
    }
    let rules = SpikeRules {
        factor_ppm: constant(input, "factor_ppm", "power.spike_factor")?,
        lookback: u32::try_from(constant(input, "lookback", "power.spike_lookback")?)
            .ok()
            .filter(|lookback| *lookback <= 1_000)
            .ok_or_else(|| malformed("lookback", "at most 1000 epochs"))?,
    };
    // As in an epoch sum: what stood at the last start that is known.
    let at_start = |epoch: u32| starts.range(..=epoch).next_back().map_or(0, |(_, active)| *active);
    Ok(json!({ "epoch": guard_epoch(at_start, narrow(input, "s")?, &rules) }))
}

/// What the case carries, else the parameter of the preset that it names, else of mainnet.
fn constant(input: &Value, name: &str, parameter: &str) -> Result<u64, Malformed> {
    if input.get(name).is_some() {
        return uint(input, name);
    }
    let is_devnet = input.get("preset").and_then(Value::as_str) == Some("devnet");
    let row = PARAMETERS.iter().find(|row| row.name == parameter);
    row.map(|row| if is_devnet { row.devnet } else { row.mainnet }).ok_or_else(|| malformed(name, "present"))
}

fn three(object: &Value, name: &str) -> Result<Amounts, Malformed> {
    uints(object, name)?.try_into().map_err(|_| malformed(name, "three amounts"))
}

fn weights(object: &Value, name: &str) -> Result<Weights, Malformed> {
    let mut out = Weights::default();
    for (to, from) in out.iter_mut().zip(three(object, name)?) {
        *to = u32::try_from(from).map_err(|_| malformed(name, "three weights in ppm"))?;
    }
    Ok(out)
}

/// A signed integer.
fn int(object: &Value, name: &str) -> Result<i64, Malformed> {
    field(object, name)?.as_i64().ok_or_else(|| malformed(name, "an integer that fits i64"))
}
