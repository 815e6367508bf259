//! The batch of an instrument in the prologue (market.md §4): load the book, clear it, turn fills into leases.

use super::auction::{Order, divisible, packed};
use super::bond;
use super::book::{self, BOOK_MAX};
use super::edges;
use super::hold::InHand;
use super::lease::{Event as LeaseEvent, Takeover};
use super::price::{self, BandWidths, Day, PhaseRules};
use super::state::{AskEntry, BidEntry, Board, Book, Deal, Host, Order as BookOrder, Tally, key, next_order, order_of};
use super::terms::Terms;
use crate::params;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use nupeer_primitives::event::Event;
use nupeer_primitives::market::{Fill, Grade, Instrument, OrderLife, lease_id};
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, Amount, GenesisHash, Hash, InstrumentId, OrderId};

/// An hour of market time.
const HOUR_MS: u64 = 3_600_000;
/// Providers of a day that are remembered; above every permitted threshold.
const SELLERS_MAX: usize = 64;

/// What a batch is run with.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    /// Network.
    pub genesis: &'a GenesisHash,
    /// Batch seed.
    pub seed: &'a Hash,
    /// Market time.
    pub now_ms: u64,
}

/// One lot of trade that a batch decided.
struct Trade {
    bid: OrderId,
    ask: OrderId,
    lots: u64,
}

/// A loaded book.
struct Orders {
    bids: BTreeMap<OrderId, BidEntry>,
    asks: BTreeMap<OrderId, AskEntry>,
}

/// Runs one instrument's batch over its book.
pub fn run(work: &mut Work<'_>, session: &Session<'_>, id: InstrumentId) -> Result<(), Abort> {
    let listed: Instrument = work.expect(&key::instrument(id), "listed instrument")?;
    let orders = load(work, id, session.now_ms)?;
    if let Some((tick, trades)) = clear(work, session, id, &listed, &orders)? {
        let mut lots = 0u64;
        for trade in &trades {
            settle_trade(work, session, &listed, tick, &orders, trade)?;
            lots = lots.saturating_add(trade.lots);
        }
        record(work, id, tick, &orders, &trades)?;
        work.emit(Event::BatchCleared { instrument: id, tick, lots });
    }
    end_ioc(work, session.now_ms, orders)
}

/// Orders that may trade now: a timer that is late changes nothing.
fn load(work: &Work<'_>, id: InstrumentId, now_ms: u64) -> Result<Orders, Bug> {
    let mut orders = Orders { bids: BTreeMap::new(), asks: BTreeMap::new() };
    for (at, entry) in work.scan::<BidEntry>(&key::bids(id), &[], BOOK_MAX)? {
        if entry.expiry_ms > now_ms {
            orders.bids.insert(order_of(&at)?, entry);
        }
    }
    for (at, entry) in work.scan::<AskEntry>(&key::asks(id), &[], BOOK_MAX)? {
        if entry.lots > 0 && entry.suspended_until_ms <= now_ms {
            orders.asks.insert(order_of(&at)?, entry);
        }
    }
    Ok(orders)
}

