//! Kinds equivocation, slash_record, slash_split, evidence, evidence_key.

use super::constant;
use crate::vectors::json::{Malformed, boolean, bytes, list, malformed, narrow, uint};
use nupeer_primitives::{Amount, Epoch, Hash, PoolId};
use nupeer_tokens::slashing::{self, EvidenceChecks, OffenceKind, SlashRecord, SplitRules};
use serde_json::{Value, json};

pub fn equivocation(input: &Value) -> Result<Value, Malformed> {
    let (offending, total) = (uint(input, "offending_weight")?, uint(input, "total_weight")?);
    let ppm = slashing::equivocation_ppm(u128::from(offending), u128::from(total), uint(input, "floor_ppm")?);
    Ok(json!({ "ppm": ppm }))
}

pub fn slash_record(input: &Value) -> Result<Value, Malformed> {
    let base = Amount::new(uint(input, "base")?);
    let (mut record, mut left) = (SlashRecord::new(base), base);
    let mut slashed = Vec::new();
    for offence in list(input, "offences")? {
        let kind = OffenceKind::of(narrow(offence, "kind")?).ok_or_else(|| malformed("kind", "1 to 8"))?;
        let newly = record.slash(kind, uint(offence, "ppm")?, left);
        left = left.saturating_sub(newly);
        slashed.push(newly.get());
    }
    Ok(json!({ "slashed": slashed }))
}

pub fn slash_split(input: &Value) -> Result<Value, Malformed> {
    let rules = SplitRules {
        reporter_ppm: constant(input, "slash.reporter")?,
        reporter_max: Amount::new(constant(input, "slash.reporter_max")?),
        victim_ppm: constant(input, "slash.victim")?,
    };
    let slashed = Amount::new(uint(input, "slashed")?);
    let parts = rules.split(slashed, boolean(input, "reporter")?, boolean(input, "victim")?);
    Ok(json!({ "reporter": parts.reporter.get(), "victim": parts.victim.get(), "burned": parts.burned.get() }))
}

pub fn evidence(input: &Value) -> Result<Value, Malformed> {
    let checks = EvidenceChecks {
        same_subject: boolean(input, "same_subject")?,
        same_value: boolean(input, "same_value")?,
        sig_a: boolean(input, "sig_a")?,
        sig_b: boolean(input, "sig_b")?,
        offence: Epoch(uint(input, "offence_epoch")?),
        now: Epoch(uint(input, "now_epoch")?),
        evidence_epochs: constant(input, "evidence_epochs")?,
        key: Hash::ZERO,
        is_known: boolean(input, "already_known")?,
    };
    Ok(match checks.run() {
        Ok(()) => json!({ "ok": true }),
        Err(error) => json!({ "error": error.variant() }),
    })
}

pub fn evidence_key(input: &Value) -> Result<Value, Malformed> {
    let pool = PoolId(bytes(input, "pool")?);
    let key = slashing::evidence_key(narrow(input, "kind")?, &pool, uint(input, "at")?);
    Ok(json!({ "hash": key.to_hex() }))
}
