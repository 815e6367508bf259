//! Books: what enters, what leaves, and how full they are (market.md §3).

use super::bond;
use super::error::MarketError;
use super::hold::InHand;
use super::state::{AskEntry, BidEntry, Board, Book, Host, Order, instrument, key, order_of};
use crate::params;
use core::cmp::Reverse;
use nupeer_primitives::event::Event;
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, HostId, InstrumentId, OrderId};

/// Open orders of an account in one instrument (market.md §18).
pub const ORDERS_PER_ACCOUNT_MAX: u64 = 64;
/// Entries that a book scan may give; above every permitted setting of the book limits.
pub const BOOK_MAX: usize = 8_192;

/// Board of a listed instrument.
pub fn board(work: &Work<'_>, id: InstrumentId) -> Result<Board, Bug> {
    work.expect(&key::board(id), "board of a listed instrument")
}

fn count(work: &mut Work<'_>, at: Key, permitted: Option<u64>, up: bool) -> Result<(), Abort> {
    let open: u64 = work.get(&at)?.unwrap_or(0);
    let next = if up { open.checked_add(1) } else { open.checked_sub(1) };
    match (next, permitted) {
        (Some(next), Some(permitted)) if next > permitted => Err(MarketError::OrdersTooMany { permitted }.into()),
        (Some(0), _) => {
            work.remove(at);
            Ok(())
        }
        (Some(next), _) => {
            work.put(at, &next);
            Ok(())
        }
        (None, _) => Err(Bug::Arithmetic { what: "count of open orders" }.into()),
    }
}

/// Counts a new order against its owner's limit.
pub fn count_in(work: &mut Work<'_>, owner: &AccountId, id: InstrumentId) -> Result<(), Abort> {
    count(work, key::open_orders(owner, id), Some(ORDERS_PER_ACCOUNT_MAX), true)
}

/// Takes back what [`count_in`] counted.
pub fn count_out(work: &mut Work<'_>, owner: &AccountId, id: InstrumentId) -> Result<(), Abort> {
    count(work, key::open_orders(owner, id), None, false)
}

/// Puts a bid into its book. A bid that returns after a failed match counts again, above the limit if need be.
pub fn put_bid(work: &mut Work<'_>, order: OrderId, entry: &BidEntry) -> Result<(), Abort> {
    let id = entry.bid.instrument;
    let mut board = board(work, id)?;
    board.bids = board.bids.saturating_add(1);
    work.put(key::board(id), &board);
    work.put(key::bid(id, order), entry);
    count(work, key::open_orders(&entry.owner, id), None, true)
}

/// Takes a bid out of its book.
pub fn drop_bid(work: &mut Work<'_>, owner: &AccountId, id: InstrumentId, order: OrderId) -> Result<(), Abort> {
    let mut board = board(work, id)?;
    board.bids = board.bids.checked_sub(1).ok_or(Bug::Arithmetic { what: "bids of a book" })?;
    work.put(key::board(id), &board);
    work.remove(key::bid(id, order));
    count_out(work, owner, id)
}

/// Makes room for a bid: a full book takes it only if it is strictly better than the worst, which is refunded.
pub fn make_room_for_bid(work: &mut Work<'_>, now_ms: u64, id: InstrumentId, tick: u16) -> Result<(), Abort> {
    let permitted = params::get(work, "market.bids_per_book")?;
    if board(work, id)?.bids < permitted {
        return Ok(());
    }
    let entries = work.scan::<BidEntry>(&key::bids(id), &[], BOOK_MAX)?;
    let worst = entries.iter().min_by_key(|(at, entry)| (entry.bid.tick, Reverse(at.clone())));
    let Some((_, entry)) = worst else { return Ok(()) };
    if entry.bid.tick >= tick {
        return Err(MarketError::BookFull { worst: entry.bid.tick, permitted }.into());
    }
    let mut evicted = InHand::touch(work, now_ms, &entry.lease)?;
    evicted.apply(work, now_ms, super::lease::Event::Cancel)?;
    evicted.save(work, now_ms)
}

