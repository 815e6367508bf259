//! Credentials and role NFTs over state (tokens.md §8, actions 08xx): issuers certify, holders take roles. Records and
//! what others ask of them are `nupeer_tokens::credential`.
//!
//! # Invariants
//! - tokens.md §13, 12 and 13: a nullifier has at most one holder; no action changes an NFT's holder. Checked by
//!   [`invariants`](mod@invariants).
//! - Whoever loses a credential leaves every sum of votes in the same block.
//!
//! # What it deliberately does not do
//! - Holding and transferring need no credential: nothing here touches balances.
//! - No MirrorRole (0605): a picture on Cardano needs the bridge.
//! - An issuer's removal does not visit its holders, of whom there may be any number: their credentials fail at each use
//!   at once, their power leaves the sums at their next signature or expiry.
//!
//! # Deviations
//! - A device's attestation is a fresh signature of the machine's key over owner, class and epoch; taking the device
//!   again in a later epoch is the passed challenge that keeps the NFT valid.
//! - A developer who is vouched for by two gets the scope that both share, at level 1; one word of a valid developer
//!   keeps an NFT that is valid.
//! - A revoked nullifier may be certified again by the issuer that revoked it, unless it was for fraud: to the same
//!   person, who may have lost the account.

pub mod daily_key;
pub mod developer;
pub mod device;
pub mod hot_key;
pub mod invariants;
pub mod issue;
pub mod issuers;
pub mod organization;
pub mod revoke;
#[cfg(test)]
mod tests;

pub use invariants::check as invariants;
pub use issuers::first_state;

use crate::context::{Actor, BlockContext};
use crate::governance::Now;
use nupeer_primitives::action::Action;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, Amount, AssetId};
use nupeer_tokens::credential::nft::At;
use nupeer_tokens::stake::position;

/// Runs an action of this module.
pub fn execute(
    work: &mut Work<'_>,
    ctx: &BlockContext,
    now: &Now,
    actor: &Actor,
    action: &Action,
) -> Result<(), Abort> {
    let by = &actor.account;
    if let Action::CredIssue { .. } = action {
        return issue::issue(work, now, by, action);
    }
    if let Action::CredRevoke { nullifier, reason } = action {
        return revoke::revoke(work, ctx, now, by, nullifier, *reason);
    }
    if let Action::RevocationRoot { epoch, root } = action {
        return revoke::root(work, now, by, *epoch, root);
    }
    if let Action::DevAttest { developer, work_hash } = action {
        return developer::attest(work, now, by, developer, *work_hash);
    }
    if let Action::OrgTake { credential, meta_hash } = action {
        return organization::take(work, now, by, credential, *meta_hash);
    }
    if let Action::DeviceTake { .. } = action {
        return device::take(work, ctx, now, by, action);
    }
    if let Action::NftHotKey { nft, key } = action {
        return hot_key::set(work, now, by, nft, *key);
    }
    Err(Bug::Missing { what: "dispatch of a credential action" }.into())
}

/// What an account's roles are judged with: the epoch and its own bond in the area's token.
pub fn at(work: &Work<'_>, now: &Now, holder: &AccountId, token: AssetId) -> Result<At, Bug> {
    let own = position::load(work, holder, token)?;
    Ok(At { epoch: now.consensus_epoch(), bond: Amount::new(own.bond.active()) })
}
