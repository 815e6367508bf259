//! A node and gateway that oblige: every well-signed transaction is included at once, every bid is matched to host 7, and
//! its lease is active as soon as the bundle key is posted. Speaks just enough HTTP/1.1 for one request a connection.

use nupeer_client::bundle::SealKey;
use nupeer_client::delivery::{UploadPermit, check_address};
use nupeer_client::genesis_json;
use nupeer_primitives::genesis::{Constants, Genesis, Zone};
use nupeer_primitives::hash::{Tag, tagged};
use nupeer_primitives::ids::ZoneId;
use nupeer_primitives::signing_text::TextContext;
use nupeer_primitives::witness::{self, Network};
use nupeer_primitives::{AccountId, Action, AssetId, GenesisHash, Hash, LeaseId, Transaction};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it has seen and what it is told to answer.
#[derive(Default)]
pub struct Seen {
    pub txs: Vec<Transaction>,
    pub blobs: BTreeMap<String, Vec<u8>>,
    pub leases: BTreeMap<String, Value>,
    pub wraps: Vec<(LeaseId, Vec<u8>)>,
    /// Outcome of every transaction, instead of `ok`.
    pub outcome: Option<&'static str>,
    /// Refuses every transaction with this name.
    pub refuse: Option<&'static str>,
    /// Keeps every transaction waiting.
    pub never_includes: bool,
    /// Includes, but finalises nothing.
    pub never_finalises: bool,
    /// What else it serves, by path.
    pub served: BTreeMap<String, Value>,
}

pub struct ObligingNode {
    pub url: String,
    pub genesis: GenesisHash,
    pub seal_key: SealKey,
    pub seen: Arc<Mutex<Seen>>,
}

pub fn genesis() -> Genesis {
    let zone =
        |id, parent: Option<u16>, name: &str| Zone { id: ZoneId(id), parent: parent.map(ZoneId), name: name.into() };
    Genesis {
        name: "devnet".into(),
        hrp: AccountId::HRP_TEST.into(),
        system_start_ms: 1,
        seed: Hash([1; 32]),
        constants: Constants {
            slot_ms: 1_000,
            f: (1, 2),
            k: 10,
            epoch_slots: 600,
            freeze: 100,
            target: 200,
            kes_period: 600,
            kes_evolutions: 62,
        },
        parameters: vec![],
        assets: vec![],
        accounts: vec![],
        pools: vec![],
        zones: vec![zone(1, None, "WORLD"), zone(2, Some(1), "EU")],
        instruments: vec![],
        pairs: vec![],
        issuers: vec![],
        council: None,
    }
}

impl ObligingNode {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, seal_key) = (Arc::new(Mutex::new(Seen::default())), SealKey::from_bytes([5; 32]));
        let (state, public) = (seen.clone(), hex::encode(seal_key.public()));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &state, &public);
            }
        });
        Self { url, genesis: genesis().hash(), seal_key, seen }
    }

    pub fn tell(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap());
    }
}

type Answer = (u16, Value);

fn serve(stream: TcpStream, state: &Mutex<Seen>, seal_key: &str) {
    let mut reader = BufReader::new(&stream);
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap().to_string(), words.next().unwrap().to_string());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_string());
    }
    let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (status, answer) = answer(&method, &path, &headers, body, &mut state.lock().unwrap(), seal_key);
    let answer = answer.to_string();
    let shown = if method == "HEAD" { "" } else { answer.as_str() };
    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", shown.len());
    let _ = (&stream).write_all(format!("{head}{shown}").as_bytes());
}

