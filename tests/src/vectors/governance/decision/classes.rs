//! Kinds class_table, class_of.

use super::{class, constant, error, role, row};
use crate::vectors::json::{Malformed, field, list, malformed, narrow, text, uint};
use nupeer_governance::GovernanceError;
use nupeer_governance::class::{Derived, Kind, Request, Route, class_of as derive, first_area, first_rights};
use nupeer_primitives::AssetId;
use nupeer_primitives::governance::Area;
use nupeer_primitives::proposal::{Class, Knot};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub fn table(input: &Value) -> Result<Value, Malformed> {
    let row = row(input)?;
    let line = |knots: &[Knot]| -> Vec<Value> { knots.iter().map(|knot| json!([knot.g, knot.y])).collect() };
    let weighting = if row.headcount { "Headcount" } else { "Supported" };
    let mut out = json!({
        "review": row.review, "window": row.window, "timelock": row.timelock, "weighting": weighting,
        "Q": line(&row.q)
    });
    match row.flip {
        Some(flip) => {
            out["mode"] = json!("optimistic");
            out["flip"] = json!(flip.at.0);
            out["quorum"] = json!(if row.strict { "Strict" } else { "Filled" });
            out["V"] = json!(line(&row.x));
            out["Qa"] = json!(flip.q);
            out["T"] = json!(flip.t);
        }
        None => {
            out["mode"] = json!("active");
            out["T"] = json!(line(&row.x));
        }
    }
    Ok(out)
}

pub fn class_of(input: &Value) -> Result<Value, Malformed> {
    let route = match text(input, "route")? {
        "community" => Route::Community,
        "council" => Route::Council,
        "seat" => {
            let role = role(input, "role")?.ok_or_else(|| malformed("role", "a role"))?;
            Route::Seat { role, rights: first_rights(role).to_vec(), own_area: first_area(role) }
        }
        _ => return Err(malformed("route", "a route")),
    };
    let asked = if field(input, "requested")?.is_null() { None } else { Some(class(input, "requested")?) };
    let mut base = BTreeMap::new();
    for (asset, free) in field(input, "free")?.as_object().ok_or_else(|| malformed("free", "a table"))? {
        let asset = asset.parse().map_err(|_| malformed("free", "keyed by asset"))?;
        base.insert(AssetId(asset), free.as_u64().ok_or_else(|| malformed("free", "amounts"))?);
    }
    let request = Request {
        route: &route,
        class: asked,
        base: &base,
        operational_ppm: constant(input, "operational", "spend.operational")?,
        financial_ppm: constant(input, "financial", "spend.financial")?,
    };
    let mut kinds = Vec::new();
    for action in list(input, "actions")? {
        match kind(action)? {
            Ok(kind) => kinds.push(kind),
            Err(refusal) => return Ok(error(&refusal)),
        }
    }
    Ok(match derive(&kinds, &request) {
        Ok(Derived { class, area }) => json!({ "cls": class.text(), "area": area.name() }),
        Err(refusal) => error(&refusal),
    })
}

fn area(action: &Value) -> Result<Option<Area>, Malformed> {
    match action.get("area") {
        None | Some(Value::Null) => Ok(None),
        Some(_) => {
            let name = text(action, "area")?;
            let found = Area::ALL.iter().copied().find(|area| area.name() == name);
            found.map(Some).ok_or_else(|| malformed("area", "an area"))
        }
    }
}

fn kind(action: &Value) -> Result<Result<Kind, GovernanceError>, Malformed> {
    let asset = || narrow(action, "asset").map(AssetId);
    let amount = || uint(action, "amount").map(u128::from);
    Ok(Ok(match text(action, "action")? {
        "Text" => Kind::Text,
        "SpendTreasury" | "Stream" => Kind::Spend { asset: asset()?, amount: amount()? },
        "Salary" => Kind::Salary { asset: asset()?, per_tick: uint(action, "per_tick")? },
        "Settlement" => Kind::Settlement { asset: asset()?, amount: amount()? },
        "SetParam" => {
            let name = text(action, "name")?;
            match nupeer_runtime::params::row(name) {
                Some(row) => Kind::SetParam(row.name, row.owner),
                None => return Ok(Err(GovernanceError::UnknownParam { name: name.into() })),
            }
        }
        "Instrument" => Kind::Instrument(area(action)?),
        "AssetRow" => Kind::Plain(match text(action, "op")? {
            "WithdrawOnly" | "Off" | "LowerCap" => Class::Financial,
            _ => Class::TreasuryLarge,
        }),
        "Issuers" => Kind::Plain(match text(action, "op")? {
            "Suspend" => Class::Technical,
            _ => Class::Constitution,
        }),
        "DisputeRuling" => {
            let sum = match action.get("amount") {
                Some(_) => uint(action, "amount")?,
                None => uint(action, "to_tenant")?.saturating_add(uint(action, "to_provider")?),
            };
            let small = sum <= constant(action, "ruling_small", "prop.ruling_small")?;
            Kind::Plain(if small { Class::Operational } else { Class::LegalSettlement })
        }
        "StopStream" | "StrikeSlash" | "MintDeveloper" | "RevokeNft" => Kind::Plain(Class::Operational),
        "Targets" | "IspoPools" => Kind::Plain(Class::Financial),
        "PauseRearm" => Kind::Plain(Class::Technical),
        "Personnel" | "StrikeProposal" | "SlashRuling" => Kind::Plain(Class::Community),
        "ScheduleUpgrade" | "CardanoParams" | "CardanoCouncil" => Kind::Plain(Class::Upgrade),
        "Table" | "Role" => Kind::Plain(Class::Constitution),
        _ => return Err(malformed("action", "an action")),
    }))
}
