//! Kinds auction_divisible, auction_packed, tie_order, price_day.

use super::super::json::{Malformed, list, malformed, maybe_uint, narrow, text, texts, uint, uints};
use super::{account, seed};
use nupeer_primitives::market::Spread;
use nupeer_primitives::{HostId, OrderId, ZoneId};
use nupeer_runtime::market::auction::{Band, Order, divisible as lots, packed as whole};
use nupeer_runtime::market::price::{self, BandWidths, Day, PhaseRules, PriceState};
use nupeer_runtime::market::tie;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Candidate prices of the vectors.
const K: usize = 9;
/// Zones on the way from a site to the world; more is a cycle.
const ZONE_DEPTH_MAX: usize = 64;

pub fn divisible(input: &Value) -> Result<Value, Malformed> {
    let order = |from: &Value| -> Result<Order, Malformed> {
        Ok(Order { id: OrderId(uint(from, "id")?), tick: narrow(from, "tick")?, lots: uint(from, "lots")? })
    };
    let side = |name| list(input, name)?.iter().map(order).collect::<Result<Vec<_>, _>>();
    let batch = lots::clear(&seed(input)?, band(input)?, &side("bids")?, &side("asks")?);
    let Some(batch) = batch else {
        return Ok(json!({ "tick": null, "lots": 0, "fills": [], "pieces": [] }));
    };
    let fills: Vec<_> = batch.fills.iter().map(|(id, lots)| json!([id.0, lots])).collect();
    let pieces: Vec<_> = batch.pieces.iter().map(|p| json!([p.bid.0, p.ask.0, p.lots])).collect();
    Ok(json!({ "tick": batch.tick, "lots": sum(batch.lots)?, "fills": fills, "pieces": pieces }))
}

fn sum(lots: u128) -> Result<u64, Malformed> {
    u64::try_from(lots).map_err(|_| malformed("lots", "a sum that fits u64"))
}

fn band(input: &Value) -> Result<Band, Malformed> {
    Ok(Band { lo: narrow(input, "lo")?, hi: narrow(input, "hi")? })
}

pub fn packed(input: &Value) -> Result<Value, Malformed> {
    let parents = zone_parents(input)?;
    let mut hosts = BTreeMap::new();
    let bids = list(input, "bids")?.iter().map(bid).collect::<Result<Vec<_>, _>>()?;
    let asks =
        list(input, "asks")?.iter().map(|from| ask(from, &parents, &mut hosts)).collect::<Result<Vec<_>, _>>()?;
    let seed = seed(input)?;
    let rules = whole::Rules { seed: &seed, band: band(input)?, candidates: K };
    let Some(batch) = whole::clear(&rules, &bids, &asks) else {
        return Ok(json!({ "tick": null, "lots": 0, "fills": [], "standby": [], "stranded": [] }));
    };
    let mut fills = batch.fills.clone();
    fills.sort_by_key(|fill| fill.bid);
    let fills: Vec<_> = fills.iter().map(|f| json!([f.bid.0, f.ask.0, f.lots])).collect();
    let mut spares = batch.spares.clone();
    spares.sort_by_key(|spare| spare.bid);
    let standby: Vec<_> = spares.iter().map(|s| json!([s.bid.0, s.ask.0, s.bps, s.takeover_tick])).collect();
    let stranded: Vec<_> = batch.stranded.iter().map(|id| id.0).collect();
    Ok(json!({
        "tick": batch.tick, "lots": sum(batch.lots)?, "fills": fills, "standby": standby, "stranded": stranded
    }))
}

fn zone_parents(input: &Value) -> Result<BTreeMap<u16, u16>, Malformed> {
    let wanted = || malformed("zone_parents", "an object of zone: parent");
    let object = super::super::json::field(input, "zone_parents")?.as_object().ok_or_else(wanted)?;
    let entry = |(zone, parent): (&String, &Value)| Some((zone.parse().ok()?, u16::try_from(parent.as_u64()?).ok()?));
    object.iter().map(entry).collect::<Option<_>>().ok_or_else(wanted)
}

