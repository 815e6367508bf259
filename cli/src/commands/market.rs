//! `nupeer market`.

use super::tx;
use crate::args::Market;
use crate::context::Context;
use crate::failure::Failure;
use crate::report::{Report, table};
use crate::row;
use nupeer_client::api::{InstrumentInfo, OrderInfo};
use nupeer_primitives::ids::OrderId;
use nupeer_primitives::{Action, Amount};

pub(super) async fn run(context: &Context, command: Market) -> Result<Report, Failure> {
    match command {
        Market::Instruments => instruments(context).await,
        Market::Book { instrument } => book(context, &instrument).await,
        Market::Prices { instrument } => prices(context, &instrument).await,
        Market::Orders { id } => orders(context, id.as_deref()).await,
        Market::Cancel { order } => cancel(context, order).await,
    }
}

pub(super) async fn cancel(context: &Context, order: u64) -> Result<Report, Failure> {
    let info = context.transact(vec![Action::Cancel { order: OrderId(order) }]).await?;
    Ok(tx::report(&info, &format!("order {order} cancelled")))
}

/// A tick's price per lot-hour.
fn price(market: &InstrumentInfo, tick: u16) -> Amount {
    Amount::new(u64::from(tick).saturating_mul(market.tick_size))
}

async fn instruments(context: &Context) -> Result<Report, Failure> {
    let markets = context.client.instruments().await?;
    let heading = row!["id", "market", "family", "zone", "grade", "term", "reference", "band", "last", "meters"];
    let mut rows = vec![heading];
    rows.extend(markets.iter().map(|m| {
        let band = format!("{} - {}", price(m, m.lo), price(m, m.hi));
        let last = m.last_tick.map_or("-".into(), |tick| price(m, tick).to_string());
        let meters: Vec<&str> = m.meters.iter().map(|meter| meter.name.as_str()).collect();
        let reference = format!("{} {}", price(m, m.ref_tick), m.quote_ticker);
        row![m.id, m.name, m.family, m.zone, m.grade, m.term, reference, band, last, meters.join(" ")]
    }));
    let text =
        format!("{}\nprices are per lot and hour, what the provider gets; the platform fee comes on top", table(&rows));
    Ok(Report::of(&markets, text))
}

async fn book(context: &Context, instrument: &str) -> Result<Report, Failure> {
    let market = context.instrument(instrument).await?;
    let book = context.client.book(market.id).await?;
    let side = |name: &str, orders: &[OrderInfo]| {
        let mut rows = vec![row![name, "price", "lots", "order", "host", "owner"]];
        let host = |host: Option<u32>| host.map_or("-".into(), |host| host.to_string());
        rows.extend(orders.iter().map(|o| row!["", price(&market, o.tick), o.lots, o.id, host(o.host), o.owner]));
        table(&rows)
    };
    let text = format!("{}\n{}\n{}", market.name, side("asks", &book.asks), side("bids", &book.bids));
    Ok(Report::of(&book, text))
}

async fn prices(context: &Context, instrument: &str) -> Result<Report, Failure> {
    let market = context.instrument(instrument).await?;
    let days = context.client.prices(market.id).await?;
    let mut rows = vec![row!["day", "index", "lots"]];
    rows.extend(days.iter().map(|day| row![day.day, price(&market, day.index), day.lots]));
    let text = if days.is_empty() { format!("{} has no traded day yet", market.name) } else { table(&rows) };
    Ok(Report::of(&days, text))
}

async fn orders(context: &Context, id: Option<&str>) -> Result<Report, Failure> {
    let id = context.account_or_own(id)?;
    let orders = context.client.orders_of(&id).await?;
    let mut rows = vec![row!["order", "side", "market", "tick", "lots", "holds", "lease"]];
    let lease = |lease: &Option<String>| lease.clone().unwrap_or("-".into());
    rows.extend(orders.iter().map(|o| row![o.id, o.side, o.instrument, o.tick, o.lots, o.holds, lease(&o.lease)]));
    let text = if orders.is_empty() { "no open orders".into() } else { table(&rows) };
    Ok(Report::of(&orders, text))
}
