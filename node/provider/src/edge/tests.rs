#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]
//! Host and edge on loopback, with a workload in this process and a chain of one's wishes.
use super::*;
use crate::core::Held;
use crate::ports::{ChainError, ChainRules, ChainView, HostView, LeaseRoute, LeaseState, Wanted};
use crate::tunnel::host::{Desk, EdgeLink, EdgePlace, Relay};
use crate::tunnel::mux::Stream;
use crate::tunnel::wire::{Answer, Ask};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use nupeer_client::delivery::{HEADER_EXPIRY, HEADER_KEY, HEADER_SIGNATURE, UploadPermit};
use nupeer_primitives::hash::blake2b_256;
use nupeer_primitives::receipt::Role;
use nupeer_primitives::{
    AccountId, Action, Amount, GenesisHash, Hash, Height, LeaseId, MeterReceipt, SignedReceipt, TxId, sign,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener};

const GENESIS: GenesisHash = GenesisHash(Hash([7; 32]));

fn key(n: u8) -> SessionKey {
    SessionKey::from_seed(&[n; 32])
}

fn held(n: u8) -> Held {
    Held { lease: LeaseId([n; 32]), epoch: 1 }
}

#[derive(Debug, Default)]
struct FakeChain {
    leases: Mutex<BTreeMap<LeaseId, LeaseRoute>>,
    silent: std::sync::atomic::AtomicBool,
}

impl FakeChain {
    fn set(&self, held: Held, state: LeaseState, host: &SessionKey) {
        let tenant = AccountId([1; 28]);
        let route = LeaseRoute { epoch: held.epoch, state, session_key: Some(host.public()), tenant };
        self.leases.lock().unwrap().insert(held.lease, route);
    }
}

impl Chain for FakeChain {
    async fn view(&self, _: Wanted) -> Result<ChainView, ChainError> {
        Err(ChainError::NodeUnreachable { why: "not asked here".into() })
    }
    async fn hosts(&self) -> Result<Vec<HostView>, ChainError> {
        Ok(vec![])
    }
    async fn rules(&self) -> Result<ChainRules, ChainError> {
        Err(ChainError::NodeUnreachable { why: "not asked here".into() })
    }
    async fn lease(&self, lease: LeaseId) -> Result<Option<LeaseRoute>, ChainError> {
        if self.silent.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(ChainError::NodeUnreachable { why: "silent".into() });
        }
        Ok(self.leases.lock().unwrap().get(&lease).cloned())
    }
    async fn submit(&self, _: Vec<Action>) -> Result<TxId, ChainError> {
        Err(ChainError::NodeUnreachable { why: "not asked here".into() })
    }
}

struct Echo;
impl Desk for Echo {
    async fn serve(&self, held: Held, stream: Stream) {
        let service = service_fn(move |request: Request<hyper::body::Incoming>| async move {
            let text = format!("desk of {} {}", held.epoch, request.uri());
            Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(text))))
        });
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }
}

/// Answers its name, its headers on `/headers`, 20 kB on `/large`, 500 on `/sick`, and echoes after an upgrade.
fn workload(path: &Path, name: &'static str) -> tokio::task::JoinHandle<()> {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(async move {
                let service = service_fn(move |request| answer(name, request));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                let _ = connection.with_upgrades().await;
            });
        }
    })
}

async fn answer(
    name: &'static str,
    mut request: Request<hyper::body::Incoming>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let text = match request.uri().path() {
        "/headers" => format!("{:?}", request.headers()),
        "/large" => "x".repeat(20_000),
        "/sick" => {
            let mut response = Response::new(Full::new(Bytes::new()));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return Ok(response);
        }
        "/socket" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut io = TokioIo::new(upgrade.await.unwrap());
                let mut buffer = [0; 4];
                io.read_exact(&mut buffer).await.unwrap();
                io.write_all(&buffer).await.unwrap();
            });
            let response =
                Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket");
            return Ok(response.body(Full::new(Bytes::new())).unwrap());
        }
        _ => name.to_owned(),
    };
    Ok(Response::new(Full::new(Bytes::from(text))))
}

struct Rig {
    dir: tempfile::TempDir,
    chain: Arc<FakeChain>,
    edge: Arc<Edge<FakeChain>>,
    at: EdgeAddresses,
    relay: Arc<Relay>,
    link: EdgeLink,
}

