//! Developers: 0804 DevAttest, and the inner actions MintDeveloper and RevokeNft.

use crate::governance::Now;
use crate::params;
use alloc::vec::Vec;
use nupeer_primitives::event::Event;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, Amount, Epoch, Hash};
use nupeer_tokens::credential::CredentialError;
use nupeer_tokens::credential::nft::{self, At, Attestation, Nft, Role, key, kind};

/// Level of somebody that two developers vouch for.
const ATTESTED_LEVEL: u8 = 1;

/// A valid developer vouches for another: one word keeps a valid NFT alive, two words of one scope mint one.
pub fn attest(
    work: &mut Work<'_>,
    now: &Now,
    by: &AccountId,
    developer: &AccountId,
    work_hash: [u8; 32],
) -> Result<(), Abort> {
    if by == developer {
        return Err(CredentialError::SelfAttested {}.into());
    }
    let epoch = now.consensus_epoch();
    let own = valid_scopes(work, by, epoch)?;
    if own.is_empty() {
        return Err(CredentialError::NftInvalid { why: "only a valid developer vouches for others" }.into());
    }
    work.emit(Event::DeveloperAttested { developer: *developer, by: *by, work_hash });
    if keep_alive(work, developer, epoch)? {
        return Ok(());
    }
    let at = key::attestation(developer);
    let lapse = params::get(work, "role.dev_lapse")?;
    let first: Option<Attestation> = work.get(&at)?;
    let fresh = first.filter(|first| first.by != *by && epoch.0.saturating_sub(first.epoch.0) <= lapse);
    if let Some(first) = fresh {
        let shared = valid_scopes(work, &first.by, epoch)?.into_iter().find(|scope| own.contains(scope));
        if let Some(scope) = shared {
            work.remove(at);
            return mint(work, epoch, developer, scope, ATTESTED_LEVEL).map(|_| ());
        }
    }
    work.put(at, &Attestation { by: *by, epoch, work_hash });
    Ok(())
}

fn role_at(epoch: Epoch) -> At {
    At { epoch, bond: Amount::ZERO }
}

/// Scopes of an account's valid developer NFTs.
fn valid_scopes(work: &Work<'_>, holder: &AccountId, epoch: Epoch) -> Result<Vec<u16>, Bug> {
    let mut scopes = Vec::new();
    for (_, own) in nft::of_holder(work, holder)? {
        if let Role::Developer { scope, .. } = own.role
            && nft::fault(work, &own, role_at(epoch))?.is_none()
        {
            scopes.push(scope);
        }
    }
    Ok(scopes)
}

/// Renews every valid developer NFT of an account; whether it has one.
fn keep_alive(work: &mut Work<'_>, holder: &AccountId, epoch: Epoch) -> Result<bool, Bug> {
    let mut any = false;
    for (id, own) in nft::of_holder(work, holder)? {
        if let Role::Developer { scope, level, granted, .. } = own.role
            && nft::fault(work, &own, role_at(epoch))?.is_none()
        {
            let role = Role::Developer { scope, level, granted, attested: epoch };
            nft::store(work, &id, &Nft { role, ..own });
            any = true;
        }
    }
    Ok(any)
}

/// Makes somebody a developer (MintDeveloper). One that lapsed, or of another level, is minted anew.
pub fn mint(work: &mut Work<'_>, epoch: Epoch, holder: &AccountId, scope: u16, level: u8) -> Result<Hash, Abort> {
    let role = Role::Developer { scope, level, granted: epoch, attested: epoch };
    nft::burn(work, &role.id(holder))?;
    let id = nft::mint(work, holder, role)?;
    work.emit(Event::NftMinted { nft: id, holder: *holder, kind: kind::DEVELOPER });
    Ok(id)
}

/// Burns a developer's NFT (RevokeNft). Other roles end by their own rules.
pub fn revoke(work: &mut Work<'_>, id: &Hash) -> Result<(), Abort> {
    let known = nft::load(work, id)?.ok_or(CredentialError::NftUnknown { nft: *id })?;
    if !matches!(known.role, Role::Developer { .. }) {
        return Err(CredentialError::NftInvalid { why: "only a developer's is revoked by vote" }.into());
    }
    nft::burn(work, id)?;
    work.emit(Event::NftBurned { nft: *id, holder: known.holder, kind: kind::DEVELOPER });
    Ok(())
}
