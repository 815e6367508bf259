//! Providers, machines, edges.

use super::{collect, small, zone_name};
use crate::api::asked::{self, Asked, Part};
use crate::api::error::Problem;
use crate::api::ledger::tail;
use crate::api::{Api, Ledger, Rows};
use axum::Json;
use axum::extract::State;
use nupeer_client::api::{ApiError, BondInfo, EdgeInfo, FamilyLots, HostInfo, ProviderInfo};
use nupeer_primitives::state::{Bug, Key};
use nupeer_primitives::{AccountId, AssetId, HostId};
use nupeer_runtime::market::state::{Bond, Edge, Host, Provider, key, now_ms};
use nupeer_runtime::params;
use nupeer_tokens::asset::ASSETS_MAX;
use serde::Deserialize;
use utoipa::IntoParams;

/// A provider and its market bonds.
#[utoipa::path(get, path = "/v1/providers/{account}", tag = "exchange",
    params(("account" = String, Path, description = "hex or bech32")),
    responses((status = 200, body = ProviderInfo), (status = "default", body = ApiError)))]
pub async fn provider(State(api): State<Api>, Part(text): Part) -> Result<Json<ProviderInfo>, Problem> {
    let id = asked::account(&text, &api.chain.rules().hrp)?;
    api.ledger(move |ledger| provider_info(ledger, &id)).await.map(Json)
}

fn provider_info(ledger: &Ledger<'_>, id: &AccountId) -> Result<ProviderInfo, Problem> {
    let known: Option<Provider> = ledger.work.get(&key::provider(id))?;
    known.ok_or_else(|| Problem::not_found(format!("account {} is not a provider", ledger.text_of(id))))?;
    let mut bonds = Vec::new();
    for (at, Bond { total, held }) in ledger.work.scan::<Bond>(&Key::new(0x27).account(id), &[], ASSETS_MAX)? {
        let asset = AssetId(u16::from_be_bytes(tail(&at)?));
        bonds.push(BondInfo { asset: asset.0, bond: total.into(), used: held.into() });
    }
    Ok(ProviderInfo { account: ledger.text_of(id), bonds })
}

/// Which machines.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HostsOf {
    /// Only those of this account, hex or bech32.
    provider: Option<String>,
}

/// Machines, all or a provider's.
#[utoipa::path(get, path = "/v1/hosts", tag = "exchange", params(HostsOf),
    responses((status = 200, body = Vec<HostInfo>), (status = "default", body = ApiError)))]
pub async fn hosts(
    State(api): State<Api>,
    Asked(HostsOf { provider }): Asked<HostsOf>,
) -> Result<Rows<HostInfo>, Problem> {
    let provider = provider.map(|text| asked::account(&text, &api.chain.rules().hrp)).transpose()?;
    let rows = api.ledger(move |ledger| {
        let id = |at: &[u8]| tail(at).map(|bytes| HostId(u32::from_be_bytes(bytes)));
        match provider {
            None => collect(ledger, &Key::new(0x28), |at, host: Host| host_info(ledger, id(at)?, host).map(Some)),
            Some(owner) => collect(ledger, &Key::new(0x29).account(&owner), |at, _: u8| {
                let id = id(at)?;
                let host = ledger.work.expect(&key::host(id), "host of a provider")?;
                host_info(ledger, id, host).map(Some)
            }),
        }
    });
    rows.await
}

/// A machine.
#[utoipa::path(get, path = "/v1/hosts/{id}", tag = "exchange", params(("id" = u32, Path, description = "host")),
    responses((status = 200, body = HostInfo), (status = "default", body = ApiError)))]
pub async fn host(State(api): State<Api>, Part(id): Part) -> Result<Json<HostInfo>, Problem> {
    let id = HostId(asked::number(&id)?);
    let info = api.ledger(move |ledger| {
        let host: Option<Host> = ledger.work.get(&key::host(id))?;
        host_info(ledger, id, host.ok_or_else(|| Problem::not_found(format!("no host {id}")))?)
    });
    info.await.map(Json)
}

fn host_info(ledger: &Ledger<'_>, id: HostId, host: Host) -> Result<HostInfo, Problem> {
    Ok(HostInfo {
        id: id.0,
        provider: ledger.text_of(&host.provider),
        site: zone_name(ledger, host.site)?,
        zone: host.site.0,
        grade: host.grade.name().into(),
        session_key: host.session_key.to_hex(),
        seal_key: hex::encode(host.seal_key),
        traits: host.traits,
        lots: host
            .capacity
            .iter()
            .map(|c| FamilyLots { family: c.family.name().into(), lots: small(c.declared), used: small(c.used) })
            .collect(),
        state: host.state.name().into(),
        strikes: strikes_today(ledger, &host)?,
    })
}

/// Strikes of the last day of market time.
fn strikes_today(ledger: &Ledger<'_>, host: &Host) -> Result<u32, Bug> {
    let since_ms = now_ms(&ledger.work)?.saturating_sub(params::get(&ledger.work, "market.day_ms")?);
    let recent = host.strikes.iter().filter(|(_, at_ms)| *at_ms >= since_ms).count();
    Ok(u32::try_from(recent).unwrap_or(u32::MAX))
}

/// Registered edges.
#[utoipa::path(get, path = "/v1/edges", tag = "exchange",
    responses((status = 200, body = Vec<EdgeInfo>), (status = "default", body = ApiError)))]
pub async fn edges(State(api): State<Api>) -> Result<Rows<EdgeInfo>, Problem> {
    let rows = api.ledger(|ledger| {
        collect(ledger, &Key::new(0x33), |at, edge: Edge| {
            let Edge { key, addresses_hash, networks: _, asset: _, bond } = edge;
            Ok(Some(EdgeInfo {
                account: ledger.text_of(&AccountId(tail(at)?)),
                key: key.to_hex(),
                addresses_hash: hex::encode(addresses_hash),
                bond: bond.into(),
            }))
        })
    });
    rows.await
}
