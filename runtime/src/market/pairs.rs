//! Pair orders (market.md §3): payment assets against each other, lot by lot, one lot a whole unit of the base.

use super::auction::{Band, Order as AuctionOrder, divisible};
use super::batch::Session;
use super::book::BOOK_MAX;
use super::error::MarketError;
use super::state::{Book, Order, PairEntry, PairPrices, Tally, TimerKind, key, next_order, order_of, pair};
use crate::params;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use nupeer_primitives::event::Event;
use nupeer_primitives::market::{Pair, Side};
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, InstrumentId, OrderId};
use nupeer_tokens::bank;

/// Orders of one pair's book.
pub const ORDERS_MAX: u64 = 4_096;
/// Any tick is legal.
const BAND: Band = Band { lo: 1, hi: u16::MAX };

/// Asset and amount that an order of `lots` holds.
pub fn held(pair: &Pair, side: Side, tick: u16, lots: u64) -> Result<(AssetId, Amount), MarketError> {
    let (asset, unit) = match side {
        Side::Buy => (pair.quote, u64::from(tick).saturating_mul(pair.tick_size)),
        Side::Sell => (pair.base, Amount::UNIT),
    };
    let amount = lots.checked_mul(unit).ok_or(MarketError::AmountOutOfRange { amount: lots })?;
    Ok((asset, Amount::new(amount)))
}

/// Clears one pair. At one price per lot, money and goods change hands at once.
pub fn run(work: &mut Work<'_>, session: &Session<'_>, id: u16) -> Result<(), Abort> {
    let Some(listed) = pair(work, id)? else { return Ok(()) };
    end_day(work, id, session.now_ms)?;
    if !work.has(&key::pair_board(id)) {
        return Ok(());
    }
    let mut book: BTreeMap<OrderId, PairEntry> = BTreeMap::new();
    for (at, entry) in work.scan::<PairEntry>(&key::pair_orders(id), &[], BOOK_MAX)? {
        if entry.expiry_ms > session.now_ms {
            book.insert(order_of(&at)?, entry);
        }
    }
    let side = |side: Side| -> Vec<AuctionOrder> {
        let orders = book.iter().filter(|(_, entry)| entry.side == side);
        orders.map(|(id, entry)| AuctionOrder { id: *id, tick: entry.tick, lots: entry.lots }).collect()
    };
    if let Some(batch) = divisible::clear(session.seed, BAND, &side(Side::Buy), &side(Side::Sell)) {
        for piece in &batch.pieces {
            exchange(work, &listed, batch.tick, piece, &mut book)?;
        }
        let lots = u64::try_from(batch.lots).unwrap_or(u64::MAX);
        record(work, id, batch.tick, lots)?;
        work.emit(Event::PairCleared { pair: id, tick: batch.tick, lots });
    }
    for (order, entry) in book {
        work.put(key::pair_order(id, order), &entry);
        if entry.lots == 0 || entry.ioc {
            close(work, id, order)?;
        }
    }
    Ok(())
}

/// Prices of a pair.
pub fn prices(work: &Work<'_>, id: u16) -> Result<PairPrices, Bug> {
    Ok(work.get(&key::pair_prices(id))?.unwrap_or_default())
}

/// Closes the day if it is over. Days without a block in them are days without a trade.
fn end_day(work: &mut Work<'_>, id: u16, now_ms: u64) -> Result<(), Bug> {
    let mut prices = prices(work, id)?;
    let day_ms = params::get(work, "market.day_ms")?;
    let days = now_ms.saturating_sub(prices.day.from_ms).checked_div(day_ms).unwrap_or(0);
    if days == 0 {
        return Ok(());
    }
    let from_ms = prices.day.from_ms.saturating_add(days.saturating_mul(day_ms));
    for closed in [Some(prices.day), (days > 1).then(Tally::default)].into_iter().flatten() {
        if prices.index > 0 {
            prices.previous = prices.index;
        }
        let index = closed.value.checked_div(closed.lots).unwrap_or(0);
        prices.index = u16::try_from(index).unwrap_or(u16::MAX);
        prices.lots = closed.lots;
    }
    prices.day = Tally { from_ms, ..Tally::default() };
    work.put(key::pair_prices(id), &prices);
    Ok(())
}

/// Counts a batch into the running day.
fn record(work: &mut Work<'_>, id: u16, tick: u16, lots: u64) -> Result<(), Bug> {
    let mut prices = prices(work, id)?;
    let value = u128::from(tick).saturating_mul(u128::from(lots));
    prices.day.value = prices.day.value.saturating_add(value);
    prices.day.lots = prices.day.lots.saturating_add(u128::from(lots));
    work.put(key::pair_prices(id), &prices);
    Ok(())
}

/// What an order is placed with.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    /// Buy or sell.
    pub side: Side,
    /// Limit.
    pub tick: u16,
    /// How many lots.
    pub lots: u64,
    /// Whether it lives one batch.
    pub is_ioc: bool,
    /// Leaves the book.
    pub expiry_ms: u64,
}

