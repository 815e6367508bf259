#![allow(clippy::unwrap_used, clippy::panic)]

mod exchange;
mod memory;
mod stream;

use super::*;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use memory::{MemoryChain, account, key, verification};
use nupeer_client::api::{
    AccountInfo, ApiError, BlockInfo, EpochInfo, EventProof, ForecastInfo, PoolDetail, PoolEpoch, RewardPage,
    StateProof, Status, Submitted, TxInfo,
};
use nupeer_client::build;
use nupeer_primitives::imt::{Absence, Inclusion};
use nupeer_primitives::{
    AccountId, Action, Amount, AssetId, Cbor, Hash, Signature, Transaction, Witness, error::Malformed, state::Rule,
};
use nupeer_runtime::Rejected;
use ports::Mode;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt;

/// The service over a chain in memory.
struct Rig {
    chain: Arc<MemoryChain>,
    api: Api,
    router: Router,
}

fn rig_with(more: &[(Vec<u8>, Vec<u8>)]) -> Rig {
    let chain = Arc::new(MemoryChain::new(more));
    let api = Api::new(chain.clone(), Arc::new(Metrics::new()));
    Rig { chain, router: router(api.clone()), api }
}

fn rig() -> Rig {
    rig_with(&[])
}

impl Rig {
    async fn call(&self, request: Request<Body>) -> (StatusCode, Vec<u8>) {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let (status, body) = self.call(get(path)).await;
        assert_eq!(status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{path}: {e}: {}", String::from_utf8_lossy(&body)))
    }

    async fn problem(&self, request: Request<Body>) -> (u16, ApiError) {
        let (status, body) = self.call(request).await;
        let body = serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&body)));
        (status.as_u16(), body)
    }

    /// A transaction as the client builds it from what the API says.
    async fn signed(&self, seed: u8, actions: Vec<Action>) -> Transaction {
        let (status, own): (Status, AccountInfo) =
            (self.get("/v1/status").await, self.get(&format!("/v1/accounts/{}", account(seed))).await);
        let body = build::body(&status, &own, account(seed), actions).unwrap();
        let id = body.id(&build::genesis_hash(&status).unwrap());
        let signature = Signature(key(seed).sign(&id.0).into());
        Transaction { body, witnesses: vec![Witness::Key { key: verification(&key(seed)), signature }] }
    }

    async fn send(&self, tx: &Transaction) -> Submitted {
        let (status, body) = self.call(post(tx.to_cbor())).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn post(body: Vec<u8>) -> Request<Body> {
    Request::post("/v1/txs").header("content-type", "application/cbor").body(body.into()).unwrap()
}

fn pay(to: u8, amount: u64) -> Vec<Action> {
    vec![Action::Transfer { to: account(to), asset: AssetId::ADA, amount: Amount::new(amount) }]
}

/// `/v1/x/{id}` and `/v1/x/{account}` are one path.
fn shape(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "{}".to_string() } else { part.to_string() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[test]
fn every_getter_of_the_client_is_described_with_its_query() {
    let description = serde_json::to_value(openapi()).unwrap();
    let paths = description["paths"].as_object().unwrap();
    let source = include_str!("../../client/src/http.rs");
    let getters =
        source.lines().filter_map(|line| line.split_once("= \"/v1/")?.1.split_once('"').map(|(path, _)| path));
    let mut checked = 0;
    for getter in getters {
        let (path, query) = getter.split_once('?').unwrap_or((getter, ""));
        let path = shape(&format!("/v1/{path}"));
        let (_, item) =
            paths.iter().find(|(known, _)| shape(known) == path).unwrap_or_else(|| panic!("{path} is missing"));
        // A query that is the caller's whole has no name here.
        if let Some((name, _)) = query.split_once('=') {
            let parameters = item["get"]["parameters"].as_array().unwrap();
            assert!(parameters.iter().any(|p| p["name"] == name && p["in"] == "query"), "{path} takes no {name}");
        }
        checked += 1;
    }
    assert!(checked >= 20, "only {checked} getters found: has the client's source moved?");
}

#[test]
fn the_described_routes_are_the_golden_list() {
    let description = serde_json::to_value(openapi()).unwrap();
    let mut routes = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        routes.extend(item.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())));
    }
    routes.sort();
    let golden: Vec<&str> = include_str!("tests/routes.golden").lines().collect();
    assert_eq!(routes, golden, "a route changed: clients break");
    let schemas = description["components"]["schemas"].as_object().unwrap();
    for name in ["ApiError", "Status", "BlockInfo", "LeaseInfo", "OrderInfo", "StateProof", "BlockEvents"] {
        assert!(schemas.contains_key(name), "{name} is not described");
    }
}

