//! Leases.

use super::{collect, meter, small, ticker};
use crate::api::asked::{self, Asked, Part};
use crate::api::error::Problem;
use crate::api::ledger::tail;
use crate::api::limits::ROWS_MAX;
use crate::api::{Api, Ledger, Rows};
use axum::Json;
use axum::extract::State;
use nupeer_client::api::{ApiError, DelegateInfo, LeaseInfo, Micro, ReceiptInfo, WrapInfo};
use nupeer_primitives::action::WRAP_BYTES_MAX;
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::market::Delegate;
use nupeer_primitives::state::{Bug, Key};
use nupeer_primitives::{HostId, LeaseId};
use nupeer_runtime::market::escrow::mul_div_floor;
use nupeer_runtime::market::lease::Lease;
use nupeer_runtime::market::price::B;
use nupeer_runtime::market::state::{Deal, key};
use nupeer_runtime::market::terms::Terms;
use serde::Deserialize;
use utoipa::IntoParams;

/// Whose leases: exactly one of the two.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LeasesOf {
    /// Those of this tenant, hex or bech32.
    tenant: Option<String>,
    /// Those on this host, and those that it still owes a wipe.
    host: Option<u32>,
}

/// Leases of a tenant or on a host.
#[utoipa::path(get, path = "/v1/leases", tag = "exchange", params(LeasesOf),
    responses((status = 200, body = Vec<LeaseInfo>), (status = "default", body = ApiError)))]
pub async fn leases(
    State(api): State<Api>,
    Asked(LeasesOf { tenant, host }): Asked<LeasesOf>,
) -> Result<Rows<LeaseInfo>, Problem> {
    let prefix = match (tenant, host) {
        (Some(tenant), None) => Key::new(0x36).account(&asked::account(&tenant, &api.chain.rules().hrp)?),
        (None, Some(host)) => Key::new(0x37).u32(host),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Problem::malformed("malformed.Query", "ask for `tenant` or `host`, one of them"));
        }
    };
    let rows = api.ledger(move |ledger| {
        collect(ledger, &prefix, |at, _: u8| {
            let id = LeaseId(tail(at)?);
            let lease: Lease = ledger.work.expect(&key::lease(&id), "lease of an index")?;
            lease_info(ledger, &id, &lease).map(Some)
        })
    });
    rows.await
}

/// A lease.
#[utoipa::path(get, path = "/v1/leases/{id}", tag = "exchange",
    params(("id" = String, Path, description = "lease id, hex")),
    responses((status = 200, body = LeaseInfo), (status = "default", body = ApiError)))]
pub async fn lease(State(api): State<Api>, Part(id): Part) -> Result<Json<LeaseInfo>, Problem> {
    let id = asked::lease_id(&id)?;
    let info = api.ledger(move |ledger| {
        let lease: Option<Lease> = ledger.work.get(&key::lease(&id))?;
        lease_info(ledger, &id, &lease.ok_or_else(|| Problem::not_found(format!("no lease {id}")))?)
    });
    info.await.map(Json)
}

