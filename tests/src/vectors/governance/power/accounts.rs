//! Sums over epochs and what accounts add to them.

use super::constant;
use crate::vectors::json::{Malformed, list, malformed, narrow, text, uint};
use nupeer_governance::GovernanceError;
use nupeer_governance::power::{GovAccount, PowerRules, Stake};
use nupeer_primitives::Amount;
use nupeer_tokens::epoch_sum::{EpochSum, Merge};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Epochs that a case may span.
const EPOCHS_MAX: u32 = 10_000;

pub fn epoch_sum(input: &Value) -> Result<Value, Malformed> {
    let mut sum = EpochSum::default();
    let mut steps = Vec::new();
    for op in list(input, "ops")? {
        steps.push(sum_op(&mut sum, op).ok_or_else(|| malformed("ops", "a list of [name, numbers]"))?);
    }
    Ok(json!({ "steps": steps }))
}

fn sum_op(sum: &mut EpochSum, op: &Value) -> Option<Value> {
    let epoch = || op.get(1).and_then(Value::as_u64).and_then(|e| u32::try_from(e).ok());
    let x = |at: usize| {
        let given = op.get(at)?;
        given.as_i64().map(i128::from).or_else(|| given.as_u64().map(i128::from))
    };
    match op.get(0).and_then(Value::as_str)? {
        "advance" => sum.advance(epoch()?).ok()?,
        "now" => sum.now(x(1)?).ok()?,
        "sched" => sum.sched(epoch()?, x(2)?).ok()?,
        "at_start" => return Some(json!({ "at_start": epoch()?, "value": number(sum.at_start(epoch()?)) })),
        _ => return None,
    }
    Some(json!({ "value": number(sum.value()), "pending": sum.pending() }))
}

fn number(x: i128) -> Value {
    i64::try_from(x).map_or_else(|_| json!(x.to_string()), |x| json!(x))
}

/// An account with one token: its bond, its credential, its part in governance.
#[derive(Clone, Default)]
struct Holder {
    gov: GovAccount,
    bond: Stake,
    credential_expiry: u32,
}

struct World {
    rules: PowerRules,
    activation: u32,
    total: EpochSum,
    holders: BTreeMap<u64, Holder>,
}

pub fn power(input: &Value) -> Result<Value, Malformed> {
    let small = |name, parameter| {
        u32::try_from(constant(input, name, parameter)?).map_err(|_| malformed(name, "a number of epochs"))
    };
    let rules = PowerRules {
        liveness: small("liveness", "power.liveness")?,
        expiry_step: small("expiry_step", "power.expiry_step")?,
    };
    let activation = small("activation", "power.activation")?;
    let mut world = World { rules, activation, total: EpochSum::default(), holders: BTreeMap::new() };
    let ops = list(input, "ops")?;
    for op in ops {
        world.holders.insert(uint(op, "account")?, Holder::default());
    }
    let last: u32 = narrow(input, "last_epoch")?;
    if last > EPOCHS_MAX {
        return Err(malformed("last_epoch", "at most 10000"));
    }
    let (mut results, mut starts) = (Vec::new(), Vec::new());
    for epoch in 0..=last {
        starts.push(world.start(epoch)?);
        for op in ops {
            if narrow::<u32>(op, "epoch")? == epoch {
                results.push(match world.operate(epoch, op)? {
                    Ok(()) => json!({ "ok": true }),
                    Err(refused) => json!({ "error": refused.variant() }),
                });
            }
        }
    }
    Ok(json!({ "results": results, "starts": starts }))
}

impl World {
    fn start(&mut self, epoch: u32) -> Result<Value, Malformed> {
        let overflow = |_| malformed("amount", "a sum that fits");
        self.total.advance(epoch).map_err(overflow)?;
        let mut accounts = serde_json::Map::new();
        for (id, holder) in &mut self.holders {
            holder.gov.power.advance(epoch).map_err(overflow)?;
            let [own, ..] = holder.gov.power.at_start(epoch).map_err(overflow)?;
            accounts.insert(id.to_string(), json!(own));
        }
        Ok(json!({ "epoch": epoch, "total": number(self.total.at_start(epoch)), "accounts": accounts }))
    }

    fn operate(&mut self, epoch: u32, op: &Value) -> Result<Result<(), GovernanceError>, Malformed> {
        let id = uint(op, "account")?;
        let mut holder = self.holders.get(&id).cloned().unwrap_or_default();
        let [own, ..] = &holder.gov.power.0;
        let detached = own.clone();
        if let Err(refused) = change(&mut holder, epoch, self.activation, op)? {
            return Ok(Err(refused));
        }
        if text(op, "op")? == "revoke" {
            holder.gov.revoked(epoch);
        } else {
            holder.gov.seen(epoch, holder.credential_expiry, &self.rules);
        }
        let overflow = |_| malformed("amount", "a sum that fits");
        holder.gov.attach(epoch, &[holder.bond.clone(), Stake::default(), Stake::default()]).map_err(overflow)?;
        self.total.merge(&detached, Merge::Subtract).map_err(overflow)?;
        let [own, ..] = &holder.gov.power.0;
        self.total.merge(own, Merge::Add).map_err(overflow)?;
        self.holders.insert(id, holder);
        Ok(Ok(()))
    }
}

/// Step 2 of an operation.
fn change(
    holder: &mut Holder,
    epoch: u32,
    activation: u32,
    op: &Value,
) -> Result<Result<(), GovernanceError>, Malformed> {
    match text(op, "op")? {
        "ping" => {}
        "revoke" => holder.credential_expiry = 0,
        "cred" => holder.credential_expiry = narrow(op, "cred_expiry")?,
        "bond" => {
            let amount = uint(op, "amount")?;
            if amount == 0 {
                return Ok(Err(GovernanceError::ZeroAmount));
            }
            holder.bond.pending.push((epoch.saturating_add(activation), amount));
        }
        "unbond" => {
            let amount = uint(op, "amount")?;
            holder.bond.mature(epoch);
            let active = holder.bond.matured;
            let Some(left) = active.checked_sub(amount).filter(|_| amount > 0) else {
                let (active, amount) = (Amount::new(active), Amount::new(amount));
                return Ok(Err(GovernanceError::InsufficientActive { active, amount }));
            };
            holder.bond.matured = left;
        }
        _ => return Err(malformed("op", "cred, revoke, bond, unbond or ping")),
    }
    Ok(Ok(()))
}
