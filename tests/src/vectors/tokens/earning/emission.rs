//! Kinds shares, emission, controller, emission_split.

use super::{parameter, token};
use crate::vectors::json::{Malformed, maybe_uint, narrow, uint};
use nupeer_tokens::emission::{EmissionParameters, Shares};
use serde_json::{Value, json};

fn parameters(input: &Value) -> Result<EmissionParameters, Malformed> {
    let own = |field: &str, name: &str| match maybe_uint(input, field)? {
        Some(value) => Ok(value),
        None => parameter(input, name),
    };
    Ok(EmissionParameters {
        base: own("base", "emit.base")?,
        target_ppm: own("target", "emit.target")?,
        step_ppm: own("step", "emit.step")?,
        max_ppm: own("max", "emit.max")?,
        epochs_per_year: own("epochs_per_year", "emit.epochs_per_year")?,
    })
}

fn parts(shares: &Shares) -> Value {
    json!({
        "ispo": shares.ispo, "pools": shares.pools, "work": shares.work, "dev": shares.developers,
        "treasury": shares.treasury
    })
}

pub fn shares(input: &Value) -> Result<Value, Malformed> {
    Ok(parts(&Shares::of(token(input)?)))
}

pub fn emission(input: &Value) -> Result<Value, Malformed> {
    let emission = parameters(input)?.emission(uint(input, "supply")?, narrow(input, "rate_ppb")?);
    Ok(json!({ "emission": emission }))
}

pub fn controller(input: &Value) -> Result<Value, Malformed> {
    let (bonded, supply) = (uint(input, "bonded")?, uint(input, "supply")?);
    Ok(json!({ "rate_ppb": parameters(input)?.next_rate(narrow(input, "rate_ppb")?, bonded, supply) }))
}

pub fn split(input: &Value) -> Result<Value, Malformed> {
    let emission = uint(input, "emission")?;
    let shares = Shares::of(token(input)?).split(emission);
    let mut out = parts(&shares);
    out["unminted"] = json!(emission.saturating_sub(shares.sum()));
    Ok(out)
}
