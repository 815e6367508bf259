//! Kind supply: the places of one account and the system accounts, moved by the ledger's own functions.

use crate::vectors::json::{Malformed, list, malformed, narrow, text, uint};
use nupeer_primitives::cbor::{Bytes, Cbor};
use nupeer_primitives::genesis::{AssetRow, AssetStatus};
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::state::{Abort, MemoryState, Work};
use nupeer_primitives::{AccountId, Amount, AssetId};
use nupeer_tokens::asset::{self, AssetRecord};
use nupeer_tokens::bank;
use nupeer_tokens::supply::{self, Part};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const OWNER: AccountId = AccountId([7; 28]);
const PLACES: [&str; 8] = ["free", "locked", "treasury", "insurance", "fees", "slashed", "edge", "audit"];

pub fn supply(input: &Value) -> Result<Value, Malformed> {
    let ops = list(input, "ops")?;
    let assets = ops.iter().map(|op| narrow(op, "asset").map(AssetId)).collect::<Result<BTreeSet<_>, _>>()?;
    let state = state(&assets);
    let mut work = Work::new(&state);
    let mut results = Vec::new();
    for op in ops {
        work.begin_tx();
        let done = step(&mut work, op)?;
        if done.is_ok() {
            work.keep_tx()
        } else {
            work.drop_tx()
        }
        results.push(match done {
            Ok(()) => json!({ "ok": true }),
            Err(refused) => refused_as(refused, op)?,
        });
    }
    let assets = assets.iter().map(|asset| shown(&work, *asset)).collect::<Result<Vec<Value>, Malformed>>()?;
    Ok(json!({ "results": results, "assets": assets }))
}

fn state(assets: &BTreeSet<AssetId>) -> MemoryState {
    let mut state = MemoryState::new();
    for id in assets {
        let (policy, name, ticker) = ([0; 28], Bytes::default(), id.to_string());
        let row = AssetRow { id: *id, policy, name, ticker, status: AssetStatus::Active };
        state.insert(asset::key(*id).into_vec(), AssetRecord::new(row).to_cbor());
    }
    state
}

fn place(name: &str, asset: AssetId) -> Result<(AccountId, Part), Malformed> {
    let system = |account| Ok((AccountId::system(account), Part::Free));
    match name {
        "free" => Ok((OWNER, Part::Free)),
        "locked" => Ok((OWNER, Part::Locked)),
        "treasury" => system(SystemAccount::Treasury),
        "insurance" => system(SystemAccount::Insurance),
        "fees" => system(SystemAccount::Fees),
        "slashed" => system(SystemAccount::Slashed),
        "edge" => system(SystemAccount::Edge),
        "audit" => system(SystemAccount::Audit),
        "rewards" => system(supply::rewards(asset)),
        _ => Err(malformed("place", "a place")),
    }
}

fn step(work: &mut Work<'_>, op: &Value) -> Result<Result<(), Abort>, Malformed> {
    let (asset, amount) = (AssetId(narrow(op, "asset")?), Amount::new(uint(op, "amount")?));
    let at = |field: &str| place(text(op, field)?, asset);
    Ok(match text(op, "op")? {
        "mint" => match at("place")? {
            (to, Part::Free) => supply::mint(work, asset, &to, amount),
            (_, Part::Locked) => return Err(malformed("place", "where rules mint")),
        },
        "burn" => {
            let (from, part) = at("place")?;
            supply::burn(work, asset, &from, part, amount)
        }
        "move" => {
            let ((from, taken), (to, given)) = (at("from")?, at("to")?);
            supply::shift(work, asset, (&from, taken), (&to, given), amount)
        }
        "bond" => supply::lock_bond(work, &OWNER, asset, amount),
        "escrow" => supply::lock_payment(work, &OWNER, asset, amount),
        "fee" => supply::pay_fee(work, &OWNER, asset, amount),
        "withdraw" => supply::shift(work, asset, (&OWNER, Part::Free), (&OWNER, Part::Locked), amount),
        "seal" => supply::bridge_out(work, asset, &OWNER, amount),
        "swept" => supply::bridge_in(work, asset, &OWNER, amount),
        _ => return Err(malformed("op", "an operation")),
    })
}

/// The rule's bare name; a place that holds too little is named.
fn refused_as(refused: Abort, op: &Value) -> Result<Value, Malformed> {
    let Abort::Rule { name, .. } = refused else {
        return Err(malformed("ops", "free of bugs"));
    };
    let variant = name.rsplit('.').next().unwrap_or(name);
    if variant != "Insufficient" {
        return Ok(json!({ "error": variant }));
    }
    let from = match text(op, "op")? {
        "burn" => text(op, "place")?,
        "move" => text(op, "from")?,
        "seal" => "locked",
        _ => "free",
    };
    Ok(json!({ "error": variant, "place": from }))
}

fn shown(work: &Work<'_>, asset: AssetId) -> Result<Value, Malformed> {
    let corrupt = |_| malformed("state", "readable");
    let record = asset::record(work, asset).map_err(corrupt)?.ok_or_else(|| malformed("asset", "known"))?;
    let mut out = json!({ "asset": asset.0, "issued": number(record.issued), "wrapped": number(record.wrapped()) });
    let rewards = asset.is_staking_token().then_some("rewards");
    for name in PLACES.into_iter().chain(rewards) {
        let (account, part) = place(name, asset)?;
        let held = bank::balance(work, &account, asset).map_err(corrupt)?;
        let amount = match part {
            Part::Free => held.free,
            Part::Locked => held.locked,
        };
        if amount != Amount::ZERO {
            out[name] = json!(amount.get());
        }
    }
    Ok(out)
}

fn number(x: u128) -> Value {
    u64::try_from(x).map_or_else(|_| json!(x.to_string()), |x| json!(x))
}
