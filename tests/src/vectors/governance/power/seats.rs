//! Seats: transitions, weight, what a vacant seat needs.

use super::{constant, int};
use crate::vectors::json::{Malformed, boolean, field, list, malformed, maybe_uint, text, uint};
use nupeer_governance::seat::{Field, Seat, SeatRules, SeatState, Transition};
use nupeer_primitives::governance::CandidateNo;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Ticks that a case may span.
const TICKS_MAX: i64 = 100_000;

pub fn need(input: &Value) -> Result<Value, Malformed> {
    Ok(json!({ "ppm": rules(input)?.need(uint(input, "tau")?) }))
}

pub fn weight(input: &Value) -> Result<Value, Malformed> {
    let mut seat = Seat::vacant(0, None);
    (seat.state, seat.ema) = (state(text(input, "state")?)?, uint(input, "ema")?);
    Ok(json!({ "weight": seat.weight(uint(input, "support")?, &rules(input)?) }))
}

fn rules(input: &Value) -> Result<SeatRules, Malformed> {
    let value = |name: &str| constant(input, name, &format!("seat.{name}"));
    Ok(SeatRules {
        e_min: value("e_min")?,
        k_min: value("k_min")?,
        kappa: value("kappa")?,
        weight_ref: value("weight_ref")?,
        ema_div: value("ema_div")?,
        confirm: value("confirm")?,
        grace: value("grace")?,
        suspend: value("suspend")?,
        min_tenure: value("min_tenure")?,
        need_start: value("need_start")?,
        need_step: value("need_step")?,
        need_floor: value("need_floor")?,
        challenge_margin: value("challenge_margin")?,
        challenge_share: value("challenge_share")?,
        challenge_confirm: value("challenge_confirm")?,
    })
}

fn state(name: &str) -> Result<SeatState, Malformed> {
    let known = SeatState::ALL.iter().find(|state| state_name(**state) == name);
    known.copied().ok_or_else(|| malformed("state", "VACANT, ACTIVE, GRACE or SUSPENDED"))
}

const fn state_name(state: SeatState) -> &'static str {
    match state {
        SeatState::Vacant => "VACANT",
        SeatState::Active => "ACTIVE",
        SeatState::Grace => "GRACE",
        SeatState::Suspended => "SUSPENDED",
    }
}

/// Cases may start before tick 0; rules know no such ticks, but depend on differences alone.
struct Ticks {
    zero: i64,
}

impl Ticks {
    fn new(init: &Value, steps: &[Value]) -> Result<Self, Malformed> {
        let given = |object: &Value, names: &[&str]| {
            let ticks: Vec<i64> = names.iter().filter_map(|name| object.get(name).and_then(Value::as_i64)).collect();
            ticks
        };
        let mut ticks = given(init, &["opened", "since", "grace_end", "susp_end", "last_recovered"]);
        ticks.extend(steps.iter().flat_map(|step| given(step, &["from", "to", "n"])));
        if ticks.iter().any(|tick| tick.unsigned_abs() > TICKS_MAX.unsigned_abs()) {
            return Err(malformed("steps", "within 100000 ticks of 0"));
        }
        Ok(Self { zero: ticks.into_iter().min().unwrap_or(0).min(0) })
    }

    fn inward(&self, tick: i64) -> u64 {
        tick.saturating_sub(self.zero).unsigned_abs()
    }

    fn outward(&self, tick: u64) -> i64 {
        i64::try_from(tick).unwrap_or(i64::MAX).saturating_add(self.zero)
    }

    fn read(&self, object: &Value, name: &str) -> Result<u64, Malformed> {
        if object.get(name).is_none() { Ok(self.inward(0)) } else { int(object, name).map(|tick| self.inward(tick)) }
    }
}

pub fn seat(input: &Value) -> Result<Value, Malformed> {
    let (init, steps, rules) = (field(input, "init")?, list(input, "steps")?, rules(input)?);
    let ticks = Ticks::new(init, steps)?;
    let mut seat = first(init, &ticks, maybe_uint(input, "term")?)?;
    let mut events = Vec::new();
    for step in steps {
        if step.get("op").is_some() {
            if text(step, "op")? != "vacate" {
                return Err(malformed("op", "vacate"));
            }
            if seat.state != SeatState::Vacant {
                let n = int(step, "n")?;
                seat.vacate(ticks.inward(n));
                events.push(json!({ "n": n, "event": "VACATE" }));
            }
            continue;
        }
        let support = support(step)?;
        let holder_ok = if step.get("holder_ok").is_some() { boolean(step, "holder_ok")? } else { true };
        for n in int(step, "from")?..=int(step, "to")? {
            let field = Field { support: &support, holder_ok };
            if let Some(transition) = seat.evaluate(ticks.inward(n), &field, &rules) {
                events.push(event(n, &transition, &ticks));
            }
        }
    }
    let retain = rules.retain(seat.ema);
    let (state, holder) = (state_name(seat.state), seat.holder.map(|no| no.0));
    let (instance, ema) = (seat.instance, seat.ema);
    Ok(json!({
        "events": events, "state": state, "holder": holder, "instance": instance, "ema": ema, "retain": retain,
    }))
}

fn first(init: &Value, ticks: &Ticks, term: Option<u64>) -> Result<Seat, Malformed> {
    let mut seat = Seat::vacant(ticks.read(init, "opened")?, term);
    seat.state = state(text(init, "state")?)?;
    seat.holder = maybe_uint(init, "holder")?.map(CandidateNo);
    seat.instance = maybe_uint(init, "instance")?.unwrap_or(0);
    seat.ema = uint(init, "ema")?;
    seat.since = ticks.read(init, "since")?;
    (seat.grace_end, seat.susp_end) = (ticks.read(init, "grace_end")?, ticks.read(init, "susp_end")?);
    seat.bar = maybe_uint(init, "bar")?.unwrap_or(0);
    if init.get("resume").is_some() {
        seat.resume = state(text(init, "resume")?)?;
    }
    Ok(seat)
}

fn support(step: &Value) -> Result<BTreeMap<CandidateNo, u64>, Malformed> {
    let wrong = || malformed("support", "shares by candidate number");
    let mut out = BTreeMap::new();
    for (no, ppm) in field(step, "support")?.as_object().ok_or_else(wrong)? {
        out.insert(CandidateNo(no.parse().map_err(|_| wrong())?), ppm.as_u64().ok_or_else(wrong)?);
    }
    Ok(out)
}

fn event(n: i64, transition: &Transition, ticks: &Ticks) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_string(), value);
    put("n", json!(n));
    put("event", json!(transition.name()));
    match transition {
        Transition::Elect { holder, instance } => {
            put("holder", json!(holder.0));
            put("instance", json!(instance));
        }
        Transition::Collapse { k } => {
            put("k", json!(k));
        }
        Transition::Suspend { until } => {
            put("until", json!(ticks.outward(*until)));
        }
        Transition::Restore { state } => {
            put("state", json!(state_name(*state)));
        }
        Transition::Renew { instance } => {
            put("instance", json!(instance));
        }
        Transition::Grace { until, k, bar } => {
            put("until", json!(ticks.outward(*until)));
            put("k", json!(k));
            put("bar", json!(bar));
        }
        Transition::Supersede { old, holder, instance } => {
            put("old", json!(old.0));
            put("holder", json!(holder.0));
            put("instance", json!(instance));
        }
        Transition::Lapse | Transition::Expire | Transition::Recover | Transition::Revoke => {}
    }
    Value::Object(out)
}
