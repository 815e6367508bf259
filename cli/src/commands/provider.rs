//! `nupeer provider`: the owner's side, signed with the account's key. The daemon acts with its session key alone.

use super::{market, tx};
use crate::args::{BondWay, HostArgs, HostStateArg, Provider};
use crate::context::{Context, parse_amount};
use crate::failure::{Exit, Failure};
use crate::plan::trait_mask;
use crate::report::{Report, fields, table};
use crate::row;
use nupeer_client::api::HostInfo;
use nupeer_primitives::hash::blake2b_256;
use nupeer_primitives::ids::HostId;
use nupeer_primitives::market::{Ask, BondChange, Family, Grade, HostState};
use nupeer_primitives::{Action, Amount, AssetId, InstrumentId, VerificationKey};
use std::path::Path;

pub(super) async fn run(context: &Context, command: Provider) -> Result<Report, Failure> {
    match command {
        Provider::Register { bond, asset, meta } => register(context, &bond, &asset, meta.as_deref()).await,
        Provider::Bond { change, amount, asset } => bond(context, change, &amount, &asset).await,
        Provider::Host(args) => host(context, args).await,
        Provider::HostSet { host, lots, session_key, seal_key, state } => {
            let change = HostChange { lots, session_key, seal_key, state };
            host_set(context, host, change).await
        }
        Provider::Ask { host, instrument, price_min, lots, standby_bps } => {
            ask(context, host, &instrument, &price_min, lots, standby_bps).await
        }
        Provider::Cancel { order } => market::cancel(context, order).await,
        Provider::Hosts { all } => hosts(context, all).await,
        Provider::Edge { key, address, network, bond, asset } => {
            edge(context, &key, &address, network, &bond, &asset).await
        }
        Provider::Status => status(context).await,
    }
}

async fn register(context: &Context, bond: &str, asset: &str, meta: Option<&Path>) -> Result<Report, Failure> {
    let bond = parse_amount(bond)?;
    let meta_hash = match meta {
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|e| Failure::usage(format!("`{}`: {e}", path.display())))?;
            blake2b_256(&bytes).0
        }
        None => [0; 32],
    };
    let asset = context.asset(asset).await?;
    let action = Action::Provider { meta_hash, asset: AssetId(asset.id), bond };
    let info = context.transact(vec![action]).await?;
    let done = format!("registered with a bond of {bond} {}; next: `nupeer provider host`", asset.ticker);
    Ok(tx::report(&info, &done))
}

async fn bond(context: &Context, change: BondWay, amount: &str, asset: &str) -> Result<Report, Failure> {
    let amount = parse_amount(amount)?;
    let asset = context.asset(asset).await?;
    let change = match change {
        BondWay::Add => BondChange::Add,
        BondWay::Out => BondChange::Out,
    };
    let action = Action::ProviderBond { asset: AssetId(asset.id), change, amount };
    let info = context.transact(vec![action]).await?;
    Ok(tx::report(&info, &format!("bond changed by {amount} {}", asset.ticker)))
}

fn key_bytes(what: &str, text: &str) -> Result<[u8; 32], Failure> {
    let key = VerificationKey::from_hex(text);
    key.map(|key| key.0).ok_or_else(|| Failure::usage(format!("{what} `{text}` is not 64 hex digits")))
}

async fn host(context: &Context, args: HostArgs) -> Result<Report, Failure> {
    let grade = Grade::ALL.iter().find(|grade| grade.name() == args.grade);
    let grade = *grade.ok_or_else(|| Failure::usage(format!("grade `{}` is not A, B, C or D", args.grade)))?;
    let traits = trait_mask(&args.traits).map_err(|e| Failure::usage(e.to_string()))?;
    let (session, seal_key) = (key_bytes("session key", &args.session_key)?, key_bytes("seal key", &args.seal_key)?);
    let genesis = context.genesis(&context.client.status().await?).await?;
    let names = || genesis.zones.iter().map(|zone| zone.name.as_str()).collect::<Vec<_>>().join(", ");
    let site = genesis.zones.iter().find(|zone| zone.name == args.site);
    let site = site.ok_or_else(|| Failure::usage(format!("site `{}` is not one of {}", args.site, names())))?.id;
    let lots = ascending(args.lots);
    let action = Action::Host {
        site,
        grade,
        session_key: VerificationKey(session),
        seal_key,
        traits,
        lots,
        attestation_hash: [0; 32],
    };
    let info = context.transact(vec![action]).await?;
    let number = tx::given(&info, "HostListed", "host").map_or(String::new(), |host| format!(" as host {host}"));
    Ok(tx::report(&info, &format!("machine listed{number}; next: `nupeer provider ask`, or start the daemon")))
}

fn ascending(mut lots: Vec<(Family, u32)>) -> Vec<(Family, u32)> {
    lots.sort();
    lots
}

struct HostChange {
    lots: Option<Vec<(Family, u32)>>,
    session_key: Option<String>,
    seal_key: Option<String>,
    state: Option<HostStateArg>,
}

