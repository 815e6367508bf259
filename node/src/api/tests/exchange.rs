//! The exchange as JSON, from real actions: a machine is listed, offered, found, taken.

use super::*;
use nupeer_client::api::{Book, EdgeInfo, HostInfo, InstrumentInfo, LeaseInfo, OrderInfo, PriceDay, ProviderInfo};
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::market::{
    Ask, Bid, BidTerms, Delegate, Family, Filters, Grade, METER_WASM_FUEL, OrderLife, Side, Spread, Standby,
    delegate_scope,
};
use nupeer_primitives::{HostId, InstrumentId, LeaseId, ZoneId};
use nupeer_runtime::preset::USD;

const TENANT: u8 = 1;
const PROVIDER: u8 = 2;
const HRP: &str = AccountId::HRP_TEST;

fn bid(tick: u16, deposit: u64) -> Action {
    Action::Bid {
        bid: Bid {
            instrument: InstrumentId(1),
            tick,
            lots: 2,
            filters: Filters { require: 0, forbid: 0, zones: Vec::new(), deny: Vec::new() },
            group: None,
            spread: Spread::None,
            standby: Standby { count: 0, max_bps: 0 },
            life: OrderLife::Standing,
            expires_in_ms: 3_000_000,
            terms: BidTerms { meters: vec![METER_WASM_FUEL], edge_final: true },
            deposit: Amount::new(deposit),
            manifest_hash: [5; 32],
            volume: None,
            replaces: None,
        },
    }
}

fn machine() -> Action {
    Action::Host {
        site: ZoneId(4),
        grade: Grade::D,
        session_key: verification(&key(30)),
        seal_key: [31; 32],
        traits: 6,
        lots: vec![(Family::W, 8), (Family::S, 4)],
        attestation_hash: [0; 32],
    }
}

impl Rig {
    /// Sends, forges, and expects success.
    async fn act(&self, seed: u8, actions: Vec<Action>) -> TxInfo {
        let sent = self.send(&self.signed(seed, actions).await).await;
        self.chain.forge(1);
        let info: TxInfo = self.get(&format!("/v1/txs/{}", sent.id)).await;
        assert_eq!(info.outcome.as_deref(), Some("ok"), "{info:?}");
        info
    }
}

fn event<'a>(info: &'a [nupeer_client::api::EventInfo], name: &str) -> &'a Value {
    &info.iter().find(|event| event.name == name).unwrap_or_else(|| panic!("no {name} in {info:?}")).fields
}

/// A provider with bond, edge and one machine.
async fn listed() -> (Rig, u32) {
    let rig = rig();
    let bond = Amount::new(500 * Amount::UNIT);
    let edge = Action::Edge {
        key: verification(&key(32)),
        addresses_hash: [33; 32],
        networks: vec![7],
        asset: USD,
        bond: Amount::new(400 * Amount::UNIT),
    };
    let provider = Action::Provider { meta_hash: [0; 32], asset: USD, bond };
    let info = rig.act(PROVIDER, vec![provider, machine(), edge]).await;
    let host = event(&info.events, "HostListed")["host"].as_u64().unwrap();
    (rig, u32::try_from(host).unwrap())
}

#[tokio::test]
async fn markets_are_shown_with_their_bands() {
    let rig = rig();
    let instruments: Vec<InstrumentInfo> = rig.get("/v1/instruments").await;
    let wasm = &instruments[0];
    let words = [&wasm.name, &wasm.family, &wasm.zone, &wasm.grade, &wasm.term, &wasm.fill, &wasm.quote_ticker];
    assert_eq!(words, ["W.EU.D.ROLL", "W", "EU", "D", "Rolling", "Packed", "usd"]);
    assert_eq!((wasm.ref_tick, wasm.lo, wasm.hi, wasm.last_tick), (1_250, 1_000, 1_500, None));
    assert_eq!(wasm.meters.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["egress_bytes", "wasm_fuel"]);
    assert!(rig.get::<Vec<PriceDay>>("/v1/instruments/1/prices").await.is_empty());
    assert!(rig.get::<Book>("/v1/instruments/1/book").await.bids.is_empty());
}

#[tokio::test]
async fn providers_machines_and_edges_are_shown() {
    let (rig, id) = listed().await;
    let account = account(PROVIDER);
    let provider: ProviderInfo = rig.get(&format!("/v1/providers/{}", account.to_bech32(HRP))).await;
    assert_eq!((provider.account.as_str(), provider.bonds[0].asset), (account.to_bech32(HRP).as_str(), USD.0));
    assert_eq!((provider.bonds[0].bond.0, provider.bonds[0].used.0), (500 * Amount::UNIT, 0));
    let host: HostInfo = rig.get(&format!("/v1/hosts/{id}")).await;
    assert_eq!(
        (host.site.as_str(), host.zone, host.grade.as_str(), host.state.as_str()),
        ("SK/Bratislava", 4, "D", "Open")
    );
    assert_eq!((host.traits, host.strikes, host.seal_key), (6, 0, hex::encode([31; 32])));
    let lots: Vec<_> = host.lots.iter().map(|lots| (lots.family.as_str(), lots.lots, lots.used)).collect();
    assert!(lots.contains(&("W", 8, 0)) && lots.contains(&("S", 4, 0)), "{lots:?}");
    assert_eq!(rig.get::<Vec<HostInfo>>("/v1/hosts").await.len(), 1);
    assert_eq!(rig.get::<Vec<HostInfo>>(&format!("/v1/hosts?provider={account}")).await.len(), 1);
    let elsewhere = super::account(TENANT);
    assert!(rig.get::<Vec<HostInfo>>(&format!("/v1/hosts?provider={elsewhere}")).await.is_empty());
    let edges: Vec<EdgeInfo> = rig.get("/v1/edges").await;
    assert_eq!((edges.len(), edges[0].key.as_str()), (1, verification(&key(32)).to_hex().as_str()));
    assert_eq!(edges[0].account, account.to_bech32(HRP));
    let own: AccountInfo = rig.get(&format!("/v1/accounts/{account}")).await;
    assert_eq!((own.grants.len(), own.grants[0].host), (1, Some(id)));
}

