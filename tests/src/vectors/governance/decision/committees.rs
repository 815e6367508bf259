//! Kinds agreement, committee, thresholds, decide, outcome, deposit_fate.

use super::{class, constant, mode_text, role, row};
use crate::vectors::json::{Malformed, boolean, field, list, malformed, narrow, text, uint, uints};
use nupeer_governance::agreement::{Agreement, Member, Mode, StanceOf, Sums, Thresholds, committee as sum_up};
use nupeer_governance::class::first_weight;
use nupeer_governance::decide::{Counted, Fate, Outcome};
use nupeer_governance::power::{Amounts, Electorate, area};
use nupeer_primitives::governance::Area;
use nupeer_primitives::proposal::Stance;
use serde_json::{Value, json};

pub fn agreement(input: &Value) -> Result<Value, Malformed> {
    let sums =
        Sums { endorse: uint(input, "endorse")?, object: uint(input, "object")?, others: uint(input, "others")? };
    let Agreement { a, o, g } = sums.agreement(constant(input, "min_committee", "agree.min_committee")?);
    Ok(json!({ "a": a, "o": o, "g": g }))
}

pub fn committee(input: &Value) -> Result<Value, Malformed> {
    let (sums, Agreement { a, o, g }) = sums(input)?;
    Ok(json!({
        "endorse": sums.endorse, "object": sums.object, "others": sums.others, "a": a, "o": o, "g": g
    }))
}

fn sums(input: &Value) -> Result<(Sums, Agreement), Malformed> {
    let class = class(input, "cls")?;
    let (mut members, mut stances, mut recused) = (Vec::new(), Vec::new(), Vec::new());
    for seat in list(input, "seats")? {
        let role = role(seat, "role")?.ok_or_else(|| malformed("role", "a role"))?;
        members.push(Member {
            role,
            is_active: text(seat, "state")? == "ACTIVE",
            instance: uint(seat, "instance")?,
            weight: narrow(seat, "weight")?,
            voice: first_weight(class, role),
        });
    }
    for said in list(input, "stances")? {
        let stance = match text(said, "stance")? {
            "Endorse" => Stance::Endorse,
            "Object" => Stance::Object,
            "None" => Stance::None,
            _ => return Err(malformed("stance", "a stance")),
        };
        let role = role(said, "role")?.ok_or_else(|| malformed("role", "a role"))?;
        stances.push(StanceOf { role, instance: uint(said, "instance")?, stance });
    }
    if input.get("recused").is_some() {
        for name in crate::vectors::json::texts(input, "recused")? {
            recused.push(role(&json!({ "role": name }), "role")?.ok_or_else(|| malformed("recused", "roles"))?);
        }
    }
    let sums = sum_up(&row(input)?, role(input, "proposer")?, &members, &stances, &recused);
    let agreement = sums.agreement(constant(input, "min_committee", "agree.min_committee")?);
    Ok((sums, agreement))
}

pub fn thresholds(input: &Value) -> Result<Value, Malformed> {
    let g = field(input, "g")?.as_i64().ok_or_else(|| malformed("g", "an integer"))?;
    let min_t = if input.get("min_t").is_some() { narrow(input, "min_t")? } else { 0 };
    let t = nupeer_governance::agreement::thresholds(&row(input)?, g, boolean(input, "force_active")?, min_t);
    Ok(json!({ "mode": mode_text(t.mode), "q": t.q, "x": t.x }))
}

fn three(input: &Value, name: &str) -> Result<Amounts, Malformed> {
    uints(input, name)?.try_into().map_err(|_| malformed(name, "three amounts"))
}

fn electorate(input: &Value) -> Result<Electorate, Malformed> {
    let eff: Vec<u32> = uints(input, "eff")?.into_iter().filter_map(|w| u32::try_from(w).ok()).collect();
    let eff = eff.try_into().map_err(|_| malformed("eff", "three weights"))?;
    Ok(Electorate { active: three(input, "active")?, eff })
}

fn counted(input: &Value, electorate: &Electorate) -> Result<Counted, Malformed> {
    let votes = |name: &str| three(input, name).map(|votes| votes.map(u128::from));
    Ok(Counted::new(electorate, votes("for")?, votes("against")?, votes("abstain")?))
}

const fn outcome_text(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Execute => "EXECUTE",
        Outcome::Block => "BLOCK",
    }
}

const fn fate_text(fate: Fate) -> &'static str {
    match fate {
        Fate::Refund => "REFUND",
        Fate::Forfeit => "FORFEIT",
    }
}

pub fn decide(input: &Value) -> Result<Value, Malformed> {
    let mode = match text(input, "mode")? {
        "optimistic" => Mode::Optimistic,
        "active" => Mode::Active,
        _ => return Err(malformed("mode", "a mode")),
    };
    let thresholds = Thresholds { mode, q: narrow(input, "q")?, x: narrow(input, "x")? };
    let strict = input.get("quorum").and_then(Value::as_str) == Some("Strict");
    let electorate = electorate(input)?;
    Ok(json!({ "result": outcome_text(counted(input, &electorate)?.decide(&thresholds, strict)) }))
}

pub fn deposit_fate(input: &Value) -> Result<Value, Malformed> {
    let outcome = match text(input, "result")? {
        "BLOCK" => Outcome::Block,
        "EXECUTE" => Outcome::Execute,
        _ => return Err(malformed("result", "a result")),
    };
    let electorate = electorate(input)?;
    let fate = counted(input, &electorate)?.fate(
        outcome,
        constant(input, "part_ppm", "prop.forfeit_part")?,
        constant(input, "against_ppm", "prop.forfeit_against")?,
    );
    Ok(json!({ "fate": fate_text(fate) }))
}

pub fn outcome(input: &Value) -> Result<Value, Malformed> {
    let name = text(input, "area")?;
    let weighed =
        Area::ALL.iter().copied().find(|area| area.name() == name).ok_or_else(|| malformed("area", "an area"))?;
    let electorate = Electorate::new(area::weights(weighed), three(input, "active")?, three(input, "maturity")?);
    let mature = electorate.is_mature(constant(input, "mature_sum", "power.mature_sum")?);
    let (_, Agreement { g, .. }) = sums(input)?;
    let row = row(input)?;
    let min_t = if input.get("min_t").is_some() { narrow(input, "min_t")? } else { 0 };
    let forced = !mature || boolean(input, "resubmit_locked")?;
    let t = nupeer_governance::agreement::thresholds(&row, g, forced, min_t);
    let counted = counted(input, &electorate)?;
    let outcome = counted.decide(&t, row.strict);
    let fate = counted.fate(
        outcome,
        constant(input, "part_ppm", "prop.forfeit_part")?,
        constant(input, "against_ppm", "prop.forfeit_against")?,
    );
    Ok(json!({
        "eff": electorate.eff, "mature": mature, "g": g, "mode": mode_text(t.mode), "q": t.q, "x": t.x,
        "result": outcome_text(outcome), "deposit": fate_text(fate)
    }))
}
