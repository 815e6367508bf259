//! The treasury at each tick (tokens.md §9): salaries of ACTIVE seats, then rebalancing through the chain's own pairs.
//! Its records and payments are `nupeer_governance::treasury`; here it meets the market.
//!
//! # Invariants
//! tokens.md §13, 14 (what is reserved is what is owed, checked as I2 after every block) and 15 (rebalancing spends no
//! reserved quote; its limits are the rule's, its price everybody's).
//!
//! # Deviations
//! - ledger.md §5 gives the claims of streams and salaries no code: they are 0310 and 0311.
//! - The quote asset is that of the first listed pair whose base has a target.
//! - The index before the last full day is that of the last day that traded, so that a day without trade does not let
//!   the price jump.

pub use nupeer_governance::treasury::ledger;
pub use nupeer_governance::treasury::{Stream, TreasuryError};

use crate::context::Actor;
use crate::governance::{Now, seats, state};
use crate::invariants::Held;
use crate::market::pairs::{self, Placed};
use crate::params;
use alloc::vec::Vec;
use nupeer_governance::seat::SeatState;
use nupeer_governance::treasury::{
    Holding, PriceRules, Quote, RebalanceOrder, RebalanceRules, is_price_valid, rebalance,
};
use nupeer_primitives::action::Action;
use nupeer_primitives::event::Event;
use nupeer_primitives::genesis::Genesis;
use nupeer_primitives::market::{Pair, Side};
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{Amount, AssetId};
use nupeer_tokens::bank;

#[cfg(test)]
mod tests;

/// Part of the treasury that genesis wants in ada, ppm; the rest in the quote asset.
const GENESIS_ADA_PPM: u32 = 400_000;
/// Pairs of the exchange.
const PAIRS_MAX: usize = 64;

/// Genesis targets, on networks that have something to rebalance with.
pub fn first_state(work: &mut Work<'_>, genesis: &Genesis) -> Result<(), Abort> {
    if genesis.pairs.iter().any(|pair| pair.base == AssetId::ADA) {
        ledger::set_targets(work, Vec::from([(AssetId::ADA, GENESIS_ADA_PPM)]))?;
    }
    Ok(())
}

/// Actions 0310 and 0311.
pub fn execute(work: &mut Work<'_>, now: &Now, actor: &Actor, action: &Action) -> Result<(), Abort> {
    if let Action::ClaimStream { stream } = action {
        return ledger::claim_stream(work, &actor.account, *stream, now.tick).map(|_| ());
    }
    if let Action::ClaimSalary { role, instance } = action {
        return ledger::claim_salary(work, &actor.account, *role, *instance);
    }
    Err(Bug::Missing { what: "dispatch of a treasury action" }.into())
}

/// The work of a tick: every ACTIVE seat earns, then the treasury trades towards its targets.
pub fn tick(work: &mut Work<'_>) -> Result<(), Abort> {
    for role in seats::role_ids() {
        let Some(seat) = state::seat(work, role)?.filter(|seat| seat.state == SeatState::Active) else { continue };
        let Some(holder) = seat.holder.map(|no| state::candidate(work, no)).transpose()?.flatten() else { continue };
        ledger::accrue(work, role, seat.instance, &holder.account)?;
    }
    trade(work)
}

/// What a pair and a target make of a holding.
struct Wanted {
    pair: u16,
    listed: Pair,
    holding: Holding,
}

fn trade(work: &mut Work<'_>) -> Result<(), Abort> {
    let (quote_asset, wanted) = wanted(work)?;
    let Some(quote_asset) = quote_asset else { return Ok(()) };
    let own = bank::balance(work, &ledger::ACCOUNT, quote_asset)?;
    let rules = RebalanceRules {
        band_ppm: params::get(work, "treasury.band")?,
        trade_ppm: params::get(work, "treasury.trade")?,
        slip_ppm: params::get(work, "treasury.slip")?,
    };
    let quote = Quote { free: own.free.get(), reserved: own.locked.get() };
    let holdings: Vec<Holding> = wanted.iter().map(|wanted| wanted.holding).collect();
    for order in rebalance(quote, &holdings, &rules) {
        let Some(wanted) = wanted.iter().find(|wanted| wanted.holding.asset == order.asset) else { continue };
        place(work, wanted, &order)?;
    }
    Ok(())
}

/// Targets that have a pair against the quote asset, in asset order.
fn wanted(work: &Work<'_>) -> Result<(Option<AssetId>, Vec<Wanted>), Abort> {
    let mut targets = ledger::targets(work)?;
    targets.sort_unstable();
    let mut pairs = Vec::new();
    for (at, listed) in work.scan::<Pair>(&Key::new(0x25), &[], PAIRS_MAX)? {
        let id = at.get(1..3).and_then(|b| <[u8; 2]>::try_from(b).ok()).map(u16::from_be_bytes);
        pairs.push((id.ok_or(Bug::Corrupt { prefix: 0x25 })?, listed));
    }
    let is_target = |listed: &Pair| targets.iter().any(|(asset, _)| *asset == listed.base);
    let quote = pairs.iter().find(|(_, listed)| is_target(listed)).map(|(_, listed)| listed.quote);
    let rules = PriceRules {
        min_lots: u128::from(params::get(work, "treasury.min_lots")?),
        jump_ppm: params::get(work, "treasury.jump")?,
    };
    let mut out = Vec::new();
    for (asset, target_ppm) in targets {
        let of_asset = pairs.iter().find(|(_, listed)| listed.base == asset && Some(listed.quote) == quote);
        let Some((pair, listed)) = of_asset else { continue };
        let prices = pairs::prices(work, *pair)?;
        let (index, previous) = (u64::from(prices.index), u64::from(prices.previous));
        let holding = Holding {
            asset,
            free: bank::balance(work, &ledger::ACCOUNT, asset)?.free.get(),
            target_ppm: u64::from(target_ppm),
            index,
            tick_size: listed.tick_size,
            lot: Amount::UNIT,
            is_valid: is_price_valid(index, previous, prices.lots, &rules),
        };
        out.push(Wanted { pair: *pair, listed: *listed, holding });
    }
    Ok((quote, out))
}

/// An Ioc order for this block's batch. A book that is full takes none: the next tick tries again.
fn place(work: &mut Work<'_>, wanted: &Wanted, order: &RebalanceOrder) -> Result<(), Bug> {
    let life_ms = params::get(work, "market.order_life_ms")?;
    let expiry_ms = crate::market::state::now_ms(work)?.saturating_add(life_ms);
    let RebalanceOrder { asset, side, tick, lots } = *order;
    let placed = Placed { side, tick, lots, is_ioc: true, expiry_ms };
    work.begin_tx();
    match pairs::place(work, &ledger::ACCOUNT, (wanted.pair, &wanted.listed), &placed) {
        Ok(id) => {
            work.keep_tx();
            let side = match side {
                Side::Buy => 0,
                Side::Sell => 1,
            };
            work.emit(Event::Rebalanced { order: id, asset, side, tick, lots });
            Ok(())
        }
        Err(Abort::Rule { .. }) => {
            work.drop_tx();
            Ok(())
        }
        Err(Abort::Bug(bug)) => Err(bug),
    }
}

/// Adds what streams and salaries hold of the treasury's value, for I2.
pub fn held(work: &Work<'_>, held: &mut Held) -> Result<(), Bug> {
    for (asset, amount) in ledger::reserved(work)? {
        let sum = held.entry((ledger::ACCOUNT, asset)).or_default();
        *sum = sum.saturating_add(amount);
    }
    Ok(())
}
