//! 0801 CredIssue: an issuer certifies a holder.
//!
//! Certifying counts as a sign of life, as the issuer has just seen the person: what the holder has bonded votes from
//! now on, until the new expiry at most (governance.md §2.2, the cases `power`).

use super::issuers::check_level;
use crate::governance::Now;
use crate::governance::power::{self, Signed};
use crate::system;
use nupeer_primitives::action::Action;
use nupeer_primitives::credential::RevokeReason;
use nupeer_primitives::event::Event;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, Hash};
use nupeer_tokens::credential::registry::{self, NullifierUse, key};
use nupeer_tokens::credential::{Credential, CredentialError, check};

/// Certifies, or renews what the same issuer certified.
pub fn issue(work: &mut Work<'_>, now: &Now, by: &AccountId, action: &Action) -> Result<(), Abort> {
    let Action::CredIssue { holder, level, expiry, nullifier, schema } = action else {
        return Err(Bug::Missing { what: "dispatch of CredIssue" }.into());
    };
    let (holder, level, expiry, nullifier, epoch) = (*holder, *level, *expiry, *nullifier, now.consensus_epoch());
    check_level(level)?;
    let issuer = registry::issuer(work, by)?.ok_or(CredentialError::IssuerUnknown {})?;
    if issuer.is_suspended {
        return Err(CredentialError::IssuerSuspended {}.into());
    }
    if level > issuer.level {
        return Err(CredentialError::IssuerLevel { level, issuer: issuer.level }.into());
    }
    if expiry <= epoch {
        return Err(CredentialError::CredentialExpired { expiry, now: epoch }.into());
    }
    if system::is_system(&holder) {
        return Err(CredentialError::SystemAccount {}.into());
    }
    let new = Credential { issuer: *by, level, holder, expiry, nullifier, schema: *schema };
    let known: Option<NullifierUse> = work.get(&key::nullifier(&nullifier))?;
    check_nullifier(known.as_ref(), &new)?;
    let before = registry::credential(work, &holder)?;
    check_replaced(work, now, before.as_ref(), &new)?;

    let known = known.filter(|known| known.holder != holder);
    power::reattach(work, now, &holder, Signed::ByOwner, |work, _| replace(work, before, known, &new))?;
    work.emit(Event::CredentialIssued { holder, issuer: *by, level, expiry });
    Ok(())
}

/// Writes a credential; `before` is what its holder had, `moved` the use of its nullifier by another.
fn replace(
    work: &mut Work<'_>,
    before: Option<Credential>,
    moved: Option<NullifierUse>,
    new: &Credential,
) -> Result<(), Abort> {
    let Credential { holder, issuer, nullifier, .. } = *new;
    if let Some(before) = before.filter(|before| before.nullifier != nullifier) {
        forget(work, &before.nullifier)?;
    }
    if let Some(moved) = moved {
        let theirs = registry::credential(work, &moved.holder)?;
        if theirs.is_some_and(|theirs| theirs.nullifier == nullifier) {
            work.remove(key::credential(&moved.holder));
        }
    }
    work.put(key::credential(&holder), new);
    work.put(key::nullifier(&nullifier), &NullifierUse { holder, issuer, revoked: None });
    Ok(())
}

/// One holder per nullifier; fraud is for ever.
fn check_nullifier(known: Option<&NullifierUse>, new: &Credential) -> Result<(), CredentialError> {
    let in_use = CredentialError::NullifierInUse { nullifier: new.nullifier };
    match known {
        None => Ok(()),
        Some(known) => match known.revoked {
            Some(RevokeReason::Fraud) => Err(CredentialError::CredentialRevoked {}),
            Some(RevokeReason::Withdrawn | RevokeReason::Lapsed) if known.issuer == new.issuer => Ok(()),
            None if known.holder == new.holder => Ok(()),
            Some(RevokeReason::Withdrawn | RevokeReason::Lapsed) | None => Err(in_use),
        },
    }
}

/// Another issuer does not take away what a holder has: it may only replace a credential that is no longer valid, or
/// one that certifies less and not longer.
fn check_replaced(work: &Work<'_>, now: &Now, before: Option<&Credential>, new: &Credential) -> Result<(), Abort> {
    let Some(before) = before.filter(|before| before.issuer != new.issuer) else { return Ok(()) };
    let valid = check(Some((before, registry::standing(work, before)?)), 0, now.consensus_epoch()).is_ok();
    if valid && (before.level > new.level || before.expiry > new.expiry) {
        return Err(CredentialError::NotIssuer { account: new.issuer }.into());
    }
    Ok(())
}

/// A nullifier that certifies nobody any more may be used anew; a revoked one is remembered.
fn forget(work: &mut Work<'_>, nullifier: &Hash) -> Result<(), Bug> {
    let known: Option<NullifierUse> = work.get(&key::nullifier(nullifier))?;
    if known.is_some_and(|known| known.revoked.is_none()) {
        work.remove(key::nullifier(nullifier));
    }
    Ok(())
}