fn clear(
    work: &Work<'_>,
    session: &Session<'_>,
    id: InstrumentId,
    listed: &Instrument,
    orders: &Orders,
) -> Result<Option<(u16, Vec<Trade>)>, Abort> {
    let board = book::board(work, id)?;
    let band = price::band(board.price.reference, board.price.phase, widths(work)?);
    Ok(match listed.fill {
        Fill::Divisible => {
            let bids = orders.bids.iter();
            let bids = bids.map(|(id, e)| Order { id: *id, tick: e.bid.tick, lots: u64::from(e.bid.lots) });
            let asks = orders.asks.iter().map(|(id, e)| Order { id: *id, tick: e.tick, lots: e.lots });
            let (bids, asks): (Vec<_>, Vec<_>) = (bids.collect(), asks.collect());
            divisible::clear(session.seed, band, &bids, &asks).map(|batch| {
                let trades = batch.pieces.iter().map(|p| Trade { bid: p.bid, ask: p.ask, lots: p.lots });
                (batch.tick, trades.filter(|trade| !is_self_trade(orders, trade)).collect())
            })
        }
        Fill::Packed => {
            let candidates = usize::try_from(params::get(work, "market.auction_candidates")?).unwrap_or(usize::MAX);
            let rules = packed::Rules { seed: session.seed, band, candidates };
            let bids: Vec<packed::Bid> = orders.bids.iter().map(|(id, entry)| packed_bid(*id, entry)).collect();
            let asks: Vec<packed::Ask> = orders.asks.iter().map(|(id, entry)| packed_ask(*id, entry)).collect();
            packed::clear(&rules, &bids, &asks).map(|batch| {
                let trades = batch.fills.iter().map(|f| Trade { bid: f.bid, ask: f.ask, lots: f.lots });
                (batch.tick, trades.collect())
            })
        }
    })
}

fn is_self_trade(orders: &Orders, trade: &Trade) -> bool {
    let owner = orders.bids.get(&trade.bid).map(|entry| entry.owner);
    owner.is_some() && owner == orders.asks.get(&trade.ask).map(|entry| entry.provider)
}

/// Band widths in force.
pub fn widths(work: &Work<'_>) -> Result<BandWidths, Bug> {
    Ok(BandWidths {
        phase_1_bps: params::get(work, "market.band_1_bps")?,
        phase_2_bps: params::get(work, "market.band_2_bps")?,
    })
}

fn packed_bid(id: OrderId, entry: &BidEntry) -> packed::Bid {
    let bid = &entry.bid;
    packed::Bid {
        id,
        tick: bid.tick,
        lots: u64::from(bid.lots),
        owner: entry.owner,
        require: bid.filters.require,
        forbid: bid.filters.forbid,
        zones: bid.filters.zones.clone(),
        deny: bid.filters.deny.clone(),
        group: bid.group,
        spread: bid.spread,
        // Standbys come with failover; bids that want one are not taken yet.
        standby: 0,
        standby_bps: 0,
    }
}

fn packed_ask(id: OrderId, entry: &AskEntry) -> packed::Ask {
    packed::Ask {
        id,
        tick: entry.tick,
        lots: entry.lots,
        host: entry.host,
        provider: entry.provider,
        traits: entry.traits,
        zones: entry.zones.clone(),
        standby_bps: u64::from(entry.standby_bps),
    }
}

/// A fill becomes a matched lease: lots and bond move from the ask to it (row 2).
fn settle_trade(
    work: &mut Work<'_>,
    session: &Session<'_>,
    listed: &Instrument,
    tick: u16,
    orders: &Orders,
    trade: &Trade,
) -> Result<(), Abort> {
    let entry = orders.bids.get(&trade.bid).ok_or(Bug::Missing { what: "bid of a trade" })?;
    let mut hand = InHand::touch(work, session.now_ms, &entry.lease)?;
    if trade.lots < hand.deal.terms.lots {
        let piece = split(work, session, listed, &mut hand, trade.lots)?;
        hand.save(work, session.now_ms)?;
        hand = piece;
    }
    let (host, lease_bond) = take_from_ask(work, listed, trade, &mut hand.deal)?;
    let has_edge = edges::draw(work, session.seed, &hand, &host.0)?;
    let price = u64::from(tick).saturating_mul(listed.tick_size);
    let to = Takeover { host: host.1, price, bond: lease_bond, has_edge, wrapped: false };
    hand.apply(work, session.now_ms, LeaseEvent::Match(to))?;
    hand.deal.provider = Some(host.0);
    hand.deal.endpoint_hash = None;
    work.put(key::lease_on(host.1, &hand.id), &1u8);
    work.emit(Event::Matched {
        lease: hand.id,
        order: trade.bid,
        host: host.1,
        epoch: hand.lease.epoch,
        tick,
        lots: u32::try_from(trade.lots).unwrap_or(u32::MAX),
    });
    hand.save(work, session.now_ms)
}

