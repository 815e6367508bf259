//! 0401 Provider: registers with a market bond. 0402 ProviderBond: adds to it, or takes out what is unused.

use crate::context::Actor;
use crate::market::bond;
use crate::market::error::MarketError;
use crate::market::state::{Provider, key};
use nupeer_primitives::market::BondChange;
use nupeer_primitives::state::{Abort, Work};
use nupeer_primitives::{AccountId, Amount, AssetId};
use nupeer_tokens::asset;

/// Action 0401. A bond of zero is fine: asks need one, being known does not.
pub fn provider(
    work: &mut Work<'_>,
    actor: &Actor,
    meta_hash: [u8; 32],
    quote: AssetId,
    amount: Amount,
) -> Result<(), Abort> {
    let account = actor.account;
    asset::require_payment(work, quote)?;
    if work.has(&key::provider(&account)) {
        return Err(MarketError::ProviderExists { account }.into());
    }
    work.put(key::provider(&account), &Provider { meta_hash, hosts: 0, bond_until_ms: 0 });
    bond::add(work, &account, quote, amount)
}

/// Action 0402.
pub fn provider_bond(
    work: &mut Work<'_>,
    now_ms: u64,
    actor: &Actor,
    quote: AssetId,
    change: BondChange,
    amount: Amount,
) -> Result<(), Abort> {
    let known = load(work, &actor.account)?;
    if amount == Amount::ZERO {
        return Err(MarketError::AmountOutOfRange { amount: 0 }.into());
    }
    match change {
        BondChange::Add => {
            asset::require_payment(work, quote)?;
            bond::add(work, &actor.account, quote, amount)
        }
        // A dispute about a lease that just ended may still need the bond.
        BondChange::Out if known.bond_until_ms > now_ms => {
            Err(MarketError::BondHeld { until_ms: known.bond_until_ms, now_ms }.into())
        }
        BondChange::Out => bond::take_out(work, &actor.account, quote, amount),
    }
}

/// Record of a provider.
pub fn load(work: &Work<'_>, account: &AccountId) -> Result<Provider, Abort> {
    let unknown = MarketError::ProviderUnknown { account: *account };
    work.get(&key::provider(account))?.ok_or_else(|| unknown.into())
}
