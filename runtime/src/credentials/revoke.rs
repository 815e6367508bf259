//! 0802 CredRevoke and 0803 RevocationRoot: an issuer takes back what it certified.

use crate::context::BlockContext;
use crate::governance::Now;
use crate::governance::power::{self, Signed};
use crate::{params, slashing};
use nupeer_primitives::credential::RevokeReason;
use nupeer_primitives::event::Event;
use nupeer_primitives::state::{Abort, Work};
use nupeer_primitives::{AccountId, Epoch, Hash};
use nupeer_tokens::credential::CredentialError;
use nupeer_tokens::credential::registry::{self, NullifierUse, Revocations, key};

/// Epochs for which an issuer's roots are kept.
const ROOTS_KEPT: u64 = 64;

/// Revokes a nullifier. Its holder's power leaves every sum at once; for fraud the role bond is slashed, too.
pub fn revoke(
    work: &mut Work<'_>,
    ctx: &BlockContext,
    now: &Now,
    by: &AccountId,
    nullifier: &Hash,
    reason: RevokeReason,
) -> Result<(), Abort> {
    registry::issuer(work, by)?.ok_or(CredentialError::IssuerUnknown {})?;
    let unknown = CredentialError::NullifierUnknown { nullifier: *nullifier };
    let known: NullifierUse = work.get(&key::nullifier(nullifier))?.ok_or(unknown)?;
    if known.issuer != *by {
        return Err(CredentialError::NotIssuer { account: *by }.into());
    }
    if known.revoked.is_some() {
        return Err(CredentialError::CredentialRevoked {}.into());
    }
    count(work, ctx)?;
    let holder = known.holder;
    work.put(key::nullifier(nullifier), &NullifierUse { revoked: Some(reason), ..known });
    power::reattach(work, now, &holder, Signed::ByOther, |_, _| Ok(()))?;
    if reason == RevokeReason::Fraud {
        slashing::credential_fraud(work, now, &holder)?;
    }
    work.emit(Event::CredentialRevoked { holder, issuer: *by, reason: reason.code() });
    Ok(())
}

/// At most `kyc.revoke_per_block` nullifiers in a block, over all issuers.
fn count(work: &mut Work<'_>, ctx: &BlockContext) -> Result<(), Abort> {
    let permitted = params::get(work, "kyc.revoke_per_block")?;
    let before: Option<Revocations> = work.get(&key::revocations())?;
    let count = before.filter(|before| before.height == ctx.height).map_or(0, |before| before.count);
    if count >= permitted {
        return Err(CredentialError::TooManyRevocations { permitted }.into());
    }
    work.put(key::revocations(), &Revocations { height: ctx.height, count: count.saturating_add(1) });
    Ok(())
}

/// One root per issuer and epoch, of the running epoch: what it revoked where this chain does not look.
pub fn root(work: &mut Work<'_>, now: &Now, by: &AccountId, epoch: Epoch, root: &Hash) -> Result<(), Abort> {
    registry::issuer(work, by)?.ok_or(CredentialError::IssuerUnknown {})?;
    let current = now.consensus_epoch();
    if epoch != current {
        return Err(CredentialError::EpochOutOfRange { epoch, now: current }.into());
    }
    if work.has(&key::root(by, epoch)) {
        return Err(CredentialError::RootGiven { epoch }.into());
    }
    work.put(key::root(by, epoch), root);
    if let Some(old) = epoch.0.checked_sub(ROOTS_KEPT) {
        work.remove(key::root(by, Epoch(old)));
    }
    work.emit(Event::RevocationRootGiven { issuer: *by, epoch, root: *root });
    Ok(())
}
