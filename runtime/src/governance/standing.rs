//! What other registries say about an account: bonds that vote, credentials, NFTs of seats.

use super::Now;
use alloc::vec::Vec;
use nupeer_governance::power::{Amounts, Stake};
use nupeer_primitives::AccountId;
use nupeer_primitives::governance::RoleId;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_tokens::credential::nft::{self, Role};
use nupeer_tokens::credential::{LEVEL_CANDIDATE, LEVEL_PERSON, registry};
use nupeer_tokens::stake::position;
use nupeer_tokens::supply::NATIVE;

/// First epoch without a valid level 1 credential; 0 without one now.
pub fn credential_expiry(work: &Work<'_>, id: &AccountId, now: &Now) -> Result<u32, Bug> {
    let until = registry::valid_until(work, id, LEVEL_PERSON, now.consensus_epoch())?;
    Ok(u32::try_from(until.0).unwrap_or(u32::MAX))
}

/// Whether the account may vote and be voted through.
pub fn is_person(work: &Work<'_>, id: &AccountId, now: &Now) -> Result<bool, Bug> {
    Ok(registry::verdict(work, id, LEVEL_PERSON, now.consensus_epoch())?.is_ok())
}

/// Refuses accounts without a valid level 1 credential.
pub fn require_person(work: &Work<'_>, id: &AccountId, now: &Now) -> Result<(), Abort> {
    registry::require(work, id, LEVEL_PERSON, now.consensus_epoch())
}

/// Refuses accounts that may not stand, and gives the person's nullifier.
pub fn require_candidate(work: &Work<'_>, id: &AccountId, now: &Now) -> Result<[u8; 32], Abort> {
    registry::require(work, id, LEVEL_CANDIDATE, now.consensus_epoch())?;
    let nullifier =
        registry::nullifier_of(work, id)?.ok_or(Bug::Missing { what: "nullifier of a valid credential" })?;
    Ok(nullifier.0)
}

/// Whether the person of a candidacy may still hold a seat: the credential is valid and the same person's.
pub fn may_hold(work: &Work<'_>, id: &AccountId, nullifier: &[u8; 32], now: &Now) -> Result<bool, Bug> {
    if registry::verdict(work, id, LEVEL_CANDIDATE, now.consensus_epoch())?.is_err() {
        return Ok(false);
    }
    Ok(registry::nullifier_of(work, id)?.is_some_and(|own| own.0 == *nullifier))
}

/// Mints the NFT of a seat's instance. The seat's own record is the authority: a holder with as many NFTs as an account
/// may have goes without the token, and the tick goes on.
pub fn mint_executive(work: &mut Work<'_>, holder: &AccountId, role: RoleId, instance: u64) -> Result<(), Bug> {
    match nft::mint(work, holder, Role::Executive { role, instance }) {
        Ok(_) | Err(Abort::Rule { .. }) => Ok(()),
        Err(Abort::Bug(bug)) => Err(bug),
    }
}

/// Burns the NFT of an instance that ended.
pub fn burn_executive(work: &mut Work<'_>, role: RoleId, instance: u64) -> Result<(), Bug> {
    nft::burn(work, &nft::executive_id(role, instance)).map(|_| ())
}

/// What votes of an account's bonds, per token: its position and the pledges of its pools.
pub fn stakes(work: &Work<'_>, id: &AccountId) -> Result<[Stake; 3], Bug> {
    let mut out = [const { Stake { matured: 0, pending: Vec::new() } }; 3];
    for (stake, token) in out.iter_mut().zip(NATIVE) {
        let bond = position::votable(work, id, token)?;
        (stake.matured, stake.pending) = (bond.matured, bond.pending);
    }
    Ok(out)
}

/// Stake and unbonding of an account now, per token: what a slash would still find.
pub fn slashable(work: &Work<'_>, id: &AccountId) -> Result<Amounts, Bug> {
    let mut out = Amounts::default();
    for (sum, token) in out.iter_mut().zip(NATIVE) {
        let counts = position::votable(work, id, token)?.active();
        *sum = counts.saturating_add(position::leaving(work, id, token)?);
    }
    Ok(out)
}