fn lease_info(ledger: &Ledger<'_>, id: &LeaseId, lease: &Lease) -> Result<LeaseInfo, Problem> {
    let deal: Deal = ledger.work.expect(&key::deal(id), "deal of a lease")?;
    let terms = &deal.terms;
    let (paid_provider, paid_platform) = paid(lease, terms);
    Ok(LeaseInfo {
        id: id.to_hex(),
        state: lease.state.name().into(),
        epoch: lease.epoch,
        order: deal.order.0,
        tenant: ledger.text_of(&deal.owner),
        instrument: deal.bid.instrument.0,
        family: deal.family.name().into(),
        quote: deal.asset.0,
        quote_ticker: ticker(ledger, deal.asset)?,
        host: lease.holder.map(|holder| holder.host.0),
        provider: deal.provider.as_ref().map(|account| ledger.text_of(account)),
        price: Micro(lease.price),
        lots: small(terms.lots),
        manifest_hash: hex::encode(deal.bid.manifest_hash),
        meters: terms.meters.iter().map(meter).collect(),
        balance: Micro(lease.balance),
        arrears: Micro(lease.arrears(terms)),
        refunded: Micro(lease.totals.refunded),
        paid_provider: Micro(paid_provider),
        paid_platform: Micro(paid_platform),
        bond: Micro(lease.holder.map_or(0, |holder| holder.bond)),
        deadline_ms: lease.deadline_ms,
        funded_until_ms: lease.funded_until_ms,
        active_since_ms: active_since_ms(lease),
        edge_final: terms.edge_final,
        receipt: receipt(lease, terms),
        pending_seq: lease.pending.as_ref().map(|claim| claim.reading.seq),
        wraps: wraps(ledger, id)?,
        delegates: delegates(ledger, id)?,
        edges: edges(ledger, id)?,
        fee_bps: terms.fee_bps,
        max_unacked_ms: terms.windows.max_unacked_ms,
        changed_height: None,
    })
}

/// Paid to providers and to the platform over the lease's life; their sum is exact. The state keeps the two apart for
/// the present epoch only, what earlier epochs paid is divided in the fee's proportion.
fn paid(lease: &Lease, terms: &Terms) -> (u64, u64) {
    let platform_now = lease.sums.paid_fee.saturating_add(lease.sums.paid_sur);
    let earlier = lease.totals.paid.saturating_sub(lease.sums.paid_pay).saturating_sub(platform_now);
    let platform = platform_now.saturating_add(mul_div_floor(earlier, terms.fee_bps, B.saturating_add(terms.fee_bps)));
    (lease.totals.paid.saturating_sub(platform), platform)
}

/// Known exactly until the first receipt, and afterwards while nothing interrupted the billing.
fn active_since_ms(lease: &Lease) -> Option<u64> {
    lease.holder.filter(|holder| holder.ran)?;
    let sums = &lease.sums;
    if lease.applied.seq == 0 {
        Some(lease.applied.t_end_ms)
    } else if sums.ret_ms == 0 && sums.res_closed == 0 && lease.grace_from_ms == 0 {
        lease.billed_to_ms.checked_sub(sums.segment_ms)
    } else {
        None
    }
}

fn receipt(lease: &Lease, terms: &Terms) -> Option<ReceiptInfo> {
    let applied = &lease.applied;
    (applied.seq > 0).then(|| ReceiptInfo {
        seq: applied.seq,
        t_end_ms: applied.t_end_ms,
        up_ms: applied.up_ms,
        counters: terms.meters.iter().map(|meter| meter.kind).zip(applied.counters.iter().copied()).collect(),
    })
}

fn wraps(ledger: &Ledger<'_>, id: &LeaseId) -> Result<Vec<WrapInfo>, Bug> {
    let mut out = Vec::new();
    for (at, wrap) in ledger.work.scan::<Bytes<WRAP_BYTES_MAX>>(&key::wraps(id), &[], ROWS_MAX)? {
        let host = HostId(u32::from_be_bytes(tail(&at)?));
        out.push(WrapInfo { host: host.0, wrap: hex::encode(wrap.as_slice()) });
    }
    Ok(out)
}

fn delegates(ledger: &Ledger<'_>, id: &LeaseId) -> Result<Vec<DelegateInfo>, Bug> {
    let delegates: Vec<Delegate> = ledger.work.get(&key::delegates(id))?.unwrap_or_default();
    let info = |Delegate { key, scopes, spend_cap, expiry_ms }: Delegate| DelegateInfo {
        key: key.to_hex(),
        scopes,
        spend_cap: spend_cap.into(),
        expiry_ms,
    };
    Ok(delegates.into_iter().map(info).collect())
}

fn edges(ledger: &Ledger<'_>, id: &LeaseId) -> Result<Vec<String>, Bug> {
    let edges = nupeer_runtime::market::hold::edges(&ledger.work, id)?;
    Ok(edges.iter().map(|(account, _)| ledger.text_of(account)).collect())
}