fn answer(
    method: &str,
    path: &str,
    headers: &BTreeMap<String, String>,
    body: Vec<u8>,
    seen: &mut Seen,
    seal_key: &str,
) -> Answer {
    let parts: Vec<&str> = path.trim_start_matches('/').split(['/', '?']).collect();
    match (method, parts.as_slice()) {
        (_, [".nupeer", "v1", kind, address]) => blob(method, kind, address, headers, body, seen),
        ("POST", ["v1", "txs"]) => submit(&body, seen),
        ("GET", ["v1", "status"]) => (200, status()),
        ("GET", ["v1", "genesis"]) => (200, serde_json::from_str(&genesis_json::to_json(&genesis())).unwrap()),
        ("GET", ["v1", "assets"]) => {
            let asset = |id, ticker: &str| json!({ "id": id, "ticker": ticker, "issued": "0" });
            (200, json!([asset(0, "ada"), asset(16, "usd")]))
        }
        ("GET", ["v1", "parameters"]) => (200, json!([{ "name": "market.order_life_ms", "value": 3_600_000 }])),
        ("GET", ["v1", "instruments"]) => (200, json!([instrument()])),
        ("GET", ["v1", "accounts", id]) => (200, account(id)),
        ("GET", ["v1", "hosts", "7"]) => (200, host(seal_key)),
        ("GET", ["v1", "txs", id]) => tx(id, seen),
        ("GET", ["v1", "leases", id]) if seen.leases.contains_key(*id) => (200, seen.leases[*id].clone()),
        ("GET", ["v1", "leases", ..]) if path.contains("tenant=") => (200, seen.leases.values().cloned().collect()),
        _ => match seen.served.get(path) {
            Some(value) => (200, value.clone()),
            None => (404, json!({ "error": "api.NotFound", "detail": path })),
        },
    }
}

fn status() -> Value {
    let point = json!({ "height": 5, "slot": 50, "id": "00".repeat(32) });
    json!({
        "network": "devnet", "genesis": genesis().hash().0.to_hex(), "hrp": "nup_test", "version": "0.1.0", "mode": "following",
        "tip": point, "final_point": point, "state_root": "00".repeat(32), "slot_now": 51, "slot_ms": 1000, "epoch": 0,
        "market_now_ms": 50_000, "peers": 1, "mempool_txs": 0, "pool": null,
    })
}

fn account(id: &str) -> Value {
    let balance = json!({ "asset": 0, "ticker": "ada", "free": "12500000", "locked": "0" });
    json!({
        "account": id, "exists": true, "seq_base": 3, "seq_map": "00000000000000000000000000000001", "balances": [balance],
        "grants": [],
    })
}

fn instrument() -> Value {
    let meter = |kind: u8, name: &str| json!({ "kind": kind, "name": name, "num": 1, "den": 10, "cap_per_s": 9 });
    json!({
        "id": 1, "name": "W.EU.D.ROLL", "family": "W", "zone": "EU", "grade": "D", "term": "Rolling", "fill": "Packed",
        "quote": 16, "quote_ticker": "usd", "tick_size": 1, "ref_tick": 1250, "phase": 1, "lo": 1000, "hi": 1500,
        "last_tick": null, "ret_price": 75, "meters": [meter(1, "egress_bytes"), meter(4, "wasm_fuel")],
    })
}

fn host(seal_key: &str) -> Value {
    json!({
        "id": 7, "provider": "nup_test1x", "site": "EU", "zone": 2, "grade": "D", "session_key": "01".repeat(32),
        "seal_key": seal_key, "traits": 0, "lots": [{ "family": "W", "lots": 8, "used": 0 }], "state": "Open", "strikes": 0,
    })
}

fn lease(id: &str, state: &str, order: u64, manifest_hash: &str) -> Value {
    json!({
        "id": id, "state": state, "epoch": 0, "order": order, "tenant": "nup_test1y", "instrument": 1, "family": "W",
        "quote": 16, "quote_ticker": "usd", "host": 7, "provider": "nup_test1x", "price": "1250", "lots": 2,
        "manifest_hash": manifest_hash, "meters": [], "balance": "5000000", "arrears": "0", "refunded": "0",
        "paid_provider": "0", "paid_platform": "0", "bond": "0", "deadline_ms": 60_000, "funded_until_ms": 3_650_000,
        "active_since_ms": null, "edge_final": true, "receipt": null, "pending_seq": null, "wraps": [], "delegates": [],
        "edges": [], "fee_bps": 1000, "max_unacked_ms": 15000, "changed_height": 5,
    })
}

