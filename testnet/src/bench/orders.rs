//! Orders into a book, and the auction alone.

use super::chain::{World, check_all};
use super::report::{Goal, Row};
use super::{Limit, per_second, timed};
use anyhow::{Result, ensure};
use nupeer_primitives::market::{OrderLife, Side, Spread};
use nupeer_primitives::{AccountId, Action, Hash, HostId, OrderId, Slot, ZoneId};
use nupeer_runtime::market::auction::{Band, Order, divisible, packed};

/// The goal's own numbers.
const INSTRUMENTS: u64 = 64;
const ORDERS: u64 = 5_000;
const ROUNDS: usize = 20;
/// Orders placed; no book may be full.
const PLACED: usize = 1_000;

/// See the module header.
pub fn measure(_: &Limit) -> Result<Vec<Row>> {
    Ok(vec![placements()?, divisible_auction()?, packed_auction()?])
}

/// Pair orders that don't cross, checked, executed and committed in one block.
fn placements() -> Result<Row> {
    let mut world = World::new()?;
    let folder = tempfile::tempdir()?;
    let storage = world.storage(folder.path())?;
    let txs = world.txs(PLACED, Slot(0), |n, _| {
        let (side, tick) = if n % 2 == 0 { (Side::Buy, 10) } else { (Side::Sell, 20_000) };
        Action::PairOrder { pair: 0, side, tick, lots: 1, life: OrderLife::Standing, expires_in_ms: 60_000 }
    });
    let (block, time) = timed(|| world.extend(&storage, &check_all(&world.chain, txs)?))?;
    ensure!(block.body.txs.len() == PLACED, "not every order was placed");
    Ok(Row::new("orders placed: check, execute, commit", per_second(PLACED, time), "orders/s"))
}

/// Numbers that look random and are the same in every run.
fn mix(n: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23) >> 11
}

fn tick(n: u64) -> u16 {
    u16::try_from(900 + mix(n) % 200).unwrap_or(900)
}

const BAND: Band = Band { lo: 500, hi: 1_500 };
const SEED: Hash = Hash([7; 32]);

fn ids(instrument: u64, side: u64) -> impl Iterator<Item = u64> {
    let each = ORDERS / INSTRUMENTS / 2;
    let first = (instrument * 2 + side) * each;
    first..first + each
}

#[allow(clippy::cast_precision_loss, reason = "counts of a bench are small")]
fn ns_per_order(rounds: usize, time: std::time::Duration) -> f64 {
    let orders = ORDERS / INSTRUMENTS / 2 * 2 * INSTRUMENTS;
    time.as_secs_f64() * 1e9 / (orders as f64 * rounds as f64)
}

fn divisible_auction() -> Result<Row> {
    let side = |instrument, side| -> Vec<Order> {
        ids(instrument, side).map(|n| Order { id: OrderId(n), tick: tick(n), lots: 1 + mix(n) % 9 }).collect()
    };
    let books: Vec<(Vec<Order>, Vec<Order>)> = (0..INSTRUMENTS).map(|n| (side(n, 0), side(n, 1))).collect();
    let (traded, time) = timed(|| {
        let clear = |(bids, asks): &(Vec<Order>, Vec<Order>)| divisible::clear(&SEED, BAND, bids, asks).is_some();
        Ok((0..ROUNDS).map(|_| books.iter().filter(|book| clear(book)).count()).sum::<usize>())
    })?;
    ensure!(traded > 0, "no book of the bench crossed");
    Ok(Row::new("auction, divisible", ns_per_order(ROUNDS, time), "ns/order").goal(Goal::AtMost(150.0)))
}

fn packed_auction() -> Result<Row> {
    let bid = |n: u64| packed::Bid {
        id: OrderId(n),
        tick: tick(n),
        lots: 1 + mix(n) % 4,
        owner: account(n % 97),
        require: 0,
        forbid: 0,
        zones: vec![ZoneId(2)],
        deny: Vec::new(),
        group: None,
        spread: Spread::ALL[0],
        standby: 0,
        standby_bps: 0,
    };
    let ask = |n: u64| packed::Ask {
        id: OrderId(n),
        tick: tick(n),
        lots: 4 + mix(n) % 12,
        host: HostId(u32::try_from(n).unwrap_or(0)),
        provider: account(1_000 + n),
        traits: 0,
        zones: vec![ZoneId(4), ZoneId(3), ZoneId(2), ZoneId(1)],
        standby_bps: 0,
    };
    let books: Vec<(Vec<packed::Bid>, Vec<packed::Ask>)> =
        (0..INSTRUMENTS).map(|n| (ids(n, 0).map(bid).collect(), ids(n, 1).map(ask).collect())).collect();
    let rules = packed::Rules { seed: &SEED, band: BAND, candidates: 9 };
    let (traded, time) =
        timed(|| Ok(books.iter().filter(|(bids, asks)| packed::clear(&rules, bids, asks).is_some()).count()))?;
    ensure!(traded > 0, "no book of the bench crossed");
    Ok(Row::new("auction, packed, 9 candidate prices", ns_per_order(1, time), "ns/order").goal(Goal::AtMost(150.0)))
}

fn account(n: u64) -> AccountId {
    let mut id = [0; 28];
    id[..8].copy_from_slice(&n.to_be_bytes());
    AccountId(id)
}