/// Lots and bond pass from the ask to the lease; what rounding frees goes back to the unused bond.
fn take_from_ask(
    work: &mut Work<'_>,
    listed: &Instrument,
    trade: &Trade,
    deal: &mut Deal,
) -> Result<((AccountId, nupeer_primitives::HostId), u64), Abort> {
    let at = key::ask(deal.bid.instrument, trade.ask);
    let mut ask: AskEntry = work.expect(&at, "ask of a trade")?;
    let host: Host = work.expect(&key::host(ask.host), "host of an ask")?;
    let mult_bps = mult_bps(work, host.grade)?;
    let price = u64::from(ask.tick).saturating_mul(listed.tick_size);
    ask.lots = ask.lots.checked_sub(trade.lots).ok_or(Bug::Arithmetic { what: "lots of an ask" })?;
    // A bond factor that rose since the ask was posted is not asked for again: the ask holds what it held.
    let before = ask.held.get();
    let lease_bond = bond::needed(trade.lots, price, mult_bps).min(before);
    let kept = bond::needed(ask.lots, price, mult_bps).min(before.saturating_sub(lease_bond));
    let rest = before.saturating_sub(lease_bond).saturating_sub(kept);
    bond::free(work, &ask.provider, listed.quote, rest)?;
    ask.held = Amount::new(kept);
    work.put(at, &ask);
    deal.ask = Some(trade.ask);
    deal.mult_bps = mult_bps;
    Ok(((ask.provider, ask.host), lease_bond))
}

/// Splits a piece of `lots` off a divisible bid, with its share of the deposit and an order id of its own.
fn split(
    work: &mut Work<'_>,
    session: &Session<'_>,
    listed: &Instrument,
    hand: &mut InHand,
    lots: u64,
) -> Result<InHand, Abort> {
    let wrong = Bug::Arithmetic { what: "piece of a divisible bid" };
    let (whole_lots, whole_deposit) = hand.deal.whole;
    let share = whole_deposit.mul_div_floor(lots, whole_lots).ok_or(wrong.clone())?;
    let share = share.get().min(hand.lease.balance);
    hand.deal.pieces = hand.deal.pieces.checked_add(1).ok_or(wrong.clone())?;
    let id = lease_id(session.genesis, hand.deal.order, hand.deal.pieces);
    let piece_lots = u32::try_from(lots).map_err(|_| wrong.clone())?;
    let rest_lots = hand.deal.bid.lots.checked_sub(piece_lots).ok_or(wrong)?;
    let mut deal = hand.deal.clone();
    deal.order = next_order(work)?;
    deal.pieces = 0;
    deal.queued_ms = None;
    deal.whole = (lots, Amount::new(share));
    resize(&mut deal, listed, piece_lots);
    resize(&mut hand.deal, listed, rest_lots);
    let lease = hand.lease.split_off(share);
    work.put(key::lease_of(&deal.owner, &id), &1u8);
    work.put(key::order(deal.order), &BookOrder { owner: deal.owner, book: Book::Bid(deal.bid.instrument, id) });
    Ok(InHand::fresh(id, lease, deal))
}

fn resize(deal: &mut Deal, listed: &Instrument, lots: u32) {
    deal.bid.lots = lots;
    scale(&mut deal.terms, listed, u64::from(lots));
}

/// Sets what terms say per lot.
pub fn scale(terms: &mut Terms, listed: &Instrument, lots: u64) {
    terms.lots = lots;
    terms.ret_price = listed.ret_price.saturating_mul(lots);
    for meter in &mut terms.meters {
        if let Some(per_lot) = listed.meters.iter().find(|offered| offered.kind == meter.kind) {
            meter.cap_per_s = per_lot.cap_per_s.saturating_mul(lots);
        }
    }
}

