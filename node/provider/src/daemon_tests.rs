#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]
//! The whole daemon against a node of one's wishes: a real plugin, a real component, a whole lease.
//!
//! Needs `NUPEER_TEST_PLUGIN_WASM` (the built plugin) and `NUPEER_TEST_COMPONENT` (a component that answers `/`);
//! skipped loudly where they are not set.
use super::*;
use crate::journal::Journal;
use crate::notary::fixture::{Lie, LyingNode};
use crate::ports::LeaseState;
use crate::recovery::{check, journal_path};
use axum::extract::{Path as UrlPath, State as Shared};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use nupeer_client::api::*;
use nupeer_client::bundle::{Bundle, BundleAddress, BundleKey, SealKey, wrap};
use nupeer_client::delivery::{Store, UploadPermit};
use nupeer_client::genesis_json;
use nupeer_client::manifest::{Artifact, ArtifactKind, EgressMode, Expose, Restart, Workload as Manifest};
use nupeer_primitives::genesis::{Constants, Genesis};
use nupeer_primitives::hash::{Hash, blake2b_256};
use nupeer_primitives::market::Family;
use nupeer_primitives::receipt::Role;
use nupeer_primitives::{GenesisHash, LeaseId, SignedReceipt, Transaction};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

const LEASE: LeaseId = LeaseId([0xab; 32]);
const BLOCK: Duration = Duration::from_millis(150);

fn key(n: u8) -> SessionKey {
    SessionKey::from_seed(&[n; 32])
}

struct World {
    genesis: Genesis,
    height: u64,
    market_ms: u64,
    lease: LeaseInfo,
    seal_key: [u8; 32],
    settled: Vec<SignedReceipt>,
    claims: usize,
    actions: Vec<&'static str>,
    silent: bool,
    prover: Arc<LyingNode>,
}

type Node = Arc<Mutex<World>>;

fn world(node: &Node) -> std::sync::MutexGuard<'_, World> {
    node.lock().unwrap_or_else(PoisonError::into_inner)
}

