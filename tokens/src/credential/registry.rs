//! The registry of issuers and credentials in state (tokens.md §8, ledger.md §6 prefix 48), and what everybody may ask
//! it. Actions that change it are in the runtime.
//!
//! | Key | Value |
//! |---|---|
//! | 48 01 issuer | [`Issuer`] |
//! | 48 02 holder | [`Credential`] |
//! | 48 03 nullifier | [`NullifierUse`] |
//! | 48 04 (issuer, epoch) | revocation root |
//! | 48 05 .. 48 07 | role NFTs, see [`super::nft`] |
//! | 48 08 | [`Revocations`] of the running block |
//!
//! # Invariants
//! - A credential's nullifier names its holder, so a nullifier has at most one holder (tokens.md §13, 12).
//! - A revoked nullifier is remembered: its credential serves nobody until the same issuer certifies anew.

use super::{Credential, CredentialError, Standing, check};
pub use nupeer_primitives::credential::RevokeReason;
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Epoch, Hash, Height, VerificationKey, record};

record! {
    /// A governed issuer.
    #[derive(Copy)]
    pub struct Issuer {
        /// Its key, for what it signs outside the chain.
        pub key: VerificationKey,
        /// Highest level that it may certify.
        pub level: u8,
        /// Its credentials stay, it issues no more.
        pub is_suspended: bool,
    }
}

record! {
    /// Whom a nullifier certifies.
    #[derive(Copy)]
    pub struct NullifierUse {
        /// The holder.
        pub holder: AccountId,
        /// Who issued it.
        pub issuer: AccountId,
        /// Set when it was taken back.
        pub revoked: Option<RevokeReason>,
    }
}

record! {
    /// Revocations of a block, so that their number is bounded.
    #[derive(Copy)]
    pub struct Revocations {
        /// The block.
        pub height: Height,
        /// How many.
        pub count: u64,
    }
}

/// Keys of the registry.
#[allow(missing_docs)]
pub mod key {
    use super::*;

    pub fn issuers() -> Key {
        Key::new(0x48).u8(1)
    }
    pub fn issuer(account: &AccountId) -> Key {
        issuers().account(account)
    }
    pub fn credentials() -> Key {
        Key::new(0x48).u8(2)
    }
    pub fn credential(holder: &AccountId) -> Key {
        credentials().account(holder)
    }
    pub fn nullifiers() -> Key {
        Key::new(0x48).u8(3)
    }
    pub fn nullifier(nullifier: &Hash) -> Key {
        nullifiers().bytes(&nullifier.0)
    }
    pub fn root(issuer: &AccountId, epoch: Epoch) -> Key {
        Key::new(0x48).u8(4).account(issuer).u64(epoch.0)
    }
    pub fn revocations() -> Key {
        Key::new(0x48).u8(8)
    }
}

/// A governed issuer.
pub fn issuer(work: &Work<'_>, account: &AccountId) -> Result<Option<Issuer>, Bug> {
    work.get(&key::issuer(account))
}

/// The credential of an account, valid or not.
pub fn credential(work: &Work<'_>, holder: &AccountId) -> Result<Option<Credential>, Bug> {
    work.get(&key::credential(holder))
}

/// What the registry says about a credential.
pub fn standing(work: &Work<'_>, credential: &Credential) -> Result<Standing, Bug> {
    let issuer_level = issuer(work, &credential.issuer)?.map(|issuer| issuer.level);
    let known: Option<NullifierUse> = work.get(&key::nullifier(&credential.nullifier))?;
    let is_revoked = known.is_none_or(|known| known.revoked.is_some() || known.holder != credential.holder);
    Ok(Standing { issuer_level, is_revoked })
}

/// Refuses an account without a valid credential of the level, in the order of tokens.md §8.
pub fn require(work: &Work<'_>, holder: &AccountId, needed: u8, now: Epoch) -> Result<(), Abort> {
    Ok(verdict(work, holder, needed, now)??)
}

/// As [`require`], with the rule's own error.
pub fn verdict(
    work: &Work<'_>,
    holder: &AccountId,
    needed: u8,
    now: Epoch,
) -> Result<Result<(), CredentialError>, Bug> {
    let Some(own) = credential(work, holder)? else { return Ok(check(None, needed, now)) };
    let standing = standing(work, &own)?;
    Ok(check(Some((&own, standing)), needed, now))
}

/// First epoch in which the account no longer has a valid credential of the level: 0 if it has none now. This is the
/// credential expiry of governance.md §2.2.
pub fn valid_until(work: &Work<'_>, holder: &AccountId, needed: u8, now: Epoch) -> Result<Epoch, Bug> {
    let Some(own) = credential(work, holder)? else { return Ok(Epoch(0)) };
    let standing = standing(work, &own)?;
    Ok(if check(Some((&own, standing)), needed, now).is_ok() { own.expiry } else { Epoch(0) })
}

/// The person behind an account, for rules that count persons (one candidacy per nullifier).
pub fn nullifier_of(work: &Work<'_>, holder: &AccountId) -> Result<Option<Hash>, Bug> {
    Ok(credential(work, holder)?.map(|own| own.nullifier))
}