/// Puts an ask into its book.
pub fn put_ask(work: &mut Work<'_>, id: InstrumentId, order: OrderId, entry: &AskEntry) -> Result<(), Abort> {
    let mut board = board(work, id)?;
    board.asks = board.asks.saturating_add(1);
    work.put(key::board(id), &board);
    work.put(key::ask(id, order), entry);
    work.put(key::order(order), &Order { owner: entry.provider, book: Book::Ask(id) });
    Ok(())
}

/// Makes room for an ask.
pub fn make_room_for_ask(work: &mut Work<'_>, id: InstrumentId, tick: u16) -> Result<(), Abort> {
    let permitted = params::get(work, "market.asks_per_book")?;
    if board(work, id)?.asks < permitted {
        return Ok(());
    }
    let entries = work.scan::<AskEntry>(&key::asks(id), &[], BOOK_MAX)?;
    let worst = entries.iter().max_by_key(|(at, entry)| (entry.tick, at.clone()));
    let Some((at, entry)) = worst else { return Ok(()) };
    if entry.tick <= tick {
        return Err(MarketError::BookFull { worst: entry.tick, permitted }.into());
    }
    close_ask(work, id, order_of(at)?)
}

/// Closes an ask: bond and lots that nobody has are free again; leases that took from it go on.
pub fn close_ask(work: &mut Work<'_>, id: InstrumentId, order: OrderId) -> Result<(), Abort> {
    let entry: AskEntry = work.expect(&key::ask(id, order), "ask of an open order")?;
    let listed = instrument(work, id)?.ok_or(Bug::Missing { what: "instrument of an ask" })?;
    bond::free(work, &entry.provider, listed.quote, entry.held.get())?;
    let mut host: Host = work.expect(&key::host(entry.host), "host of an ask")?;
    host.asks.retain(|other| *other != order);
    host.release(listed.family, entry.lots)?;
    work.put(key::host(entry.host), &host);
    let mut board = board(work, id)?;
    board.asks = board.asks.checked_sub(1).ok_or(Bug::Arithmetic { what: "asks of a book" })?;
    work.put(key::board(id), &board);
    work.remove(key::ask(id, order));
    work.remove(key::order(order));
    count_out(work, &entry.provider, id)?;
    work.emit(Event::OrderClosed { order, refund: Amount::ZERO });
    Ok(())
}

/// Closes every ask of a host for which `ends` holds.
pub fn close_asks(work: &mut Work<'_>, host: HostId, ends: impl Fn(&AskEntry) -> bool) -> Result<(), Abort> {
    let open = work.expect::<Host>(&key::host(host), "host whose asks close")?.asks;
    for order in open {
        let Some(Order { book: Book::Ask(id), .. }) = work.get(&key::order(order))? else { continue };
        let entry: AskEntry = work.expect(&key::ask(id, order), "ask of an open order")?;
        if ends(&entry) {
            close_ask(work, id, order)?;
        }
    }
    Ok(())
}

impl Host {
    /// Uses lots of a family.
    pub fn take(&mut self, family: nupeer_primitives::market::Family, lots: u64) -> Result<(), MarketError> {
        let capacity = self.capacity.iter_mut().find(|capacity| capacity.family == family);
        let free = capacity.as_ref().map_or(0, |capacity| capacity.declared.saturating_sub(capacity.used));
        match capacity {
            Some(capacity) if lots <= free => {
                capacity.used = capacity.used.saturating_add(lots);
                Ok(())
            }
            Some(_) | None => Err(MarketError::CapacityDoubleSold { lots, free }),
        }
    }

    /// Gives lots of a family back.
    pub fn release(&mut self, family: nupeer_primitives::market::Family, lots: u64) -> Result<(), Bug> {
        let wrong = Bug::Arithmetic { what: "lots in use" };
        let capacity = self.capacity.iter_mut().find(|capacity| capacity.family == family).ok_or(wrong.clone())?;
        capacity.used = capacity.used.checked_sub(lots).ok_or(wrong)?;
        Ok(())
    }
}
