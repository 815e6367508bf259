//! Instruments, books, prices, open orders.

use super::{collect, meter, ticker, zone_name};
use crate::api::asked::{self, Asked, Part};
use crate::api::error::Problem;
use crate::api::ledger::tail;
use crate::api::limits::{ROWS_MAX, SCAN_MAX};
use crate::api::{Api, Ledger, Rows};
use axum::Json;
use axum::extract::State;
use nupeer_client::api::{ApiError, Book, InstrumentInfo, Micro, OrderInfo, PriceDay};
use nupeer_primitives::market::{Instrument, Pair, Side};
use nupeer_primitives::state::{Bug, Key};
use nupeer_primitives::{AccountId, HostId, InstrumentId, LeaseId, OrderId};
use nupeer_runtime::market::batch::widths;
use nupeer_runtime::market::lease::{Lease, LeaseState};
use nupeer_runtime::market::price::band;
use nupeer_runtime::market::state::{AskEntry, BidEntry, Board, Deal, Host, PairEntry, Tally, key};
use nupeer_runtime::params;
use serde::Deserialize;
use utoipa::IntoParams;

/// Listed markets.
#[utoipa::path(get, path = "/v1/instruments", tag = "exchange",
    responses((status = 200, body = Vec<InstrumentInfo>), (status = "default", body = ApiError)))]
pub async fn instruments(State(api): State<Api>) -> Result<Rows<InstrumentInfo>, Problem> {
    let rows = api.ledger(|ledger| {
        collect(ledger, &Key::new(0x21), |key, record: Instrument| {
            instrument_info(ledger, InstrumentId(u32::from_be_bytes(tail(key)?)), record).map(Some)
        })
    });
    rows.await
}

fn instrument_info(ledger: &Ledger<'_>, id: InstrumentId, instrument: Instrument) -> Result<InstrumentInfo, Problem> {
    let board: Board = ledger.work.expect(&key::board(id), "board of an instrument")?;
    let legal = band(board.price.reference, board.price.phase, widths(&ledger.work)?);
    Ok(InstrumentInfo {
        id: id.0,
        name: instrument.name,
        family: instrument.family.name().into(),
        zone: zone_name(ledger, instrument.zone)?,
        grade: instrument.grade.name().into(),
        term: instrument.term.name().into(),
        fill: instrument.fill.name().into(),
        quote: instrument.quote.0,
        quote_ticker: ticker(ledger, instrument.quote)?,
        tick_size: instrument.tick_size,
        ref_tick: board.price.reference,
        phase: board.price.phase,
        lo: legal.lo,
        hi: legal.hi,
        last_tick: board.last_tick,
        ret_price: instrument.ret_price,
        meters: instrument.meters.iter().map(meter).collect(),
    })
}

fn listed(ledger: &Ledger<'_>, id: InstrumentId) -> Result<Board, Problem> {
    let board: Option<Board> = ledger.work.get(&key::board(id))?;
    board.ok_or_else(|| Problem::not_found(format!("no instrument {id}")))
}

/// A market's open orders: the best 1,000 of each side.
#[utoipa::path(get, path = "/v1/instruments/{id}/book", tag = "exchange",
    params(("id" = u32, Path, description = "instrument")),
    responses((status = 200, body = Book), (status = "default", body = ApiError)))]
pub async fn book(State(api): State<Api>, Part(id): Part) -> Result<Json<Book>, Problem> {
    let id = InstrumentId(asked::number(&id)?);
    api.ledger(move |ledger| book_of(ledger, id)).await.map(Json)
}

fn book_of(ledger: &Ledger<'_>, instrument: InstrumentId) -> Result<Book, Problem> {
    listed(ledger, instrument)?;
    let mut bids = ledger.work.scan::<BidEntry>(&key::bids(instrument), &[], SCAN_MAX)?;
    let mut asks = ledger.work.scan::<AskEntry>(&key::asks(instrument), &[], SCAN_MAX)?;
    // Stable: older orders first within a tick.
    bids.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.bid.tick));
    asks.sort_by_key(|(_, entry)| entry.tick);
    let bid = |(key, entry): &(Vec<u8>, BidEntry)| bid_info(ledger, OrderId(u64::from_be_bytes(tail(key)?)), entry);
    let ask = |(key, entry): &(Vec<u8>, AskEntry)| -> Result<_, Problem> {
        Ok(ask_info(ledger, instrument, OrderId(u64::from_be_bytes(tail(key)?)), entry))
    };
    Ok(Book {
        instrument: instrument.0,
        bids: bids.iter().take(ROWS_MAX).map(bid).collect::<Result<_, _>>()?,
        asks: asks.iter().take(ROWS_MAX).map(ask).collect::<Result<_, _>>()?,
    })
}

/// A bid's money is in its lease.
fn bid_info(ledger: &Ledger<'_>, id: OrderId, entry: &BidEntry) -> Result<OrderInfo, Problem> {
    let lease: Lease = ledger.work.expect(&key::lease(&entry.lease), "lease of a bid")?;
    Ok(OrderInfo {
        id: id.0,
        side: "bid".into(),
        owner: ledger.text_of(&entry.owner),
        instrument: entry.bid.instrument.0,
        tick: entry.bid.tick,
        lots: u64::from(entry.bid.lots),
        host: None,
        expires_ms: Some(entry.expiry_ms),
        holds: Micro(lease.balance),
        lease: Some(entry.lease.to_hex()),
    })
}

