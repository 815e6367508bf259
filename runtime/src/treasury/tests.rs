//! Rebalancing through the chain's own pair, from a traded day to the filled order.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

use super::*;
use crate::context::BlockContext;
use crate::ground;
use crate::market;
use crate::preset::USD;
use nupeer_primitives::market::OrderLife;
use nupeer_primitives::state::{MemoryState, apply_diff};
use nupeer_primitives::{AccountId, Height, Slot};
use nupeer_tokens::asset::{self, AssetRecord};
use nupeer_tokens::bank::Balance;

const ALICE: AccountId = AccountId([1; 28]);
const BOB: AccountId = AccountId([2; 28]);
const ADA: AssetId = AssetId::ADA;
const WHOLE: u64 = 1_000_000;

struct Chain {
    state: MemoryState,
    ctx: BlockContext,
}

impl Chain {
    /// The treasury owns `ada` and `usd` whole units.
    fn new(ada: u64, usd: u64) -> Self {
        let genesis = ground::genesis(Vec::new(), Vec::new());
        let empty = MemoryState::new();
        let mut work = Work::new(&empty);
        ground::write_parameters(&mut work, &genesis);
        for row in &genesis.assets {
            work.put(asset::key(row.id), &AssetRecord::new(row.clone()));
        }
        for (account, ada, usd) in [(ALICE, 100_000, 100_000), (BOB, 100_000, 100_000), (ledger::ACCOUNT, ada, usd)] {
            for (asset, units) in [(ADA, ada), (USD, usd)] {
                let own = Balance { free: Amount::new(units * WHOLE), locked: Amount::ZERO };
                work.put(bank::key(&account, asset), &own);
            }
        }
        market::first_state(&mut work, &genesis).unwrap();
        first_state(&mut work, &genesis).unwrap();
        let mut state = MemoryState::new();
        apply_diff(&mut state, &work.finish().0);
        let ctx = ground::context(&genesis);
        Self { state, ctx }
    }

    /// A block `slots` later: the treasury's tick if one begins, the market's batch, then orders.
    fn block(&mut self, slots: u64, with_tick: bool, orders: &[(AccountId, Side, u16, u64)]) -> Vec<Event> {
        self.ctx.parent_slot = self.ctx.slot;
        self.ctx.slot = Slot(self.ctx.slot.0 + slots);
        self.ctx.height = Height(self.ctx.height.0 + 1);
        let mut work = Work::new(&self.state);
        if with_tick {
            tick(&mut work).unwrap();
        }
        market::prologue(&mut work, &self.ctx).unwrap();
        for (account, side, tick, lots) in orders {
            let actor = Actor { account: *account, session: None };
            let (pair, life, expires_in_ms) = (0, OrderLife::Standing, 3_600_000);
            let action = Action::PairOrder { pair, side: *side, tick: *tick, lots: *lots, life, expires_in_ms };
            market::execute(&mut work, &self.ctx, &actor, &action).unwrap();
        }
        let (diff, events) = work.finish();
        apply_diff(&mut self.state, &diff);
        events
    }

    fn own(&self, asset: AssetId) -> (u64, u64) {
        let own = bank::balance(&Work::new(&self.state), &ledger::ACCOUNT, asset).unwrap();
        (own.free.get(), own.locked.get())
    }

    fn prices(&self) -> (u16, u128, u16) {
        let prices = pairs::prices(&Work::new(&self.state), 0).unwrap();
        (prices.index, prices.lots, prices.previous)
    }

    /// A day in which `lots` trade at `tick`, ended by a block of the next.
    fn traded_day(&mut self, tick: u16, lots: u64) {
        self.block(1, false, &[(ALICE, Side::Buy, tick, lots), (BOB, Side::Sell, tick, lots)]);
        self.block(1, false, &[]);
        for _ in 0..2 {
            self.block(60, false, &[]);
        }
    }
}

fn rebalanced(events: &[Event]) -> Vec<(u8, u16, u64)> {
    let of = |event: &Event| {
        if let Event::Rebalanced { side, tick, lots, .. } = event { Some((*side, *tick, *lots)) } else { None }
    };
    events.iter().filter_map(of).collect()
}

#[test]
fn too_much_ada_is_sold_at_everybodys_price() {
    let mut chain = Chain::new(2_000, 400);
    chain.traded_day(5_000, 100);
    assert_eq!(chain.prices(), (5_000, 100, 0));
    chain.block(1, false, &[(ALICE, Side::Buy, 4_980, 20)]);
    let events = chain.block(1, true, &[]);
    // V = 400 + 2000·0.5 = 1400; 2 % of it buys 56 lots at 0.5, limit 0.495.
    assert_eq!(rebalanced(&events), [(1, 4_950, 56)]);
    let (ada, usd) = (chain.own(ADA), chain.own(USD));
    assert_eq!(ada, ((2_000 - 20) * WHOLE, 0), "what nobody bought came back with the batch");
    assert!(usd.0 > 400 * WHOLE && usd.1 == 0);
    assert_eq!((usd.0 - 400 * WHOLE) % 20, 0, "one price for all lots");
}

#[test]
fn a_price_that_jumped_or_was_hardly_traded_moves_nothing() {
    let mut chain = Chain::new(2_000, 400);
    assert!(rebalanced(&chain.block(1, true, &[])).is_empty(), "no price yet");
    chain.traded_day(5_000, 9);
    assert!(rebalanced(&chain.block(1, true, &[])).is_empty(), "nine lots are too few");
    chain.traded_day(8_000, 100);
    assert_eq!(chain.prices(), (8_000, 100, 5_000));
    assert!(rebalanced(&chain.block(1, true, &[])).is_empty(), "60 % in a day");
    chain.traded_day(8_000, 100);
    assert_eq!(rebalanced(&chain.block(1, true, &[])).len(), 1);
    for _ in 0..4 {
        chain.block(60, false, &[]);
    }
    assert_eq!(chain.prices(), (0, 0, 8_000), "a day without trade has no index");
    assert!(rebalanced(&chain.block(1, true, &[])).is_empty());
}

#[test]
fn too_little_ada_is_bought_with_what_is_not_promised() {
    let mut chain = Chain::new(200, 900);
    chain.traded_day(5_000, 100);
    let mut work = Work::new(&chain.state);
    let promise = Stream {
        asset: USD,
        to: ALICE,
        total: Amount::new(445 * WHOLE),
        start: 0,
        ticks: 10,
        cliff: 0,
        stop: None,
        claimed: Amount::ZERO,
    };
    ledger::start_stream(&mut work, promise).unwrap();
    let (diff, _) = work.finish();
    apply_diff(&mut chain.state, &diff);
    chain.block(1, false, &[(BOB, Side::Sell, 5_010, 30)]);
    let events = chain.block(1, true, &[]);
    // Free 455 - reserved 445 = 10 to spend; at 0.505 that is 19 lots, and 2 % of V = 555 would be 21.
    assert_eq!(rebalanced(&events), [(0, 5_050, 19)]);
    assert_eq!(chain.own(ADA), (219 * WHOLE, 0));
    assert_eq!(chain.own(USD).1, 445 * WHOLE, "promised quote stays promised");
}
