//! 0806 DeviceTake: who runs a machine takes its HardwareOwner NFT, and renews it by a fresh word of the machine.

use super::at;
use crate::context::BlockContext;
use crate::governance::Now;
use nupeer_primitives::action::Action;
use nupeer_primitives::credential::device_digest;
use nupeer_primitives::event::Event;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, AssetId, sign};
use nupeer_tokens::TokensError;
use nupeer_tokens::credential::CredentialError;
use nupeer_tokens::credential::nft::{self, Nft, Role, kind};

/// Mints, or renews. Another owner's NFT stands in the way only while it is valid.
pub fn take(work: &mut Work<'_>, ctx: &BlockContext, now: &Now, by: &AccountId, action: &Action) -> Result<(), Abort> {
    let Action::DeviceTake { host_key, class, attestation } = action else {
        return Err(Bug::Missing { what: "dispatch of DeviceTake" }.into());
    };
    let epoch = now.consensus_epoch();
    // The signature may have been made just before the epoch ended.
    let age = epoch.0.checked_sub(attestation.epoch.0);
    if age.is_none_or(|age| age > 1) {
        return Err(CredentialError::EpochOutOfRange { epoch: attestation.epoch, now: epoch }.into());
    }
    let digest = device_digest(&ctx.genesis, by, host_key, *class, attestation.epoch);
    if !sign::verify(host_key, &digest.0, &attestation.signature) {
        return Err(CredentialError::DeviceSignature {}.into());
    }
    let role = Role::Hardware { host_key: *host_key, class: class.code(), challenged: attestation.epoch };
    let id = role.id(by);
    match nft::load(work, &id)? {
        Some(own) if own.holder == *by => nft::store(work, &id, &Nft { role, ..own }),
        Some(other) => {
            let theirs = at(work, now, &other.holder, AssetId::IAAS)?;
            if nft::fault(work, &other, theirs)?.is_none() {
                return Err(CredentialError::NftTaken {}.into());
            }
            nft::burn(work, &id)?;
            work.emit(Event::NftBurned { nft: id, holder: other.holder, kind: kind::HARDWARE });
            mint(work, by, role)?;
        }
        None => mint(work, by, role)?,
    }
    let (own, needed) = (at(work, now, by, AssetId::IAAS)?, nft::hardware_minimum(work, by)?);
    if own.bond < needed {
        let (asset, available) = (AssetId::IAAS, own.bond);
        return Err(TokensError::Insufficient { asset, needed, available }.into());
    }
    work.emit(Event::DeviceProven { nft: id, holder: *by });
    Ok(())
}

fn mint(work: &mut Work<'_>, by: &AccountId, role: Role) -> Result<(), Abort> {
    let id = nft::mint(work, by, role)?;
    work.emit(Event::NftMinted { nft: id, holder: *by, kind: kind::HARDWARE });
    Ok(())
}
