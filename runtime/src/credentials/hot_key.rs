//! 0807 NftHotKey: the holder's account key sets the daily key of a role; a replacement waits two ticks.

use crate::governance::Now;
use nupeer_primitives::event::Event;
use nupeer_primitives::state::{Abort, Work};
use nupeer_primitives::{AccountId, Hash, VerificationKey};
use nupeer_tokens::credential::CredentialError;
use nupeer_tokens::credential::nft;

/// Sets or replaces it.
pub fn set(work: &mut Work<'_>, now: &Now, by: &AccountId, id: &Hash, key: VerificationKey) -> Result<(), Abort> {
    let mut own = nft::load(work, id)?.ok_or(CredentialError::NftUnknown { nft: *id })?;
    if own.holder != *by {
        return Err(CredentialError::NotHolder { account: *by }.into());
    }
    own.set_hot_key(key, now.tick);
    nft::store(work, id, &own);
    let tick = own.hot.and_then(|hot| hot.next).map_or(now.tick, |(_, tick)| tick);
    work.emit(Event::HotKeySet { nft: *id, key, tick });
    Ok(())
}