async fn start_edge(
    dir: &Path,
    chain: &Arc<FakeChain>,
    at: Option<EdgeAddresses>,
) -> (Arc<Edge<FakeChain>>, EdgeAddresses) {
    let any = "127.0.0.1:0".parse().unwrap();
    let settings = EdgeSettings {
        listen: at.map_or(any, |at| at.clients),
        tunnel_listen: at.map_or(any, |at| at.tunnels),
        domain: Some("localhost".into()),
        app_ports: None,
        state_dir: dir.join("edge"),
        blobs_max: 1 << 20,
    };
    // A listener that was just dropped may hold its port a moment longer.
    for _ in 0..1_000 {
        match Edge::start(settings.clone(), GENESIS, key(50), Arc::clone(chain)).await {
            Ok(started) => return started,
            Err(EdgeError::Listen { .. } | EdgeError::Journal(JournalError::Locked { .. })) => {
                tokio::task::yield_now().await
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("ports stay taken")
}

fn link(at: EdgeAddresses, host: SessionKey, relay: &Arc<Relay>) -> EdgeLink {
    let place = EdgePlace { address: at.tunnels, key: key(50).public() };
    EdgeLink::keep(place, host, Arc::clone(relay), Arc::new(Echo))
}

impl Rig {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let chain = Arc::new(FakeChain::default());
        chain.set(held(1), LeaseState::Active, &key(1));
        let (edge, at) = start_edge(dir.path(), &chain, None).await;
        let relay = Arc::new(Relay::new());
        workload(&dir.path().join("w1"), "first");
        relay.open(held(1), dir.path().join("w1"), vec!["hello.alice.nup".into()], Some("/healthz".into()));
        let link = link(at, key(1), &relay);
        link.up().await;
        let rig = Self { dir, chain, edge, at, relay, link };
        assert_eq!(rig.tell().await, [""]);
        rig
    }
    /// Tells the routes and gives the refusals.
    async fn tell(&self) -> Vec<String> {
        tell(&self.link, &self.relay).await
    }
    async fn get(&self, host: &str, path: &str) -> (StatusCode, String) {
        get(self.at, host, path).await
    }
}

async fn tell(link: &EdgeLink, relay: &Relay) -> Vec<String> {
    match link.ask(&Ask::Routes(relay.routes())).await.unwrap() {
        Answer::Routes(verdicts) => verdicts.into_iter().map(|v| v.refusal).collect(),
        other => panic!("{other:?}"),
    }
}

async fn send(at: EdgeAddresses, request: Request<Full<Bytes>>) -> (StatusCode, Bytes) {
    let tcp = TcpStream::connect(at.clients).await.unwrap();
    let mut client = hyper::client::conn::http1::Builder::new();
    let (mut sender, connection) = client.max_buf_size(1 << 20).handshake(TokioIo::new(tcp)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    let status = response.status();
    (status, response.into_body().collect().await.unwrap().to_bytes())
}

async fn get(at: EdgeAddresses, host: &str, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).header("host", host).body(Full::new(Bytes::new())).unwrap();
    let (status, body) = send(at, request).await;
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_finds_its_workload_and_both_ends_count_it() {
    let rig = Rig::new().await;
    for host in ["hello.alice.nup", "HELLO.alice.nup:8080", "hello.alice.nup.localhost:99"] {
        assert_eq!(rig.get(host, "/").await, (StatusCode::OK, "first".into()), "{host}");
    }
    assert_eq!(rig.get("hello.alice.nup", "/large").await.1.len(), 20_000);
    let at_host = rig.relay.totals()[0].1.clone();
    let at_edge = rig.edge.routes.counts_of(held(1)).unwrap().totals();
    assert_eq!(at_host, at_edge);
    assert_eq!(at_edge[&2], 4, "requests");
    assert!((20_000..22_000).contains(&at_edge[&1]), "{at_edge:?}");
    let (_, headers) = rig.get("hello.alice.nup", "/headers").await;
    assert!(headers.contains("x-forwarded-for") && headers.contains("127.0.0.1"), "{headers}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_chain_does_not_back_is_not_served() {
    let rig = Rig::new().await;
    let (status, body) = rig.get("nobody.nup", "/").await;
    assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
    assert!(body.contains("edge.NameUnknown"), "{body}");
    let cases = [
        (Held { epoch: 2, ..held(1) }, LeaseState::Active, key(1), "EpochStale"),
        (held(1), LeaseState::Active, key(9), "another host"),
        (held(1), LeaseState::Grace, key(1), "grace"),
        (held(1), LeaseState::Purging, key(1), "purging"),
    ];
    for (on_chain, state, host, why) in cases {
        rig.chain.set(on_chain, state, &host);
        let refusals = rig.tell().await;
        assert!(refusals[0].contains(why), "{refusals:?} {why}");
        assert_eq!(rig.get("hello.alice.nup", "/").await.0, StatusCode::SERVICE_UNAVAILABLE);
        rig.chain.set(held(1), LeaseState::Active, &key(1));
        assert_eq!(rig.tell().await, [""]);
        assert_eq!(rig.get("hello.alice.nup", "/").await.0, StatusCode::OK);
    }
    rig.chain.silent.store(true, std::sync::atomic::Ordering::Relaxed);
    rig.relay.open(held(2), rig.dir.path().join("w1"), vec!["new.nup".into()], None);
    let refusals = rig.tell().await;
    assert_eq!(refusals[0], "", "a silent node cuts nothing");
    let again = link(rig.at, key(1), &rig.relay);
    again.up().await;
    assert_eq!(tell(&again, &rig.relay).await[0], "", "not even for a host that comes back meanwhile");
    assert!(refusals[1].contains("silent"), "and lets nothing new in: {refusals:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_stays_with_its_lease_while_that_lives() {
    let rig = Rig::new().await;
    let relay = Arc::new(Relay::new());
    workload(&rig.dir.path().join("w2"), "second");
    rig.chain.set(held(2), LeaseState::Active, &key(2));
    relay.open(held(2), rig.dir.path().join("w2"), vec!["hello.alice.nup".into()], None);
    let other = link(rig.at, key(2), &relay);
    other.up().await;
    assert!(tell(&other, &relay).await[0].contains("belongs to lease 0101"));
    assert_eq!(rig.get("hello.alice.nup", "/").await.1, "first");
    rig.chain.set(held(1), LeaseState::Closed, &key(1));
    assert_eq!(tell(&other, &relay).await, [""]);
    assert_eq!(rig.get("hello.alice.nup", "/").await.1, "second");
    relay.open(held(2), rig.dir.path().join("w2"), vec!["../etc".into()], None);
    assert!(tell(&other, &relay).await[0].contains("not a host name"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_end_may_die_and_come_back() {
    let rig = Rig::new().await;
    rig.get("hello.alice.nup", "/large").await;
    let before = rig.edge.routes.counts_of(held(1)).unwrap().get();
    let Rig { dir, chain, edge, at, relay, link: first } = rig;
    edge.stop();
    drop(edge);
    let (edge, at) = start_edge(dir.path(), &chain, Some(at)).await;
    assert_eq!(edge.routes.counts_of(held(1)).unwrap().get(), before, "counts were stored");
    let mut down = false;
    while !(down && first.is_up()) {
        down |= !first.is_up();
        first.up().await;
        down |= first.ask(&Ask::Routes(vec![])).await.is_ok();
    }
    assert_eq!(tell(&first, &relay).await, [""]);
    assert_eq!(get(at, "hello.alice.nup", "/").await.1, "first");

    // The host's daemon dies: another one, with the same key and a new relay, takes over.
    let relay = Arc::new(Relay::new());
    relay.open(held(1), dir.path().join("w1"), vec!["hello.alice.nup".into()], None);
    let second = link(at, key(1), &relay);
    second.up().await;
    drop(first);
    assert_eq!(tell(&second, &relay).await, [""]);
    assert_eq!(get(at, "hello.alice.nup", "/").await.1, "first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_workload_is_a_bad_gateway_and_harms_no_other() {
    let rig = Rig::new().await;
    rig.chain.set(held(3), LeaseState::Active, &key(1));
    let task = workload(&rig.dir.path().join("w3"), "third");
    rig.relay.open(held(3), rig.dir.path().join("w3"), vec!["third.nup".into()], None);
    assert_eq!(rig.tell().await, ["", ""]);
    assert_eq!(rig.get("third.nup", "/").await.1, "third");
    task.abort();
    let _ = task.await;
    assert_eq!(rig.get("third.nup", "/").await.0, StatusCode::BAD_GATEWAY);
    assert_eq!(rig.get("hello.alice.nup", "/").await.1, "first");
    rig.relay.shut(held(3));
    assert_eq!(rig.tell().await, [""]);
    assert_eq!(rig.get("third.nup", "/").await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_passes_and_what_it_carries_is_counted() {
    let rig = Rig::new().await;
    let tcp = TcpStream::connect(rig.at.clients).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    let request = Request::get("/socket").header("host", "hello.alice.nup").header("connection", "upgrade");
    let request = request.header("upgrade", "websocket").body(Full::new(Bytes::new())).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["upgrade"], "websocket");
    let mut io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let before = rig.edge.routes.counts_of(held(1)).unwrap().get().0;
    io.write_all(b"ping").await.unwrap();
    let mut buffer = [0; 4];
    io.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"ping");
    assert_eq!(rig.edge.routes.counts_of(held(1)).unwrap().get().0 - before, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_are_too_large_and_floods_are_refused() {
    let rig = Rig::new().await;
    let request = Request::get("/").header("host", "hello.alice.nup").header("x-large", "y".repeat(40_000));
    let (status, _) = send(rig.at, request.body(Full::new(Bytes::new())).unwrap()).await;
    assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let entry = rig.edge.routes.entry(held(1).lease).unwrap();
    *entry.bucket.lock().unwrap() = limits::Bucket::new((0, 0));
    assert_eq!(rig.get("hello.alice.nup", "/").await.0, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenant_calls_reach_the_daemon_and_are_not_counted() {
    let rig = Rig::new().await;
    let path = format!("/.nupeer/v1/lease/{}/logs?follow=false", held(1).lease);
    assert_eq!(rig.get("anything", &path).await, (StatusCode::OK, format!("desk of 1 {path}")));
    assert_eq!(rig.edge.routes.counts_of(held(1)).unwrap().get(), (0, 0));
    let path = format!("/.nupeer/v1/lease/{}/logs", held(9).lease);
    assert_eq!(rig.get("anything", &path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(rig.get("anything", "/.nupeer/v1/lease/zz/logs").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_are_kept_by_their_hash_under_a_permit() {
    let rig = Rig::new().await;
    let content = b"a component".to_vec();
    let digest = blake2b_256(&content).to_hex();
    let now = crate::clock::wall_ms() / 1_000;
    let signer = key(60);
    let put = |path: String, content: Vec<u8>, expiry: u64, signed: &[u8]| {
        let signature = signer.sign(UploadPermit::digest(&GENESIS, signed, expiry).as_bytes());
        let request = Request::builder().method(Method::PUT).uri(path).header("host", "x");
        let request = request.header(HEADER_KEY, signer.public().to_hex()).header(HEADER_SIGNATURE, signature.to_hex());
        request.header(HEADER_EXPIRY, expiry.to_string()).body(Full::new(Bytes::from(content))).unwrap()
    };
    let path = |address: &str| format!("/.nupeer/v1/artifact/{address}");
    assert_eq!(rig.get("x", &path(&digest)).await.0, StatusCode::NOT_FOUND);
    let cases = [
        (path(&digest), content.clone(), now + 60, b"another".to_vec(), StatusCode::FORBIDDEN),
        (path(&digest), content.clone(), now - 60, content.clone(), StatusCode::FORBIDDEN),
        (path(&"0".repeat(64)), content.clone(), now + 60, content.clone(), StatusCode::FORBIDDEN),
        (path("..%2f..%2fetc"), content.clone(), now + 60, content.clone(), StatusCode::FORBIDDEN),
        (path(&digest), content.clone(), now + 60, content.clone(), StatusCode::CREATED),
        (path(&digest), content.clone(), now + 60, content.clone(), StatusCode::CREATED),
    ];
    for (path, body, expiry, signed, expected) in cases {
        assert_eq!(send(rig.at, put(path.clone(), body, expiry, &signed)).await.0, expected, "{path}");
    }
    assert_eq!(rig.get("x", &path(&digest)).await, (StatusCode::OK, "a component".into()));
    let bundle = format!("/.nupeer/v1/bundle/{}", &digest[..48]);
    assert_eq!(send(rig.at, put(bundle.clone(), content.clone(), now + 60, &content)).await.0, StatusCode::CREATED);
    assert_eq!(rig.get("x", &bundle).await.1, "a component");
    let large = vec![5; 1 << 20];
    let address = path(&blake2b_256(&large).to_hex());
    assert_eq!(send(rig.at, put(address, large.clone(), now + 60, &large)).await.0, StatusCode::INSUFFICIENT_STORAGE);
    let unsigned = Request::put(path(&digest)).header("host", "x").body(Full::new(Bytes::new())).unwrap();
    assert_eq!(send(rig.at, unsigned).await.0, StatusCode::UNAUTHORIZED);
}

fn receipt(seq: u64, bytes: u64, host: &SessionKey) -> SignedReceipt {
    let receipt = MeterReceipt {
        lease: held(1).lease,
        epoch: 1,
        seq,
        anchor_height: Height(1),
        anchor_hash: [0; 8],
        t_end_ms: seq * 1_000,
        up_ms: 0,
        counters: vec![(1, bytes), (4, 123_456)],
        amount: Amount::ZERO,
        detail_root: Hash::ZERO,
        flags: 0,
    };
    let signature = host.sign(receipt.digest(&GENESIS).as_bytes());
    SignedReceipt { receipt, signatures: vec![(Role::Provider, host.public(), signature)] }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_are_signed_as_far_as_the_own_count_goes() {
    let rig = Rig::new().await;
    rig.get("hello.alice.nup", "/large").await;
    let own = rig.edge.routes.counts_of(held(1)).unwrap().get().0;
    let most = own * 102 / 100 + witness::SLACK_BYTES;
    let ask = async |receipt| rig.link.ask(&Ask::Countersign(receipt)).await.unwrap();
    let good = receipt(1, most, &key(1));
    match ask(good.clone()).await {
        Answer::Signed { key: signer, signature } => {
            assert_eq!(signer, key(50).public());
            assert!(sign::verify(&signer, good.receipt.digest(&GENESIS).as_bytes(), &signature));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ask(good.clone()).await, ask(good).await, "asked again, the same signature");
    match ask(receipt(2, most + 1, &key(1))).await {
        Answer::Nack { totals, .. } => assert_eq!(totals, [own, 123_456]),
        other => panic!("{other:?}"),
    }
    for (bad, why) in [
        (receipt(1, most - 1, &key(1)), "fall below"),
        (receipt(2, most, &key(2)), "not signed by this host"),
        (
            {
                let mut r = receipt(1, most, &key(1));
                r.receipt.t_end_ms = 5;
                r
            },
            "not signed by this host",
        ),
        (
            {
                let mut r = receipt(1, most, &key(1)).receipt;
                r.up_ms = 5;
                let s = key(1).sign(r.digest(&GENESIS).as_bytes());
                SignedReceipt { receipt: r, signatures: vec![(Role::Provider, key(1).public(), s)] }
            },
            "drafted twice",
        ),
    ] {
        match ask(bad).await {
            Answer::Refused(text) => assert!(text.contains(why), "{text}"),
            other => panic!("{why}: {other:?}"),
        }
    }
    rig.chain.set(Held { epoch: 2, ..held(1) }, LeaseState::Active, &key(1));
    assert_eq!(ask(receipt(3, most, &key(1))).await, Answer::Refused("EpochStale".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_is_signed_only_after_an_answer() {
    let rig = Rig::new().await;
    let ask = async |held| rig.link.ask(&Ask::Ready { held, endpoint_hash: [8; 32] }).await.unwrap();
    let digest = nupeer_primitives::market::ready_digest(&GENESIS, &held(1).lease, 1, &[8; 32]);
    match ask(held(1)).await {
        Answer::Signed { key, signature } => assert!(sign::verify(&key, digest.as_bytes(), &signature)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(ask(held(2)).await, Answer::Refused(_)));
    rig.relay.open(held(1), rig.dir.path().join("w1"), vec!["sick.nup".into()], Some("/sick".into()));
    assert_eq!(rig.tell().await, [""]);
    assert!(matches!(ask(held(1)).await, Answer::Refused(why) if why.contains("500")));
}
