use crate::obliging_node::{ObligingNode, genesis};
use crate::{User, text};
use nupeer_client::genesis_json;
use nupeer_client::pool::{OpCertFile, certifies};
use serde_json::{Value, json};

/// An operator with cold key, hot keys and genesis file.
struct Operator {
    user: User,
    cold: String,
    keys: String,
    genesis: String,
    kes_key: String,
}

impl Operator {
    fn new(node: &str) -> Self {
        let user = User::new(node);
        let path = |name: &str| text(&user.home.path().join(name));
        let (cold, keys) = (path("cold.json"), path("keys"));
        let genesis = user.write("genesis.json", genesis_json::to_json(&genesis()));
        user.json(&["pool", "keygen", "cold", &cold]);
        let hot = user.json(&["pool", "keygen", "hot", &keys]);
        let kes_key = hot["kes_key"].as_str().unwrap().to_string();
        Self { user, cold, keys, genesis, kes_key }
    }

    fn issue(&self, kes_key: &str, out: &str, more: &[&str]) -> Value {
        let out = text(&self.user.home.path().join(out));
        let (cold, genesis) = (self.cold.as_str(), self.genesis.as_str());
        let args =
            ["pool", "opcert", "issue", "--cold", cold, "--genesis", genesis, "--kes-key", kes_key, "--out", &out];
        self.user.json(&[&args, more].concat())
    }

    fn install<'a>(&'a self, file: &'a str) -> Vec<&'a str> {
        vec!["pool", "opcert", "install", file, "--keys-dir", &self.keys, "--genesis", &self.genesis]
    }

    fn exists(&self, name: &str) -> bool {
        self.user.home.path().join("keys").join(name).exists()
    }
}

#[test]
fn keys_are_certified_offline_and_rotated() {
    let operator = Operator::new("http://127.0.0.1:1");
    let user = &operator.user;
    let issued = operator.issue(&operator.kes_key, "0.json", &["--start", "5"]);
    assert_eq!(
        (issued["counter"].as_u64(), issued["start"].as_u64(), issued["end"].as_u64()),
        (Some(0), Some(5), Some(67))
    );
    let file = issued["file"].as_str().unwrap().to_string();
    let (cold_key, opcert) = OpCertFile::from_bytes(&std::fs::read(&file).unwrap()).unwrap().open().unwrap();
    assert!(certifies(&cold_key, &opcert, &genesis().hash()));
    user.json(&operator.install(&file));
    assert!(operator.exists("opcert.json") && !operator.exists("opcert.next.json"));

    let id = user.json(&["pool", "id", "--cold", &operator.cold, "--keys-dir", &operator.keys]);
    assert_eq!((&id["pool"], &id["kes_key"]), (&json!(cold_key.pool().to_hex()), &json!(operator.kes_key)));

    let rotated = user.json(&["pool", "bls", "rotate", "--keys-dir", &operator.keys]);
    let id = user.json(&["pool", "id", "--keys-dir", &operator.keys]);
    assert_eq!((&id["bls_next_key"], &id["bls_next_proof"]), (&rotated["bls_key"], &rotated["bls_proof"]));
    assert_eq!(user.failure(&["pool", "bls", "rotate", "--keys-dir", &operator.keys]).0, 7);

    let next = user.json(&["pool", "kes", "rotate", "--keys-dir", &operator.keys]);
    let next = next["kes_key"].as_str().unwrap();
    assert_eq!(user.failure(&["pool", "kes", "rotate", "--keys-dir", &operator.keys]).0, 7, "one waits already");
    assert_eq!(operator.issue(next, "1.json", &[])["counter"], 1);
    let again = operator.issue(next, "1b.json", &["--again"]);
    assert_eq!(again["counter"], 1);
    user.json(&operator.install(again["file"].as_str().unwrap()));
    assert!(operator.exists("opcert.next.json") && operator.exists("kes.next.json"));
}

#[test]
fn a_certificate_that_does_not_fit_is_not_installed() {
    let operator = Operator::new("http://127.0.0.1:1");
    let user = &operator.user;
    let fails = |file: &str, word: &str| {
        let (code, error) = user.failure(&operator.install(file));
        let detail = error["detail"].as_str().unwrap();
        assert!(code == 7 && detail.contains(word), "{code} {detail}");
    };
    let other_key = operator.issue(&"07".repeat(32), "other.json", &[]);
    fails(other_key["file"].as_str().unwrap(), "not in");
    let good = operator.issue(&operator.kes_key, "good.json", &["--start", "5"]);
    let good = std::fs::read_to_string(good["file"].as_str().unwrap()).unwrap();
    let changed = user.write("changed.json", good.replace("\"start\": 5", "\"start\": 6"));
    fails(&changed, "not signed by its cold key");
    let junk = user.write("junk.json", "{}");
    fails(&junk, "not JSON of a key file");
    user.json(&operator.install(&user.write("good2.json", &good)));
    for _ in 0..2 {
        let _ = operator.issue(&operator.kes_key, &format!("{}.json", std::process::id()), &["--start", "5"]);
        std::fs::remove_file(user.home.path().join(format!("{}.json", std::process::id()))).unwrap();
    }
    let skipping = operator.issue(&operator.kes_key, "skipping.json", &["--start", "5"]);
    fails(skipping["file"].as_str().unwrap(), "does not follow");
    let wrong = user.run_with(
        "some other words",
        &[
            "pool",
            "opcert",
            "issue",
            "--cold",
            &operator.cold,
            "--genesis",
            &operator.genesis,
            "--kes-key",
            &operator.kes_key,
            "--out",
            "/nowhere/x",
        ],
    );
    assert_eq!(wrong.status.code(), Some(7));
    assert_eq!(user.failure(&["pool", "keygen", "cold", &operator.cold]).0, 7, "never overwritten");
    assert_eq!(user.failure(&["pool", "keygen", "hot", &operator.keys]).0, 7, "never overwritten");
}

