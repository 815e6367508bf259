//! 0408 PairOrder: buys or sells whole units of a payment asset.

use crate::context::Actor;
use crate::grant;
use crate::market::book;
use crate::market::error::MarketError;
use crate::market::pairs;
use crate::market::state::{Book, Order, PairEntry, TimerKind, key, next_order, pair};
use crate::params;
use nupeer_primitives::action::Action;
use nupeer_primitives::event::Event;
use nupeer_primitives::market::OrderLife;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_tokens::{asset, bank};

/// Lots of one order.
const LOTS_MAX: u64 = 1_000_000_000_000;

/// Action 0408.
pub fn pair_order(work: &mut Work<'_>, now_ms: u64, actor: &Actor, action: &Action) -> Result<(), Abort> {
    let Action::PairOrder { pair: id, side, tick, lots, life, expires_in_ms } = action else {
        return Err(Bug::Missing { what: "dispatch of PairOrder" }.into());
    };
    let listed = pair(work, *id)?.ok_or(MarketError::PairUnknown { pair: *id })?;
    if *tick == 0 {
        return Err(MarketError::TickOutOfRange { tick: *tick, lo: 1, hi: u16::MAX }.into());
    }
    if *lots == 0 || *lots > LOTS_MAX {
        return Err(MarketError::LotsOutOfRange { lots: *lots, max: LOTS_MAX }.into());
    }
    let permitted_ms = params::get(work, "market.order_life_ms")?;
    if *expires_in_ms == 0 || *expires_in_ms > permitted_ms {
        return Err(MarketError::LifeTooLong { life_ms: *expires_in_ms, permitted_ms }.into());
    }
    asset::require_payment(work, listed.base)?;
    asset::require_payment(work, listed.quote)?;
    let (asset, held) = pairs::held(&listed, *side, *tick, *lots)?;

    grant::spend(work, actor, asset, held)?;
    bank::lock(work, &actor.account, asset, held)?;
    let order = next_order(work)?;
    let expiry_ms = now_ms.saturating_add(*expires_in_ms);
    let (owner, ioc) = (actor.account, *life == OrderLife::Ioc);
    let entry = PairEntry { owner, side: *side, tick: *tick, lots: *lots, held, ioc, expiry_ms };
    book::count_in(work, &owner, pairs::announced(*id))?;
    pairs::count(work, *id, true)?;
    work.put(key::pair_order(*id, order), &entry);
    work.put(key::order(order), &Order { owner, book: Book::Pair(*id) });
    work.put(key::timer(expiry_ms, TimerKind::PairOrder, &pairs::timer_id(*id, order)), &1u8);
    work.emit(Event::OrderPlaced { order, owner, instrument: pairs::announced(*id) });
    Ok(())
}
