//! Kinds windows, lifecycle.

use super::{class, constant, error, row};
use crate::vectors::json::{Malformed, boolean, field, list, malformed, text, uint, uints};
use nupeer_governance::decide::Outcome;
use nupeer_governance::proposal::life::check_expedite;
use nupeer_governance::proposal::{Bound, Change, Life, LifeRules};
use nupeer_primitives::governance::ProposalId;
use serde_json::{Value, json};

/// Ticks that a case may run through.
const TICKS_MAX: u64 = 10_000;

fn rules(input: &Value) -> Result<LifeRules, Malformed> {
    let rules = LifeRules {
        review: 0,
        window: 0,
        timelock: 0,
        extension: constant(input, "extension", "prop.extension")?,
        extension_max: constant(input, "extension_max", "prop.extension_max")?,
        exec_window: constant(input, "exec_window", "prop.exec_window")?,
        exec_tries: constant(input, "exec_tries", "prop.exec_tries")?,
        adopt_window: constant(input, "adopt_window", "prop.adopt_window")?,
        expedite: constant(input, "agree_expedite", "agree.expedite")?,
    };
    Ok(rules.with_row(&row(input)?))
}

pub fn windows(input: &Value) -> Result<Value, Malformed> {
    let expedite = boolean(input, "expedite")?;
    if let Err(refusal) = check_expedite(class(input, "cls")?, expedite) {
        return Ok(error(&refusal));
    }
    let w = rules(input)?.windows(uint(input, "activated_tick")?, expedite);
    Ok(json!({
        "open": w.open, "close": w.close, "normal_close": w.normal_close, "hard": w.hard, "unlock": w.unlock
    }))
}

/// What happens around the proposal.
struct World {
    /// `[tick, state]`.
    seat: Vec<(u64, String)>,
    is_bound: bool,
    /// Tick of adoption: what the first seat does no longer matters.
    adopted: Option<u64>,
    outcome: Outcome,
    agreed: i64,
    runs: std::vec::IntoIter<bool>,
    paused: Vec<u64>,
}

impl World {
    fn bound(&self, tick: u64) -> Bound {
        if !self.is_bound {
            return Bound::Free;
        }
        let own = self.seat.iter().filter(|(at, _)| *at <= tick && self.adopted.is_none_or(|adopted| *at > adopted));
        let (mut state, mut last_recovered) = ("ACTIVE", 0);
        for (at, next) in own {
            if next == "ACTIVE" && state != "ACTIVE" {
                last_recovered = *at;
            }
            state = next;
        }
        match state {
            "ACTIVE" => Bound::Active { last_recovered },
            "GONE" | "VACANT" => Bound::Gone,
            _ => Bound::Idle,
        }
    }
}

fn world(input: &Value) -> Result<World, Malformed> {
    let seat = list(input, "seat")?.iter().map(|entry| {
        let (tick, state) = (entry.get(0).and_then(Value::as_u64), entry.get(1).and_then(Value::as_str));
        tick.zip(state.map(String::from)).ok_or_else(|| malformed("seat", "a list of [tick, state]"))
    });
    let outcome = match text(input, "decision")? {
        "EXECUTE" => Outcome::Execute,
        "BLOCK" => Outcome::Block,
        _ => return Err(malformed("decision", "a decision")),
    };
    let runs: Vec<bool> = crate::vectors::json::texts(input, "runs")?.into_iter().map(|run| run == "ok").collect();
    Ok(World {
        seat: seat.collect::<Result<_, _>>()?,
        is_bound: boolean(input, "seat_bound")?,
        adopted: None,
        outcome,
        agreed: field(input, "agree")?.as_i64().ok_or_else(|| malformed("agree", "an integer"))?,
        runs: runs.into_iter(),
        paused: uints(input, "paused")?,
    })
}

fn entry(tick: u64, change: Change) -> Value {
    match change {
        Change::To(status) => json!([tick, status.name()]),
        Change::Extended(close) => json!([tick, "Extended", close]),
        Change::Converted => json!([tick, "Converted"]),
        Change::Adopted => json!([tick, "Adopted"]),
    }
}

pub fn lifecycle(input: &Value) -> Result<Value, Malformed> {
    let (first, last) = (uint(input, "activated_tick")?, uint(input, "last_tick")?);
    let expedite = boolean(input, "expedite")?;
    if let Err(refusal) = check_expedite(class(input, "cls")?, expedite) {
        return Ok(error(&refusal));
    }
    if last.saturating_sub(first) > TICKS_MAX {
        return Err(malformed("last_tick", "near enough"));
    }
    let mut world = world(input)?;
    let mut life = Life::funding(rules(input)?, first, expedite);
    let (mut log, mut ops) = (vec![entry(first, life.activate(first))], Vec::new());
    for tick in first..=last {
        if tick > first {
            prologue(&mut life, &mut world, tick, &mut log);
        }
        for op in list(input, "ops")? {
            if uint(op, "n")? == tick {
                ops.push(operation(&mut life, &mut world, tick, text(op, "op")?, &mut log)?);
            }
        }
    }
    Ok(json!({ "log": log, "ops": ops, "status": life.status.name(), "unlock": life.windows.unlock }))
}

fn prologue(life: &mut Life, world: &mut World, tick: u64, log: &mut Vec<Value>) {
    let bound = world.bound(tick);
    log.extend(life.check_seat(tick, bound).map(|change| entry(tick, change)));
    log.extend(life.close(tick, world.outcome, world.agreed).map(|change| entry(tick, change)));
    let (attempt, changes) = life.wants_attempt(tick, bound, world.paused.contains(&tick));
    log.extend(changes.into_iter().map(|change| entry(tick, change)));
    if attempt {
        let succeeded = world.runs.next().unwrap_or(true);
        log.extend(life.attempted(tick, succeeded).map(|change| entry(tick, change)));
    }
    log.extend(life.open(tick).map(|change| entry(tick, change)));
}

fn operation(
    life: &mut Life,
    world: &mut World,
    tick: u64,
    op: &str,
    log: &mut Vec<Value>,
) -> Result<Value, Malformed> {
    let id = ProposalId(0);
    let done = match op {
        "flip" => {
            let change = life.flip(tick);
            log.extend(change.map(|change| entry(tick, change)));
            return Ok(json!({ "n": tick, "op": op, "extended": change.is_some() }));
        }
        "cancel" => life.cancel(id),
        "strike" => life.strike(id),
        "adopt" => life.adopt(id, tick),
        _ => return Err(malformed("op", "an operation")),
    };
    Ok(match done {
        Ok(change) => {
            if change == Change::Adopted {
                world.adopted = Some(tick);
            }
            log.push(entry(tick, change));
            json!({ "n": tick, "op": op, "ok": true })
        }
        Err(refusal) => json!({ "n": tick, "op": op, "error": refusal.variant() }),
    })
}