fn genesis() -> Genesis {
    let mut parameters: Vec<(String, u64)> = [
        ("market.max_unacked_ms", 3_000),
        ("market.provision_ms", 60_000),
        ("market.receipt_every_ms", 500),
        ("market.settle_every_ms", 1_500),
        ("market.settle_ms", 2_000),
        ("market.skew_ms", 5_000),
        ("market.stop_ms", 1_000),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    parameters.sort();
    Genesis {
        name: "devnet".into(),
        hrp: "nup_test".into(),
        system_start_ms: crate::clock::wall_ms(),
        seed: Hash([1; 32]),
        constants: Constants {
            slot_ms: 1_000,
            f: (1, 2),
            k: 6,
            epoch_slots: 120,
            freeze: 24,
            target: 48,
            kes_period: 3_600,
            kes_evolutions: 62,
        },
        parameters,
        assets: vec![],
        accounts: vec![],
        pools: vec![],
        zones: vec![],
        instruments: vec![],
        pairs: vec![],
        issuers: vec![],
        council: None,
    }
}

fn block_id(height: u64) -> String {
    blake2b_256(&height.to_be_bytes()).to_hex()
}

fn point(height: u64) -> Point {
    Point { height, slot: height, id: block_id(height) }
}

async fn status(Shared(node): Shared<Node>) -> Result<Json<Status>, StatusCode> {
    let w = world(&node);
    if w.silent {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    Ok(Json(Status {
        network: "devnet".into(),
        genesis: w.genesis.hash().0.to_hex(),
        hrp: "nup_test".into(),
        version: "0".into(),
        mode: "following".into(),
        tip: point(w.height),
        final_point: point(w.height.saturating_sub(6)),
        state_root: String::new(),
        slot_now: crate::clock::wall_ms().saturating_sub(w.genesis.system_start_ms) / 1_000,
        slot_ms: 1_000,
        epoch: 0,
        market_now_ms: w.market_ms,
        peers: 0,
        mempool_txs: 0,
        pool: None,
    }))
}

/// The prover stands where the node stands.
fn prover(node: &Node) -> Arc<LyingNode> {
    let w = world(node);
    let state = LeaseState::ALL.iter().position(|state| state.name().eq_ignore_ascii_case(&w.lease.state));
    let state = u8::try_from(state.unwrap_or_default()).unwrap_or_default();
    {
        let mut ledger = w.prover.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.height = w.height;
        ledger.leases.insert(LEASE, (state, w.lease.epoch));
    }
    Arc::clone(&w.prover)
}

async fn leaf(Shared(node): Shared<Node>, UrlPath(key): UrlPath<String>) -> Result<Json<StateProof>, StatusCode> {
    prover(&node).leaf_now(&key).map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn finality(Shared(node): Shared<Node>, UrlPath(height): UrlPath<u64>) -> Result<Json<FinalityInfo>, StatusCode> {
    prover(&node).finality_of(height).map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn epoch_step(Shared(node): Shared<Node>, UrlPath(epoch): UrlPath<u64>) -> Json<nupeer_client::light::Step> {
    Json(prover(&node).step_of(epoch))
}

async fn checkpoint(Shared(node): Shared<Node>) -> Json<nupeer_client::light::Checkpoint> {
    Json(prover(&node).checkpoint_now())
}

async fn submit(Shared(node): Shared<Node>, body: axum::body::Bytes) -> Json<Submitted> {
    let tx = Transaction::decode(&body).unwrap();
    let mut w = world(&node);
    let id = tx.body.id(&w.genesis.hash());
    for action in tx.body.actions {
        w.actions.push(action.action.name());
        match action.action {
            Action::Accept { .. } if w.lease.state == "Matched" => w.lease.state = "Provisioning".into(),
            Action::Ready { edge, .. } if w.lease.state == "Provisioning" => {
                assert!(edge.is_some(), "an edge of the lease saw it answer");
                w.lease.state = "Active".into();
                w.lease.active_since_ms = Some(w.lease.active_since_ms.unwrap_or(w.market_ms));
            }
            Action::SettleBatch { items } => {
                for item in items {
                    let r = &item.receipt;
                    let counters = r.counters.clone();
                    w.lease.receipt = Some(ReceiptInfo { seq: r.seq, t_end_ms: r.t_end_ms, up_ms: r.up_ms, counters });
                    w.settled.push(item);
                }
            }
            Action::Claim { .. } => w.claims += 1,
            Action::WipeReceipt { .. } if w.lease.state == "Purging" => w.lease.state = "Closed".into(),
            _ => {}
        }
    }
    Json(Submitted { id: id.to_hex(), fee: Micro(1) })
}

async fn lease(Shared(node): Shared<Node>) -> Json<LeaseInfo> {
    Json(world(&node).lease.clone())
}

async fn host(Shared(node): Shared<Node>) -> Json<HostInfo> {
    Json(host_info(&world(&node)))
}

fn host_info(w: &World) -> HostInfo {
    HostInfo {
        id: 3,
        provider: String::new(),
        site: String::new(),
        zone: 0,
        grade: "D".into(),
        session_key: key(1).public().to_hex(),
        seal_key: hex::encode(w.seal_key),
        traits: 0,
        lots: vec![FamilyLots { family: "W".into(), lots: 8, used: 0 }],
        state: "Open".into(),
        strikes: 0,
    }
}

fn account() -> String {
    key(1).public().account().to_bech32("nup_test")
}

async fn serve_node(node: Node) -> String {
    let account_info = || async {
        Json(AccountInfo {
            account: account(),
            exists: true,
            seq_base: 0,
            seq_map: "0".repeat(32),
            balances: vec![],
            grants: vec![],
        })
    };
    let edges = || async {
        Json(vec![EdgeInfo {
            account: "edge".into(),
            key: key(2).public().to_hex(),
            addresses_hash: String::new(),
            bond: Micro(0),
        }])
    };
    let block = |Shared(node): Shared<Node>, UrlPath(at): UrlPath<u64>| async move {
        if at > world(&node).height {
            return Err(StatusCode::NOT_FOUND);
        }
        Ok(Json(BlockInfo {
            point: point(at),
            parent: String::new(),
            pool: String::new(),
            state_root: String::new(),
            body_bytes: 0,
            txs: vec![],
            is_final: false,
            events: vec![],
        }))
    };
    let tx = |UrlPath(id): UrlPath<String>| async move {
        Json(TxInfo {
            id,
            status: "included".into(),
            block: Some(point(1)),
            outcome: Some("ok".into()),
            code: None,
            fee: None,
            events: vec![],
        })
    };
    let parameters = |Shared(node): Shared<Node>| async move {
        let list = world(&node).genesis.parameters.clone();
        Json(list.into_iter().map(|(name, value)| ParameterInfo { name, value }).collect::<Vec<_>>())
    };
    let genesis = |Shared(node): Shared<Node>| async move { genesis_json::to_json(&world(&node).genesis) };
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/genesis", get(genesis))
        .route("/v1/parameters", get(parameters))
        .route("/v1/accounts/{id}", get(account_info))
        .route("/v1/edges", get(edges))
        .route("/v1/blocks/{at}", get(block))
        .route("/v1/txs", post(submit))
        .route("/v1/txs/{id}", get(tx))
        .route("/v1/hosts", get(|Shared(node): Shared<Node>| async move { Json(vec![host_info(&world(&node))]) }))
        .route("/v1/hosts/{id}", get(host))
        .route("/v1/leases", get(|Shared(node): Shared<Node>| async move { Json(vec![world(&node).lease.clone()]) }))
        .route("/v1/leases/{id}", get(lease))
        .route("/v1/state/{key}", get(leaf))
        .route("/v1/finality/{height}", get(finality))
        .route("/v1/epochs/{epoch}", get(epoch_step))
        .route("/v1/checkpoint", get(checkpoint))
        .with_state(Arc::clone(&node));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    tokio::spawn(async move {
        let mut blocks = tokio::time::interval(BLOCK);
        loop {
            blocks.tick().await;
            let mut w = world(&node);
            w.height += 1;
            w.market_ms += 150;
        }
    });
    url
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn manifest(component: &[u8]) -> Manifest {
    Manifest {
        app: "hello".into(),
        service: "web".into(),
        artifact: Artifact { kind: ArtifactKind::Wasm, reference: String::new(), digest: blake2b_256(component).0 },
        command: vec![],
        env: vec![],
        secrets: vec![],
        family: Family::W,
        lots: 2,
        mounts: vec![("/data".into(), "scratch".into())],
        expose: Some(Expose { port: 0, host: Some("hello.alice.nup".into()), health: Some("/".into()) }),
        meters: vec![1, 4],
        egress: EgressMode::None,
        egress_hosts: vec![],
        restart: Restart::Always,
    }
}

fn lease_info(manifest_hash: [u8; 32]) -> LeaseInfo {
    let meter = |kind, num, den, cap_per_s| MeterInfo { kind, name: String::new(), num, den, cap_per_s };
    LeaseInfo {
        id: LEASE.to_hex(),
        state: "Matched".into(),
        epoch: 0,
        order: 1,
        tenant: key(9).public().account().to_bech32("nup_test"),
        instrument: 1,
        family: "W".into(),
        quote: 4,
        quote_ticker: "usd".into(),
        host: Some(3),
        provider: Some(account()),
        price: Micro(1),
        lots: 2,
        manifest_hash: hex::encode(manifest_hash),
        meters: vec![meter(1, 10_000, 1_000_000, 5_000_000), meter(4, 100_000, 1_000_000_000_000, 4_000_000_000)],
        balance: Micro(1),
        arrears: Micro(0),
        refunded: Micro(0),
        paid_provider: Micro(0),
        paid_platform: Micro(0),
        bond: Micro(0),
        deadline_ms: None,
        funded_until_ms: None,
        active_since_ms: None,
        edge_final: true,
        receipt: None,
        pending_seq: None,
        wraps: vec![],
        delegates: vec![],
        edges: vec!["edge".into()],
        fee_bps: 1_000,
        max_unacked_ms: 3_000,
        changed_height: None,
    }
}

struct Running {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn start(config: &Path) -> Self {
        let (stop, stopped) = oneshot::channel();
        let path = config.to_owned();
        let task = tokio::spawn(async move {
            let config = Config::read(&path).unwrap();
            let mut daemon = Daemon::start(config, path, Metrics::default()).await.unwrap();
            let mut stop = Box::pin(async { drop(stopped.await) });
            daemon.serve(&mut stop, |_| {}).await.unwrap();
            daemon.retire().await;
        });
        Self { stop, task }
    }
    async fn end(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

async fn until(what: &str, node: &Node, mut reached: impl FnMut(&mut World) -> bool) {
    let wait = async {
        let mut look = tokio::time::interval(Duration::from_millis(50));
        loop {
            look.tick().await;
            if reached(&mut world(node)) {
                return;
            }
        }
    };
    if tokio::time::timeout(Duration::from_secs(40), wait).await.is_err() {
        let w = world(node);
        panic!("{what}: lease {} after {:?}, {} settled", w.lease.state, w.actions, w.settled.len());
    }
}

async fn fetch(port: u16, path: &str) -> Option<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut tcp = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: hello.alice.nup\r\nconnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await.ok()?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    text.starts_with("HTTP/1.1 200").then_some(text)
}

async fn answers(port: u16) {
    let wait = async {
        let mut look = tokio::time::interval(Duration::from_millis(50));
        while fetch(port, "/").await.is_none() {
            look.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("the app answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_served_billed_survives_a_restart_and_is_wiped() {
    let (Ok(plugin), Ok(component)) =
        (std::env::var("NUPEER_TEST_PLUGIN_WASM"), std::env::var("NUPEER_TEST_COMPONENT"))
    else {
        eprintln!("SKIPPED: NUPEER_TEST_PLUGIN_WASM and NUPEER_TEST_COMPONENT are not set");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let stage = Stage::set(dir.path(), &plugin, &component).await;
    let Stage { node, config, port, .. } = &stage;
    let running = Running::start(config).await;
    stage.deliver().await;
    until("active", node, |w| w.lease.state == "Active").await;
    served_and_settled(&stage).await;
    let running = restarted(&stage, running).await;
    world(node).silent = true;
    answers(*port).await;
    world(node).silent = false;
    wound_up(node).await;
    running.end().await;
    let book = Journal::read(&journal_path(dir.path())).unwrap();
    let entry = &book.entries[&Held { lease: LEASE, epoch: 0 }];
    assert!(entry.wiped_ms.is_some());
    assert!(check(config).unwrap().contains("is whole"));
}

/// A world with a node, a configuration and an app to run.
struct Stage {
    node: Node,
    config: PathBuf,
    port: u16,
    genesis: GenesisHash,
    component: Vec<u8>,
}

impl Stage {
    async fn set(dir: &Path, plugin: &str, component: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        for (name, seed) in [("session.key", [1; 32]), ("edge.key", [2; 32]), ("seal.key", [4; 32])] {
            let path = dir.join(name);
            std::fs::write(&path, hex::encode(seed)).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let component = std::fs::read(component).unwrap();
        let record = genesis();
        let prover = Arc::new(LyingNode::new(record.hash(), LEASE, 20));
        let node: Node = Arc::new(Mutex::new(World {
            genesis: record,
            height: 20,
            market_ms: 1_000,
            lease: lease_info(manifest(&component).hash()),
            seal_key: SealKey::from_bytes([4; 32]).public(),
            settled: vec![],
            claims: 0,
            actions: vec![],
            silent: false,
            prover,
        }));
        let genesis: GenesisHash = world(&node).genesis.hash();
        let url = serve_node(Arc::clone(&node)).await;
        let (port, tunnel) = (free_port(), free_port());
        let config = dir.join("provider.toml");
        let text = format!(
            "network = \"devnet\"\nnodes = [\"{url}\"]\nstate_dir = \"{0}\"\naccount = \"{1}\"\npoll_ms = 200\n\
             [[plugin]]\nname = \"wasm\"\npath = \"{plugin}\"\n\
             [[gateway]]\nkey = \"{2}\"\ntunnel = \"127.0.0.1:{tunnel}\"\nurl = \"http://127.0.0.1:{port}\"\n\
             [edge]\nenabled = true\nlisten = \"127.0.0.1:{port}\"\ntunnel_listen = \"127.0.0.1:{tunnel}\"\n",
            dir.display(),
            account(),
            key(2).public(),
        );
        std::fs::write(&config, text).unwrap();
        Self { node, config, port, genesis, component }
    }

    /// What a tenant does after the match: bundle and artifact to the gateway, the key sealed to the host.
    async fn deliver(&self) {
        until("accepted", &self.node, |w| w.lease.state == "Provisioning").await;
        let bundle_key = BundleKey::generate().unwrap();
        let bundle = Bundle { workload: manifest(&self.component), secrets: vec![], volume_keys: vec![] };
        let sealed = bundle.seal(&bundle_key, &self.genesis).unwrap();
        let address = BundleAddress::of(&sealed);
        let store = Store::new(&format!("http://127.0.0.1:{}/.nupeer", self.port)).unwrap();
        let expiry = crate::clock::wall_ms() / 1_000 + 60;
        for (kind, address, content) in [
            ("bundle", address.to_hex(), sealed),
            ("artifact", blake2b_256(&self.component).to_hex(), self.component.clone()),
        ] {
            let signature = key(9).sign(UploadPermit::digest(&self.genesis, &content, expiry).as_bytes());
            let permit = UploadPermit { key: key(9).public(), expiry, signature };
            store.put(kind, &address, content, &permit).await.unwrap();
        }
        let seal_key = SealKey::from_bytes([4; 32]).public();
        let wrapped = wrap(&bundle_key, &address, &LEASE, &seal_key, &self.genesis).unwrap();
        world(&self.node).lease.wraps = vec![WrapInfo { host: 3, wrap: hex::encode(wrapped.as_slice()) }];
    }
}

async fn served_and_settled(stage: &Stage) {
    let Stage { node, port, .. } = stage;
    answers(*port).await;
    until("settled", node, |w| w.settled.iter().any(|s| s.receipt.counters[0].1 > 0)).await;
    let offered = fetch(*port, &format!("/.nupeer/v1/receipts/{LEASE}")).await.expect("a receipt is offered");
    assert!(offered.contains("\"digest\""), "{offered}");
    let w = world(node);
    let last = w.settled.last().unwrap();
    let roles: Vec<Role> = last.signatures.iter().map(|s| s.0).collect();
    assert_eq!(roles, [Role::Provider, Role::Edge]);
    let digest = last.receipt.digest(&stage.genesis);
    assert!(last.signatures.iter().all(|(_, key, s)| nupeer_primitives::sign::verify(key, digest.as_bytes(), s)));
    assert_eq!(w.claims, 0);
}

/// The daemon leaves; the workload stays, and the next daemon finds it while the node is silent at first.
async fn restarted(stage: &Stage, running: Running) -> Running {
    let Stage { node, port, config, .. } = stage;
    running.end().await;
    let settled = world(node).settled.len();
    world(node).silent = true;
    let running = Running::start(config).await;
    world(node).silent = false;
    answers(*port).await;
    until("settled again", node, |w| w.settled.len() > settled).await;
    let w = world(node);
    let rising = w
        .settled
        .windows(2)
        .all(|two| two[0].receipt.seq < two[1].receipt.seq && two[0].receipt.t_end_ms < two[1].receipt.t_end_ms);
    assert!(rising, "receipts go on where they were");
    assert_eq!(w.actions.iter().filter(|name| **name == "Ready").count(), 1, "it never stopped");
    drop(w);
    running
}

fn lie(node: &Node, lie: Lie) {
    world(node).prover.ledger.lock().unwrap_or_else(PoisonError::into_inner).lie = lie;
}

async fn wound_up(node: &Node) {
    world(node).lease.state = "Grace".into();
    until("grace is seen", node, |w| w.height % 20 == 0).await;
    world(node).lease.state = "Closing".into();
    until("final", node, |w| w.settled.iter().any(|s| s.receipt.is_final())).await;
    // A node that lies about the end of a lease gets it nowhere: no proof, no wipe, for many blocks.
    lie(node, Lie::Certificate);
    world(node).lease.state = "Purging".into();
    let from = world(node).height;
    until("lies went on", node, |w| w.height > from + 60).await;
    assert!(!world(node).actions.contains(&"WipeReceipt"), "nothing was destroyed on a node's word");
    lie(node, Lie::None);
    until("wiped", node, |w| w.lease.state == "Closed").await;
}
