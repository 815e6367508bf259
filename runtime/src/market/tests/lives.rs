//! Lives from the first bid to the last wipe.

use super::*;
use crate::market::price;
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::market::{BondChange, Side, TopUpRule, lease_id, ready_digest};

/// From nothing to an active lease with an edge.
pub(super) fn running(deposit: u64) -> (Exchange, LeaseId, HostId) {
    let mut x = Exchange::new();
    let edge = Action::Edge {
        key: EDGE.key(),
        addresses_hash: [0; 32],
        networks: Vec::new(),
        asset: USD,
        bond: Amount::new(5_000_000),
    };
    x.act(1, EDGE.actor(), edge);
    let host = x.supply(WASM, 1_100, 10);
    x.act(1, TENANT.actor(), Action::Bid { bid: bid(WASM, 1_300, 4, deposit) });
    let lease = x.leases(TENANT)[0];
    assert_eq!(lease, lease_id(&x.ctx.genesis, OrderId(2), 0));
    assert_eq!(x.state_of(&lease), LeaseState::Queued);
    x.block(1, &[]);
    assert_eq!(x.state_of(&lease), LeaseState::Matched);
    x.act(1, daemon(host), Action::Accept { lease });
    let wrap = Bytes::new(alloc::vec![1; 104]).unwrap();
    x.act(1, TENANT.actor(), Action::Wrap { lease, host, wrap });
    let endpoint_hash = [5; 32];
    let seen = EDGE.sign(&ready_digest(&x.ctx.genesis, &lease, 0, &endpoint_hash));
    x.act(1, daemon(host), Action::Ready { lease, endpoint_hash, edge: Some((EDGE.key(), seen)) });
    assert_eq!(x.state_of(&lease), LeaseState::Active);
    (x, lease, host)
}

#[test]
fn bid_run_settle_close_refund_wipe() {
    let (mut x, lease, host) = running(200_000);
    let before = x.balance(PROVIDER, USD);
    x.block(20, &[]);
    let receipt = x.signed(x.receipt(&lease, 1, 10_000_000, 0), &[(Role::Tenant, TENANT)]);
    x.act(1, daemon(host), Action::SettleBatch { items: [receipt].into() });
    let earned = x.balance(PROVIDER, USD).free.get() - before.free.get();
    let record = x.lease(&lease);
    assert_eq!(earned, record.sums.paid_pay);
    // 21 s of 4 lots at the clearing price, and 100 for the bytes.
    assert_eq!(earned, record.price * 4 * 21_000 / 3_600_000 + 100);
    assert_eq!(x.balance(EDGE, USD).free.get() + 5_000_000 - FUNDS, record.sums.paid_fee * 300 / 1_000);
    x.act(1, TENANT.actor(), Action::Close { lease });
    x.block(1, &[]);
    let last =
        x.signed(x.receipt(&lease, 2, 11_000_000, nupeer_primitives::receipt::FLAG_FINAL), &[(Role::Tenant, TENANT)]);
    x.act(1, daemon(host), Action::SettleBatch { items: [last].into() });
    assert_eq!(x.state_of(&lease), LeaseState::Purging);
    assert_eq!(x.balance(TENANT, USD).locked, Amount::ZERO);
    x.act(1, daemon(host), wipe(lease));
    assert_eq!(x.state_of(&lease), LeaseState::Closed);
    let ask: state::AskEntry = x.get(&key::ask(WASM, OrderId(1)));
    assert_eq!(ask.lots, 10, "lots return to the ask");
}

#[test]
fn out_of_money_then_topped_up_then_forgotten() {
    let (mut x, lease, host) = running(3_000);
    let until_ms = x.lease(&lease).funded_until_ms.unwrap();
    while x.now_ms() < until_ms {
        x.block(30, &[]);
    }
    assert_eq!(x.state_of(&lease), LeaseState::Grace);
    assert_eq!(x.lease(&lease).grace_from_ms, until_ms + 5_000, "as of the due time, not of the block");
    x.act(1, OTHER.actor(), Action::TopUp { lease, amount: Amount::new(50_000) });
    assert_eq!(x.state_of(&lease), LeaseState::Provisioning);
    x.act(1, daemon(host), Action::Ready { lease, endpoint_hash: [6; 32], edge: None });
    x.act(1, daemon(host), Action::Reclaim { lease });
    // Nobody does anything any more: notice, settlement and wipe deadlines pass by themselves.
    for _ in 0..5 {
        x.block(60, &[]);
    }
    assert_eq!(x.state_of(&lease), LeaseState::Closed);
    let record = x.lease(&lease);
    assert_eq!(record.totals.deposited, record.totals.refunded + record.totals.paid);
    let paid_for_no_wipe = crate::market::bond::part(crate::market::bond::needed(4, 1_100, 1_000), 2_000);
    let tenant = x.balance(TENANT, USD);
    assert_eq!(tenant.free.get(), FUNDS - 3_000 + record.totals.refunded + paid_for_no_wipe);
}

