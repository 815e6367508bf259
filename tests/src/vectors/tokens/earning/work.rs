//! Kind work.

use crate::vectors::json::{Malformed, list, malformed, uint};
use nupeer_tokens::work_reward::{WorkParameters, counted, reward};
use serde_json::{Value, json};

pub fn work(input: &Value) -> Result<Value, Malformed> {
    let parameters =
        WorkParameters { cap_per_quote: uint(input, "cap_per_quote")?, leverage: uint(input, "leverage")? };
    let event = |event: &Value| {
        let number = |at: usize| event.get(at).and_then(Value::as_u64);
        let (fee, service) = number(0).zip(number(1)).ok_or_else(|| malformed("events", "[fee part, service ppm]"))?;
        Ok(counted(fee, service))
    };
    let item = |item: &Value| {
        let events = list(item, "events")?.iter().map(event).collect::<Result<Vec<u64>, Malformed>>()?;
        let acc = events.into_iter().fold(0, u64::saturating_add);
        Ok(parameters.eligible(acc, uint(item, "bond")?))
    };
    let eligible = list(input, "items")?.iter().map(item).collect::<Result<Vec<u64>, Malformed>>()?;
    let sum: u128 = eligible.iter().map(|amount| u128::from(*amount)).sum();
    let minted = parameters.minted(uint(input, "pot")?, sum);
    let rewards: Vec<u64> = eligible.iter().map(|amount| reward(minted, *amount, sum)).collect();
    Ok(json!({ "eligible": eligible, "minted": minted, "rewards": rewards }))
}
