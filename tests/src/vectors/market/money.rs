//! Kinds escrow, fee_split, receipt, receipt_bytes.

use super::super::json::{Malformed, boolean, bytes, field, narrow, uint, uints};
use super::{lease_state, meter_receipt, signers, terms};
use nupeer_primitives::{Cbor, GenesisHash, Hash};
use nupeer_runtime::market::escrow::Pay;
use nupeer_runtime::market::receipt::{Against, Applied, ClaimKind, Verdict, check};
use serde_json::{Value, json};

pub fn escrow(input: &Value) -> Result<Value, Malformed> {
    let (terms, ..) = terms(input)?;
    let deposit = uint(input, "deposit")?;
    let remaining_ms = terms.term_ms.unwrap_or(0);
    let reserves = terms.reserves(terms.price, remaining_ms);
    let (free, deposit_min) = (reserves.free(deposit, 0), terms.deposit_min());
    let runway_ms = if terms.term_ms.is_some() { remaining_ms } else { terms.runway_ms(terms.price, free) };
    Ok(json!({
        "stop_reserve": reserves.stop, "exposure_reserve": reserves.exposure,
        "retention_reserve": reserves.retention, "committed": reserves.committed, "deposit_min": deposit_min,
        "free": free, "runway_ms": runway_ms, "accepted": deposit >= deposit_min
    }))
}

pub fn fee_split(input: &Value) -> Result<Value, Malformed> {
    let (terms, ..) = terms(input)?;
    let due = terms.due(Pay { pay: uint(input, "pay")?, compute: uint(input, "compute")? });
    let fee = due.fee.saturating_sub(uint(input, "fee_paid")?);
    let split = terms.split_fee(fee, boolean(input, "has_edge")?);
    Ok(json!({
        "fee": fee, "surcharge": due.sur, "treasury": split.treasury, "edge": split.edge,
        "auditor": split.auditor, "insurance": split.insurance
    }))
}

pub fn receipt(input: &Value) -> Result<Value, Malformed> {
    let (terms, ..) = terms(input)?;
    let (lease, anchor) = (field(input, "lease")?, field(input, "anchor")?);
    let applied = Applied {
        seq: uint(lease, "seq")?,
        t_end_ms: uint(lease, "t_end_ms")?,
        up_ms: uint(lease, "up_ms")?,
        counters: uints(lease, "counters")?,
        witnessed_ms: uint(lease, "witnessed_ms")?,
    };
    let anchor_ms = if boolean(anchor, "known")? { Some(uint(anchor, "at_ms")?) } else { None };
    let against = Against {
        terms: &terms,
        state: lease_state(lease)?,
        epoch: narrow(lease, "epoch")?,
        applied: &applied,
        pending: None,
        now_ms: uint(input, "now_ms")?,
        anchor_ms,
    };
    Ok(match check(&against, &meter_receipt(input)?, signers(input)?) {
        Err(error) => json!({ "error": error.variant() }),
        Ok((verdict, step)) => {
            let result = match verdict {
                Verdict::Final => "final",
                Verdict::Waits(ClaimKind::ProviderEdge | ClaimKind::TenantEdge) => "pending",
                Verdict::Waits(ClaimKind::Provider) => "claim",
            };
            json!({ "result": result, "step": step })
        }
    })
}

pub fn receipt_bytes(input: &Value) -> Result<Value, Malformed> {
    let genesis = GenesisHash(Hash(bytes(input, "genesis")?));
    let receipt = meter_receipt(input)?;
    Ok(json!({ "cbor": hex::encode(receipt.to_cbor()), "digest": receipt.digest(&genesis).to_hex() }))
}