#[tokio::test]
async fn orders_of_all_kinds_are_found_by_book_and_owner() {
    let (rig, host) = listed().await;
    let ask = |tick| {
        let instrument = InstrumentId(1);
        Action::Ask { ask: Ask { host: HostId(host), instrument, tick, lots: 4, standby_bps: 0, traits: 0 } }
    };
    rig.act(PROVIDER, vec![ask(1_400)]).await;
    let pair = Action::PairOrder {
        pair: 0,
        side: Side::Sell,
        tick: 9_000,
        lots: 3,
        life: OrderLife::Standing,
        expires_in_ms: 1_000_000,
    };
    rig.act(TENANT, vec![bid(1_100, 50_000_000), bid(1_200, 60_000_000), pair]).await;
    let book: Book = rig.get("/v1/instruments/1/book").await;
    assert_eq!(book.bids.iter().map(|order| order.tick).collect::<Vec<_>>(), [1_200, 1_100], "best first");
    let best = &book.bids[0];
    assert_eq!((best.lots, best.holds.0, best.side.as_str()), (2, 60_000_000, "bid"));
    let lease: LeaseInfo = rig.get(&format!("/v1/leases/{}", best.lease.clone().unwrap())).await;
    assert_eq!((lease.state.as_str(), lease.order, lease.host), ("Queued", best.id, None));
    assert_eq!((book.asks.len(), book.asks[0].host, book.asks[0].lots), (1, Some(host), 4));
    let mine: Vec<OrderInfo> = rig.get(&format!("/v1/orders?owner={}", account(TENANT))).await;
    let mut sides: Vec<_> = mine.iter().map(|order| order.side.as_str()).collect();
    sides.sort_unstable();
    assert_eq!(sides, ["bid", "bid", "sell"]);
    let theirs: Vec<OrderInfo> = rig.get(&format!("/v1/orders?owner={}", account(PROVIDER).to_bech32(HRP))).await;
    assert_eq!(
        (theirs.len(), theirs[0].side.as_str(), theirs[0].owner.as_str()),
        (1, "ask", book.asks[0].owner.as_str())
    );
}

#[tokio::test]
async fn a_lease_is_shown_from_both_ends() {
    let (rig, host) = listed().await;
    let instrument = InstrumentId(1);
    let ask = Ask { host: HostId(host), instrument, tick: 1_200, lots: 4, standby_bps: 0, traits: 0 };
    rig.act(PROVIDER, vec![Action::Ask { ask }]).await;
    rig.act(TENANT, vec![bid(1_300, 80_000_000)]).await;
    rig.chain.forge(1);
    let block: BlockInfo = rig.get("/v1/blocks/tip").await;
    let id = event(&block.events, "Matched")["lease"].as_str().unwrap().to_string();
    assert_eq!(event(&block.events, "LeaseMoved")["state"], "Matched");
    let lease = LeaseId::from_hex(&id).unwrap();
    let delegate = Delegate {
        key: verification(&key(40)),
        scopes: delegate_scope::SIGN,
        spend_cap: Amount::new(9),
        expiry_ms: 77_000_000,
    };
    let wrap = Bytes::new(vec![1; 104]).unwrap();
    rig.act(PROVIDER, vec![Action::Accept { lease }]).await;
    let wrap = Action::Wrap { lease, host: HostId(host), wrap };
    rig.act(TENANT, vec![wrap, Action::Delegates { lease, delegates: vec![delegate] }]).await;
    let info: LeaseInfo = rig.get(&format!("/v1/leases/{id}")).await;
    assert_eq!((info.state.as_str(), info.family.as_str(), info.quote_ticker.as_str()), ("Provisioning", "W", "usd"));
    assert_eq!((info.host, info.provider.clone()), (Some(host), Some(account(PROVIDER).to_bech32(HRP))));
    assert_eq!((info.lots, info.balance.0, info.edge_final), (2, 80_000_000, true));
    assert!((1_200..=1_300).contains(&info.price.0) && info.bond.0 > 0);
    assert_eq!((info.meters.len(), info.meters[0].name.as_str()), (1, "wasm_fuel"));
    assert_eq!((info.wraps[0].host, info.wraps[0].wrap.len()), (host, 208));
    assert_eq!((info.delegates[0].spend_cap.0, info.delegates[0].expiry_ms), (9, 77_000_000));
    assert_eq!((info.receipt.is_none(), info.active_since_ms, info.paid_provider.0), (true, None, 0));
    let mine: Vec<LeaseInfo> = rig.get(&format!("/v1/leases?tenant={}", account(TENANT))).await;
    let theirs: Vec<LeaseInfo> = rig.get(&format!("/v1/leases?host={host}")).await;
    assert!(mine == theirs && mine == [info]);
    let day: Vec<PriceDay> = rig.get("/v1/instruments/1/prices").await;
    assert_eq!((day.len(), day[0].lots), (1, 2));
    let machine: HostInfo = rig.get(&format!("/v1/hosts/{host}")).await;
    assert!(machine.lots.iter().any(|lots| lots.family == "W" && lots.used == 4));
    let market: Vec<InstrumentInfo> = rig.get("/v1/instruments").await;
    assert_eq!(market[0].last_tick, Some(day[0].index));
}
