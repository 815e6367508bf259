use crate::User;
use crate::obliging_node::ObligingNode;
use nupeer_client::bundle::{Bundle, BundleAddress, unwrap};
use nupeer_primitives::hash::blake2b_256;
use nupeer_primitives::{Action, Amount};

const COMPONENT: &[u8] = b"\0asm pretend";

fn manifest() -> String {
    let digest = blake2b_256(COMPONENT).to_hex();
    format!(
        "nupeer: 1\nname: hello\nservices:\n  web:\n    wasm: blake2b:{digest}\n    lots: {{family: W, count: 2}}\n    \
         secrets: [TOKEN]\n    expose: {{http: true, host: hello.demo.nup}}\n    meters: [egress, fuel]\n\
         placement: {{zones: [EU], grade: D, term: rolling}}\n\
         budget: {{asset: usd, max_price: \"0.0013\", deposit: \"5\", auto_topup: {{below: 24h, amount: \"5\", cap_monthly: \"20\"}}}}\n"
    )
}

#[test]
fn from_manifest_to_running_app() {
    let node = ObligingNode::start();
    let user = User::with_keys(&node.url);
    let yaml = user.write("app.yaml", manifest());
    user.write("app.wasm", COMPONENT);
    let token = user.write("token", "s3cret");
    let secret = format!("TOKEN=@{token}");
    let report = user.json(&["deploy", &yaml, "--secret", &secret]);
    assert_eq!(report["leases"][0]["state"], "Active");
    assert!(report["note"].as_str().unwrap().contains("hello.demo.nup"));

    let seen = node.seen.lock().unwrap();
    let Action::Bid { bid } = &seen.txs[0].body.actions[0].action else { panic!("no bid") };
    assert_eq!((bid.tick, bid.lots, bid.deposit), (1_300, 2, Amount::new(5_000_000)));
    let (lease, wrap) = &seen.wraps[0];
    let (key, address) = unwrap(wrap, lease, &node.seal_key, &node.genesis).unwrap();
    let sealed = &seen.blobs[&format!("bundle/{}", address.to_hex())];
    assert_eq!(BundleAddress::of(sealed), address);
    let bundle = Bundle::open(sealed, &key, &node.genesis, &bid.manifest_hash).unwrap();
    assert_eq!(bundle.secrets[0].1.as_slice(), b"s3cret");
    assert_eq!(bundle.workload.service, "web");
    assert_eq!(seen.blobs[&format!("artifact/{}", blake2b_256(COMPONENT))], COMPONENT);
    let rules = seen.txs.iter().flat_map(|tx| &tx.body.actions);
    assert!(rules.into_iter().any(|a| matches!(a.action, Action::SetTopUpRule { rule: Some(_), .. })));
    drop(seen);

    let lease = report["leases"][0]["lease"].as_str().unwrap();
    assert_eq!(user.json(&["lease", "show", &lease[..6]])["state"], "Active");
    assert_eq!(user.json(&["lease", "bill", lease])["per_hour"], "2500");
    user.json(&["lease", "topup", lease, "3"]);
    user.json(&["lease", "wrap", lease]);
    user.json(&["lease", "close", lease]);
    let seen = node.seen.lock().unwrap();
    let codes: Vec<&str> = seen.txs.iter().map(|tx| tx.body.actions[0].action.name()).collect();
    assert_eq!(codes, ["Bid", "Wrap", "SetTopUpRule", "TopUp", "Wrap", "Close"]);
    assert_ne!(seen.wraps[0].1, seen.wraps[1].1, "each wrap has its own ephemeral key");
}

#[test]
fn nothing_is_ordered_before_everything_is_known() {
    let node = ObligingNode::start();
    let user = User::with_keys(&node.url);
    let yaml = user.write("app.yaml", manifest());
    let (code, error) = user.failure(&["deploy", &yaml]);
    assert_eq!(code, 2);
    assert!(error["detail"].as_str().unwrap().contains("TOKEN"), "{error}");
    let (code, error) = user.failure(&["deploy", &yaml, "--secret", "TOKEN=x"]);
    assert_eq!(code, 2);
    assert!(error["next"].as_str().unwrap().contains("--artifact"), "{error}");
    let other = user.write("other.wasm", b"other");
    assert_eq!(user.failure(&["deploy", &yaml, "--secret", "TOKEN=x", "--artifact", &other]).0, 2);
    let planned = user.json(&["deploy", &yaml, "--secret", "TOKEN=x", "--dry-run"]);
    assert_eq!(planned[0]["market"], "W.EU.D.ROLL");
    let (code, error) = user.failure(&["deploy", &yaml, "--secret", "TOKEN=x", "--gateway", "http://127.0.0.1:1"]);
    assert_eq!(code, 5, "{error}");
    assert!(node.seen.lock().unwrap().txs.is_empty());
}
