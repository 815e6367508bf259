//! `nupeer deploy`: manifest -> bids -> match -> bundle key -> running app.
//!
//! 1. Read the manifest, choose markets, show what it may cost.
//! 2. Seal one bundle per service, store bundles and artifacts at the gateway.
//! 3. One transaction places every bid.
//! 4. Each lease that finds a host gets its bundle key, again after every other match, until it is active.
//! 5. Top-up rules, if the manifest wants them.
//!
//! Stopping at any point loses nothing: bundle keys are kept beside the keystore, `nupeer lease wrap` does step 4 later.

use super::tx;
use crate::args::{Deploy, Wait};
use crate::context::Context;
use crate::deployment::Deployment;
use crate::failure::{Exit, Failure};
use crate::manifest::{App, AutoTopUp, YAML_BYTES_MAX};
use crate::plan::{self, Markets, PlannedBid};
use crate::report::{Report, short, table};
use crate::row;
use crate::wallet::Account;
use nupeer_client::api::{LeaseInfo, Status, TxInfo};
use nupeer_client::bundle::{Bundle, BundleAddress, BundleKey, SECRET_BYTES_MAX, wrap};
use nupeer_client::delivery::{BLOB_BYTES_MAX, Store, UploadPermit};
use nupeer_client::manifest::{ArtifactKind, Workload};
use nupeer_client::{ClientError, build};
use nupeer_primitives::hash::{Tag, blake2b_256, tagged};
use nupeer_primitives::ids::HostId;
use nupeer_primitives::market::TopUpRule;
use nupeer_primitives::{Action, GenesisHash, LeaseId, TxId, VerificationKey};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// A month of automatic top-up.
const MONTH_MS: u64 = 720 * 3_600_000;
/// Life of an upload permit.
const PERMIT_SECONDS: u64 = 3_600;

pub(super) async fn run(context: &Context, args: Deploy) -> Result<Report, Failure> {
    let app = App::parse(&read_text(&args.manifest)?).map_err(|e| Failure::usage(e.to_string()))?;
    let secrets = read_secrets(&app, &args.secret)?;
    let artifacts = read_artifacts(&app, &args)?;
    let status = context.client.status().await?;
    let genesis = build::genesis_hash(&status)?;
    let markets = markets(context, &status).await?;
    let planned =
        plan::bids(&app, &markets, || u64::from_be_bytes(random8())).map_err(|e| Failure::usage(e.to_string()))?;
    if args.dry_run {
        return Ok(plan_report(&app, &planned));
    }
    let account = context.unlock()?;
    let sealed = seal_and_store(context, &app, &planned, secrets, &artifacts, &account, &genesis).await?;
    let actions = planned.iter().map(|planned| Action::Bid { bid: planned.bid.clone() }).collect();
    // Order numbers are known once a block has the bids; the app shall run before they are final.
    let info = context.transact_as(&account, actions, Wait::Included).await?;
    let mut leases = placed(&info, &planned, &genesis)?;
    let keystore = context.keystore_path()?;
    for lease in &mut leases {
        let Some(kept) = sealed.get(&lease.service) else { continue };
        // The file of this order can only be there already if a reorganisation gave the number out twice.
        if let Err(error) = kept.save(&keystore, &genesis, lease.order) {
            eprintln!("nupeer: {error}; the key of this deployment isn't kept");
        }
    }
    if args.detach {
        let note = "ordered; post the bundle key with `nupeer lease wrap LEASE` once it is matched";
        return Ok(running_report(&app, &leases, note, &final_order(context, info).await?));
    }
    watch(context, &account, &mut leases, &sealed, &genesis, app.budget.auto_topup).await?;
    let access = access(context, &planned);
    if context.globals.wait == Wait::Final && !context.globals.json {
        eprintln!("{access}");
    }
    Ok(running_report(&app, &leases, &access, &final_order(context, info).await?))
}

