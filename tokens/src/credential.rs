//! Credentials and role NFTs (tokens.md §8): who vouches for whom, and what a role is worth at the moment of use.
//!
//! # Invariants
//! - A nullifier has at most one holder; no personal datum stands on chain.
//! - Validity of a role is a function of the registry now; no action changes its holder (tokens.md §13, 13).
//!
//! # What it deliberately does not do
//! It issues nothing: the registry over state is in the runtime.

pub mod cip67;
pub mod error;
pub mod nft;
pub mod registry;
pub mod role;

pub use cip67::{cip67, role_name};
pub use error::CredentialError;
pub use role::{developer_valid, hardware_valid};

use nupeer_primitives::{AccountId, Epoch, Hash, record};

/// Claims ISPO, votes.
pub const LEVEL_PERSON: u8 = 1;
/// Stands as candidate.
pub const LEVEL_CANDIDATE: u8 = 2;
/// A business.
pub const LEVEL_BUSINESS: u8 = 3;

record! {
    /// What an issuer says about a holder.
    #[derive(Copy)]
    pub struct Credential {
        /// The governed issuer.
        pub issuer: AccountId,
        /// 1 to 3.
        pub level: u8,
        /// Whom it certifies.
        pub holder: AccountId,
        /// First epoch in which it no longer holds.
        pub expiry: Epoch,
        /// `H("nupeer/kyc/1" ‖ person secret)`: one holder per person.
        pub nullifier: Hash,
        /// Format of what the issuer checked.
        pub schema: u32,
    }
}

/// What the registry says about a credential's issuer and nullifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Highest level that the issuer may certify; nothing if it is not a governed issuer.
    pub issuer_level: Option<u8>,
    /// Whether the nullifier is revoked.
    pub is_revoked: bool,
}

impl Credential {
    /// Checks what stands on the credential against the registry at the start of `now`: issuer, revocation, expiry.
    pub fn check(&self, standing: Standing, now: Epoch) -> Result<(), CredentialError> {
        check_facts(self.level, self.expiry, standing, now)
    }
}

fn check_facts(level: u8, expiry: Epoch, standing: Standing, now: Epoch) -> Result<(), CredentialError> {
    let issuer = standing.issuer_level.ok_or(CredentialError::IssuerUnknown {})?;
    if level > issuer {
        return Err(CredentialError::IssuerLevel { level, issuer });
    }
    if standing.is_revoked {
        return Err(CredentialError::CredentialRevoked {});
    }
    if expiry <= now {
        return Err(CredentialError::CredentialExpired { expiry, now });
    }
    Ok(())
}

/// Whether an account with this credential may do what needs `needed`, in the order of tokens.md §8.
pub fn check(credential: Option<(&Credential, Standing)>, needed: u8, now: Epoch) -> Result<(), CredentialError> {
    let (credential, standing) = credential.ok_or(CredentialError::CredentialMissing { needed })?;
    credential.check(standing, now)?;
    if credential.level < needed {
        return Err(CredentialError::CredentialLevel { level: credential.level, needed });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Credential = Credential {
        issuer: AccountId([1; 28]),
        level: 2,
        holder: AccountId([2; 28]),
        expiry: Epoch(50),
        nullifier: Hash::ZERO,
        schema: 0,
    };

    #[test]
    fn the_first_failing_check_names_the_error() {
        let run = |issuer_level, is_revoked, needed, now| {
            let standing = Standing { issuer_level, is_revoked };
            check(Some((&GOOD, standing)), needed, Epoch(now)).map_err(|e| e.variant())
        };
        assert_eq!(check(None, 1, Epoch(0)).map_err(|e| e.variant()), Err("CredentialMissing"));
        assert_eq!(run(None, true, 3, 60), Err("IssuerUnknown"));
        assert_eq!(run(Some(1), true, 3, 60), Err("IssuerLevel"));
        assert_eq!(run(Some(3), true, 3, 60), Err("CredentialRevoked"));
        assert_eq!(run(Some(3), false, 3, 50), Err("CredentialExpired"));
        assert_eq!(run(Some(3), false, 3, 49), Err("CredentialLevel"));
        assert_eq!(run(Some(2), false, 2, 49), Ok(()));
        assert_eq!(run(Some(2), false, 0, 49), Ok(()));
    }
}
