//! `nupeer lease`: what a tenant sees and does while an app runs.

use super::{deploy, tx, watch};
use crate::args::{DelegateScope, Lease};
use crate::context::{Context, parse_amount};
use crate::deployment::Deployment;
use crate::failure::{Exit, Failure};
use crate::report::{Report, duration, fields, short, table};
use crate::row;
use nupeer_client::api::{LeaseInfo, Status};
use nupeer_client::build::genesis_hash;
use nupeer_client::delivery::{Capability, HEADER_CAPABILITY};
use nupeer_primitives::market::{Delegate, delegate_scope};
use nupeer_primitives::{Action, Amount, LeaseId, Signature, VerificationKey};
use std::io::Write;
use std::time::Duration;

pub(super) async fn run(context: &Context, command: Lease) -> Result<Report, Failure> {
    match command {
        Lease::List { all } => list(context, all).await,
        Lease::Show(id) => show(context, &find(context, &id.lease).await?).await,
        Lease::Logs { lease, follow, since_ms } => {
            logs(context, &find(context, &lease.lease).await?, follow, since_ms).await
        }
        Lease::Watch { lease, once, limit } => {
            watch::run(context, &find(context, &lease.lease).await?, watch::Wish { once, limit }).await
        }
        Lease::Bill(id) => bill(context, &find(context, &id.lease).await?).await,
        Lease::TopUp { lease, amount } => {
            let (amount, lease) = (parse_amount(&amount)?, find(context, &lease.lease).await?);
            let info = context.transact(vec![Action::TopUp { lease: id_of(&lease)?, amount }]).await?;
            Ok(tx::report(&info, &format!("added {amount} {}", lease.quote_ticker)))
        }
        Lease::Withdraw { lease, amount } => {
            let (amount, lease) = (parse_amount(&amount)?, find(context, &lease.lease).await?);
            let info = context.transact(vec![Action::LeaseWithdraw { lease: id_of(&lease)?, amount }]).await?;
            Ok(tx::report(&info, &format!("took {amount} {} back", lease.quote_ticker)))
        }
        Lease::Close(id) => {
            let lease = find(context, &id.lease).await?;
            let info = context.transact(vec![Action::Close { lease: id_of(&lease)? }]).await?;
            let done = "closing; the rest of the escrow comes back when the last receipt is settled";
            Ok(tx::report(&info, done))
        }
        Lease::Delegates { lease, key, scopes, hours, spend_cap, clear } => {
            let lease = find(context, &lease.lease).await?;
            if key.is_none() && !clear {
                return delegates(&lease);
            }
            let new = key.map(|key| NewDelegate { key, scopes, hours, spend_cap });
            set_delegates(context, &lease, new).await
        }
        Lease::Wrap(id) => wrap(context, &find(context, &id.lease).await?).await,
    }
}

pub(super) fn id_of(lease: &LeaseInfo) -> Result<LeaseId, Failure> {
    LeaseId::from_hex(&lease.id)
        .ok_or_else(|| Failure::new(Exit::Other, "cli.Garbled", format!("lease id `{}`", lease.id)))
}

/// A lease by its id, or by the beginning of one of yours.
async fn find(context: &Context, text: &str) -> Result<LeaseInfo, Failure> {
    if LeaseId::from_hex(text).is_some() {
        return Ok(context.client.lease(text).await?);
    }
    if text.len() < 4 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Failure::usage(format!(
            "`{text}` is not a lease id: give its 64 hex digits, or at least the first 4"
        )));
    }
    let own = context.client.leases_of(&context.own_id()?).await?;
    let mut fits = own.into_iter().filter(|lease| lease.id.starts_with(&text.to_lowercase()));
    match (fits.next(), fits.next()) {
        (Some(lease), None) => Ok(lease),
        (None, _) => {
            let missing =
                Failure::new(Exit::NotFound, "cli.NotFound", format!("none of your leases begins with {text}"));
            Err(missing.next("see `nupeer lease list --all`, or give the whole id"))
        }
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("several of your leases begin with {text}: give more digits")))
        }
    }
}

/// How long the escrow lasts.
fn runway(lease: &LeaseInfo, status: &Status) -> String {
    match lease.funded_until_ms {
        Some(until) if until > status.market_now_ms => duration(until - status.market_now_ms),
        Some(_) => "none".into(),
        None => "-".into(),
    }
}