#[tokio::test]
async fn plain_queries_answer_at_genesis_and_after_a_block() {
    let rig = rig();
    for height in 0..2 {
        let status: Status = rig.get("/v1/status").await;
        assert_eq!((status.network.as_str(), status.tip.height, status.peers), ("memory", height, 3));
        assert_eq!(status.state_root.len(), 64);
        let assets: Vec<nupeer_client::api::AssetInfo> = rig.get("/v1/assets").await;
        assert!(assets.iter().any(|asset| asset.ticker == "ada" && asset.issued.0 == 2_000 * Amount::UNIT));
        let parameters: Vec<nupeer_client::api::ParameterInfo> = rig.get("/v1/parameters").await;
        assert_eq!(parameters.len(), nupeer_runtime::params::PARAMETERS.len());
        let pools: Vec<nupeer_client::api::PoolInfo> = rig.get("/v1/pools").await;
        assert_eq!((pools.len(), pools[0].share_ppm), (1, 1_000_000));
        let genesis: Value = rig.get("/v1/genesis").await;
        assert_eq!(genesis["genesis_hash"], status.genesis);
        let (code, body) = rig.call(get("/healthz")).await;
        assert_eq!((code.as_u16(), body.as_slice()), (200, b"ok\n".as_slice()));
        rig.chain.forge(1);
    }
    let described: Value = rig.get("/openapi.json").await;
    assert_eq!(described["info"]["title"], "NuPeerStack node");
}

#[tokio::test]
async fn an_operator_sees_nonce_weight_and_blocks_against_expectation() {
    let rig = rig();
    let id = verification(&key(9)).pool().to_hex();
    let pool: PoolDetail = rig.get(&format!("/v1/pools/{id}")).await;
    assert_eq!((pool.now.share_ppm, pool.next.share_ppm, pool.next.epoch), (1_000_000, 1_000_000, 1));
    assert_eq!((pool.stake.len(), pool.opcert_counter), (3, None));
    let first: EpochInfo = rig.get("/v1/epoch").await;
    assert_eq!((first.epoch, first.slots, first.next_nonce.as_ref()), (0, 120, None));
    assert_eq!(first.next_nonce_slot, 24, "the candidate freezes");
    for _ in 0..28 {
        rig.chain.forge(2);
    }
    let rows: Vec<PoolEpoch> = rig.get(&format!("/v1/pools/{id}/performance")).await;
    assert_eq!((rows.len(), rows[0].slots, rows[0].blocks, rows[0].blocks_of_all), (1, 56, 28, 28));
    assert!((rows[0].expected - 28.0).abs() < 1e-9, "{rows:?}");
    // Twelve blocks below the tip are final: slot 32, past the freeze.
    let later: EpochInfo = rig.get("/v1/epoch").await;
    assert!(later.next_nonce.is_some() && later.nonce == first.nonce);
    for _ in 0..80 {
        rig.chain.forge(4);
    }
    let rows: Vec<PoolEpoch> = rig.get(&format!("/v1/pools/{id}/performance")).await;
    let made: Vec<(u64, u64, u64)> = rows.iter().map(|row| (row.epoch, row.slots, row.blocks)).collect();
    assert_eq!(made, [(1, 120, 30), (2, 120, 30), (3, 17, 5)]);
    let (code, error) = rig.problem(get("/v1/pools/zz")).await;
    assert_eq!((code, error.error.as_str()), (400, "malformed.PoolId"));
    for path in ["", "/performance"] {
        let (code, _) = rig.problem(get(&format!("/v1/pools/{}{path}", "00".repeat(28)))).await;
        assert_eq!(code, 404);
    }
}

