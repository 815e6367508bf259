//! Which edges serve a lease (market.md §10): drawn by hash from the block's VRF seed, so neither party picks them.

use super::hold::{self, InHand};
use super::state::{Edge, key};
use alloc::vec::Vec;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{AccountId, Hash, VerificationKey};

/// Edges of a lease.
pub const EDGES_PER_LEASE: usize = 3;
/// Edges that a draw looks at.
const EDGES_MAX: usize = 1_024;

/// Draws the edges of a matched lease unless those it has may stay: none belongs to either party.
pub fn draw(work: &mut Work<'_>, seed: &Hash, hand: &InHand, provider: &AccountId) -> Result<bool, Bug> {
    let parties = [hand.deal.owner, *provider];
    let present = hold::edges(work, &hand.id)?;
    if !present.is_empty() && present.iter().all(|(account, _)| !parties.contains(account)) {
        return Ok(true);
    }
    let bonded = work.scan::<Edge>(&Key::new(0x33), &[], EDGES_MAX)?;
    let mut drawn: Vec<(Hash, AccountId, VerificationKey)> = Vec::new();
    for (at, edge) in bonded {
        let account = at.get(1..).and_then(|tail| <[u8; 28]>::try_from(tail).ok()).map(AccountId);
        let account = account.ok_or(Bug::Corrupt { prefix: 0x33 })?;
        if !parties.contains(&account) {
            drawn.push((blake2b_256_of(&[b"nup/edges/1", &seed.0, &hand.id.0, &account.0]), account, edge.key));
        }
    }
    drawn.sort_unstable();
    let chosen: Vec<_> = drawn.into_iter().take(EDGES_PER_LEASE).map(|(_, account, key)| (account, key)).collect();
    let any = !chosen.is_empty();
    if any {
        work.put(key::edges(&hand.id), &chosen);
    } else {
        work.remove(key::edges(&hand.id));
    }
    Ok(any)
}
