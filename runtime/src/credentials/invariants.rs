//! tokens.md §13, 12 and 13, over the whole registry.

use alloc::collections::BTreeSet;
use alloc::format;
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{AccountId, Hash};
use nupeer_tokens::credential::Credential;
use nupeer_tokens::credential::nft::{self, Nft};
use nupeer_tokens::credential::registry::{NullifierUse, key};

fn account_in(at: &[u8]) -> Result<AccountId, Bug> {
    let id = at.get(2..30).and_then(|b| <[u8; 28]>::try_from(b).ok());
    id.map(AccountId).ok_or(Bug::Corrupt { prefix: 0x48 })
}

fn hash_in(at: &[u8], from: usize) -> Result<Hash, Bug> {
    let hash = at.get(from..).and_then(|b| <[u8; 32]>::try_from(b).ok());
    hash.map(Hash).ok_or(Bug::Corrupt { prefix: 0x48 })
}

/// A credential is its holder's and its nullifier's; an NFT has the id of what it stands for and is listed with its
/// holder.
pub fn check(work: &Work<'_>) -> Result<(), Bug> {
    let mut nullifiers = BTreeSet::new();
    for (at, own) in work.scan::<Credential>(&key::credentials(), &[], usize::MAX)? {
        let known: Option<NullifierUse> = work.get(&key::nullifier(&own.nullifier))?;
        let is_its = known.is_some_and(|known| known.holder == own.holder && known.issuer == own.issuer);
        if own.holder != account_in(&at)? || !is_its || !nullifiers.insert(own.nullifier) {
            return Err(Bug::Invariant { what: format!("credential {own:?} and nullifier {known:?} differ") });
        }
    }
    let mut living = 0usize;
    for (at, own) in work.scan::<Nft>(&nft::key::nfts(), &[], usize::MAX)? {
        let id = hash_in(&at, 2)?;
        if own.role.id(&own.holder) != id || !work.has(&nft::key::held(&own.holder, &id)) {
            return Err(Bug::Invariant { what: format!("role NFT {id} of {own:?} has another id or no holder") });
        }
        living = living.saturating_add(1);
    }
    let held = work.scan::<u8>(&Key::new(0x48).u8(6), &[], usize::MAX)?.len();
    if held != living {
        return Err(Bug::Invariant { what: format!("{living} role NFTs, {held} held") });
    }
    Ok(())
}
