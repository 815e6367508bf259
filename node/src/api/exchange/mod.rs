//! The exchange as JSON: markets, machines, leases (market.md). What the state holds is shown as it stands; nothing is
//! computed that the ledger would compute otherwise.

mod hosts;
mod leases;
mod markets;

use super::error::Problem;
use super::limits::{ROWS_MAX, SCAN_MAX};
use super::{Api, Ledger, Rows};
use nupeer_client::api::MeterInfo;
use nupeer_primitives::cbor::Cbor;
use nupeer_primitives::market::{METER_EGRESS_BYTES, METER_REQUESTS, METER_WASM_FUEL, Meter};
use nupeer_primitives::state::{Bug, Key};
use nupeer_primitives::{AssetId, ZoneId};
use nupeer_runtime::market::state::{self, ZoneRow, key};
use nupeer_tokens::asset;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Routes of the exchange.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(markets::instruments))
        .routes(routes!(markets::book))
        .routes(routes!(markets::prices))
        .routes(routes!(markets::orders))
        .routes(routes!(hosts::provider))
        .routes(routes!(hosts::hosts))
        .routes(routes!(hosts::host))
        .routes(routes!(hosts::edges))
        .routes(routes!(leases::leases))
        .routes(routes!(leases::lease))
}

/// Market time at the tip.
pub fn now_ms(ledger: &Ledger<'_>) -> Result<u64, Bug> {
    state::now_ms(&ledger.work)
}

/// Looks through at most [`SCAN_MAX`] records under a prefix and keeps what `keep` makes of them.
fn collect<T: Cbor, R>(
    ledger: &Ledger<'_>,
    prefix: &Key,
    mut keep: impl FnMut(&[u8], T) -> Result<Option<R>, Problem>,
) -> Result<Rows<R>, Problem> {
    /// Records that are held in memory at once.
    const PAGE: usize = 1_000;
    let (mut rows, mut from, mut seen) = (Vec::new(), Vec::new(), 0usize);
    loop {
        let page = ledger.work.scan::<T>(prefix, &from, PAGE)?;
        let is_last = page.len() < PAGE;
        seen = seen.saturating_add(page.len());
        for (key, record) in page {
            rows.extend(keep(&key, record)?);
            from = key;
        }
        // The smallest key above the last one.
        from.push(0);
        if is_last || rows.len() > ROWS_MAX {
            return Ok(Rows::cut(rows));
        }
        if seen >= SCAN_MAX {
            return Ok(Rows { rows, more: true });
        }
    }
}

fn ticker(ledger: &Ledger<'_>, id: AssetId) -> Result<String, Bug> {
    Ok(asset::record(&ledger.work, id)?.map(|record| record.row.ticker).unwrap_or_default())
}

fn zone_name(ledger: &Ledger<'_>, id: ZoneId) -> Result<String, Bug> {
    let row: Option<ZoneRow> = ledger.work.get(&key::zone(id))?;
    Ok(row.map_or_else(|| id.to_string(), |(zone, _)| zone.name))
}

fn meter(meter: &Meter) -> MeterInfo {
    let Meter { kind, num, den, cap_per_s } = *meter;
    MeterInfo { kind, name: meter_name(kind), num, den, cap_per_s }
}

/// Meters of market.md §2; kinds from 32 on are for show and have no name of ours.
fn meter_name(kind: u8) -> String {
    let name = match kind {
        METER_EGRESS_BYTES => "egress_bytes",
        METER_REQUESTS => "requests",
        3 => "active_users",
        METER_WASM_FUEL => "wasm_fuel",
        5 => "gpu_ms",
        6 => "cpu_ms",
        7 => "storage_byte_s",
        8 => "io_ops",
        9 => "service_units",
        other => return format!("kind_{other}"),
    };
    name.into()
}

/// Counts that the shapes hold in 32 bits; the ledger's limits keep them far below.
fn small(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
