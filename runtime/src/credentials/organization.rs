//! 0805 OrgTake: a business takes its Organization NFT.

use crate::governance::Now;
use nupeer_primitives::event::Event;
use nupeer_primitives::state::{Abort, Work};
use nupeer_primitives::{AccountId, Hash};
use nupeer_tokens::credential::nft::{self, Nft, Role, kind};
use nupeer_tokens::credential::{CredentialError, LEVEL_BUSINESS, registry};

/// Mints for the actor's own level 3 credential, or changes what the organisation says about itself. An NFT whose
/// credential went to another account is burned first: it is not valid any more.
pub fn take(
    work: &mut Work<'_>,
    now: &Now,
    by: &AccountId,
    credential: &Hash,
    meta_hash: [u8; 32],
) -> Result<(), Abort> {
    registry::require(work, by, LEVEL_BUSINESS, now.consensus_epoch())?;
    if registry::nullifier_of(work, by)? != Some(*credential) {
        return Err(CredentialError::NullifierUnknown { nullifier: *credential }.into());
    }
    let role = Role::Organization { credential: *credential, meta_hash };
    let id = role.id(by);
    match nft::load(work, &id)? {
        Some(own) if own.holder == *by => {
            nft::store(work, &id, &Nft { role, ..own });
            return Ok(());
        }
        Some(old) => {
            nft::burn(work, &id)?;
            work.emit(Event::NftBurned { nft: id, holder: old.holder, kind: kind::ORGANIZATION });
        }
        None => {}
    }
    nft::mint(work, by, role)?;
    work.emit(Event::NftMinted { nft: id, holder: *by, kind: kind::ORGANIZATION });
    Ok(())
}
