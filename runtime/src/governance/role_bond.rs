//! Role bonds: what a candidate puts at stake, in the token with the highest election weight (tokens.md §7). It leaves
//! by unbonding once candidacy and seat have ended, and can be slashed until it is released.

use super::{Now, state};
use crate::params::get;
use nupeer_governance::GovernanceError;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, Amount, AssetId};
use nupeer_tokens::bank;
use nupeer_tokens::bond::{Bond, UnbondingTerms};
use nupeer_tokens::supply::{self, Part};

/// The role bond of an account in a token.
pub fn load(work: &Work<'_>, id: &AccountId, token: AssetId) -> Result<Bond, Bug> {
    Ok(work.get(&state::key::role_bond(id, token))?.unwrap_or_default())
}

/// Writes a role bond; an empty one leaves no leaf.
pub fn store(work: &mut Work<'_>, id: &AccountId, token: AssetId, bond: &Bond) {
    let key = state::key::role_bond(id, token);
    if bond.is_empty() { work.remove(key) } else { work.put(key, bond) }
}

/// Locks `amount` for a candidacy; it can be slashed from now on.
pub fn lock(work: &mut Work<'_>, now: &Now, id: &AccountId, token: AssetId, amount: Amount) -> Result<(), Abort> {
    let mut bond = load(work, id, token)?;
    bond.add(token, now.epoch, now.epoch, amount.get())?;
    supply::lock_bond(work, id, token, amount)?;
    store(work, id, token, &bond);
    Ok(())
}

/// Starts the way out of all that is active: the candidacy ended.
pub fn unbond(work: &mut Work<'_>, now: &Now, id: &AccountId, token: AssetId) -> Result<(), Abort> {
    let mut bond = load(work, id, token)?;
    bond.mature(now.epoch);
    if bond.matured > 0 {
        // Entries of one epoch merge, so there are at most as many as an unbonding takes epochs.
        let terms = UnbondingTerms {
            epochs: super::now::small(get(work, "unbonding_epochs")?)?,
            entries_max: u64::MAX,
            locked_until: 0,
        };
        let active = bond.matured;
        bond.unbond(now.epoch, active, &terms)?;
        store(work, id, token, &bond);
    }
    Ok(())
}

/// Pays out what may leave, per token; 0203 Release calls this with the position's own release.
pub fn release(work: &mut Work<'_>, now: &Now, id: &AccountId, token: AssetId) -> Result<Amount, Abort> {
    let mut bond = load(work, id, token)?;
    let released = Amount::new(bond.release(now.epoch, now.gt)?);
    if released > Amount::ZERO {
        bank::unlock(work, id, token, released)?;
        store(work, id, token, &bond);
    }
    Ok(released)
}

/// Burns at most `amount` of a role bond: the eviction fee.
pub fn burn(work: &mut Work<'_>, id: &AccountId, token: AssetId, amount: Amount) -> Result<Amount, Abort> {
    let mut bond = load(work, id, token)?;
    let burned = Amount::new(bond.slash(amount.get()));
    if burned > Amount::ZERO {
        supply::burn(work, token, id, Part::Locked, burned)?;
        store(work, id, token, &bond);
    }
    Ok(burned)
}

/// What of a role bond can be slashed and serves its candidacy now.
pub fn active(work: &Work<'_>, id: &AccountId, token: AssetId) -> Result<Amount, Bug> {
    load(work, id, token).map(|bond| Amount::new(bond.active()))
}

/// Refuses too small a bond.
pub fn require(bond: Amount, needed: Amount) -> Result<(), GovernanceError> {
    if bond < needed { Err(GovernanceError::BondTooSmall { bond, needed }) } else { Ok(()) }
}

/// Every role bond with its owner and token.
pub fn all(work: &Work<'_>) -> Result<alloc::vec::Vec<(AccountId, AssetId, Bond)>, Bug> {
    let corrupt = || Bug::Corrupt { prefix: 0x1C };
    let rows = work.scan::<Bond>(&state::key::role_bonds(), &[], usize::MAX)?;
    rows.into_iter()
        .map(|(key, bond)| {
            let owner = key.get(1..29).and_then(|b| <[u8; 28]>::try_from(b).ok()).ok_or_else(corrupt)?;
            let token = key.get(29..31).and_then(|b| <[u8; 2]>::try_from(b).ok()).map(u16::from_be_bytes);
            Ok((AccountId(owner), AssetId(token.ok_or_else(corrupt)?), bond))
        })
        .collect()
}