/// Bond factor of a grade.
pub fn mult_bps(work: &Work<'_>, grade: Grade) -> Result<u64, Bug> {
    params::get(
        work,
        match grade {
            Grade::A => "market.mult_a_bps",
            Grade::B => "market.mult_b_bps",
            Grade::C => "market.mult_c_bps",
            Grade::D => "market.mult_d_bps",
        },
    )
}

/// Counts the trades for the index and the phase.
fn record(work: &mut Work<'_>, id: InstrumentId, tick: u16, orders: &Orders, trades: &[Trade]) -> Result<(), Bug> {
    let mut board = book::board(work, id)?;
    board.last_tick = Some(tick);
    for trade in trades {
        board.day.add(tick, trade.lots);
        board.hour.add(tick, trade.lots);
        let seller = orders.asks.get(&trade.ask).map(|ask| ask.provider);
        let is_new = |seller: &AccountId| board.sellers.len() < SELLERS_MAX && !board.sellers.contains(seller);
        if let Some(seller) = seller.filter(is_new) {
            board.sellers.push(seller);
        }
    }
    work.put(key::board(id), &board);
    Ok(())
}

impl Tally {
    fn add(&mut self, tick: u16, lots: u64) {
        self.value = self.value.saturating_add(u128::from(tick).saturating_mul(u128::from(lots)));
        self.lots = self.lots.saturating_add(u128::from(lots));
    }
}

/// Ends days and hours; at most one of each per block, so that a long silence costs no more than a short one.
pub fn end_periods(work: &mut Work<'_>, id: InstrumentId, now_ms: u64) -> Result<(), Bug> {
    let mut board = book::board(work, id)?;
    let day_ms = params::get(work, "market.day_ms")?;
    let hour_over = now_ms.saturating_sub(board.hour.from_ms) >= HOUR_MS;
    let day_over = now_ms.saturating_sub(board.day.from_ms) >= day_ms;
    if hour_over {
        let day: Day<AccountId> = Day { value: board.hour.value, lots: board.hour.lots, sellers: Default::default() };
        board.index_hour = day.index().or(board.index_hour);
        board.hour = Tally { from_ms: board.hour.from_ms.saturating_add(HOUR_MS), ..Tally::default() };
    }
    if day_over {
        let rules = phase_rules(work)?;
        close_day(&mut board, &rules);
        board.day.from_ms = board.day.from_ms.saturating_add(day_ms);
    }
    if hour_over || day_over {
        work.put(key::board(id), &board);
    }
    Ok(())
}

fn close_day(board: &mut Board, rules: &PhaseRules) {
    let sellers = core::mem::take(&mut board.sellers).into_iter().collect();
    let day: Day<AccountId> = Day { value: board.day.value, lots: board.day.lots, sellers };
    board.index_day = day.index().or(board.index_day);
    board.price = price::close_day(board.price, rules, &day);
    board.day = Tally { from_ms: board.day.from_ms, ..Tally::default() };
}

fn phase_rules(work: &Work<'_>) -> Result<PhaseRules, Bug> {
    Ok(PhaseRules {
        up_sellers: params::get(work, "market.up_sellers")?,
        up_lots: params::get(work, "market.up_lots")?,
        up_days: params::get(work, "market.up_days")?,
        down_sellers: params::get(work, "market.down_sellers")?,
        down_days: params::get(work, "market.down_days")?,
        phase_max: u8::try_from(params::get(work, "market.phase_max")?).unwrap_or(u8::MAX),
    })
}

/// Orders that live one batch leave.
fn end_ioc(work: &mut Work<'_>, now_ms: u64, orders: Orders) -> Result<(), Abort> {
    for (order, entry) in orders.bids {
        let open = work.has(&key::bid(entry.bid.instrument, order));
        if entry.bid.life == OrderLife::Ioc && open {
            let mut hand = InHand::touch(work, now_ms, &entry.lease)?;
            hand.apply(work, now_ms, LeaseEvent::Cancel)?;
            hand.save(work, now_ms)?;
        }
    }
    Ok(())
}