#[test]
fn a_sponsor_keeps_a_lease_alive_by_rule() {
    let (mut x, lease, _) = running(3_000);
    let rule = TopUpRule {
        from: OTHER.account(),
        below_ms: 60_000,
        amount: Amount::new(1_000),
        cap: Amount::new(2_000),
        period_ms: 1_000_000_000,
    };
    let set = Action::SetTopUpRule { lease, rule: Some(rule) };
    assert_eq!(x.block(1, &[(TENANT.actor(), set.clone())]), [Err("market.RuleNotYours")]);
    x.act(1, OTHER.actor(), set);
    let mut until_ms = x.lease(&lease).funded_until_ms.unwrap();
    for _ in 0..2 {
        while x.lease(&lease).funded_until_ms == Some(until_ms) {
            x.block(10, &[]);
        }
        until_ms = x.lease(&lease).funded_until_ms.unwrap();
    }
    assert_eq!(FUNDS - x.balance(OTHER, USD).free.get(), 2_000);
    while x.now_ms() <= until_ms {
        x.block(30, &[]);
    }
    assert_eq!(x.state_of(&lease), LeaseState::Grace, "the cap of the period is used up");
}

#[test]
fn the_provider_alone_is_paid_after_its_window() {
    let (mut x, lease, host) = running(200_000);
    x.block(5, &[]);
    let early = Action::Claim { receipt: x.signed(x.receipt(&lease, 1, 1_000_000, 0), &[]) };
    assert_eq!(x.block(1, &[(daemon(host), early)]), [Err("market.ClaimTooEarly")]);
    x.block(15, &[]);
    let claim = Action::Claim { receipt: x.signed(x.receipt(&lease, 1, 1_000_000, 0), &[]) };
    x.act(1, daemon(host), claim);
    assert_eq!(x.lease(&lease).applied.seq, 0);
    for _ in 0..7 {
        x.block(9, &[]);
    }
    assert_eq!(x.lease(&lease).applied.seq, 1);
}

#[test]
fn a_batch_skips_what_is_wrong_and_says_so() {
    let (mut x, lease, host) = running(200_000);
    x.block(20, &[]);
    let good = x.signed(x.receipt(&lease, 1, 10_000_000, 0), &[(Role::Tenant, TENANT)]);
    let mut forged = x.signed(x.receipt(&lease, 2, 10_000_000, 0), &[(Role::Tenant, TENANT)]);
    forged.receipt.up_ms -= 1;
    let stranger = x.signed(x.receipt(&lease, 3, 10_000_000, 0), &[(Role::Tenant, OTHER)]);
    let mut falling = x.receipt(&lease, 4, 9_000_000, 0);
    falling.t_end_ms += 1;
    let falling = x.signed(falling, &[(Role::Tenant, TENANT)]);
    let unknown = x.signed(MeterReceipt { lease: LeaseId([0; 32]), ..good.receipt.clone() }, &[(Role::Tenant, TENANT)]);
    x.act(1, daemon(host), Action::SettleBatch { items: [forged, good, stranger, falling, unknown].into() });
    let refused: Vec<(u64, u16)> = x
        .events
        .iter()
        .filter_map(
            |event| if let Event::ReceiptRefused { seq, code, .. } = event { Some((*seq, *code)) } else { None },
        )
        .collect();
    assert_eq!(refused, [(2, 9_216 + 78), (3, 9_216 + 78), (4, 9_216 + 9), (1, 9_216 + 64)]);
    assert!(x.events.contains(&Event::Strike { host, lease }), "falling counters cost a strike");
    assert_eq!(x.lease(&lease).applied.seq, 1);
}

#[test]
fn a_divisible_bid_becomes_a_lease_per_piece() {
    let mut x = Exchange::new();
    x.supply(DIVISIBLE, 11_000, 6);
    x.act(1, TENANT.actor(), Action::Bid { bid: bid(DIVISIBLE, 13_000, 10, 100_000) });
    let parent = x.leases(TENANT)[0];
    x.block(1, &[]);
    let leases = x.leases(TENANT);
    assert_eq!(leases.len(), 2);
    let piece = leases.into_iter().find(|id| *id != parent).unwrap();
    assert_eq!(
        (x.state_of(&piece), x.deal(&piece).terms.lots, x.lease(&piece).balance),
        (LeaseState::Matched, 6, 60_000)
    );
    assert_eq!(
        (x.state_of(&parent), x.deal(&parent).terms.lots, x.lease(&parent).balance),
        (LeaseState::Queued, 4, 40_000)
    );
    x.act(1, TENANT.actor(), Action::Cancel { order: x.deal(&parent).order });
    assert_eq!(x.balance(TENANT, USD).locked.get(), 60_000);
}