fn epoch(next_nonce: Option<String>) -> Value {
    json!({
        "epoch": 0, "first_slot": 0, "slots": 600, "slot_now": 51, "slot_ms": 1000, "system_start_ms": 0, "f_num": 1,
        "f_den": 2, "nonce": "01".repeat(32), "next_nonce": next_nonce, "next_nonce_slot": 100, "kes_period": 6,
        "kes_period_slots": 600, "kes_evolutions": 62,
    })
}

#[test]
fn the_schedule_is_drawn_as_the_chain_draws_it() {
    let node = ObligingNode::start();
    let operator = Operator::new(&node.url);
    let user = &operator.user;
    let issued = operator.issue(&operator.kes_key, "0.json", &["--start", "5"]);
    user.json(&operator.install(issued["file"].as_str().unwrap()));
    let id = user.json(&["pool", "id", "--keys-dir", &operator.keys]);
    let pool = id["pool"].as_str().unwrap();
    let weight = |epoch| json!({ "epoch": epoch, "weight": "5", "total": "5", "share_ppm": 1_000_000 });
    let detail = json!({
        "id": pool, "cold_key": "", "vrf_hash": id["vrf_hash"], "bls_key": id["bls_key"], "reward_account": "nup_test1x", "jailed": false,
        "opcert_counter": 0, "stake": [{ "ticker": "iaas", "stake": "2000000", "pledge": "1000000" }], "now": weight(0),
        "next": weight(1),
    });
    node.tell(|seen| {
        seen.served.insert("/v1/epoch".into(), epoch(None));
        seen.served.insert(format!("/v1/pools/{pool}"), detail.clone());
        let rows = json!([{ "epoch": 0, "slots": 50, "blocks": 24, "blocks_of_all": 24, "expected": 25.0, "share_ppm": 1_000_000 }]);
        seen.served.insert(format!("/v1/pools/{pool}/performance"), rows);
    });
    let schedule = user.json(&["pool", "schedule", "--keys-dir", &operator.keys]);
    let led = schedule["this"]["slots"].as_array().unwrap();
    assert!((220..380).contains(&led.len()), "{}", led.len());
    assert_eq!(led[0]["time_ms"].as_u64(), led[0]["slot"].as_u64().map(|slot| slot * 1_000));
    assert_eq!((&schedule["next"]["nonce"], schedule["next"]["nonce_slot"].as_u64()), (&Value::Null, Some(100)));
    let later = user.json(&["pool", "schedule", "--keys-dir", &operator.keys, "--from-now"]);
    assert!(later["this"]["slots"].as_array().unwrap().iter().all(|slot| slot["slot"].as_u64() >= Some(51)));
    node.tell(|seen| drop(seen.served.insert("/v1/epoch".into(), epoch(Some("02".repeat(32))))));
    let fixed = user.json(&["pool", "schedule", "--keys-dir", &operator.keys]);
    let next = fixed["next"]["slots"].as_array().unwrap();
    assert!(next.iter().all(|slot| (600..1_200).contains(&slot["slot"].as_u64().unwrap())) && next.len() > 220);

    assert_eq!(user.json(&["pool", "stake", pool])["stake"][0]["pledge"], "1000000");
    assert_eq!(user.json(&["pool", "performance", pool])["epochs"][0]["blocks"], 24);
    assert_eq!(user.json(&["pool", "kes", "status", "--keys-dir", &operator.keys])["periods_left"], 61);
    assert_eq!(user.failure(&["pool", "stake", &"00".repeat(28)]).0, 3);
    assert_eq!(user.failure(&["pool", "stake"]).0, 2, "the node makes blocks for nobody");
    node.tell(|seen| {
        let other = json!({ "vrf_hash": "00".repeat(32) });
        let row = seen.served.get_mut(&format!("/v1/pools/{pool}")).unwrap();
        row["vrf_hash"] = other["vrf_hash"].clone();
    });
    assert_eq!(user.failure(&["pool", "schedule", "--keys-dir", &operator.keys]).0, 7, "another VRF key is registered");
}