/// Puts an order into the book of a listed pair, locking what it holds. Whether the owner may is the caller's to check.
pub fn place(
    work: &mut Work<'_>,
    owner: &AccountId,
    (id, listed): (u16, &Pair),
    placed: &Placed,
) -> Result<OrderId, Abort> {
    let Placed { side, tick, lots, is_ioc, expiry_ms } = *placed;
    let (asset, held) = held(listed, side, tick, lots)?;
    bank::lock(work, owner, asset, held)?;
    let order = next_order(work)?;
    let entry = PairEntry { owner: *owner, side, tick, lots, held, ioc: is_ioc, expiry_ms };
    super::book::count_in(work, owner, announced(id))?;
    count(work, id, true)?;
    work.put(key::pair_order(id, order), &entry);
    work.put(key::order(order), &Order { owner: *owner, book: Book::Pair(id) });
    work.put(key::timer(expiry_ms, TimerKind::PairOrder, &timer_id(id, order)), &1u8);
    work.emit(Event::OrderPlaced { order, owner: *owner, instrument: announced(id) });
    Ok(order)
}

/// Buyer's locked quote to the seller, seller's locked base to the buyer; what the buyer held above the price is freed.
/// An owner who meets himself gets both back: the same two moves.
fn exchange(
    work: &mut Work<'_>,
    listed: &Pair,
    tick: u16,
    piece: &divisible::Piece,
    book: &mut BTreeMap<OrderId, PairEntry>,
) -> Result<(), Abort> {
    let missing = Bug::Missing { what: "pair order of a trade" };
    let mut buyer = *book.get(&piece.bid).ok_or(missing.clone())?;
    let mut seller = *book.get(&piece.ask).ok_or(missing)?;
    let (quote, price) = held(listed, Side::Buy, tick, piece.lots)?;
    let (_, reserved) = held(listed, Side::Buy, buyer.tick, piece.lots)?;
    let (base, goods) = held(listed, Side::Sell, tick, piece.lots)?;
    bank::settle(work, &buyer.owner, &seller.owner, quote, price)?;
    bank::unlock(work, &buyer.owner, quote, reserved.saturating_sub(price))?;
    bank::settle(work, &seller.owner, &buyer.owner, base, goods)?;
    let wrong = Bug::Arithmetic { what: "pair trade above its order" };
    for (order, entry, spent) in [(piece.bid, &mut buyer, reserved), (piece.ask, &mut seller, goods)] {
        entry.held = entry.held.checked_sub(spent).ok_or(wrong.clone())?;
        entry.lots = entry.lots.checked_sub(piece.lots).ok_or(wrong.clone())?;
        book.insert(order, *entry);
    }
    Ok(())
}

/// Takes a pair order out of its book and gives back what it holds.
pub fn close(work: &mut Work<'_>, id: u16, order: OrderId) -> Result<(), Abort> {
    let listed = pair(work, id)?.ok_or(MarketError::PairUnknown { pair: id })?;
    let at = key::pair_order(id, order);
    let entry: PairEntry = work.get(&at)?.ok_or(MarketError::OrderUnknown { order })?;
    let asset = match entry.side {
        Side::Buy => listed.quote,
        Side::Sell => listed.base,
    };
    bank::unlock(work, &entry.owner, asset, entry.held)?;
    work.remove(at);
    work.remove(key::order(order));
    work.remove(key::timer(entry.expiry_ms, TimerKind::PairOrder, &timer_id(id, order)));
    count(work, id, false)?;
    super::book::count_out(work, &entry.owner, announced(id))?;
    work.emit(Event::OrderClosed { order, refund: entry.held });
    Ok(())
}

/// Instrument id under which a pair's orders are announced and counted: above every listed instrument.
#[must_use]
pub const fn announced(id: u16) -> InstrumentId {
    InstrumentId(0xFFFF_0000 | id as u32)
}

/// Counts the orders of a pair.
pub fn count(work: &mut Work<'_>, id: u16, up: bool) -> Result<(), Abort> {
    let open: u64 = work.get(&key::pair_board(id))?.unwrap_or(0);
    let next = if up { open.checked_add(1) } else { open.checked_sub(1) };
    match next.ok_or(Bug::Arithmetic { what: "count of pair orders" })? {
        0 => work.remove(key::pair_board(id)),
        next if next > ORDERS_MAX => return Err(MarketError::OrdersTooMany { permitted: ORDERS_MAX }.into()),
        next => work.put(key::pair_board(id), &next),
    }
    Ok(())
}

/// Id of a pair order in the queue: pair and order.
#[must_use]
pub fn timer_id(id: u16, order: OrderId) -> Vec<u8> {
    [id.to_be_bytes().as_slice(), &order.0.to_be_bytes()].concat()
}

/// What open orders of an owner hold, for I2.
pub fn holdings(entry: &PairEntry, listed: &Pair) -> (AccountId, AssetId, Amount) {
    let asset = match entry.side {
        Side::Buy => listed.quote,
        Side::Sell => listed.base,
    };
    (entry.owner, asset, entry.held)
}
