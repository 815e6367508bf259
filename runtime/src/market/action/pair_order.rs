//! 0408 PairOrder: buys or sells whole units of a payment asset.

use crate::context::Actor;
use crate::grant;
use crate::market::error::MarketError;
use crate::market::pairs::{self, Placed};
use crate::market::state::pair;
use crate::params;
use nupeer_primitives::action::Action;
use nupeer_primitives::market::OrderLife;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_tokens::asset;

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
    let expiry_ms = now_ms.saturating_add(*expires_in_ms);
    let placed = Placed { side: *side, tick: *tick, lots: *lots, is_ioc: *life == OrderLife::Ioc, expiry_ms };
    pairs::place(work, &actor.account, (*id, &listed), &placed).map(|_| ())
}