/// Follows the order as far as the flags say. An order that runs but is not final in time is no failure: the report
/// tells it.
async fn final_order(context: &Context, info: TxInfo) -> Result<TxInfo, Failure> {
    if context.globals.wait != Wait::Final {
        return Ok(info);
    }
    let id = TxId::from_hex(&info.id).ok_or_else(|| ClientError::Garbled { why: format!("id `{}`", info.id) })?;
    match context.follow(&id, Wait::Final).await {
        Err(failure) if matches!(failure.exit, Exit::NotFinal | Exit::TimedOut) => Ok(info),
        done => done,
    }
}

/// A bid that was placed.
struct Placed {
    service: String,
    order: u64,
    id: LeaseId,
    last: Option<LeaseInfo>,
    /// Host that got the key, and in which epoch.
    wrapped: Option<(u32, u32)>,
    topup_set: bool,
    /// Transactions that failed because the lease had moved on meanwhile.
    refusals: u32,
}

/// Failed follow-up transactions of one lease, each of which costs a fee.
const REFUSALS_MAX: u32 = 5;

fn read_text(path: &Path) -> Result<String, Failure> {
    let bytes = read_bounded(path, YAML_BYTES_MAX)?;
    String::from_utf8(bytes).map_err(|_| Failure::usage(format!("`{}` is not UTF-8 text", path.display())))
}