fn bid(from: &Value) -> Result<whole::Bid, Malformed> {
    let zones = uints(from, "zones")?.into_iter().map(u16::try_from).collect::<Result<Vec<_>, _>>();
    Ok(whole::Bid {
        id: OrderId(uint(from, "id")?),
        tick: narrow(from, "tick")?,
        lots: uint(from, "lots")?,
        owner: account(text(from, "owner")?),
        require: uint(from, "req")?,
        forbid: uint(from, "forbid")?,
        zones: zones.map_err(|_| malformed("zones", "a list of zones"))?.into_iter().map(ZoneId).collect(),
        deny: texts(from, "deny")?.into_iter().map(account).collect(),
        group: maybe_uint(from, "group")?,
        spread: match text(from, "spread")? {
            "none" => Spread::None,
            "host" => Spread::Host,
            "provider" => Spread::Provider,
            _ => return Err(malformed("spread", "none, host or provider")),
        },
        standby: uint(from, "standby")?,
        standby_bps: uint(from, "standby_bps")?,
    })
}

fn ask(
    from: &Value,
    parents: &BTreeMap<u16, u16>,
    hosts: &mut BTreeMap<String, HostId>,
) -> Result<whole::Ask, Malformed> {
    let next = HostId(u32::try_from(hosts.len()).unwrap_or(u32::MAX));
    let site: u16 = narrow(from, "zone")?;
    let zones = std::iter::successors(Some(site), |zone| parents.get(zone).copied()).take(ZONE_DEPTH_MAX);
    Ok(whole::Ask {
        id: OrderId(uint(from, "id")?),
        tick: narrow(from, "tick")?,
        lots: uint(from, "lots")?,
        host: *hosts.entry(text(from, "host")?.to_string()).or_insert(next),
        provider: account(text(from, "provider")?),
        traits: uint(from, "traits")?,
        zones: zones.map(ZoneId).collect(),
        standby_bps: uint(from, "standby_bps")?,
    })
}

pub fn tie_order(input: &Value) -> Result<Value, Malformed> {
    let seed = seed(input)?;
    let ids: Vec<OrderId> = uints(input, "ids")?.into_iter().map(OrderId).collect();
    let order = tie::order(&seed, &ids);
    let first_key = order.first().map(|id| tie::key(&seed, *id).to_hex());
    Ok(json!({ "order": order.iter().map(|id| id.0).collect::<Vec<_>>(), "first_key": first_key }))
}

pub fn price_day(input: &Value) -> Result<Value, Malformed> {
    let state = PriceState {
        reference: narrow(input, "ref_tick")?,
        phase: narrow(input, "phase")?,
        good_days: narrow(input, "good_days")?,
        thin_days: narrow(input, "thin_days")?,
    };
    let rules = PhaseRules {
        up_sellers: uint(input, "sellers_up")?,
        up_lots: uint(input, "lots_up")?,
        up_days: uint(input, "days_up")?,
        down_sellers: uint(input, "sellers_down")?,
        down_days: uint(input, "days_down")?,
        phase_max: narrow(input, "phase_max")?,
    };
    let mut day = Day::default();
    for trade in list(input, "trades")? {
        let parts = (
            trade.get(0).and_then(Value::as_u64).and_then(|tick| u16::try_from(tick).ok()),
            trade.get(1).and_then(Value::as_u64),
            trade.get(2).and_then(Value::as_str),
        );
        let (Some(tick), Some(lots), Some(seller)) = parts else {
            return Err(malformed("trades", "a list of [tick, lots, provider]"));
        };
        day.add(tick, lots, seller.to_string());
    }
    let next = price::close_day(state, &rules, &day);
    let band = price::band(next.reference, next.phase, BandWidths::default());
    Ok(json!({
        "index": day.index(), "ref_tick": next.reference, "phase": next.phase, "good_days": next.good_days,
        "thin_days": next.thin_days, "lo": band.lo, "hi": band.hi
    }))
}