#[tokio::test]
async fn rewards_are_forecast_and_told_page_by_page() {
    let rig = rig();
    let own = |what: &str| format!("/v1/stake/{}/{what}", account(8));
    let told: ForecastInfo = rig.get(&own("forecast?token=iaas&amount=5000000")).await;
    assert_eq!((told.token.as_str(), told.amount.0, told.epochs_a_year), ("IaaS", 5_000_000, 365));
    assert!(told.pool_pot.0 > 0 && told.an_epoch.0 <= told.pool_pot.0);
    for _ in 0..125 {
        rig.chain.forge(3);
    }
    // The pool pledges all of its stake: its operator is paid when epoch 0's snapshot is, at the start of epoch 2.
    let page: RewardPage = rig.get(&own("rewards")).await;
    let heights: Vec<u64> = page.rows.iter().map(|row| row.height).collect();
    assert!(heights.len() >= 3 && heights.is_sorted_by(|a, b| a >= b), "{page:?}");
    assert!(page.rows.iter().all(|row| row.kind == "operator" && row.pools.0 > 0 && row.epoch >= 2), "{page:?}");
    assert_eq!(page.next_before, None, "one page reads to the beginning");
    let oldest = heights.last().unwrap();
    let older: RewardPage = rig.get(&own(&format!("rewards?before={oldest}"))).await;
    assert!(older.rows.is_empty());
    let other: RewardPage = rig.get(&format!("/v1/stake/{}/rewards", account(1))).await;
    assert!(other.rows.is_empty());
    for (path, code) in [
        (own("forecast"), 400),
        (own("forecast?token=gold"), 404),
        (own("forecast?token=iaas&pool=zz"), 400),
        (own(&format!("forecast?token=iaas&pool={}", "00".repeat(28))), 404),
        (own("forecast?token=iaas&amount=-1"), 400),
        (own("rewards?before=x"), 400),
        ("/v1/dao/proposals/x".to_string(), 400),
        ("/v1/dao/proposals/1".to_string(), 404),
    ] {
        let (got, problem) = rig.problem(get(&path)).await;
        assert_eq!(got, code, "{path}: {}", problem.detail);
    }
}

