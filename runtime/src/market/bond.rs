//! Market bonds of providers (market.md §3, §9, invariant 12): one per quote asset, locked with the provider.
//!
//! `held` is the sum of what open asks and leases hold; only the rest may leave, and only `challenge_ms` after the last
//! lease ended.

use super::error::MarketError;
use super::price::B;
use super::state::{Bond, key};
use crate::market::escrow::mul_div_floor;
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, Amount, AssetId};
use nupeer_tokens::bank;

/// Hours of income that a bond covers.
const BOND_HOURS: u64 = 720;

/// `⌊lots·price·720·mult_bps/B⌋`, saturating.
#[must_use]
pub fn needed(lots: u64, price: u64, mult_bps: u64) -> u64 {
    let rate = u128::from(lots).saturating_mul(u128::from(price)).saturating_mul(u128::from(BOND_HOURS));
    let bond = rate.saturating_mul(u128::from(mult_bps)).checked_div(u128::from(B)).unwrap_or(0);
    u64::try_from(bond).unwrap_or(u64::MAX)
}

/// Bond of a provider.
pub fn load(work: &Work<'_>, provider: &AccountId, asset: AssetId) -> Result<Bond, Bug> {
    Ok(work.get(&key::bond(provider, asset))?.unwrap_or_default())
}

fn store(work: &mut Work<'_>, provider: &AccountId, asset: AssetId, bond: &Bond) {
    if bond.total == Amount::ZERO {
        work.remove(key::bond(provider, asset));
    } else {
        work.put(key::bond(provider, asset), bond);
    }
}

/// From free into the bond.
pub fn add(work: &mut Work<'_>, provider: &AccountId, asset: AssetId, amount: Amount) -> Result<(), Abort> {
    bank::lock(work, provider, asset, amount)?;
    let mut bond = load(work, provider, asset)?;
    bond.total = bond.total.checked_add(amount).ok_or(MarketError::AmountOutOfRange { amount: amount.get() })?;
    store(work, provider, asset, &bond);
    Ok(())
}

/// From the unused bond into free.
pub fn take_out(work: &mut Work<'_>, provider: &AccountId, asset: AssetId, amount: Amount) -> Result<(), Abort> {
    let mut bond = load(work, provider, asset)?;
    let free = bond.total.saturating_sub(bond.held);
    if amount > free {
        return Err(MarketError::BondInUse { free, asked: amount }.into());
    }
    bond.total = bond.total.saturating_sub(amount);
    store(work, provider, asset, &bond);
    bank::unlock(work, provider, asset, amount).map_err(Abort::from)
}

/// Holds a part for an ask or a lease.
pub fn hold(work: &mut Work<'_>, provider: &AccountId, asset: AssetId, amount: u64) -> Result<(), Abort> {
    let mut bond = load(work, provider, asset)?;
    let (free, needed) = (bond.total.saturating_sub(bond.held), Amount::new(amount));
    if needed > free {
        return Err(MarketError::BondTooSmall { free, needed }.into());
    }
    bond.held = bond.held.checked_add(needed).ok_or(Bug::Arithmetic { what: "bond held" })?;
    store(work, provider, asset, &bond);
    Ok(())
}

/// Frees a held part.
pub fn free(work: &mut Work<'_>, provider: &AccountId, asset: AssetId, amount: u64) -> Result<(), Bug> {
    let mut bond = load(work, provider, asset)?;
    bond.held = bond.held.checked_sub(Amount::new(amount)).ok_or(Bug::Arithmetic { what: "bond held below zero" })?;
    store(work, provider, asset, &bond);
    Ok(())
}

/// What a bond owes to whom.
#[derive(Clone, Copy, Debug)]
pub struct Forfeit {
    /// To the tenant.
    pub tenant: u64,
    /// To the insurance fund.
    pub insurance: u64,
}

/// A held part pays.
pub fn pay(
    work: &mut Work<'_>,
    provider: &AccountId,
    asset: AssetId,
    tenant: &AccountId,
    forfeit: Forfeit,
) -> Result<(), Bug> {
    let sum = Amount::new(forfeit.tenant.checked_add(forfeit.insurance).ok_or(Bug::Arithmetic { what: "forfeit" })?);
    let mut bond = load(work, provider, asset)?;
    bond.held = bond.held.checked_sub(sum).ok_or(Bug::Arithmetic { what: "forfeit above what is held" })?;
    bond.total = bond.total.checked_sub(sum).ok_or(Bug::Arithmetic { what: "forfeit above the bond" })?;
    store(work, provider, asset, &bond);
    bank::settle(work, provider, tenant, asset, Amount::new(forfeit.tenant))?;
    bank::settle(work, provider, &AccountId::system(SystemAccount::Insurance), asset, Amount::new(forfeit.insurance))
}

/// Part of a held bond in bps, rounded down.
#[must_use]
pub fn part(bond: u64, bps: u64) -> u64 {
    mul_div_floor(bond, bps, B)
}
