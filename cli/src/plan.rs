//! From a manifest to bids (market.md §3, §14): which market, which tick, which share of the deposit. Pure.
//!
//! A market fits if it trades whole bids of the family and term in the budget's asset, promises the grade, lists every
//! meter the service wants, and lies around or inside a wanted zone. Among those the cheapest reference price wins.

use crate::manifest::{App, Service};
use nupeer_client::api::InstrumentInfo;
use nupeer_client::manifest::Workload;
use nupeer_primitives::genesis::Zone;
use nupeer_primitives::market::{Bid, BidTerms, Filters, Grade, OrderLife, Standby};
use nupeer_primitives::{Amount, InstrumentId, ZoneId};
use thiserror::Error;

/// What the plan needs to know of the chain.
#[derive(Clone, Debug)]
pub struct Markets {
    /// Listed markets.
    pub instruments: Vec<InstrumentInfo>,
    /// Zone tree.
    pub zones: Vec<Zone>,
    /// Longest life of an order, ms.
    pub order_life_ms: u64,
}

/// A bid to be placed.
#[derive(Clone, Debug)]
pub struct PlannedBid {
    /// Name of the service.
    pub service: String,
    /// Which replica.
    pub replica: u32,
    /// What the lease will run.
    pub workload: Workload,
    /// The order.
    pub bid: Bid,
    /// Name of the market.
    pub market: String,
    /// Highest price per lot-hour, net.
    pub price_max: Amount,
}

/// Why no bid can be made.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum PlanError {
    #[error("zone `{zone}` is not one of {known}")]
    ZoneUnknown { zone: String, known: String },
    #[error("trait `{name}` is not one of {known}")]
    TraitUnknown { name: String, known: String },
    #[error("service `{service}`: no market fits ({why}): see `nupeer market instruments`")]
    NoMarket { service: String, why: String },
    #[error("service `{service}`: max_price {price} is below {lowest}, the least legal price of {market}")]
    PriceTooLow { service: String, market: String, price: Amount, lowest: Amount },
    #[error("deposit {deposit} can't be shared by {bids} leases")]
    DepositTooSmall { deposit: Amount, bids: usize },
}

/// Trait names by bit (market.md §1).
pub const TRAITS: [&str; 12] = [
    "ecc",
    "arm64",
    "riscv64",
    "tee-sev",
    "tee-tdx",
    "gpu-cc",
    "bare-metal",
    "static-ip",
    "ipv6",
    "udp",
    "raw-tcp",
    "overlay",
];

/// The mask of trait names.
pub fn trait_mask(names: &[String]) -> Result<u64, PlanError> {
    names.iter().try_fold(0, |mask, name| {
        let bit = TRAITS.iter().position(|known| known == name);
        bit.map(|bit| mask | 1u64 << bit)
            .ok_or_else(|| PlanError::TraitUnknown { name: name.clone(), known: TRAITS.join(", ") })
    })
}

impl Markets {
    /// The zone of a name.
    pub fn zone(&self, name: &str) -> Result<ZoneId, PlanError> {
        let found = self.zones.iter().find(|zone| zone.name == name).map(|zone| zone.id);
        let known = || self.zones.iter().map(|zone| zone.name.as_str()).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| PlanError::ZoneUnknown { zone: name.into(), known: known() })
    }

    /// Whether `inner` is `outer` or lies in it.
    fn lies_in(&self, inner: ZoneId, outer: ZoneId) -> bool {
        let mut at = Some(inner);
        // A tree of n zones has no longer path: a cycle in a hostile answer ends here.
        for _ in 0..=self.zones.len() {
            match at {
                Some(zone) if zone == outer => return true,
                Some(zone) => at = self.zones.iter().find(|row| row.id == zone).and_then(|row| row.parent),
                None => return false,
            }
        }
        false
    }

    fn market_for(&self, app: &App, service: &Service, zones: &[ZoneId]) -> Result<&InstrumentInfo, PlanError> {
        let workload = &service.workload;
        let mut left: Vec<&InstrumentInfo> = self.instruments.iter().collect();
        let mut keep = |why: String, fits: &dyn Fn(&InstrumentInfo) -> bool| {
            left.retain(|market| fits(market));
            let none = || PlanError::NoMarket { service: workload.service.clone(), why };
            if left.is_empty() { Err(none()) } else { Ok(()) }
        };
        let (family, term) = (workload.family.name(), app.placement.term.name());
        keep(format!("none sells {family} lots"), &|m| m.family == family && m.fill == "Packed")?;
        keep(format!("none has the term {term}"), &|m| m.term == term)?;
        keep(format!("none is priced in {}", app.budget.asset), &|m| m.quote_ticker == app.budget.asset)?;
        let grade = app.placement.grade;
        let promises = |m: &InstrumentInfo| Grade::ALL.iter().any(|known| known.name() == m.grade && *known <= grade);
        keep(format!("none promises grade {}", grade.name()), &promises)?;
        let near = |m: &InstrumentInfo| {
            let Ok(at) = self.zone(&m.zone) else { return false };
            zones.is_empty() || zones.iter().any(|zone| self.lies_in(*zone, at) || self.lies_in(at, *zone))
        };
        keep(format!("none is in {}", app.placement.zones.join(", ")), &near)?;
        let meters =
            |m: &InstrumentInfo| workload.meters.iter().all(|kind| m.meters.iter().any(|have| have.kind == *kind));
        keep("none lists every meter it wants".into(), &meters)?;
        if service.device.is_some() {
            // The API names no device yet, so asking for one can't be honoured.
            keep("devices can't be chosen yet".into(), &|_| false)?;
        }
        let cheapest = left.into_iter().min_by_key(|m| (u64::from(m.ref_tick).saturating_mul(m.tick_size), m.id));
        cheapest.ok_or_else(|| PlanError::NoMarket { service: workload.service.clone(), why: "none is listed".into() })
    }
}

