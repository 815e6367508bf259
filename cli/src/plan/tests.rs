#![allow(clippy::unwrap_used)]
use super::*;
use nupeer_client::api::MeterInfo;

fn market(id: u32, name: &str, zone: &str, grade: &str, ref_tick: u16) -> InstrumentInfo {
    let meter = |kind| MeterInfo { kind, name: String::new(), num: 1, den: 1, cap_per_s: 1 };
    InstrumentInfo {
        id,
        name: name.into(),
        family: "W".into(),
        zone: zone.into(),
        grade: grade.into(),
        term: "Rolling".into(),
        fill: "Packed".into(),
        quote: 16,
        quote_ticker: "usd".into(),
        tick_size: 1,
        ref_tick,
        phase: 1,
        lo: ref_tick / 2,
        hi: ref_tick * 2,
        last_tick: None,
        ret_price: 1,
        meters: vec![meter(1), meter(4)],
    }
}

fn markets() -> Markets {
    let zone =
        |id, parent: Option<u16>, name: &str| Zone { id: ZoneId(id), parent: parent.map(ZoneId), name: name.into() };
    Markets {
        instruments: vec![
            market(1, "W.EU.D", "EU", "D", 1_250),
            market(2, "W.EU.B", "EU", "B", 1_500),
            market(3, "W.SK.A", "SK", "A", 1_900),
            market(4, "W.US.A", "US", "A", 1_000),
        ],
        zones: vec![zone(1, None, "WORLD"), zone(2, Some(1), "EU"), zone(3, Some(2), "SK"), zone(4, Some(1), "US")],
        order_life_ms: 3_600_000,
    }
}

fn app(edit: impl Fn(String) -> String) -> App {
    let digest = "5f".repeat(32);
    let text = format!(
        "nupeer: 1\nname: hello\nservices:\n  web:\n    wasm: blake2b:{digest}\n    lots: {{family: W, count: 2}}\n    \
         expose: {{http: true}}\n    meters: [egress, fuel]\nplacement: {{zones: [EU], grade: C, term: rolling}}\n\
         budget: {{asset: usd, max_price: \"0.002\", deposit: \"5\"}}\n"
    );
    App::parse(&edit(text)).unwrap()
}

fn plan(edit: impl Fn(String) -> String) -> Result<Vec<PlannedBid>, PlanError> {
    bids(&app(edit), &markets(), || 77)
}

#[test]
fn the_cheapest_market_that_keeps_the_promise_is_taken() {
    let planned = plan(|text| text).unwrap();
    assert_eq!(planned.len(), 1);
    assert_eq!((planned[0].market.as_str(), planned[0].bid.tick), ("W.EU.B", 2_000));
    assert_eq!(planned[0].bid.deposit, Amount::new(5_000_000));
    assert_eq!(planned[0].bid.filters.zones, [ZoneId(2)]);
    assert!(planned[0].bid.terms.edge_final);
    let grade_a = plan(|text| text.replace("grade: C", "grade: A")).unwrap();
    assert_eq!(grade_a[0].market, "W.SK.A", "a market inside the wanted zone serves it");
    let within = plan(|text| text.replace("[EU]", "[SK]").replace("grade: C", "grade: D")).unwrap();
    assert_eq!(within[0].market, "W.EU.D", "a market around the wanted zone serves it too");
    let anywhere = plan(|text| text.replace("[EU]", "[]")).unwrap();
    assert_eq!(anywhere[0].market, "W.US.A");
}

#[test]
fn prices_become_ticks_inside_the_band() {
    let tick = |price: &str| plan(|text| text.replace("\"0.002\"", price)).map(|bids| bids[0].bid.tick);
    assert_eq!(tick("\"0.001999\""), Ok(1_999));
    assert_eq!(tick("\"1\""), Ok(3_000));
    let lowest = Amount::new(750);
    let low =
        PlanError::PriceTooLow { service: "web".into(), market: "W.EU.B".into(), price: Amount::new(100), lowest };
    assert_eq!(tick("\"0.0001\""), Err(low));
    let free = plan(|text| text.replace("max_price: \"0.002\", ", "")).unwrap();
    assert_eq!(free[0].bid.tick, 3_000);
}

#[test]
fn replicas_share_group_and_deposit() {
    let planned = plan(|text| text.replace("    lots", "    replicas: 3\n    spread: host\n    lots")).unwrap();
    assert_eq!(planned.len(), 3);
    let deposits: Vec<u64> = planned.iter().map(|p| p.bid.deposit.get()).collect();
    assert_eq!(deposits, [1_666_668, 1_666_666, 1_666_666]);
    assert!(planned.iter().all(|p| p.bid.group == Some(77)));
}

#[test]
fn what_no_market_offers_is_said() {
    let why = |edit: fn(String) -> String| plan(edit).unwrap_err().to_string();
    assert!(why(|t| t.replace("family: W", "family: S")).contains("sells S"));
    assert!(why(|t| t.replace("rolling", "week")).contains("term Week"));
    assert!(why(|t| t.replace("asset: usd", "asset: eur")).contains("eur"));
    assert!(why(|t| t.replace("[EU]", "[SK, MARS]")).contains("MARS"));
    assert!(why(|t| t.replace("egress, fuel", "egress, gpu")).contains("meter"));
    assert!(why(|t| t.replace("deposit: \"5\"", "deposit: \"0\"")).contains("can't be shared"));
    assert!(why(|t| t.replace("grade: C,", "grade: C, require: [warp],")).contains("warp"));
}
