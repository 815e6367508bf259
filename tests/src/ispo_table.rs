//! Makes the table of Cardano delegators for one epoch out of a file, as a node with a full Cardano ledger would.
//!
//! Input, JSON: `epoch`; `pots` of the three tokens; `lists` of the three tokens `[[pool, multiplier ppm]]`, both as
//! the chain shows them; `saturation` in lovelace; `table` before `[[credential, [iaas, paas, saas]]]`; `stakes`
//! `{pool: [[credential, lovelace]]}`. Output: what operators attest, and what each delegator claims with.

use crate::vectors::json::{Malformed, bytes, field, list, malformed, uint, uints};
use nupeer_primitives::{AccountId, Amount, PoolId};
use nupeer_tokens::ispo::{PoolDelegations, Table, Totals};
use nupeer_tokens::ispo_ledger::{ListedPool, Pots, pool_pots};
use nupeer_tokens::supply::NATIVE;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The attestation and every claim of the epoch that `input` describes.
pub fn make(input: &Value) -> Result<Value, Malformed> {
    let pots = pots(input)?;
    let stakes = stakes(input)?;
    let total = |rows: &[(AccountId, u64)]| rows.iter().fold(0u64, |sum, (_, lovelace)| sum.saturating_add(*lovelace));
    let listed = |pool: &PoolId| pots.lists.iter().flatten().any(|listed| listed.pool == *pool);
    let sums: Vec<(PoolId, Amount)> =
        stakes.iter().filter(|(pool, _)| listed(pool)).map(|(pool, rows)| (*pool, Amount::new(total(rows)))).collect();
    let saturation = uint(input, "saturation")?;
    let mut pools: BTreeMap<PoolId, Totals> = BTreeMap::new();
    for (i, token) in NATIVE.into_iter().enumerate() {
        for (pool, pot) in pool_pots(&pots, token, &sums, saturation) {
            pools.entry(pool).or_default()[i] = pot;
        }
    }
    let delegations = |(pool, pots)| stakes.get(&pool).map(|rows| PoolDelegations { pots, delegations: rows.clone() });
    let pools: Vec<PoolDelegations> = pools.into_iter().filter_map(delegations).collect();
    let table = Table::new(entries(input)?).accumulate(&pools);
    Ok(shown(&table, pots.epoch, &sums))
}

fn pots(input: &Value) -> Result<Pots, Malformed> {
    let lists = list(input, "lists")?.iter().map(|rows| {
        let named = json!({ "list": rows });
        let row = |row: &Value| {
            let (pool, multiplier) = pair(row, "lists")?;
            let multiplier_ppm = u32::try_from(multiplier).map_err(|_| malformed("lists", "ppm"))?;
            Ok(ListedPool { pool: PoolId(pool), multiplier_ppm })
        };
        list(&named, "list")?.iter().map(row).collect::<Result<Vec<_>, Malformed>>()
    });
    let lists = lists.collect::<Result<Vec<_>, Malformed>>()?;
    let amounts = uints(input, "pots")?.into_iter().map(Amount::new).collect();
    Ok(Pots { epoch: uint(input, "epoch")?, amounts, lists })
}

/// `[28 bytes in hex, number]`.
fn pair(row: &Value, what: &str) -> Result<([u8; 28], u64), Malformed> {
    let named = json!({ "id": row.get(0), "number": row.get(1) });
    let id = bytes(&named, "id").map_err(|_| malformed(what, "a list of [id, number]"))?;
    Ok((id, uint(&named, "number")?))
}

fn stakes(input: &Value) -> Result<BTreeMap<PoolId, Vec<(AccountId, u64)>>, Malformed> {
    let pools = field(input, "stakes")?.as_object().ok_or_else(|| malformed("stakes", "an object by pool"))?;
    let mut out = BTreeMap::new();
    for (pool, rows) in pools {
        let pool = PoolId::from_hex(pool).ok_or_else(|| malformed("stakes", "keyed by pool ids"))?;
        let rows = rows.as_array().ok_or_else(|| malformed("stakes", "lists"))?;
        let row = |row: &Value| pair(row, "stakes").map(|(id, lovelace)| (AccountId(id), lovelace));
        out.insert(pool, rows.iter().map(row).collect::<Result<Vec<_>, Malformed>>()?);
    }
    Ok(out)
}

fn entries(input: &Value) -> Result<Vec<(AccountId, Totals)>, Malformed> {
    let row = |row: &Value| {
        let named = json!({ "credential": row.get(0), "totals": row.get(1) });
        let totals = uints(&named, "totals")?.try_into().map_err(|_| malformed("table", "three totals"))?;
        Ok((AccountId(bytes(&named, "credential")?), totals))
    };
    list(input, "table")?.iter().map(row).collect()
}

fn shown(table: &Table, epoch: u64, sums: &[(PoolId, Amount)]) -> Value {
    let sums: Vec<Value> = sums.iter().map(|(pool, stake)| json!([pool.to_hex(), stake.get()])).collect();
    let claim = |(credential, totals): &(AccountId, Totals)| {
        let proof = table.proof(credential).unwrap_or_default();
        let proof: Vec<Value> =
            proof.iter().map(|s| json!([if s.is_left { "L" } else { "R" }, s.hash.to_hex()])).collect();
        json!([credential.to_hex(), totals, proof])
    };
    let claims: Vec<Value> = table.entries().iter().map(claim).collect();
    json!({
        "cardano_epoch": epoch, "root": table.root().to_hex(), "count": table.entries().len(), "pool_sums": sums,
        "claims": claims
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_worked_example_gives_its_shares() {
        let (a, b, big, small) = ("11".repeat(28), "22".repeat(28), "aa".repeat(28), "bb".repeat(28));
        let list = json!([[big, 1_000_000], [small, 1_250_000]]);
        let input = json!({
            "epoch": 500, "pots": [300_000_000_000u64, 0, 0], "lists": [list, [], []],
            "saturation": 70_000_000_000_000u64, "table": [[a, [1, 0, 0]]],
            "stakes": {
                &big: [[a, 10_000_000_000u64], [b, 11_990_000_000_000u64]],
                &small: [[b, 2_990_000_000_000u64], [a, 10_000_000_000u64]],
            }
        });
        let made = make(&input).unwrap();
        assert_eq!(made["claims"][0][1], json!([190_476_190 + 238_095_238 + 1, 0, 0]));
        assert_eq!((&made["count"], &made["pool_sums"][0][1]), (&json!(2), &json!(12_000_000_000_000u64)));
        assert!(make(&json!({ "epoch": 1 })).is_err());
    }
}
