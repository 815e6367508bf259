//! Standing supply (spec/provider.md §2 step 2): an ask for each `[[offer]]`, placed again when lots come free.
//!
//! The session key may do this once its owner granted it the scope of orders; a refusal is reported, and the owner can
//! place asks by hand just as well.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nupeer_client::api::{InstrumentInfo, OrderInfo};
use nupeer_primitives::market::{Ask, Family};
use nupeer_primitives::{Amount, HostId, InstrumentId};

use crate::config::OfferConfig;

/// Why an offer cannot be placed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// No such market.
    #[error("offer: no instrument is called `{name}`; see `nupeer market instruments`")]
    InstrumentUnknown {
        /// As in the config.
        name: String,
    },
    /// The price has no tick.
    #[error("offer {name}: price {price} is no tick between {lo} and {hi} of {tick_size} micro-units each")]
    PriceOutOfRange {
        /// Market.
        name: String,
        /// As in the config.
        price: Amount,
        /// Lowest tick.
        lo: u16,
        /// Highest tick.
        hi: u16,
        /// Size of a tick.
        tick_size: u64,
    },
}

/// The ask that is missing for an offer, if one is: never more than the machine has free, nor the owner wants.
pub fn missing(
    offer: &OfferConfig,
    price: Amount,
    host: HostId,
    instruments: &[InstrumentInfo],
    open: &[OrderInfo],
    free: &mut BTreeMap<String, u32>,
    leased: &BTreeMap<u32, u32>,
) -> Result<Option<Ask>, OfferError> {
    let unknown = || OfferError::InstrumentUnknown { name: offer.instrument.clone() };
    let market = instruments.iter().find(|market| market.name == offer.instrument).ok_or_else(unknown)?;
    let tick = price.get().div_ceil(market.tick_size.max(1)).max(u64::from(market.lo));
    let tick =
        u16::try_from(tick).ok().filter(|tick| *tick <= market.hi).ok_or_else(|| OfferError::PriceOutOfRange {
            name: offer.instrument.clone(),
            price,
            lo: market.lo,
            hi: market.hi,
            tick_size: market.tick_size,
        })?;
    let stands =
        open.iter().any(|o| o.side == "ask" && o.host == Some(host.0) && o.instrument == market.id && o.lots > 0);
    let left = free.entry(market.family.clone()).or_default();
    let wanted = offer.lots_max.saturating_sub(leased.get(&market.id).copied().unwrap_or(0));
    let lots = wanted.min(*left);
    if stands || lots == 0 {
        return Ok(None);
    }
    *left = left.saturating_sub(lots);
    let instrument = InstrumentId(market.id);
    Ok(Some(Ask { host, instrument, tick, lots, standby_bps: offer.standby_bps, traits: 0 }))
}

/// Offers whose asks were sent and are in no block yet. Until then no answer of the chain shows them, and a second ask
/// would sell the same lots again.
#[derive(Clone, Debug, Default)]
pub struct UnderWay(Arc<Mutex<BTreeSet<String>>>);

/// One of them; it is over when this is dropped.
#[derive(Debug)]
pub struct Sent {
    all: UnderWay,
    market: String,
}

impl UnderWay {
    fn markets(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The markets as of now. To be read before the open orders are: what is over by then stands among those.
    #[must_use]
    pub fn now(&self) -> BTreeSet<String> {
        self.markets().clone()
    }

    /// Marks a market; none if it is marked already.
    #[must_use]
    pub fn begin(&self, market: &str) -> Option<Sent> {
        let is_new = self.markets().insert(market.to_owned());
        is_new.then(|| Sent { all: self.clone(), market: market.to_owned() })
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.all.markets().remove(&self.market);
    }
}

/// The letter of a family in the API.
#[must_use]
pub const fn letter(family: Family) -> &'static str {
    family.name()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_ask_is_under_way_until_it_is_over_and_never_twice() {
        let under_way = UnderWay::default();
        let sent = under_way.begin("W.EU.D.ROLL").unwrap();
        assert!(under_way.begin("W.EU.D.ROLL").is_none());
        assert!(under_way.begin("S.EU.D.ROLL").is_some(), "another market is not held up");
        assert_eq!(under_way.now().into_iter().collect::<Vec<_>>(), ["W.EU.D.ROLL"]);
        drop(sent);
        assert!(under_way.now().is_empty() && under_way.begin("W.EU.D.ROLL").is_some());
    }

    fn market() -> InstrumentInfo {
        InstrumentInfo {
            id: 4,
            name: "W.EU.D.ROLL".into(),
            family: "W".into(),
            zone: "EU".into(),
            grade: "D".into(),
            term: "Rolling".into(),
            fill: "Packed".into(),
            quote: 4,
            quote_ticker: "usd".into(),
            tick_size: 10,
            ref_tick: 200,
            phase: 0,
            lo: 200,
            hi: 200,
            last_tick: None,
            ret_price: 1,
            meters: vec![],
        }
    }

    fn ask(price: u64, free: u32, leased: u32, open: &[OrderInfo]) -> Result<Option<Ask>, OfferError> {
        let offer =
            OfferConfig { instrument: "W.EU.D.ROLL".into(), price_min: String::new(), lots_max: 12, standby_bps: 0 };
        let mut free = [("W".to_owned(), free)].into();
        missing(&offer, Amount::new(price), HostId(1), &[market()], open, &mut free, &[(4, leased)].into())
    }

    #[test]
    fn an_offer_asks_for_what_is_free_and_wanted() {
        assert_eq!(ask(1_991, 20, 2, &[]).unwrap().map(|a| (a.lots, a.tick)), Some((10, 200)));
        assert_eq!(ask(1_000, 3, 2, &[]).unwrap().map(|a| (a.lots, a.tick)), Some((3, 200)));
        assert_eq!(ask(1_000, 0, 0, &[]).unwrap(), None);
        assert_eq!(ask(1_000, 9, 12, &[]).unwrap(), None);
        assert!(matches!(ask(2_001, 20, 0, &[]), Err(OfferError::PriceOutOfRange { .. })));
        let open = OrderInfo {
            id: 1,
            side: "ask".into(),
            owner: String::new(),
            instrument: 4,
            tick: 200,
            lots: 1,
            host: Some(1),
            expires_ms: None,
            holds: nupeer_client::api::Micro(0),
            lease: None,
        };
        assert_eq!(ask(1_000, 20, 0, &[open]).unwrap(), None);
    }
}