#[test]
fn a_pair_changes_hands_at_one_price() {
    let mut x = Exchange::new();
    let order = |side, tick| Action::PairOrder {
        pair: 0,
        side,
        tick,
        lots: 100,
        life: OrderLife::Standing,
        expires_in_ms: 60_000,
    };
    x.block(1, &[(TENANT.actor(), order(Side::Buy, 4_300)), (OTHER.actor(), order(Side::Sell, 4_100))]);
    x.block(1, &[]);
    // Balanced over 4100..=4300: the middle, 4200 ticks of 100 micro-units, a hundred times.
    assert_eq!(x.balance(TENANT, USD).free.get(), FUNDS - 42_000_000);
    assert_eq!(x.balance(TENANT, AssetId::ADA).free.get(), FUNDS + 100_000_000);
    assert_eq!(x.balance(OTHER, USD).free.get(), FUNDS + 42_000_000);
    x.act(1, TENANT.actor(), order(Side::Buy, 10));
    x.block(59, &[]);
    x.block(2, &[]);
    assert_eq!(x.balance(TENANT, USD).locked, Amount::ZERO, "an expired order is refunded by itself");
}

#[test]
fn what_is_refused_says_why() {
    let mut x = Exchange::new();
    let host_id = x.supply(WASM, 1_100, 50);
    let bad_bid = |change: &dyn Fn(&mut Bid)| {
        let mut bid = bid(WASM, 1_300, 4, 200_000);
        change(&mut bid);
        (TENANT.actor(), Action::Bid { bid })
    };
    let cases = [
        (bad_bid(&|b| b.instrument = InstrumentId(99)), "market.InstrumentUnknown"),
        (bad_bid(&|b| b.tick = 0), "market.TickOutOfRange"),
        (bad_bid(&|b| b.lots = 65), "market.LotsOutOfRange"),
        (bad_bid(&|b| b.lots = 0), "market.LotsOutOfRange"),
        (bad_bid(&|b| b.deposit = Amount::new(1)), "market.DepositTooSmall"),
        (bad_bid(&|b| b.deposit = Amount::new(FUNDS + 1)), "tokens.Insufficient"),
        (bad_bid(&|b| b.standby.count = 1), "market.StandbyUnknown"),
        (bad_bid(&|b| b.volume = Some([0; 32])), "market.VolumeUnsupported"),
        (bad_bid(&|b| b.expires_in_ms = 0), "market.LifeTooLong"),
        (bad_bid(&|b| b.terms.meters = [9].into()), "market.MeterUnknown"),
        ((OTHER.actor(), host(OTHER.key())), "market.ProviderUnknown"),
        ((PROVIDER.actor(), provider()), "market.ProviderExists"),
        ((PROVIDER.actor(), host(DAEMON.key())), "market.KeyInUse"),
        ((daemon(host_id), ask(host_id, WASM, 1_100, 1)), "market.CapacityDoubleSold"),
        ((daemon(host_id), ask(host_id, DIVISIBLE, 60_000, 50)), "market.BondTooSmall"),
        ((OTHER.actor(), ask(host_id, WASM, 1_100, 1)), "market.NotAuthorised"),
        ((OTHER.actor(), Action::Cancel { order: OrderId(1) }), "market.NotAuthorised"),
        ((OTHER.actor(), Action::Cancel { order: OrderId(9) }), "market.OrderUnknown"),
        ((OTHER.actor(), Action::Close { lease: LeaseId([0; 32]) }), "market.LeaseUnknown"),
        (
            (
                PROVIDER.actor(),
                Action::ProviderBond { asset: USD, change: BondChange::Out, amount: Amount::new(200_000_000) },
            ),
            "market.BondInUse",
        ),
    ];
    for ((actor, action), name) in cases {
        assert_eq!(x.block(1, &[(actor, action.clone())]), [Err(name)], "{action:?}");
    }
    let graded = host_of_grade(OTHER.key(), Grade::B);
    assert_eq!(x.block(1, &[(PROVIDER.actor(), graded)]), [Err("market.CredentialMissing")]);
}

#[test]
fn days_move_the_reference_and_outages_stop_the_clock() {
    let (mut x, _, _) = running(200_000);
    let board: state::Board = x.get(&key::board(WASM));
    assert_eq!(board.day.lots, 4);
    let tick = board.last_tick.unwrap();
    let before_ms = x.now_ms();
    x.block(100_000, &[]);
    assert_eq!(x.now_ms(), before_ms + 60_000, "clock_gap_max caps an outage");
    x.block(60, &[]);
    let board: state::Board = x.get(&key::board(WASM));
    assert_eq!(board.index_day, Some(tick));
    let band = price::band(board.price.reference, board.price.phase, price::BandWidths::default());
    assert!(band.lo <= tick && tick <= band.hi);
    assert_eq!(x.balance(Person { seed: 77 }, USD), Balance::default());
    let insurance = AccountId::system(SystemAccount::Insurance);
    assert_eq!(bank::balance(&Work::new(&x.state), &insurance, USD).unwrap().locked, Amount::ZERO);
}