/// Every bid of an app. `group` gives a fresh number to each service of several replicas.
pub fn bids(app: &App, markets: &Markets, mut group: impl FnMut() -> u64) -> Result<Vec<PlannedBid>, PlanError> {
    let zones: Vec<ZoneId> = app.placement.zones.iter().map(|zone| markets.zone(zone)).collect::<Result<_, _>>()?;
    let require = trait_mask(&app.placement.require)?;
    let count: usize = app.services.iter().map(|service| service.replicas as usize).sum();
    let too_small = PlanError::DepositTooSmall { deposit: app.budget.deposit, bids: count };
    let share = app.budget.deposit.get().checked_div(count as u64).filter(|share| *share > 0).ok_or(too_small)?;
    let mut rest = app.budget.deposit.get() - share * count as u64;
    let mut out = Vec::new();
    for service in &app.services {
        let market = markets.market_for(app, service, &zones)?;
        let tick = limit_tick(app, service, market)?;
        let group = (service.replicas > 1).then(&mut group);
        for replica in 0..service.replicas {
            let deposit = Amount::new(share + std::mem::take(&mut rest));
            let filters = Filters { require, forbid: 0, zones: zones.clone(), deny: Vec::new() };
            let workload = &service.workload;
            let bid = Bid {
                instrument: InstrumentId(market.id),
                tick,
                lots: workload.lots,
                filters,
                group,
                spread: service.spread,
                standby: Standby { count: service.standby.0, max_bps: service.standby.1 },
                life: OrderLife::Standing,
                expires_in_ms: markets.order_life_ms,
                // Traffic is counted by the edge: its signature beside the provider's is the tenant's as well.
                terms: BidTerms { meters: workload.meters.clone(), edge_final: workload.expose.is_some() },
                deposit,
                manifest_hash: workload.hash(),
                volume: None,
                replaces: None,
            };
            out.push(PlannedBid {
                service: workload.service.clone(),
                replica,
                workload: workload.clone(),
                bid,
                market: market.name.clone(),
                price_max: Amount::new(u64::from(tick).saturating_mul(market.tick_size)),
            });
        }
    }
    Ok(out)
}

/// Price -> tick rounds down; no price = the top of the band, and a price above the band is the top too.
fn limit_tick(app: &App, service: &Service, market: &InstrumentInfo) -> Result<u16, PlanError> {
    let budget = &app.budget;
    let family = service.workload.family.name();
    let Some(price) = budget.max_price.get(family).copied().or(budget.max_price_any) else { return Ok(market.hi) };
    let tick = price.get().checked_div(market.tick_size).unwrap_or(0).min(u64::from(market.hi));
    let tick = u16::try_from(tick).unwrap_or(market.hi);
    if tick >= market.lo {
        return Ok(tick);
    }
    let lowest = Amount::new(u64::from(market.lo).saturating_mul(market.tick_size));
    let (service, market) = (service.workload.service.clone(), market.name.clone());
    Err(PlanError::PriceTooLow { service, market, price, lowest })
}

#[cfg(test)]
mod tests;
