//! Whose daily key acts (tokens.md §8): the key of a role NFT that is valid now, for what the role is for.
//!
//! # Deviation
//! The specification names no actions of daily keys. An executive's proposes, cancels, adopts, takes stances, executes
//! and pauses; a developer's vouches; a machine owner's renews the machine. Support, votes, bonds, seats and money stay
//! the account's.

use super::at;
use crate::governance::{Now, state};
use nupeer_governance::seat::SeatState;
use nupeer_primitives::state::{Bug, Work};
use nupeer_primitives::{AccountId, AssetId, VerificationKey};
use nupeer_tokens::credential::nft::{self, Nft, Role, kind};

/// Whether `key` is the daily key of a valid role of that kind which `holder` has.
pub fn acts(work: &Work<'_>, now: &Now, holder: &AccountId, key: &VerificationKey, wanted: u8) -> Result<bool, Bug> {
    for (_, own) in nft::of_holder(work, holder)? {
        let is_acting = own.hot.is_some_and(|hot| hot.at(now.tick) == *key);
        if is_acting && kind_of(&own.role) == wanted && is_valid(work, now, &own)? {
            return Ok(true);
        }
    }
    Ok(false)
}

const fn kind_of(role: &Role) -> u8 {
    match role {
        Role::Executive { .. } => kind::EXECUTIVE,
        Role::Developer { .. } => kind::DEVELOPER,
        Role::Hardware { .. } => kind::HARDWARE,
        Role::Organization { .. } => kind::ORGANIZATION,
    }
}

/// An executive's seat must be ACTIVE with that instance; other roles say themselves what ails them.
fn is_valid(work: &Work<'_>, now: &Now, own: &Nft) -> Result<bool, Bug> {
    if let Role::Executive { role, instance } = own.role {
        let seat = state::seat(work, role)?;
        return Ok(seat.is_some_and(|seat| seat.state == SeatState::Active && seat.instance == instance));
    }
    Ok(nft::fault(work, own, at(work, now, &own.holder, AssetId::IAAS)?)?.is_none())
}