async fn list(context: &Context, all: bool) -> Result<Report, Failure> {
    let status = context.client.status().await?;
    let mut leases = context.client.leases_of(&context.own_id()?).await?;
    leases.retain(|lease| all || lease.state != "Closed");
    let mut rows = vec![row!["lease", "state", "host", "lots", "price", "balance", "runway"]];
    rows.extend(leases.iter().map(|lease| {
        let host = lease.host.map_or("-".into(), |host| host.to_string());
        let lots = format!("{} {}", lease.lots, lease.family);
        let balance = format!("{} {}", lease.balance, lease.quote_ticker);
        row![short(&lease.id), lease.state, host, lots, lease.price, balance, runway(lease, &status)]
    }));
    let text =
        if leases.is_empty() { "no leases: order one with `nupeer deploy app.yaml`".into() } else { table(&rows) };
    Ok(Report::of(&leases, text))
}

async fn show(context: &Context, lease: &LeaseInfo) -> Result<Report, Failure> {
    let status = context.client.status().await?;
    let or_none = |text: Option<String>| text.unwrap_or("-".into());
    let deadline = lease.deadline_ms.map(|at| format!("in {}", duration(at.saturating_sub(status.market_now_ms))));
    let receipt = lease.receipt.as_ref().map(|r| format!("number {}, up {}", r.seq, duration(r.up_ms)));
    let text = fields(&[
        ("lease", lease.id.clone()),
        ("state", format!("{} (epoch {})", lease.state, lease.epoch)),
        ("host", or_none(lease.host.map(|host| host.to_string()))),
        ("provider", or_none(lease.provider.clone())),
        ("lots", format!("{} {}", lease.lots, lease.family)),
        ("price", format!("{} {} per lot-hour", lease.price, lease.quote_ticker)),
        ("balance", format!("{} {}", lease.balance, lease.quote_ticker)),
        ("runway", runway(lease, &status)),
        ("deadline of this state", or_none(deadline)),
        ("manifest", lease.manifest_hash.clone()),
        (
            "bundle key posted for",
            lease.wraps.iter().map(|w| format!("host {}", w.host)).collect::<Vec<_>>().join(", "),
        ),
        ("last receipt", or_none(receipt)),
        ("edges", lease.edges.join(", ")),
    ]);
    Ok(Report::of(lease, text))
}

async fn bill(context: &Context, lease: &LeaseInfo) -> Result<Report, Failure> {
    let status = context.client.status().await?;
    let ticker = &lease.quote_ticker;
    let hour = Amount::new(lease.price.0).mul_div_floor(lease.lots.into(), 1).unwrap_or_default();
    let gross =
        |net: Amount| net.checked_add(net.mul_div_floor(lease.fee_bps, 10_000).unwrap_or_default()).unwrap_or(net);
    let running = lease.state == "Active" || lease.state == "Reclaiming";
    let since = lease.active_since_ms.filter(|_| running).map(|since| status.market_now_ms.saturating_sub(since));
    let reserved = since.and_then(|ms| hour.mul_div_floor(ms, 3_600_000)).unwrap_or_default();
    let mut counted = Vec::new();
    if let Some(receipt) = &lease.receipt {
        for (kind, total) in &receipt.counters {
            if let Some(meter) = lease.meters.iter().find(|meter| meter.kind == *kind) {
                let price = Amount::new(*total).mul_div_floor(meter.num, meter.den).unwrap_or_default();
                counted.push((meter.name.clone(), *total, price));
            }
        }
    }
    let mut rows = vec![
        ("reserved lots", format!("{} lots at {} = {hour} {ticker} per hour", lease.lots, lease.price)),
        ("running since", since.map_or("-".into(), duration)),
        ("reserved, this run", format!("{reserved} {ticker}")),
    ];
    let lines: Vec<String> =
        counted.iter().map(|(name, total, price)| format!("{name} {total} = {price} {ticker}")).collect();
    rows.extend(lines.into_iter().map(|line| ("metered, by signed receipts", line)));
    rows.extend([
        (
            "platform fee",
            format!(
                "{}.{:02} %, so {} {ticker} per hour in all",
                lease.fee_bps / 100,
                lease.fee_bps % 100,
                gross(hour)
            ),
        ),
        ("settled to the provider", format!("{} {ticker}", lease.paid_provider)),
        ("settled to the platform", format!("{} {ticker}", lease.paid_platform)),
        ("refunded", format!("{} {ticker}", lease.refunded)),
        ("arrears", format!("{} {ticker}", lease.arrears)),
        ("balance", format!("{} {ticker}", lease.balance)),
        ("runway", runway(lease, &status)),
    ]);
    let meters: Vec<_> = counted.iter().map(|(name, total, price)| {
        serde_json::json!({ "meter": name, "total": total, "price": price.get().to_string() })
    }).collect();
    let json = serde_json::json!({
        "lease": lease.id, "state": lease.state, "ticker": ticker, "per_hour": hour.get().to_string(),
        "running_ms": since, "reserved": reserved.get().to_string(), "metered": meters, "fee_bps": lease.fee_bps,
        "paid_provider": lease.paid_provider, "paid_platform": lease.paid_platform, "refunded": lease.refunded,
        "arrears": lease.arrears, "balance": lease.balance, "receipt_seq": lease.receipt.as_ref().map(|r| r.seq),
        "funded_until_ms": lease.funded_until_ms, "market_now_ms": status.market_now_ms,
    });
    Ok(Report::new(json, fields(&rows)))
}