fn blob(
    method: &str,
    kind: &str,
    address: &str,
    headers: &BTreeMap<String, String>,
    body: Vec<u8>,
    seen: &mut Seen,
) -> Answer {
    let name = format!("{kind}/{address}");
    match method {
        "HEAD" if seen.blobs.contains_key(&name) => (200, Value::Null),
        "PUT" => {
            let permit = UploadPermit::from_headers(|name| headers.get(name).map(String::as_str)).unwrap();
            permit.verify(&genesis().hash(), &body, permit.expiry - 60).unwrap();
            check_address(address, &body).unwrap();
            seen.blobs.insert(name, body);
            (201, Value::Null)
        }
        _ => (404, Value::Null),
    }
}

fn submit(bytes: &[u8], seen: &mut Seen) -> Answer {
    let tx = Transaction::decode(bytes).unwrap();
    let genesis = genesis().hash();
    let authorised = witness::check(&tx, &genesis, Network::Test).unwrap();
    assert_eq!(authorised.missing(), None);
    let tickers = BTreeMap::from([(AssetId(0), "ada".to_string()), (AssetId(16), "usd".to_string())]);
    let context = TextContext { network: "devnet", genesis, hrp: "nup_test", tickers: &tickers };
    authorised.check_texts(&tx.body, &context).unwrap();
    if let Some(name) = seen.refuse {
        return (422, json!({ "error": name, "detail": "because it was told to" }));
    }
    for (order, action) in (100u64..).zip(&tx.body.actions) {
        if let Action::Bid { bid } = &action.action {
            let id = tagged(Tag::Lease, &genesis, &[&order.to_be_bytes(), &[0, 0]]).to_hex();
            let matched = lease(&id, "Matched", order, &hex::encode(bid.manifest_hash));
            seen.leases.insert(id, matched);
        }
        if let Action::Wrap { lease, wrap, .. } = &action.action {
            seen.leases.get_mut(&lease.to_hex()).unwrap()["state"] = "Active".into();
            seen.wraps.push((*lease, wrap.as_slice().to_vec()));
        }
    }
    let id = tx.body.id(&genesis).to_hex();
    seen.txs.push(tx);
    (200, json!({ "id": id, "fee": "3000" }))
}

fn tx(id: &str, seen: &Seen) -> Answer {
    let known = seen.txs.iter().find(|tx| tx.body.id(&genesis().hash()).to_hex() == id);
    let Some(known) = known else { return (404, json!({ "error": "api.NotFound", "detail": id })) };
    if seen.never_includes {
        let nothing = json!({ "id": id, "status": "pending", "block": null, "outcome": null, "code": null, "fee": null, "events": [] });
        return (200, nothing);
    }
    let placed = |(order, action): (u64, &Action)| {
        let fields = json!({ "order": order, "owner": "nup_test1y", "instrument": 1 });
        matches!(action, Action::Bid { .. })
            .then(|| json!({ "height": 6, "index": order - 100, "name": "OrderPlaced", "fields": fields }))
    };
    let events: Vec<Value> = (100u64..).zip(known.body.actions.iter().map(|a| &a.action)).filter_map(placed).collect();
    let block = json!({ "height": 6, "slot": 60, "id": "11".repeat(32) });
    let outcome = seen.outcome.unwrap_or("ok");
    let status = if seen.never_finalises { "included" } else { "final" };
    (
        200,
        json!({
            "id": id, "status": status, "block": block, "outcome": outcome, "code": null, "fee": "3000", "events": events,
        }),
    )
}
