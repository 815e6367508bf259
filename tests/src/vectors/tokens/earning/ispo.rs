//! Kinds ispo_split, ispo_delegator, ispo_claim.

use crate::vectors::json::{Malformed, bytes, list, malformed, narrow, uint, uints};
use nupeer_primitives::AccountId;
use nupeer_tokens::ispo::{self, ListedStake, Table, Totals};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub fn split(input: &Value) -> Result<Value, Malformed> {
    let read =
        |pool: &Value| Ok(ListedStake { stake: uint(pool, "stake")?, multiplier_ppm: narrow(pool, "multiplier_ppm")? });
    let pools = list(input, "pools")?.iter().map(read).collect::<Result<Vec<_>, Malformed>>()?;
    Ok(json!({ "pots": ispo::split(uint(input, "pot")?, uint(input, "saturation")?, &pools) }))
}

pub fn delegator(input: &Value) -> Result<Value, Malformed> {
    let (pot, lovelace, stake) = (uint(input, "pool_pot")?, uint(input, "lovelace")?, uint(input, "pool_stake")?);
    Ok(json!({ "entitled": ispo::entitled(pot, lovelace, stake) }))
}

fn totals(values: Vec<u64>) -> Result<Totals, Malformed> {
    values.try_into().map_err(|_| malformed("totals", "three amounts"))
}

fn entry(row: &Value) -> Result<(AccountId, Totals), Malformed> {
    let named = json!({ "credential": row.get(0), "totals": row.get(1) });
    Ok((AccountId(bytes(&named, "credential")?), totals(uints(&named, "totals")?)?))
}

pub fn claim(input: &Value) -> Result<Value, Malformed> {
    let entries = list(input, "entitlements")?.iter().map(entry).collect::<Result<Vec<_>, Malformed>>()?;
    let table = Table::new(entries);
    let root = table.root();
    let mut claimed: BTreeMap<AccountId, Totals> = BTreeMap::new();
    let mut claims = Vec::new();
    for claim in list(input, "claims")? {
        let credential = AccountId(bytes(claim, "cred")?);
        let cumulative = totals(uints(claim, "cumulative")?)?;
        let mut proof = table.proof(&credential).unwrap_or_default();
        if claim.get("tamper").and_then(Value::as_str) == Some("side")
            && let Some(first) = proof.first_mut()
        {
            first.is_left = !first.is_left;
        }
        let before = claimed.entry(credential).or_default();
        let mut step = if !ispo::proves(&root, &credential, &cumulative, &proof) {
            json!({ "error": "ProofInvalid" })
        } else if let Some(paid) = ispo::unclaimed(&cumulative, before) {
            *before = cumulative;
            json!({ "paid": paid })
        } else {
            json!({ "error": "NothingToClaim" })
        };
        let side = |is_left: bool| if is_left { "L" } else { "R" };
        step["proof"] = proof.iter().map(|s| json!([side(s.is_left), s.hash.to_hex()])).collect();
        claims.push(step);
    }
    let leaves: Vec<String> = table.leaves().iter().map(|leaf| leaf.to_hex()).collect();
    Ok(json!({ "leaves": leaves, "root": root.to_hex(), "claims": claims }))
}