fn delegates(lease: &LeaseInfo) -> Result<Report, Failure> {
    let mut rows = vec![row!["key", "scopes", "spend cap", "ends at market ms"]];
    rows.extend(lease.delegates.iter().map(|d| row![d.key, format!("{:#x}", d.scopes), d.spend_cap, d.expiry_ms]));
    let text = if lease.delegates.is_empty() { "no delegates".into() } else { table(&rows) };
    Ok(Report::of(&lease.delegates, text))
}

struct NewDelegate {
    key: String,
    scopes: Vec<DelegateScope>,
    hours: u64,
    spend_cap: String,
}

async fn set_delegates(context: &Context, lease: &LeaseInfo, new: Option<NewDelegate>) -> Result<Report, Failure> {
    let mut delegates = Vec::new();
    if let Some(new) = new {
        let key = |text: &str| {
            VerificationKey::from_hex(text).ok_or_else(|| Failure::usage(format!("key `{text}` is not 64 hex digits")))
        };
        if new.scopes.is_empty() {
            return Err(Failure::usage("a delegate without --scopes may do nothing: name some, like sign,logs"));
        }
        let added = key(&new.key)?;
        let cap = Amount::from_decimal(&new.spend_cap);
        let spend_cap = cap.ok_or_else(|| Failure::usage(format!("spend cap `{}` is not an amount", new.spend_cap)))?;
        for old in lease.delegates.iter().filter(|old| old.key != new.key) {
            let (scopes, expiry_ms) = (old.scopes, old.expiry_ms);
            delegates.push(Delegate { key: key(&old.key)?, scopes, spend_cap: old.spend_cap.into(), expiry_ms });
        }
        let expiry_ms =
            context.client.status().await?.market_now_ms.saturating_add(new.hours.saturating_mul(3_600_000));
        let scopes = new.scopes.iter().map(|scope| scope_bit(*scope)).fold(0, |mask, bit| mask | bit);
        delegates.push(Delegate { key: added, scopes, spend_cap, expiry_ms });
    }
    let count = delegates.len();
    let info = context.transact(vec![Action::Delegates { lease: id_of(lease)?, delegates }]).await?;
    Ok(tx::report(&info, &format!("the lease has {count} delegates now")))
}

const fn scope_bit(scope: DelegateScope) -> u32 {
    match scope {
        DelegateScope::Sign => delegate_scope::SIGN,
        DelegateScope::Topup => delegate_scope::TOPUP,
        DelegateScope::Wrap => delegate_scope::WRAP,
        DelegateScope::Logs => delegate_scope::LOGS,
        DelegateScope::Exec => delegate_scope::EXEC,
        DelegateScope::Restart => delegate_scope::RESTART,
        DelegateScope::Update => delegate_scope::UPDATE,
        DelegateScope::Snapshot => delegate_scope::SNAPSHOT,
        DelegateScope::Challenge => delegate_scope::CHALLENGE,
    }
}