async fn host_set(context: &Context, id: u32, change: HostChange) -> Result<Report, Failure> {
    let now = context.client.host(id).await?;
    let session = key_bytes("session key", change.session_key.as_ref().unwrap_or(&now.session_key))?;
    let seal_key = key_bytes("seal key", change.seal_key.as_ref().unwrap_or(&now.seal_key))?;
    let state = match change.state {
        Some(HostStateArg::Open) => HostState::Open,
        Some(HostStateArg::Draining) => HostState::Draining,
        None if now.state == HostState::Draining.name() => HostState::Draining,
        None => HostState::Open,
    };
    let lots = change.lots.unwrap_or_else(|| declared(&now));
    let action = Action::HostSet {
        host: HostId(id),
        lots: ascending(lots),
        traits: now.traits,
        session_key: VerificationKey(session),
        seal_key,
        state,
    };
    let info = context.transact(vec![action]).await?;
    Ok(tx::report(&info, &format!("host {id} changed")))
}

fn declared(host: &HostInfo) -> Vec<(Family, u32)> {
    let family = |name: &str| Family::ALL.iter().find(|family| family.name() == name).copied();
    host.lots.iter().filter_map(|lots| Some((family(&lots.family)?, lots.lots))).collect()
}

async fn ask(
    context: &Context,
    host: u32,
    instrument: &str,
    price: &str,
    lots: u32,
    standby_bps: u16,
) -> Result<Report, Failure> {
    let price = parse_amount(price)?;
    let market = context.instrument(instrument).await?;
    let machine = context.client.host(host).await?;
    let tick = price.get().div_ceil(market.tick_size.max(1));
    let tick = u16::try_from(tick).ok().filter(|tick| *tick <= market.hi);
    let highest = Amount::new(u64::from(market.hi).saturating_mul(market.tick_size));
    let too_high = || Failure::usage(format!("price {price} is above {highest}, the highest of {}", market.name));
    let ask = Ask {
        host: HostId(host),
        instrument: InstrumentId(market.id),
        tick: tick.ok_or_else(too_high)?,
        lots,
        standby_bps,
        traits: machine.traits,
    };
    let info = context.transact(vec![Action::Ask { ask }]).await?;
    Ok(tx::report(&info, &format!("{lots} lots of host {host} offered in {}", market.name)))
}

fn host_table(hosts: &[HostInfo]) -> String {
    let mut rows = vec![row!["host", "site", "grade", "state", "lots used", "strikes", "provider"]];
    rows.extend(hosts.iter().map(|host| {
        let lots: Vec<String> = host.lots.iter().map(|l| format!("{} {}/{}", l.family, l.used, l.lots)).collect();
        row![host.id, host.site, host.grade, host.state, lots.join(" "), host.strikes, host.provider]
    }));
    table(&rows)
}

async fn hosts(context: &Context, all: bool) -> Result<Report, Failure> {
    let hosts = if all { context.client.hosts().await? } else { context.client.hosts_of(&context.own_id()?).await? };
    let text = if hosts.is_empty() {
        "no machine is listed: see `nupeer provider host --help`".into()
    } else {
        host_table(&hosts)
    };
    Ok(Report::of(&hosts, text))
}

async fn edge(
    context: &Context,
    key: &str,
    addresses: &[String],
    mut networks: Vec<u32>,
    bond: &str,
    asset: &str,
) -> Result<Report, Failure> {
    let key = VerificationKey(key_bytes("key", key)?);
    let bond = parse_amount(bond)?;
    let asset = context.asset(asset).await?;
    networks.sort_unstable();
    networks.dedup();
    let addresses_hash = blake2b_256(addresses.join("\n").as_bytes()).0;
    let action = Action::Edge { key, addresses_hash, networks, asset: AssetId(asset.id), bond };
    let info = context.transact(vec![action]).await?;
    Ok(tx::report(&info, "edge registered"))
}

async fn status(context: &Context) -> Result<Report, Failure> {
    let id = context.own_id()?;
    let provider = context.client.provider(&id).await.map_err(|error| match Failure::from(error) {
        missing if missing.exit == Exit::NotFound => {
            missing.next("register first: `nupeer provider register --bond 100`")
        }
        other => other,
    })?;
    let hosts = context.client.hosts_of(&id).await?;
    let mut leases = Vec::new();
    for host in &hosts {
        leases.extend(context.client.leases_on(host.id).await?);
    }
    let mut parts = vec![fields(&[("provider", provider.account.clone())])];
    let mut rows = vec![row!["asset", "bond", "locked by leases"]];
    rows.extend(provider.bonds.iter().map(|bond| row![bond.asset, bond.bond, bond.used]));
    parts.push(table(&rows));
    if !hosts.is_empty() {
        parts.push(host_table(&hosts));
    }
    if !leases.is_empty() {
        let mut rows = vec![row!["lease", "host", "state", "lots", "price", "paid to you"]];
        rows.extend(leases.iter().map(|lease| {
            let host = lease.host.map_or("-".into(), |host| host.to_string());
            let paid = format!("{} {}", lease.paid_provider, lease.quote_ticker);
            row![crate::report::short(&lease.id), host, lease.state, lease.lots, lease.price, paid]
        }));
        parts.push(table(&rows));
    }
    let json = serde_json::json!({ "provider": provider, "hosts": hosts, "leases": leases });
    Ok(Report::new(json, parts.join("\n\n")))
}
