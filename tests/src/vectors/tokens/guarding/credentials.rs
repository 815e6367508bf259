//! Kinds credential, role_name, cip67, developer_valid, hardware_valid.

use super::constant;
use crate::vectors::json::{Malformed, field, malformed, narrow, text, texts, uint};
use nupeer_primitives::{AccountId, Amount, Epoch, blake2b_224, blake2b_256};
use nupeer_tokens::credential::{self, Credential, Standing};
use serde_json::{Value, json};

pub fn credential(input: &Value) -> Result<Value, Malformed> {
    let needed = narrow(input, "needed")?;
    let now = Epoch(uint(input, "now_epoch")?);
    let given = match input.get("credential") {
        None | Some(Value::Null) => None,
        Some(given) => Some(certified(input, given)?),
    };
    Ok(match credential::check(given.as_ref().map(|(credential, standing)| (credential, *standing)), needed, now) {
        Ok(()) => json!({ "ok": true }),
        Err(error) => json!({ "error": error.variant() }),
    })
}

/// Issuers have numbers and nullifiers short names here.
fn certified(input: &Value, given: &Value) -> Result<(Credential, Standing), Malformed> {
    let issuer = uint(given, "issuer")?.to_string();
    let nullifier = text(given, "nullifier")?;
    let issuers = field(input, "issuers")?.as_object().ok_or_else(|| malformed("issuers", "an object"))?;
    let wrong = || malformed("issuers", "levels by issuer");
    let issuer_level = issuers
        .get(&issuer)
        .map(|level| level.as_u64().and_then(|level| u8::try_from(level).ok()).ok_or_else(wrong))
        .transpose()?;
    let standing = Standing { issuer_level, is_revoked: texts(input, "revoked")?.contains(&nullifier) };
    let credential = Credential {
        issuer: AccountId(blake2b_224(issuer.as_bytes())),
        level: narrow(given, "level")?,
        holder: AccountId([0; 28]),
        expiry: Epoch(uint(given, "expiry")?),
        nullifier: blake2b_256(nullifier.as_bytes()),
        schema: 0,
    };
    Ok((credential, standing))
}

pub fn role_name(input: &Value) -> Result<Value, Malformed> {
    let name = credential::role_name(narrow(input, "label")?, narrow(input, "role")?, uint(input, "instance")?);
    Ok(json!({ "asset_name": hex::encode(name) }))
}

pub fn cip67(input: &Value) -> Result<Value, Malformed> {
    Ok(json!({ "prefix": hex::encode(credential::cip67(narrow(input, "label")?)) }))
}

pub fn developer_valid(input: &Value) -> Result<Value, Malformed> {
    let epoch = |name| uint(input, name).map(Epoch);
    let lapse = constant(input, "role.dev_lapse")?;
    let valid = credential::developer_valid(epoch("now")?, epoch("last_attested")?, epoch("granted")?, lapse);
    Ok(json!({ "valid": valid }))
}

pub fn hardware_valid(input: &Value) -> Result<Value, Malformed> {
    let (bond, minimum) = (Amount::new(uint(input, "bond")?), Amount::new(uint(input, "bond_min")?));
    let (now, last) = (Epoch(uint(input, "now")?), Epoch(uint(input, "last_challenge")?));
    let valid = credential::hardware_valid(now, bond, minimum, last, constant(input, "role.hw_lapse")?);
    Ok(json!({ "valid": valid }))
}
