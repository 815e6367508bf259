//! Kind bond: operations on one bond whose additions are active at once.

use super::parameter;
use crate::vectors::json::{Malformed, list, malformed, maybe_uint, narrow, text, uint};
use nupeer_primitives::AssetId;
use nupeer_tokens::TokensError;
use nupeer_tokens::bond::{Bond, UnbondingTerms};
use serde_json::{Value, json};

pub fn bond(input: &Value) -> Result<Value, Malformed> {
    let mut terms = UnbondingTerms {
        epochs: u32::try_from(parameter(input, "unbonding_epochs")?).map_err(|_| malformed("preset", "known"))?,
        entries_max: parameter(input, "bond.max_unbonding")?,
        locked_until: 0,
    };
    let mut bond = Bond::default();
    let steps = list(input, "ops")?.iter().map(|op| step(&mut bond, &mut terms, op));
    Ok(json!({ "steps": steps.collect::<Result<Vec<Value>, Malformed>>()? }))
}

fn step(bond: &mut Bond, terms: &mut UnbondingTerms, op: &Value) -> Result<Value, Malformed> {
    let epoch = || narrow::<u32>(op, "epoch");
    let amount = || uint(op, "amount");
    let moved: Result<Option<u64>, TokensError> = match text(op, "op")? {
        "bond" => bond.add(AssetId::IAAS, 0, 0, amount()?).map(|()| None),
        "unbond" => bond.unbond(epoch()?, amount()?, terms).map(|()| None),
        "lock" => {
            terms.locked_until = terms.locked_until.max(uint(op, "gt")?);
            Ok(None)
        }
        "hold" => {
            if holds(op)? > 0 {
                bond.hold()
            } else {
                bond.unhold()
            }
            Ok(None)
        }
        "release" => bond.release(epoch()?, maybe_uint(op, "gt")?.unwrap_or(0)).map(Some),
        "slash" => Ok(Some(bond.slash(amount()?))),
        _ => return Err(malformed("op", "an operation of a bond")),
    };
    let mut out = match moved {
        Ok(None) => json!({}),
        Ok(Some(amount)) => json!({ "amount": amount }),
        Err(error) => json!({ "error": error.variant() }),
    };
    out["active"] = json!(bond.active());
    out["unbonding"] = bond.unbonding.iter().map(|e| json!([e.release_epoch, e.release_gt, e.amount])).collect();
    Ok(out)
}

/// +1 or -1; the format names no field for it, so the only number of the operation besides its time is meant.
fn holds(op: &Value) -> Result<i64, Malformed> {
    let fields = op.as_object().into_iter().flatten().filter(|(name, _)| !["epoch", "gt"].contains(&name.as_str()));
    fields.filter_map(|(_, value)| value.as_i64()).next().ok_or_else(|| malformed("hold", "+1 or -1"))
}
