//! market.json: every kind that the exchange implements.

mod auction;
mod lease;
mod money;

use super::Failure;
use super::json::{Malformed, boolean, bytes, list, malformed, maybe_uint, narrow, text, texts, uint};
use nupeer_primitives::market::Meter;
use nupeer_primitives::receipt::{MeterReceipt, Role};
use nupeer_primitives::{Amount, Hash, Height, LeaseId};
use nupeer_runtime::market::receipt::Signers;
use nupeer_runtime::market::terms::{FeeShares, Terms, Windows};
use serde_json::Value;

/// Computes what `input` leads to.
pub fn run(kind: &str, input: &Value) -> Result<Value, Failure> {
    let result = match kind {
        "auction_divisible" => auction::divisible(input),
        "auction_packed" => auction::packed(input),
        "tie_order" => auction::tie_order(input),
        "price_day" => auction::price_day(input),
        "escrow" => money::escrow(input),
        "fee_split" => money::fee_split(input),
        "receipt" => money::receipt(input),
        "receipt_bytes" => money::receipt_bytes(input),
        "lease" => lease::life(input),
        _ => return Err(Failure::NotBuilt { kind: kind.to_string() }),
    };
    result.map_err(Failure::from)
}

fn seed(input: &Value) -> Result<Hash, Malformed> {
    bytes(input, "seed").map(Hash)
}

/// `terms`, and the bond that each host locks, and whether an edge is in use.
fn terms(input: &Value) -> Result<(Terms, u64, bool), Malformed> {
    let from = super::json::field(input, "terms")?;
    let shares = super::json::field(from, "fee_shares")?;
    let meters = list(from, "meters")?.iter().map(meter).collect::<Result<Vec<_>, _>>()?;
    let terms = Terms {
        price: uint(from, "price")?,
        lots: uint(from, "lots")?,
        meters,
        fee_bps: uint(from, "fee_bps")?,
        fee_shares: FeeShares {
            treasury: uint(shares, "treasury")?,
            edge: uint(shares, "edge")?,
            auditor: uint(shares, "auditor")?,
            insurance: uint(shares, "insurance")?,
        },
        sur_bps: uint(from, "sur_bps")?,
        ret_price: uint(from, "ret_price")?,
        term_ms: maybe_uint(from, "term_ms")?,
        edge_final: boolean(from, "edge_final")?,
        max_rematch: uint(from, "max_rematch")?,
        wipe_slash_bps: uint(from, "wipe_slash_bps")?,
        windows: windows(from)?,
    };
    terms.check().map_err(|_| malformed("terms", "meaningful"))?;
    Ok((terms, uint(from, "lease_bond")?, boolean(from, "has_edge")?))
}

fn windows(from: &Value) -> Result<Windows, Malformed> {
    Ok(Windows {
        stop_ms: uint(from, "stop_ms")?,
        grace_ms: uint(from, "grace_ms")?,
        exposure_ms: uint(from, "exposure_ms")?,
        min_run_ms: uint(from, "min_run_ms")?,
        accept_ms: uint(from, "accept_ms")?,
        provision_ms: uint(from, "provision_ms")?,
        settle_ms: uint(from, "settle_ms")?,
        wipe_ms: uint(from, "wipe_ms")?,
        reclaim_ms: uint(from, "reclaim_ms")?,
        spot_notice_ms: uint(from, "spot_notice_ms")?,
        failover_ms: uint(from, "failover_ms")?,
        down_ms: uint(from, "down_ms")?,
        no_show_ms: uint(from, "no_show_ms")?,
        edge_window_ms: uint(from, "edge_window_ms")?,
        challenge_ms: uint(from, "challenge_ms")?,
        max_unacked_ms: uint(from, "max_unacked_ms")?,
        skew_ms: uint(from, "skew_ms")?,
        anchor_age_ms: uint(from, "anchor_age_ms")?,
    })
}

fn meter(from: &Value) -> Result<Meter, Malformed> {
    Ok(Meter {
        kind: narrow(from, "kind")?,
        num: uint(from, "num")?,
        den: uint(from, "den")?,
        cap_per_s: uint(from, "cap_per_s")?,
    })
}

fn meter_receipt(input: &Value) -> Result<MeterReceipt, Malformed> {
    let from = super::json::field(input, "receipt")?;
    let counter = |pair: &Value| {
        let kind = pair.get(0).and_then(Value::as_u64).and_then(|kind| u8::try_from(kind).ok())?;
        Some((kind, pair.get(1).and_then(Value::as_u64)?))
    };
    let counters = list(from, "counters")?.iter().map(counter).collect::<Option<Vec<_>>>();
    Ok(MeterReceipt {
        lease: LeaseId(bytes(from, "lease_id")?),
        epoch: narrow(from, "lease_epoch")?,
        seq: uint(from, "seq")?,
        anchor_height: Height(uint(from, "anchor_height")?),
        anchor_hash: bytes(from, "anchor_hash")?,
        t_end_ms: uint(from, "t_end_ms")?,
        up_ms: uint(from, "up_ms")?,
        counters: counters.ok_or_else(|| malformed("counters", "a list of [kind, total]"))?,
        amount: Amount::new(uint(from, "amount")?),
        detail_root: Hash(bytes(from, "detail_root")?),
        flags: narrow(from, "flags")?,
    })
}

fn signers(input: &Value) -> Result<Signers, Malformed> {
    let mut signers = Signers::default();
    for role in texts(input, "signers")? {
        signers.add(match role {
            "P" => Role::Provider,
            "T" => Role::Tenant,
            "E" => Role::Edge,
            _ => return Err(malformed("signers", "a list of P, T, E")),
        });
    }
    Ok(signers)
}

fn account(name: &str) -> nupeer_primitives::AccountId {
    nupeer_primitives::AccountId(nupeer_primitives::blake2b_224(name.as_bytes()))
}

fn lease_state(from: &Value) -> Result<nupeer_runtime::market::lease::LeaseState, Malformed> {
    let name = text(from, "state")?;
    let known = nupeer_runtime::market::lease::LeaseState::ALL.iter().find(|state| state.name() == name);
    known.copied().ok_or_else(|| malformed("state", "a lease state"))
}