#[tokio::test]
async fn blocks_are_found_by_height_id_and_word() {
    let rig = rig();
    for _ in 0..14 {
        rig.chain.forge(2);
    }
    let tip: BlockInfo = rig.get("/v1/blocks/tip").await;
    let last_final: BlockInfo = rig.get("/v1/blocks/final").await;
    assert_eq!((tip.point.height, tip.is_final), (14, false));
    assert_eq!((last_final.point.height, last_final.is_final), (2, true));
    let by_id: BlockInfo = rig.get(&format!("/v1/blocks/{}", tip.point.id)).await;
    let by_height: BlockInfo = rig.get("/v1/blocks/14").await;
    assert!(by_id == tip && by_height == tip);
    let raw: Value = rig.get("/v1/blocks/14/raw").await;
    let header = nupeer_primitives::Header::decode(&hex::decode(raw["header"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(header.body.state_root.to_hex(), tip.state_root);
    let body = hex::decode(raw["body"].as_str().unwrap()).unwrap();
    assert_eq!(body.len() as u64, tip.body_bytes);
    assert!(nupeer_primitives::BlockBody::decode(&body, usize::MAX).is_ok());
}

#[tokio::test]
async fn a_transaction_goes_from_pending_to_final() {
    let rig = rig();
    let tx = rig.signed(1, pay(5, 2_500_000)).await;
    let sent = rig.send(&tx).await;
    let path = format!("/v1/txs/{}", sent.id);
    assert_eq!(rig.get::<TxInfo>(&path).await.status, "pending");
    assert_eq!(rig.get::<Status>("/v1/status").await.mempool_txs, 1);
    rig.chain.forge(1);
    let info: TxInfo = rig.get(&path).await;
    assert_eq!((info.status.as_str(), info.outcome.as_deref(), info.fee), ("included", Some("ok"), Some(sent.fee)));
    let hrp = AccountId::HRP_TEST;
    let event = &info.events[0];
    assert_eq!((event.name.as_str(), event.height, event.index), ("Transferred", 1, 0));
    assert_eq!(event.fields["to"], account(5).to_bech32(hrp));
    assert_eq!(event.fields["amount"], "2500000");
    for text in [account(5).to_hex(), account(5).to_bech32(hrp)] {
        let own: AccountInfo = rig.get(&format!("/v1/accounts/{text}")).await;
        assert_eq!((own.exists, own.balances[0].free.0, own.balances[0].ticker.as_str()), (true, 2_500_000, "ada"));
    }
    let sender: AccountInfo = rig.get(&format!("/v1/accounts/{}", account(1))).await;
    assert_eq!((sender.seq_base, sender.seq_map.as_str()), (1, "0".repeat(32).as_str()));
    for _ in 0..12 {
        rig.chain.forge(1);
    }
    assert_eq!(rig.get::<TxInfo>(&path).await.status, "final");
}

#[tokio::test]
async fn refusals_carry_name_detail_and_number() {
    let rig = rig();
    let tx = rig.signed(1, pay(5, 1)).await;
    rig.send(&tx).await;
    let (status, known) = rig.problem(post(tx.to_cbor())).await;
    assert_eq!((status, known.error.as_str(), known.code), (409, "mempool.Known", None));
    rig.chain.forge(1);
    let (status, used) = rig.problem(post(tx.to_cbor())).await;
    let rule = Rejected::SequenceUsed { seq: 0 };
    assert_eq!((status, used.error.as_str(), used.code), (409, rule.name(), Some(rule.code())));
    assert_eq!(used.detail, rule.to_string());
    let greedy = rig.signed(1, pay(5, u64::MAX)).await;
    let (status, failed) = rig.problem(post(greedy.to_cbor())).await;
    assert_eq!((status, failed.error.as_str(), failed.code), (409, "tokens.Insufficient", Some(8_451)));
    let mut forged = rig.signed(2, pay(5, 1)).await;
    forged.body.max_fee = Amount::ZERO;
    let (status, bad) = rig.problem(post(forged.to_cbor())).await;
    let rule = Malformed::BadSignature { witness: 0 };
    assert_eq!((status, bad.error.as_str(), bad.code), (400, rule.name(), Some(rule.code())));
}

#[tokio::test]
async fn bytes_at_the_door_are_judged_by_size_type_and_shape() {
    let rig = rig();
    let (status, error) = rig.problem(post(vec![0; TX_BYTES_MAX + 1])).await;
    assert_eq!((status, error.error.as_str()), (413, "malformed.TooLong"));
    for junk in [vec![], vec![0xff; 100], vec![0; TX_BYTES_MAX], b"{}".to_vec(), vec![0x9f; 4_000]] {
        let (status, error) = rig.problem(post(junk)).await;
        assert_eq!(status, 400, "{error:?}");
        assert!(error.error.starts_with("malformed.") && error.code.is_some(), "{error:?}");
    }
    let mut long = rig.signed(1, pay(2, 1)).await.to_cbor();
    long.push(0);
    assert_eq!(rig.problem(post(long)).await.1.error, "malformed.TrailingBytes");
    let untyped = Request::post("/v1/txs").body(Body::from(vec![1])).unwrap();
    assert_eq!(rig.problem(untyped).await.0, 415);
    for (mode, name) in [(Mode::Syncing, "node.Syncing"), (Mode::Stopping, "node.Stopping")] {
        rig.chain.set_mode(mode);
        let (status, error) = rig.problem(post(vec![0])).await;
        assert_eq!((status, error.error.as_str()), (503, name));
    }
    assert_eq!(rig.problem(get("/healthz")).await.0, 503);
}

#[tokio::test]
async fn junk_in_paths_and_queries_is_named() {
    let rig = rig();
    rig.chain.forge(1);
    let (zeros, foreign) = ("0".repeat(64), account(1).to_bech32("nup"));
    for (path, status, error) in [
        ("/", 404, "api.NotFound"),
        ("/v1/nothing", 404, "api.NotFound"),
        ("/v1/txs", 405, "api.MethodNotAllowed"),
        ("/v1/blocks/0", 404, "api.NotFound"),
        ("/v1/blocks/2", 404, "api.NotFound"),
        ("/v1/blocks/-1", 400, "malformed.Block"),
        ("/v1/blocks/99999999999999999999999", 400, "malformed.Block"),
        ("/v1/blocks/%FF%FE", 400, "malformed.Path"),
        ("/v1/blocks/tip%00", 400, "malformed.Block"),
        (&format!("/v1/blocks/{zeros}"), 404, "api.NotFound"),
        (&format!("/v1/blocks/{zeros}/raw"), 404, "api.NotFound"),
        (&format!("/v1/txs/{zeros}"), 404, "api.NotFound"),
        ("/v1/txs/12", 400, "malformed.TxId"),
        ("/v1/accounts/me", 400, "malformed.Account"),
        (&format!("/v1/accounts/{foreign}"), 400, "malformed.Account"),
        (&format!("/v1/accounts/{}", "a".repeat(5_000)), 400, "malformed.Path"),
        ("/v1/state/", 404, "api.NotFound"),
        ("/v1/state/zz", 400, "malformed.StateKey"),
        ("/v1/state/0", 400, "malformed.StateKey"),
        ("/v1/instruments/x/book", 400, "malformed.Number"),
        ("/v1/instruments/4294967296/book", 400, "malformed.Number"),
        ("/v1/instruments/99/book", 404, "api.NotFound"),
        ("/v1/instruments/99/prices", 404, "api.NotFound"),
        ("/v1/hosts/7", 404, "api.NotFound"),
        ("/v1/hosts?provider=x", 400, "malformed.Account"),
        ("/v1/hosts?color=red", 400, "malformed.Query"),
        (&format!("/v1/providers/{}", account(1)), 404, "api.NotFound"),
        ("/v1/orders", 400, "malformed.Query"),
        ("/v1/leases", 400, "malformed.Query"),
        ("/v1/leases?host=1&tenant=x", 400, "malformed.Query"),
        ("/v1/leases?host=-1", 400, "malformed.Query"),
        (&format!("/v1/leases/{zeros}"), 404, "api.NotFound"),
        ("/v1/leases/00", 400, "malformed.LeaseId"),
        ("/v1/events?from=x", 400, "malformed.Query"),
        ("/v1/finality/1", 404, "api.NotFound"),
        ("/v1/finality/x", 400, "malformed.Number"),
        ("/v1/epochs/0", 404, "api.NotFound"),
        ("/v1/blocks/0/events/0", 404, "api.NotFound"),
        ("/v1/blocks/1/events/x", 400, "malformed.Number"),
        ("/v1/blocks/1/events/4000", 404, "api.NotFound"),
    ] {
        let (got, problem) = rig.problem(get(path)).await;
        assert_eq!((got, problem.error.as_str()), (status, error), "{path}: {}", problem.detail);
        assert!(problem.detail.len() < 400 && !problem.detail.is_empty(), "{path}: {}", problem.detail);
    }
}

#[tokio::test]
async fn events_are_proven_against_the_newest_root() {
    let rig = rig();
    for _ in 0..3 {
        rig.chain.forge(1);
    }
    let tip: BlockInfo = rig.get("/v1/blocks/tip").await;
    let root = Hash::from_hex(&tip.state_root).unwrap();
    for height in 1..=3 {
        let block: BlockInfo = rig.get(&format!("/v1/blocks/{height}")).await;
        for index in 0..block.events.len() {
            let proof: EventProof = rig.get(&format!("/v1/blocks/{height}/events/{index}")).await;
            proof.event.claim().unwrap().verify(&root).unwrap();
            assert!(proof.event.claim().unwrap().verify(&Hash::ZERO).is_err());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_junk_is_the_nodes_fault(part in "[ -~]{0,90}", body in prop::collection::vec(any::<u8>(), 0..300)) {
        let part: String = part.bytes().map(|b| format!("%{b:02x}")).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let rig = rig();
            for path in ["blocks", "txs", "accounts", "state", "hosts", "providers", "leases", "instruments/1", "orders?owner="] {
                let (status, _) = rig.call(get(&format!("/v1/{path}/{part}"))).await;
                assert!(status.as_u16() < 500, "{path}/{part}: {status}");
            }
            let (status, _) = rig.call(post(body)).await;
            assert_eq!(status, StatusCode::BAD_REQUEST);
        });
    }
}

#[tokio::test]
async fn proofs_hold_against_the_root_of_their_block() {
    let rig = rig();
    rig.chain.forge(1);
    let live = nupeer_tokens::bank::key(&account(1), AssetId::ADA).into_vec();
    let proof: StateProof = rig.get(&format!("/v1/state/{}", hex::encode(&live))).await;
    let block: BlockInfo = rig.get(&format!("/v1/blocks/{}", proof.point.id)).await;
    assert_eq!(block.state_root, proof.state_root);
    let root = Hash::from_hex(&proof.state_root).unwrap();
    let value = hex::decode(proof.value.unwrap()).unwrap();
    let inclusion = Inclusion::decode(&hex::decode(proof.proof).unwrap()).unwrap();
    inclusion.verify_value(&root, &live, &value).unwrap();
    let none = nupeer_tokens::bank::key(&account(77), AssetId::ADA).into_vec();
    let proof: StateProof = rig.get(&format!("/v1/state/{}", hex::encode(&none))).await;
    assert_eq!(proof.value, None);
    Absence::decode(&hex::decode(proof.proof).unwrap()).unwrap().verify(&root, &none).unwrap();
}

#[tokio::test]
async fn metrics_are_an_exposition_of_where_the_node_stands() {
    let rig = rig();
    rig.chain.forge(4);
    rig.api.metrics.header_refused("NotSlotLeader");
    rig.api.metrics.block_applied(std::time::Duration::from_millis(2), std::time::Duration::from_millis(3));
    rig.api.metrics.rolled_back(2);
    rig.api.metrics.block_forged();
    rig.problem(get("/v1/nothing")).await;
    let (status, body) = rig.call(get("/metrics")).await;
    let text = String::from_utf8(body).unwrap();
    assert_eq!(status, StatusCode::OK);
    for line in [
        "nupeer_node_tip_height 1",
        "nupeer_node_tip_slot 4",
        "nupeer_node_final_height 0",
        "nupeer_node_following 1",
        "nupeer_node_peers 3",
        "nupeer_node_mempool_txs 0",
        "nupeer_node_blocks_applied_total 1",
        "nupeer_node_blocks_reverted_total 2",
        "nupeer_node_rollbacks_total 1",
        "nupeer_node_blocks_forged_total 1",
        "nupeer_node_headers_refused_total{rule=\"NotSlotLeader\"} 1",
        "nupeer_node_api_answers_total{status=\"4xx\"} 1",
        "nupeer_node_apply_seconds_count 1",
        "nupeer_node_db_commit_seconds_count 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn too_many_requests_at_once_are_told_to_come_back() {
    let rig = rig();
    let all = u32::try_from(REQUESTS_MAX).unwrap();
    let held = rig.api.requests.acquire_many(all).await.unwrap();
    assert_eq!(rig.problem(get("/v1/status")).await.0, 429);
    drop(held);
    assert_eq!(rig.call(get("/v1/status")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn other_origins_may_read_and_not_send() {
    let rig = rig();
    let read = Request::get("/healthz").header("origin", "http://elsewhere").body(Body::empty()).unwrap();
    let answer = rig.router.clone().oneshot(read).await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let ask = Request::options("/v1/txs").header("origin", "http://elsewhere");
    let ask = ask.header("access-control-request-method", "POST").body(Body::empty()).unwrap();
    let answer = rig.router.clone().oneshot(ask).await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-methods"], "GET");
}

#[tokio::test]
async fn the_service_answers_on_a_socket_and_stops_with_open_streams() {
    let rig = rig();
    rig.chain.forge(1);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let client = nupeer_client::http::Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let service = tokio::spawn(serve(listener, rig.api.clone(), async move { drop(stopped.await) }));
    assert_eq!(client.status().await.unwrap().tip.height, 1);
    let refused = client.submit(&rig.signed(1, pay(5, u64::MAX)).await).await.unwrap_err();
    assert!(refused.to_string().contains("tokens.Insufficient"), "{refused}");
    let stream = tokio::net::TcpStream::connect(client.url().trim_start_matches("http://")).await.unwrap();
    let (mut answer, mut ask) = stream.into_split();
    tokio::io::AsyncWriteExt::write_all(&mut ask, b"GET /v1/events?from=1 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut seen = String::new();
    while !seen.contains("event: applied") {
        let mut part = [0; 1_024];
        let length = tokio::io::AsyncReadExt::read(&mut answer, &mut part).await.unwrap();
        seen.push_str(std::str::from_utf8(&part[..length]).unwrap());
    }
    stop.send(()).unwrap();
    let mut rest = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut answer, &mut rest).await.unwrap();
    assert!(rest.contains("event: closing"), "{rest}");
    drop(client);
    service.await.unwrap().unwrap();
}