fn ask_info(ledger: &Ledger<'_>, instrument: InstrumentId, id: OrderId, entry: &AskEntry) -> OrderInfo {
    OrderInfo {
        id: id.0,
        side: "ask".into(),
        owner: ledger.text_of(&entry.provider),
        instrument: instrument.0,
        tick: entry.tick,
        lots: entry.lots,
        host: Some(entry.host.0),
        expires_ms: None,
        holds: entry.held.into(),
        lease: None,
    }
}

fn pair_info(ledger: &Ledger<'_>, pair: u16, id: OrderId, entry: &PairEntry) -> OrderInfo {
    let side = match entry.side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    };
    OrderInfo {
        id: id.0,
        side: side.into(),
        owner: ledger.text_of(&entry.owner),
        instrument: u32::from(pair),
        tick: entry.tick,
        lots: entry.lots,
        host: None,
        expires_ms: Some(entry.expiry_ms),
        holds: entry.held.into(),
        lease: None,
    }
}

/// A market's days that traded, as far as the state remembers them: the running one.
#[utoipa::path(get, path = "/v1/instruments/{id}/prices", tag = "exchange",
    params(("id" = u32, Path, description = "instrument")),
    responses((status = 200, body = Vec<PriceDay>), (status = "default", body = ApiError)))]
pub async fn prices(State(api): State<Api>, Part(id): Part) -> Result<Rows<PriceDay>, Problem> {
    let id = InstrumentId(asked::number(&id)?);
    let rows = api.ledger(move |ledger| {
        let Board { day, .. } = listed(ledger, id)?;
        let day_ms = params::get(&ledger.work, "market.day_ms")?;
        Ok(price_day(&day, day_ms).into_iter().collect())
    });
    rows.await.map(Rows::cut)
}

/// `None` for a day without trades.
fn price_day(day: &Tally, day_ms: u64) -> Option<PriceDay> {
    let index = u16::try_from(day.value.checked_div(day.lots)?).ok()?;
    let number = day.from_ms.checked_div(day_ms)?;
    Some(PriceDay { day: number, index, lots: u64::try_from(day.lots).unwrap_or(u64::MAX) })
}

/// Whose orders.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrdersOf {
    /// Account, hex or bech32.
    owner: String,
}

/// Open orders of an account.
#[utoipa::path(get, path = "/v1/orders", tag = "exchange", params(OrdersOf),
    responses((status = 200, body = Vec<OrderInfo>), (status = "default", body = ApiError)))]
pub async fn orders(
    State(api): State<Api>,
    Asked(OrdersOf { owner }): Asked<OrdersOf>,
) -> Result<Rows<OrderInfo>, Problem> {
    let owner = asked::account(&owner, &api.chain.rules().hrp)?;
    api.ledger(move |ledger| orders_of(ledger, &owner)).await
}

fn orders_of(ledger: &Ledger<'_>, owner: &AccountId) -> Result<Rows<OrderInfo>, Problem> {
    let work = &ledger.work;
    let bids = collect(ledger, &Key::new(0x36).account(owner), |at, _: u8| {
        let lease = LeaseId(tail(at)?);
        let state = work.get::<Lease>(&key::lease(&lease))?.map(|lease| lease.state);
        let Some(deal) = work.get::<Deal>(&key::deal(&lease))?.filter(|_| state == Some(LeaseState::Queued)) else {
            return Ok(None);
        };
        let entry: Option<BidEntry> = work.get(&key::bid(deal.bid.instrument, deal.order))?;
        entry.filter(|entry| entry.lease == lease).map(|entry| bid_info(ledger, deal.order, &entry)).transpose()
    })?;
    let asks = asks_of(ledger, owner)?;
    let mut pairs = Vec::new();
    for (at, _) in work.scan::<Pair>(&Key::new(0x25), &[], ROWS_MAX)? {
        let pair = u16::from_be_bytes(tail(&at)?);
        let own = collect(ledger, &key::pair_orders(pair), |at, entry: PairEntry| {
            let id = OrderId(u64::from_be_bytes(tail(at)?));
            Ok((entry.owner == *owner).then(|| pair_info(ledger, pair, id, &entry)))
        })?;
        pairs.extend(own.rows);
    }
    let cut = Rows::cut(bids.rows.into_iter().chain(asks).chain(pairs).collect());
    Ok(Rows { more: cut.more || bids.more, ..cut })
}

fn asks_of(ledger: &Ledger<'_>, owner: &AccountId) -> Result<Vec<OrderInfo>, Problem> {
    use nupeer_runtime::market::state::{Book as Place, Order};
    let work = &ledger.work;
    let mut out = Vec::new();
    for (at, _) in work.scan::<u8>(&Key::new(0x29).account(owner), &[], ROWS_MAX)? {
        let host: Option<Host> = work.get(&key::host(HostId(u32::from_be_bytes(tail(&at)?))))?;
        for id in host.iter().flat_map(|host| &host.asks) {
            let order: Order = work.expect(&key::order(*id), "open ask of a host")?;
            let instrument = match order.book {
                Place::Ask(instrument) => instrument,
                Place::Bid(..) | Place::Pair(_) => return Err(Bug::Missing { what: "ask of a host" }.into()),
            };
            let entry: AskEntry = work.expect(&key::ask(instrument, *id), "open ask")?;
            out.push(ask_info(ledger, instrument, *id, &entry));
        }
    }
    Ok(out)
}