async fn wrap(context: &Context, lease: &LeaseInfo) -> Result<Report, Failure> {
    let genesis = genesis_hash(&context.client.status().await?)?;
    let kept = Deployment::load(&context.keystore_path()?, &genesis, lease.order).ok_or_else(|| {
        let what = format!("this machine has no bundle key for lease {}", short(&lease.id));
        Failure::new(Exit::NotFound, "cli.NotFound", what).next("run it where the app was deployed, or deploy again")
    })?;
    let host = lease.host.ok_or_else(|| {
        Failure::new(Exit::NotFound, "cli.NotFound", "the lease has no host yet")
            .next("wait for a match: nupeer lease show")
    })?;
    let action = deploy::wrap_action(context, &id_of(lease)?, host, &kept, &genesis).await?;
    let info = context.transact(vec![action]).await?;
    Ok(tx::report(&info, &format!("bundle key of {}/{} sealed to host {host}", kept.app, kept.service)))
}

async fn logs(context: &Context, lease: &LeaseInfo, follow: bool, since_ms: u64) -> Result<Report, Failure> {
    let genesis = genesis_hash(&context.client.status().await?)?;
    let account = context.unlock()?;
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|e| Failure::new(Exit::Other, "cli.NoRandomness", e.to_string()))?;
    let mut capability = Capability {
        lease: id_of(lease)?,
        scopes: delegate_scope::LOGS,
        expiry: deploy::now_s().saturating_add(3_600),
        nonce,
        key: account.key(),
        signature: Signature([0; 64]),
    };
    capability.signature = account.sign_digest(&capability.digest(&genesis).0);
    let url = format!(
        "{}/.nupeer/v1/lease/{}/logs?since_ms={since_ms}&follow={follow}",
        context.globals.gateway.trim_end_matches('/'),
        lease.id
    );
    let http = gateway_client(None)?;
    let request = http.get(url).header(HEADER_CAPABILITY, capability.to_header());
    let mut response = request.send().await.map_err(unreachable)?;
    match response.status().as_u16() {
        200 => {}
        404 => {
            let missing = Failure::new(Exit::NotFound, "cli.NotFound", "the gateway knows no host of this lease");
            return Err(missing.next("logs are kept while a host has the lease: see `nupeer lease show`"));
        }
        status => {
            let detail: String = response.text().await.unwrap_or_default().chars().take(300).collect();
            return Err(Failure::new(
                Exit::Other,
                "cli.Unexpected",
                format!("the gateway answered {status}: {detail}"),
            ));
        }
    }
    print_logs(context, &mut response, follow).await
}

/// Bytes as they come; with `--json` one string a chunk while following, else one value at the end.
async fn print_logs(context: &Context, response: &mut reqwest::Response, follow: bool) -> Result<Report, Failure> {
    let (mut out, mut all) = (std::io::stdout(), String::new());
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        let printed = match (context.globals.json, follow) {
            (false, _) => out.write_all(&chunk).and_then(|()| out.flush()),
            (true, true) => writeln!(out, "{}", serde_json::json!(String::from_utf8_lossy(&chunk))),
            (true, false) => {
                all.push_str(&String::from_utf8_lossy(&chunk));
                Ok(())
            }
        };
        if printed.is_err() {
            break;
        }
    }
    let collected = context.globals.json && !follow;
    Ok(if collected { Report::new(serde_json::json!({ "logs": all }), "") } else { Report::default() })
}

pub(super) fn unreachable(error: reqwest::Error) -> Failure {
    let advice = "is the gateway right? --gateway or NUPEER_GATEWAY name it";
    Failure::new(Exit::Unreachable, "cli.Unreachable", format!("gateway: {error}")).next(advice)
}

/// Speaks to the gateway; without a limit for streams that last.
pub(super) fn gateway_client(timeout: Option<Duration>) -> Result<reqwest::Client, Failure> {
    let builder = reqwest::Client::builder().connect_timeout(Duration::from_secs(10)).no_proxy();
    let builder = match timeout {
        Some(timeout) => builder.timeout(timeout),
        None => builder,
    };
    builder.build().map_err(unreachable)
}