fn read_bounded(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    use std::io::Read;
    let wrong = |e: std::io::Error| Failure::usage(format!("`{}`: {e}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(wrong)?;
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() > bytes_max {
        return Err(Failure::usage(format!("`{}` has more than {bytes_max} bytes", path.display())));
    }
    Ok(bytes)
}

type Secrets = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// Values of every secret that the app names, and of no other.
fn read_secrets(app: &App, given: &[String]) -> Result<Secrets, Failure> {
    let mut out = Secrets::new();
    for secret in given {
        let wrong = || Failure::usage("a secret is given as NAME=VALUE or NAME=@file");
        let (name, value) = secret.split_once('=').ok_or_else(wrong)?;
        let value = match value.strip_prefix('@') {
            Some(path) => read_bounded(Path::new(path), SECRET_BYTES_MAX)?,
            None => value.as_bytes().to_vec(),
        };
        if out.insert(name.to_string(), Zeroizing::new(value)).is_some() {
            return Err(Failure::usage(format!("secret `{name}` is given twice")));
        }
    }
    let named = |name: &String| app.services.iter().any(|service| service.workload.secrets.contains(name));
    if let Some(name) = out.keys().find(|name| !named(name)) {
        return Err(Failure::usage(format!("the manifest names no secret `{name}`")));
    }
    let wanted = app.services.iter().flat_map(|service| &service.workload.secrets);
    match wanted.into_iter().find(|name| !out.contains_key(*name)) {
        Some(name) => Err(Failure::usage(format!("secret `{name}` has no value: give --secret {name}=@file"))),
        None => Ok(out),
    }
}

/// Contents of local artifacts by digest: those given, and `FILE.wasm` beside `FILE.yaml` where it fits.
fn read_artifacts(app: &App, args: &Deploy) -> Result<BTreeMap<[u8; 32], Vec<u8>>, Failure> {
    let local = |workload: &Workload| workload.artifact.kind != ArtifactKind::Image;
    let wanted: Vec<[u8; 32]> =
        app.services.iter().map(|s| &s.workload).filter(|w| local(w)).map(|w| w.artifact.digest).collect();
    let mut out = BTreeMap::new();
    for path in &args.artifact {
        let bytes = read_bounded(path, BLOB_BYTES_MAX)?;
        let digest = blake2b_256(&bytes).0;
        if !wanted.contains(&digest) {
            let what =
                format!("`{}` has the digest blake2b:{}, which no service names", path.display(), hex::encode(digest));
            return Err(Failure::usage(what));
        }
        out.insert(digest, bytes);
    }
    let beside: PathBuf = args.manifest.with_extension("wasm");
    if beside.is_file() {
        let bytes = read_bounded(&beside, BLOB_BYTES_MAX)?;
        let digest = blake2b_256(&bytes).0;
        if wanted.contains(&digest) {
            out.insert(digest, bytes);
        }
    }
    Ok(out)
}

async fn markets(context: &Context, status: &Status) -> Result<Markets, Failure> {
    let life = context.client.parameters().await?;
    let life = life.iter().find(|parameter| parameter.name == "market.order_life_ms").map(|parameter| parameter.value);
    Ok(Markets {
        instruments: context.client.instruments().await?,
        zones: context.genesis(status).await?.zones,
        order_life_ms: life.unwrap_or(3_600_000),
    })
}

fn random8() -> [u8; 8] {
    let mut bytes = [0; 8];
    // A group number need not be secret: without randomness the clock tells groups apart as well.
    if getrandom::fill(&mut bytes).is_err() {
        bytes = now_s().to_be_bytes();
    }
    bytes
}

/// Seconds since 1970.
pub(super) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Step 2. Gives what is kept of each service.
async fn seal_and_store(
    context: &Context,
    app: &App,
    planned: &[PlannedBid],
    secrets: Secrets,
    artifacts: &BTreeMap<[u8; 32], Vec<u8>>,
    account: &Account,
    genesis: &GenesisHash,
) -> Result<BTreeMap<String, Deployment>, Failure> {
    let store = Store::new(&format!("{}/.nupeer", context.globals.gateway.trim_end_matches('/')))?;
    let mut sealed = BTreeMap::new();
    for bid in planned.iter().filter(|bid| bid.replica == 0) {
        let workload = bid.workload.clone();
        let progress = context.progress(&format!("storing {} at the gateway", bid.service));
        store_artifact(&store, &workload, artifacts, account, genesis).await?;
        let values = workload.secrets.iter().filter_map(|name| Some((name.clone(), secrets.get(name)?.clone())));
        let bundle = Bundle { secrets: values.collect(), volume_keys: Vec::new(), workload };
        let key = BundleKey::generate()?;
        let bytes = bundle.seal(&key, genesis)?;
        let address = BundleAddress::of(&bytes);
        let permit = permit(account, genesis, &bytes);
        store.put("bundle", &address.to_hex(), bytes, &permit).await.map_err(gateway)?;
        progress.finish_and_clear();
        let kept = Deployment { app: app.name.clone(), service: bid.service.clone(), key, address };
        sealed.insert(bid.service.clone(), kept);
    }
    Ok(sealed)
}

async fn store_artifact(
    store: &Store,
    workload: &Workload,
    artifacts: &BTreeMap<[u8; 32], Vec<u8>>,
    account: &Account,
    genesis: &GenesisHash,
) -> Result<(), Failure> {
    if workload.artifact.kind == ArtifactKind::Image {
        return Ok(());
    }
    let address = hex::encode(workload.artifact.digest);
    if store.has("artifact", &address).await.map_err(gateway)? {
        return Ok(());
    }
    let Some(bytes) = artifacts.get(&workload.artifact.digest) else {
        let what = format!("service `{}`: nobody stores blake2b:{address} yet", workload.service);
        return Err(Failure::usage(what).next("give its file with --artifact FILE"));
    };
    let permit = permit(account, genesis, bytes);
    store.put("artifact", &address, bytes.clone(), &permit).await.map_err(gateway)
}

fn permit(account: &Account, genesis: &GenesisHash, content: &[u8]) -> UploadPermit {
    let expiry = now_s().saturating_add(PERMIT_SECONDS);
    let signature = account.sign_digest(&UploadPermit::digest(genesis, content, expiry).0);
    UploadPermit { key: account.key(), expiry, signature }
}

fn gateway(error: ClientError) -> Failure {
    if let ClientError::Unreachable { url, why } = &error {
        let failure =
            Failure::new(Exit::Unreachable, "cli.Unreachable", format!("gateway {url} does not answer: {why}"));
        return failure.next("name the gateway with --gateway URL or NUPEER_GATEWAY");
    }
    if let ClientError::Unexpected { status, detail } = &error {
        return Failure::new(Exit::Other, "cli.Gateway", format!("the gateway answered {status}: {detail}"));
    }
    error.into()
}

/// Order numbers of the transaction's bids, in the order of its actions, and the leases they may become.
fn placed(info: &TxInfo, planned: &[PlannedBid], genesis: &GenesisHash) -> Result<Vec<Placed>, Failure> {
    let orders: Vec<u64> = info
        .events
        .iter()
        .filter(|event| event.name == "OrderPlaced")
        .filter_map(|event| event.fields.get("order").and_then(Value::as_u64))
        .collect();
    if orders.len() != planned.len() {
        let what = format!(
            "{} bids were sent, the node tells of {} orders in transaction {}",
            planned.len(),
            orders.len(),
            info.id
        );
        return Err(
            Failure::new(Exit::Other, "cli.Garbled", what).next("don't use --wait none here; see `nupeer lease list`")
        );
    }
    let first_piece = 0u16.to_be_bytes();
    let id = |order: u64| LeaseId(tagged(Tag::Lease, genesis, &[&order.to_be_bytes(), &first_piece]).0);
    let place = |(order, bid): (u64, &PlannedBid)| Placed {
        service: bid.service.clone(),
        order,
        id: id(order),
        last: None,
        wrapped: None,
        topup_set: false,
        refusals: 0,
    };
    Ok(orders.into_iter().zip(planned).map(place).collect())
}

/// The action that gives a host the bundle key.
pub(super) async fn wrap_action(
    context: &Context,
    lease: &LeaseId,
    host: u32,
    kept: &Deployment,
    genesis: &GenesisHash,
) -> Result<Action, Failure> {
    let info = context.client.host(host).await?;
    let seal_key = VerificationKey::from_hex(&info.seal_key).map(|key| key.0);
    let seal_key = seal_key.ok_or_else(|| ClientError::Garbled { why: format!("seal key `{}`", info.seal_key) })?;
    let wrap = wrap(&kept.key, &kept.address, lease, &seal_key, genesis)?;
    Ok(Action::Wrap { lease: *lease, host: HostId(host), wrap })
}

/// Steps 4 and 5, until every lease is active.
async fn watch(
    context: &Context,
    account: &Account,
    leases: &mut [Placed],
    sealed: &BTreeMap<String, Deployment>,
    genesis: &GenesisHash,
    topup: Option<AutoTopUp>,
) -> Result<(), Failure> {
    let progress = context.progress("waiting for a host");
    let deadline = context.deadline();
    loop {
        for lease in leases.iter_mut() {
            match context.client.lease(&lease.id.to_hex()).await {
                Ok(info) => {
                    lease.last = Some(info);
                    follow_up(context, account, lease, sealed, genesis, topup).await?;
                }
                // A bid is a lease as soon as the chain keeps a record of it.
                Err(ClientError::NotFound { .. }) => {}
                Err(error) if error.is_retryable() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let states: Vec<String> = leases.iter().map(|lease| format!("{} {}", lease.service, lease.state())).collect();
        progress.set_message(states.join(", "));
        if leases.iter().all(|lease| lease.state() == "Active") {
            progress.finish_and_clear();
            return Ok(());
        }
        if let Some(over) = leases.iter().find(|lease| matches!(lease.state(), "Closed" | "Purging")) {
            let what = format!("lease {} of {} ended before it ran: {}", over.id, over.service, over.state());
            let failure = Failure::new(Exit::Refused, "market.LeaseEnding", what);
            return Err(failure.next("see `nupeer lease show`, and `nupeer market book` for other hosts"));
        }
        let what = || format!("the app to run ({})", states.join(", "));
        context
            .pause(deadline, what, "the order stands: see `nupeer lease list`, then `nupeer lease wrap LEASE`")
            .await?;
    }
}

impl Placed {
    fn state(&self) -> &str {
        self.last.as_ref().map_or("Queued", |info| info.state.as_str())
    }
}

/// Gives the present host its key, and sets the top-up rule once.
async fn follow_up(
    context: &Context,
    account: &Account,
    lease: &mut Placed,
    sealed: &BTreeMap<String, Deployment>,
    genesis: &GenesisHash,
    topup: Option<AutoTopUp>,
) -> Result<(), Failure> {
    let Some(info) = &lease.last else { return Ok(()) };
    let Some(host) = info.host else { return Ok(()) };
    let now = (host, info.epoch);
    let waiting = info.state == "Matched" || info.state == "Provisioning";
    if let (Some(kept), true, true) = (sealed.get(&lease.service), waiting, lease.wrapped != Some(now)) {
        let action = wrap_action(context, &lease.id, host, kept, genesis).await?;
        if try_act(context, account, lease, action).await? {
            lease.wrapped = Some(now);
        }
    }
    if let (Some(rule), false) = (topup, lease.topup_set) {
        let rule = TopUpRule {
            from: account.id(),
            below_ms: rule.below_ms,
            amount: rule.amount,
            cap: rule.cap_monthly,
            period_ms: MONTH_MS,
        };
        lease.topup_set =
            try_act(context, account, lease, Action::SetTopUpRule { lease: lease.id, rule: Some(rule) }).await?;
    }
    Ok(())
}

/// Sends one action; a refusal is tried again a few times, since leases move on between a look and a block.
async fn try_act(context: &Context, account: &Account, lease: &mut Placed, action: Action) -> Result<bool, Failure> {
    match context.transact_as(account, vec![action], Wait::Included).await {
        Ok(_) => Ok(true),
        Err(failure) if failure.exit == Exit::Refused && lease.refusals < REFUSALS_MAX => {
            lease.refusals += 1;
            Ok(false)
        }
        Err(failure) => Err(failure),
    }
}

fn plan_report(app: &App, planned: &[PlannedBid]) -> Report {
    let mut rows = vec![row!["service", "market", "lots", "at most per lot-hour", "deposit", "manifest"]];
    let asset = &app.budget.asset;
    rows.extend(planned.iter().map(|p| {
        let deposit = format!("{} {asset}", p.bid.deposit);
        row![
            format!("{}.{}", p.service, p.replica),
            p.market,
            p.bid.lots,
            p.price_max,
            deposit,
            hex::encode(p.bid.manifest_hash)
        ]
    }));
    let json: Vec<Value> = planned
        .iter()
        .map(|p| {
            json!({
                "service": p.service, "replica": p.replica, "market": p.market, "lots": p.bid.lots, "tick": p.bid.tick,
                "price_max": p.price_max.get().to_string(), "deposit": p.bid.deposit.get().to_string(), "asset": asset,
                "manifest_hash": hex::encode(p.bid.manifest_hash),
            })
        })
        .collect();
    Report::new(json.into(), format!("{}\nnothing was signed", table(&rows)))
}

fn running_report(app: &App, leases: &[Placed], note: &str, order: &TxInfo) -> Report {
    let host = |lease: &Placed| lease.last.as_ref().and_then(|info| info.host);
    let mut rows = vec![row!["service", "lease", "state", "host"]];
    rows.extend(leases.iter().map(|lease| {
        row![lease.service, lease.id, lease.state(), host(lease).map_or("-".into(), |host| host.to_string())]
    }));
    let json: Vec<Value> = leases.iter().map(|lease| json!({
        "service": lease.service, "lease": lease.id.to_hex(), "order": lease.order, "state": lease.state(), "host": host(lease),
    })).collect();
    let first = leases.first().map_or(String::new(), |lease| short(&lease.id.to_hex()));
    let next = format!("next: nupeer lease bill {first}   nupeer lease logs {first}   nupeer lease close {first}");
    let text = format!("{}\n{note}\nthe order's transaction {} {}\n{next}", table(&rows), order.id, tx::place(order));
    let order = json!({ "tx": order.id, "status": order.status, "block": order.block });
    Report::new(json!({ "app": app.name, "leases": json, "note": note, "order": order }), text)
}

/// How to reach what runs.
fn access(context: &Context, planned: &[PlannedBid]) -> String {
    let gateway = context.globals.gateway.trim_end_matches('/');
    let hosts = planned.iter().filter_map(|p| p.workload.expose.as_ref()).filter_map(|expose| expose.host.as_ref());
    let mut lines: Vec<String> = hosts.map(|host| format!("running: curl -H 'Host: {host}' {gateway}/")).collect();
    lines.dedup();
    if lines.is_empty() { "running".into() } else { lines.join("\n") }
}
