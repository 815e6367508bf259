//! The governed issuers: from genesis, and by the inner action Issuers (governance.md §4).

use nupeer_primitives::event::Event;
use nupeer_primitives::genesis::Genesis;
use nupeer_primitives::proposal::IssuerOp;
use nupeer_primitives::state::{Abort, Work};
use nupeer_primitives::{AccountId, VerificationKey};
use nupeer_tokens::credential::registry::{self, Issuer, key};
use nupeer_tokens::credential::{CredentialError, LEVEL_BUSINESS, LEVEL_PERSON};

/// Issuers that may exist at once.
pub const ISSUERS_MAX: usize = 256;

/// Issuers that genesis names.
pub fn first_state(work: &mut Work<'_>, genesis: &Genesis) -> Result<(), Abort> {
    for (issuer, key, level) in &genesis.issuers {
        change(work, IssuerOp::Add, issuer, *key, *level)?;
    }
    Ok(())
}

/// Adds an issuer or gives it other powers, suspends it (its credentials stay, it issues no more), or removes it (its
/// credentials end).
pub fn change(
    work: &mut Work<'_>,
    op: IssuerOp,
    issuer: &AccountId,
    issuer_key: VerificationKey,
    level: u8,
) -> Result<(), Abort> {
    let known = registry::issuer(work, issuer)?;
    match op {
        IssuerOp::Add => {
            check_level(level)?;
            let count = work.scan::<Issuer>(&key::issuers(), &[], ISSUERS_MAX)?.len();
            if known.is_none() && count >= ISSUERS_MAX {
                return Err(CredentialError::TooManyIssuers { permitted: ISSUERS_MAX as u64 }.into());
            }
            work.put(key::issuer(issuer), &Issuer { key: issuer_key, level, is_suspended: false });
        }
        IssuerOp::Suspend => {
            let known = known.ok_or(CredentialError::IssuerUnknown {})?;
            work.put(key::issuer(issuer), &Issuer { is_suspended: true, ..known });
        }
        IssuerOp::Remove => {
            known.ok_or(CredentialError::IssuerUnknown {})?;
            work.remove(key::issuer(issuer));
        }
    }
    work.emit(Event::IssuerSet { issuer: *issuer, op: op.code(), level });
    Ok(())
}

/// Refuses a level that does not exist.
pub fn check_level(level: u8) -> Result<(), CredentialError> {
    if (LEVEL_PERSON..=LEVEL_BUSINESS).contains(&level) {
        Ok(())
    } else {
        Err(CredentialError::LevelOutOfRange { level })
    }
}
