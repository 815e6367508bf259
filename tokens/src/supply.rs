//! Where units come from and where they go (tokens.md §1): minted and burned by rule, swept in from Cardano, sealed out
//! to it. Between these, value only moves from place to place.
//!
//! # Invariants
//! - issued = genesis + in + minted − out − burned = Σ places.
//! - wrapped = out − in of a native token, at least 0: what circulates on Cardano.
//! - S = issued + wrapped: bridging never changes the supply that emission and maturity are measured by.

use crate::asset::{self, AssetRecord};
use crate::bank;
use crate::error::TokensError;
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, Amount, AssetId};

/// The three native tokens, in the order of every list of three.
pub const NATIVE: [AssetId; 3] = [AssetId::IAAS, AssetId::PAAS, AssetId::SAAS];

/// The account that pays what a native token's rules mint.
#[must_use]
pub const fn rewards(token: AssetId) -> SystemAccount {
    match token.0 {
        2 => SystemAccount::Rewards2,
        3 => SystemAccount::Rewards3,
        _ => SystemAccount::Rewards1,
    }
}

impl AssetRecord {
    /// What circulates on Cardano of a native token.
    #[must_use]
    pub fn wrapped(&self) -> u128 {
        if self.row.id.is_staking_token() { self.bridged_out.saturating_sub(self.bridged_in) } else { 0 }
    }

    /// S: everything that exists anywhere.
    #[must_use]
    pub fn supply(&self) -> u128 {
        self.issued.saturating_add(self.wrapped())
    }
}

/// S of a native token; fits an amount because nothing is issued past 64 bits.
pub fn supply(work: &Work<'_>, token: AssetId) -> Result<u64, Bug> {
    let supply = asset::record(work, token)?.map_or(0, |record| record.supply());
    u64::try_from(supply).map_err(|_| Bug::Arithmetic { what: "token supply above 64 bits" })
}

fn known(work: &Work<'_>, asset: AssetId) -> Result<AssetRecord, Abort> {
    Ok(asset::record(work, asset)?.ok_or(TokensError::AssetUnknown { asset })?)
}

fn native(work: &Work<'_>, asset: AssetId, amount: Amount) -> Result<AssetRecord, Abort> {
    nonzero(amount)?;
    if !asset.is_staking_token() {
        return Err(TokensError::NotMintable { asset }.into());
    }
    known(work, asset)
}

const fn nonzero(amount: Amount) -> Result<(), TokensError> {
    if amount.get() == 0 { Err(TokensError::ZeroAmount {}) } else { Ok(()) }
}

fn issue(record: &mut AssetRecord, amount: Amount) -> Result<(), TokensError> {
    record.issued = record.issued.saturating_add(u128::from(amount.get()));
    if record.supply() > u128::from(u64::MAX) {
        return Err(TokensError::Overflow { asset: record.row.id });
    }
    Ok(())
}

fn withdraw_issue(record: &mut AssetRecord, amount: Amount) -> Result<(), Bug> {
    let issued = record.issued.checked_sub(u128::from(amount.get()));
    record.issued = issued.ok_or(Bug::Arithmetic { what: "more leaves than was issued" })?;
    Ok(())
}

/// Mints a native token into free of `to`.
pub fn mint(work: &mut Work<'_>, token: AssetId, to: &AccountId, amount: Amount) -> Result<(), Abort> {
    let mut record = native(work, token, amount)?;
    issue(&mut record, amount)?;
    record.minted = record.minted.saturating_add(u128::from(amount.get()));
    bank::give_free(work, to, token, amount)?;
    work.put(asset::key(token), &record);
    Ok(())
}

/// Which of an account's two numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// May be spent.
    Free,
    /// Held by records.
    Locked,
}

/// Burns a native token.
pub fn burn(work: &mut Work<'_>, token: AssetId, from: &AccountId, part: Part, amount: Amount) -> Result<(), Abort> {
    let mut record = native(work, token, amount)?;
    match part {
        Part::Free => bank::take_free(work, from, token, amount)?,
        Part::Locked => bank::take_locked(work, from, token, amount)?,
    }
    withdraw_issue(&mut record, amount)?;
    record.burned = record.burned.saturating_add(u128::from(amount.get()));
    work.put(asset::key(token), &record);
    Ok(())
}

/// A swept deposit becomes free; of a native token at most what is wrapped.
pub fn bridge_in(work: &mut Work<'_>, asset: AssetId, to: &AccountId, amount: Amount) -> Result<(), Abort> {
    nonzero(amount)?;
    let mut record = known(work, asset)?;
    if asset.is_staking_token() && record.wrapped() < u128::from(amount.get()) {
        return Err(TokensError::WrappedShort { asset, wrapped: record.wrapped(), amount }.into());
    }
    record.bridged_in = record.bridged_in.saturating_add(u128::from(amount.get()));
    issue(&mut record, amount)?;
    bank::give_free(work, to, asset, amount)?;
    work.put(asset::key(asset), &record);
    Ok(())
}

/// A seal takes a locked withdrawal out of this chain.
pub fn bridge_out(work: &mut Work<'_>, asset: AssetId, from: &AccountId, amount: Amount) -> Result<(), Abort> {
    nonzero(amount)?;
    let mut record = known(work, asset)?;
    bank::take_locked(work, from, asset, amount)?;
    withdraw_issue(&mut record, amount)?;
    record.bridged_out = record.bridged_out.saturating_add(u128::from(amount.get()));
    work.put(asset::key(asset), &record);
    Ok(())
}

/// Moves between two places of accounts, each free or locked, without any rule of what it is for.
pub fn shift(
    work: &mut Work<'_>,
    asset: AssetId,
    from: (&AccountId, Part),
    to: (&AccountId, Part),
    amount: Amount,
) -> Result<(), Abort> {
    nonzero(amount)?;
    match from.1 {
        Part::Free => bank::take_free(work, from.0, asset, amount)?,
        Part::Locked => bank::take_locked(work, from.0, asset, amount)?,
    }
    bank::give_free(work, to.0, asset, amount)?;
    match to.1 {
        Part::Free => Ok(()),
        Part::Locked => bank::lock(work, to.0, asset, amount),
    }
}

/// free -> locked of a bond: native tokens only.
pub fn lock_bond(work: &mut Work<'_>, account: &AccountId, token: AssetId, amount: Amount) -> Result<(), Abort> {
    nonzero(amount)?;
    require_bondable(token)?;
    bank::lock(work, account, token, amount)
}

/// Refuses what cannot be bonded.
pub const fn require_bondable(token: AssetId) -> Result<(), TokensError> {
    if token.is_staking_token() { Ok(()) } else { Err(TokensError::NotBondable { asset: token }) }
}

/// free -> locked of an escrow, order or market bond: payment assets only.
pub fn lock_payment(work: &mut Work<'_>, account: &AccountId, asset: AssetId, amount: Amount) -> Result<(), Abort> {
    nonzero(amount)?;
    asset::require_payment(work, asset)?;
    bank::lock(work, account, asset, amount)
}

/// free -> fees: ada only.
pub fn pay_fee(work: &mut Work<'_>, payer: &AccountId, asset: AssetId, amount: Amount) -> Result<(), Abort> {
    nonzero(amount)?;
    if asset != AssetId::ADA {
        return Err(TokensError::NotPaymentAsset { asset }.into());
    }
    let fees = AccountId::system(SystemAccount::Fees);
    bank::take_free(work, payer, asset, amount)?;
    bank::give_free(work, &fees, asset, amount)
}
