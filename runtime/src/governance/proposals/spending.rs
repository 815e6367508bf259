//! Windows of spending: what the treasury had free when each began, and what classes have spent since (governance.md
//! §4, §6).

use super::propose::Base;
use super::record::{Used, Window, key};
use crate::governance::Now;
use crate::params::get;
use alloc::vec::Vec;
use nupeer_governance::spend::{self, Payment};
use nupeer_governance::treasury::ledger::ACCOUNT;
use nupeer_primitives::proposal::Class;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{Amount, AssetId};
use nupeer_tokens::{asset, bank};

/// Opens a new window if this tick begins one.
pub fn tick(work: &mut Work<'_>, now: &Now) -> Result<(), Bug> {
    let number = now.tick.checked_div(get(work, "spend.window")?).unwrap_or(0);
    let running: Option<Window> = work.get(&key::window())?;
    if running.is_none_or(|window| window.number != number) {
        let base = free(work)?;
        work.put(key::window(), &Window { number, base });
    }
    Ok(())
}

fn free(work: &Work<'_>) -> Result<Vec<(AssetId, Amount)>, Bug> {
    let mut out = Vec::new();
    for (asset, _) in asset::tickers(work)? {
        let free = bank::balance(work, &ACCOUNT, asset)?.free;
        if free > Amount::ZERO {
            out.push((asset, free));
        }
    }
    Ok(out)
}

/// Free balances at the start of the running window.
pub fn base(work: &Work<'_>) -> Result<Base, Bug> {
    let window: Option<Window> = work.get(&key::window())?;
    Ok(window.map(|w| w.base.into_iter().map(|(asset, free)| (asset, free.get())).collect()).unwrap_or_default())
}

/// Counts a payment about to be made against its class's cap.
pub fn spend(work: &mut Work<'_>, class: Class, asset: AssetId, amount: Amount) -> Result<(), Abort> {
    let window: Option<Window> = work.get(&key::window())?;
    let number = window.as_ref().map_or(0, |window| window.number);
    let used: Option<Used> = work.get(&key::used(class, asset))?;
    let used = used.filter(|used| used.number == number).map_or(0, |used| used.amount);
    let payment = Payment {
        asset,
        amount: amount.get(),
        used,
        base: base(work)?.get(&asset).copied().unwrap_or(0),
        free: bank::balance(work, &ACCOUNT, asset)?.free.get(),
    };
    spend::check(class, &payment, get(work, "spend.operational")?, get(work, "spend.financial")?)?;
    work.put(key::used(class, asset), &Used { number, amount: used.saturating_add(amount.get()) });
    Ok(())
}
