//! 0406 Ask: standing supply of one host in one instrument. Bond for all its lots is held from the start.

use crate::context::Actor;
use crate::market::batch::mult_bps;
use crate::market::bond;
use crate::market::book;
use crate::market::error::MarketError;
use crate::market::state::{AskEntry, Host, key, next_order, open_instrument};
use nupeer_primitives::Amount;
use nupeer_primitives::event::Event;
use nupeer_primitives::market::{Ask, HostState, Instrument};
use nupeer_primitives::state::{Abort, Work};

/// Open asks of one host.
const ASKS_PER_HOST_MAX: u64 = 16;

/// Action 0406.
pub fn ask(work: &mut Work<'_>, now_ms: u64, actor: &Actor, ask: &Ask) -> Result<(), Abort> {
    let Ask { host: host_id, instrument: id, tick, lots, standby_bps, traits } = *ask;
    let listed = open_instrument(work, id)?.ok_or(MarketError::InstrumentUnknown { instrument: id })?;
    let mut host: Host = work.get(&key::host(host_id))?.ok_or(MarketError::HostUnknown { host: host_id })?;
    if host.provider != actor.account || !actor.reaches_host(host_id) {
        return Err(MarketError::NotAuthorised { account: actor.account }.into());
    }
    if tick == 0 {
        return Err(MarketError::TickOutOfRange { tick, lo: 1, hi: u16::MAX }.into());
    }
    let lots = u64::from(lots);
    check_host(&listed, ask, &host, now_ms)?;
    book::count_in(work, &actor.account, id)?;
    book::make_room_for_ask(work, id, tick)?;
    // Making room may have closed another ask of this host.
    host = work.get(&key::host(host_id))?.unwrap_or(host);
    if host.asks.len() as u64 >= ASKS_PER_HOST_MAX {
        return Err(MarketError::OrdersTooMany { permitted: ASKS_PER_HOST_MAX }.into());
    }

    host.take(listed.family, lots)?;
    let price = u64::from(tick).saturating_mul(listed.tick_size);
    let held = bond::needed(lots, price, mult_bps(work, host.grade)?);
    bond::hold(work, &actor.account, listed.quote, held)?;
    let order = next_order(work)?;
    let entry = AskEntry {
        provider: actor.account,
        host: host_id,
        tick,
        lots,
        held: Amount::new(held),
        standby_bps,
        traits,
        zones: host.zones.clone(),
        suspended_until_ms: host.suspended_until_ms,
    };
    host.asks.push(order);
    work.put(key::host(host_id), &host);
    book::put_ask(work, id, order, &entry)?;
    work.emit(Event::OrderPlaced { order, owner: actor.account, instrument: id });
    Ok(())
}

/// Family, zone, grade, traits, state.
fn check_host(listed: &Instrument, ask: &Ask, host: &Host, now_ms: u64) -> Result<(), MarketError> {
    let max = host.capacity.iter().find(|capacity| capacity.family == listed.family).map_or(0, |c| c.declared);
    let outside = MarketError::OutsideInstrument { instrument: ask.instrument, host: ask.host };
    if max == 0 || !host.zones.contains(&listed.zone) || host.grade > listed.grade {
        return Err(outside);
    }
    let lots = u64::from(ask.lots);
    if lots == 0 || lots > max {
        return Err(MarketError::LotsOutOfRange { lots, max });
    }
    if ask.traits & !host.traits != 0 {
        return Err(MarketError::TraitsNotDeclared { traits: ask.traits, declared: host.traits });
    }
    if host.state == HostState::Draining {
        return Err(MarketError::HostDraining { host: ask.host });
    }
    if host.suspended_until_ms > now_ms {
        return Err(MarketError::HostSuspended { host: ask.host, until_ms: host.suspended_until_ms });
    }
    Ok(())
}
