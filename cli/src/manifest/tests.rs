#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use proptest::prelude::*;

const DIGEST: &str = "5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c";

/// The Wasm app of market.md §14.
pub(crate) fn hello() -> String {
    format!(
        r#"
nupeer: 1
name: hello
services:
  web:
    wasm: blake2b:{DIGEST}
    lots: {{family: W, count: 2}}
    expose: {{http: true, host: hello.alice.nup}}
    meters: [fuel, egress]
placement: {{zones: [EU], grade: C, term: rolling}}
budget: {{asset: usd, max_price: "0.002", deposit: "5", auto_topup: {{below: 24h, amount: "5", cap_monthly: "20"}}}}
"#
    )
}

fn container() -> String {
    format!(
        r#"
nupeer: 1
name: vision
services:
  api:
    image: registry.example/vision@sha256:{DIGEST}
    command: [/bin/server, --port=8080]
    env: {{MODEL: /data/model.bin}}
    secrets: [API_TOKEN]
    lots: {{family: G, count: 1, device: l40s}}
    mounts: {{/data: scratch}}
    expose: {{http: 8080, health: /healthz}}
    egress: [registry.example]
    replicas: 2
    spread: provider
    standby: {{count: 1, max_bps: 1000}}
    restart: on-failure
placement: {{zones: [SK, CZ], grade: B, require: [ecc], term: month}}
budget: {{asset: usd, max_price: {{G: "0.90", V: "0.0006"}}, deposit: "1500"}}
"#
    )
}

#[test]
fn the_examples_of_the_specification_are_read() {
    let app = App::parse(&hello()).unwrap();
    let web = &app.services[0];
    assert_eq!(web.workload.meters, [1, 4]);
    assert_eq!(web.workload.expose.as_ref().unwrap().port, 0);
    assert_eq!(web.workload.lots, 2);
    assert_eq!(app.budget.max_price_any, Some(Amount::new(2_000)));
    assert_eq!(app.budget.auto_topup.unwrap().below_ms, 86_400_000);

    let app = App::parse(&container()).unwrap();
    let api = &app.services[0];
    assert_eq!((api.replicas, api.spread, api.standby), (2, Spread::Provider, (1, 1_000)));
    assert_eq!(api.workload.egress, EgressMode::List);
    assert_eq!(app.budget.max_price["G"], Amount::new(900_000));
    assert_eq!(app.placement.require, ["ecc"]);
}

#[test]
fn the_hash_is_of_the_content_not_of_the_text() {
    let one = App::parse(&hello()).unwrap();
    let other = hello().replace("meters: [fuel, egress]", "meters:   [ egress,\n      fuel ]   # order is free");
    assert_eq!(App::parse(&other).unwrap().services[0].workload.hash(), one.services[0].workload.hash());
    let changed = hello().replace("hello.alice.nup", "hello.bob.nup");
    assert_ne!(App::parse(&changed).unwrap().services[0].workload.hash(), one.services[0].workload.hash());
    let richer = hello().replace("deposit: \"5\"", "deposit: \"6\"");
    assert_eq!(App::parse(&richer).unwrap().services[0].workload.hash(), one.services[0].workload.hash());
}

/// Each line: what is replaced, by what, and a word of the answer.
#[test]
fn mistakes_are_named() {
    let cases = [
        ("nupeer: 1", "nupeer: 2", "version 2"),
        ("name: hello", "name: Hello", "Hello"),
        ("name: hello", "name: hello\ncolour: red", "colour"),
        ("    meters:", "    metres: [x]\n    meters:", "metres"),
        ("fuel, egress", "fuel, water", "water"),
        ("fuel, egress", "fuel, fuel", "ascending"),
        ("wasm: blake2b:", "wasm: sha256:", "digest"),
        ("wasm: blake2b:5f", "wasm: blake2b:5", "digest"),
        ("wasm: blake2b:", "image: blake2b:", "digest"),
        ("    lots:", "    exec: blake2b:00\n    lots:", "exactly one"),
        ("family: W", "family: w", "family"),
        ("count: 2", "count: 0", "lots"),
        ("count: 2", "count: -1", "count"),
        ("http: true", "http: false", "http"),
        ("http: true", "http: 8080", "wasm"),
        ("http: true", "http: 99999", "http"),
        ("max_price: \"0.002\"", "max_price: 0.002", "max_price"),
        ("max_price: \"0.002\"", "max_price: \"0.0000001\"", "0.0000001"),
        ("deposit: \"5\"", "deposit: 5", "string"),
        ("below: 24h", "below: 24", "duration"),
        ("below: 24h", "below: 99999999999999999999d", "duration"),
        ("cap_monthly: \"20\"", "cap_monthly: \"4\"", "cap_monthly"),
        ("grade: C", "grade: E", "grade"),
        ("term: rolling", "term: year", "term"),
        ("placement:", "volumes: {home: {lots: 3}}\nplacement:", "volumes"),
        ("nupeer: 1", "nupeer: 1\nkind: cloud", "kind"),
        ("    meters:", "    mounts: {/data: models}\n    meters:", "volumes"),
        ("    meters:", "    env: {A: b, A: c}\n    meters:", "twice"),
        ("    meters:", "    replicas: 0\n    meters:", "replicas"),
        ("    meters:", "    egress: all\n    meters:", "egress"),
        ("    meters:", "    restart: maybe\n    meters:", "restart"),
        ("services:\n", "services: {}\nignored:\n", "ignored"),
    ];
    for (from, to, word) in cases {
        let text = hello();
        assert!(text.contains(from), "{from}");
        let error = App::parse(&text.replacen(from, to, 1)).map(|_| to).unwrap_err().to_string();
        assert!(error.contains(word), "{to}: {error}");
    }
}

#[test]
fn size_and_nesting_are_bounded() {
    let long = format!("{}\n# {}", hello(), "x".repeat(YAML_BYTES_MAX));
    assert!(matches!(App::parse(&long), Err(YamlError::TooLong { .. })));
    assert!(App::parse(&"[".repeat(20_000)).is_err());
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_string()
        + &(1..9).map(|i| format!("b{i}: &b{i} [*a,*a,*a,*a,*a,*a,*a,*a]\n")).collect::<String>();
    assert!(App::parse(&bomb).is_err());
}

#[test]
fn durations() {
    assert_eq!(duration_ms("90s").unwrap(), 90_000);
    assert_eq!(duration_ms("30d").unwrap(), 2_592_000_000);
    for wrong in ["", "h", "1w", "-1h", "1.5h", "é"] {
        assert!(duration_ms(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,300}", at in 0usize..500, with in "\\PC{0,4}") {
        let _ = App::parse(&text);
        let mut changed: Vec<char> = hello().chars().collect();
        let at = at % changed.len();
        changed.splice(at..at, with.chars());
        let _ = App::parse(&changed.into_iter().collect::<String>());
    }
}
