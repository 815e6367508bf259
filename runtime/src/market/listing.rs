//! What genesis lists: zones, instruments, pairs (ledger.md §10).

use super::error::MarketError;
use super::price::{PHASE_FREE, PriceState};
use super::state::{Board, Clock, Counters, Tally, ZoneRow, key};
use crate::params;
use alloc::vec::Vec;
use nupeer_primitives::genesis::{Genesis, Zone};
use nupeer_primitives::market::{Instrument, Pair, Term};
use nupeer_primitives::receipt::METERS_MAX;
use nupeer_primitives::state::{Abort, Work};
use nupeer_primitives::{HostId, InstrumentId, OrderId, ZoneId};
use nupeer_tokens::asset;

/// Levels of the zone tree.
pub const ZONE_DEPTH_MAX: usize = 8;

/// Writes the exchange's part of the first state, after parameters and assets.
pub fn first_state(work: &mut Work<'_>, genesis: &Genesis) -> Result<(), Abort> {
    work.put(key::clock(), &Clock::default());
    work.put(key::counters(), &Counters { order: OrderId(1), host: HostId(1) });
    for zone in &genesis.zones {
        write_zone(work, genesis, zone)?;
    }
    let permitted = params::get(work, "market.instruments_max")?;
    if genesis.instruments.len() as u64 > permitted {
        return Err(MarketError::TermsOutOfRange { field: "number of instruments" }.into());
    }
    for (id, instrument, price) in &genesis.instruments {
        write_instrument(work, *id, instrument, *price)?;
    }
    let mut listed: Vec<InstrumentId> = genesis.instruments.iter().map(|(id, ..)| *id).collect();
    listed.sort_unstable();
    work.put(key::listed(), &listed);
    for (at, pair) in genesis.pairs.iter().enumerate() {
        write_pair(work, at, pair)?;
    }
    Ok(())
}

/// A zone with its ancestors; a parent must stand before its children, so there is no cycle.
fn write_zone(work: &mut Work<'_>, genesis: &Genesis, zone: &Zone) -> Result<(), Abort> {
    let unknown = MarketError::ZoneUnknown { zone: zone.id };
    let mut chain = alloc::vec![zone.id];
    if let Some(parent) = zone.parent {
        let row: ZoneRow = work.get(&key::zone(parent))?.ok_or(MarketError::ZoneUnknown { zone: parent })?;
        chain.extend(row.1);
    }
    let twice = genesis.zones.iter().filter(|other| other.id == zone.id).count() > 1;
    if chain.len() > ZONE_DEPTH_MAX || twice {
        return Err(unknown.into());
    }
    work.put(key::zone(zone.id), &(zone.clone(), chain));
    Ok(())
}

/// Zones that a site satisfies.
pub fn ancestors(work: &Work<'_>, site: ZoneId) -> Result<Vec<ZoneId>, Abort> {
    let row: Option<ZoneRow> = work.get(&key::zone(site))?;
    row.map(|(_, chain)| chain).ok_or_else(|| MarketError::ZoneUnknown { zone: site }.into())
}

/// Writes a market that is not there yet; the caller puts it into the list.
pub fn write_instrument(
    work: &mut Work<'_>,
    id: InstrumentId,
    instrument: &Instrument,
    (reference, phase): (u16, u8),
) -> Result<(), Abort> {
    let out_of_range = |field| Err(Abort::from(MarketError::TermsOutOfRange { field }));
    asset::require_payment(work, instrument.quote)?;
    ancestors(work, instrument.zone)?;
    if work.has(&key::instrument(id)) {
        return out_of_range("instrument id, given twice");
    }
    if instrument.tick_size == 0 || instrument.tick_size > u64::from(u32::MAX) {
        return out_of_range("tick_size");
    }
    if instrument.meters.len() > METERS_MAX || instrument.meters.iter().any(|meter| meter.den == 0) {
        return out_of_range("meters");
    }
    if instrument.term == Term::Spot {
        return out_of_range("term: spot leases do not exist yet");
    }
    if instrument.device.is_some() {
        return out_of_range("device: attested devices do not exist yet");
    }
    if reference == 0 || phase > PHASE_FREE {
        return out_of_range("reference and phase");
    }
    let price = PriceState { reference, phase, good_days: 0, thin_days: 0 };
    let board = Board {
        price,
        last_tick: None,
        index_day: None,
        index_hour: None,
        day: Tally::default(),
        hour: Tally::default(),
        sellers: Vec::new(),
        bids: 0,
        asks: 0,
    };
    work.put(key::instrument(id), instrument);
    work.put(key::board(id), &board);
    Ok(())
}

fn write_pair(work: &mut Work<'_>, at: usize, pair: &Pair) -> Result<(), Abort> {
    let id = u16::try_from(at).map_err(|_| MarketError::TermsOutOfRange { field: "number of pairs" })?;
    asset::require_payment(work, pair.base)?;
    asset::require_payment(work, pair.quote)?;
    if pair.base == pair.quote || pair.tick_size == 0 || pair.tick_size > u64::from(u32::MAX) {
        return Err(MarketError::TermsOutOfRange { field: "pair" }.into());
    }
    work.put(key::pair(id), pair);
    Ok(())
}
