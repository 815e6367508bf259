//! Pair orders (market.md §3): payment assets against each other, lot by lot, one lot a whole unit of the base.

use super::auction::{Band, Order as AuctionOrder, divisible};
use super::batch::Session;
use super::book::BOOK_MAX;
use super::error::MarketError;
use super::state::{PairEntry, TimerKind, key, order_of, pair};
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
