//! Sum6 key-evolving signatures over ed25519, Cardano's construction and layout (consensus.md §4; Malkin, Micciancio,
//! Miner 2002, the sum composition).
//!
//! ```text
//! seed  -> left  = H(1 ‖ seed), right = H(2 ‖ seed)
//! vk_0  = ed25519 key of the seed;  vk_d = H(vk_left ‖ vk_right)
//! key_d = key_{d-1} ‖ seed_right ‖ vk_left ‖ vk_right       (32 + 96·d bytes; seed_right is zero once it is used)
//! ```
//! Signatures and their check are `nupeer_primitives::kes`, as the ledger judges them, too.
//!
//! # Invariants
//! - Evolving erases what the older period needed: a stolen key cannot sign the past.
//! - Key bytes are erased when dropped and never printed.

use alloc::boxed::Box;
use core::fmt;
use ed25519_zebra::SigningKey;
use nupeer_primitives::Hash;
use nupeer_primitives::hash::blake2b_256_of;
pub use nupeer_primitives::kes::{DEPTH, PERIODS, SIGNATURE_BYTES, verify};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a serialised secret key: the key, and its period as big-endian u32.
pub const SECRET_BYTES: usize = TREE_BYTES + 4;
const TREE_BYTES: usize = key_bytes(DEPTH);

const fn key_bytes(depth: usize) -> usize {
    32 + 96 * depth
}

/// Why a key refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum KesError {
    /// The last period is over, or a wanted one is.
    #[error("KES key stands at period {period}, period {wanted} is out of its reach: issue a new one")]
    OutOfReach {
        /// Where it stands.
        period: u32,
        /// What was asked for.
        wanted: u32,
    },
    /// The bytes name a period past the last.
    #[error("KES key bytes name period {period}, the last is 63")]
    BadPeriod {
        /// What they name.
        period: u32,
    },
}

/// A secret key at one period.
#[derive(Clone)]
pub struct SecretKey {
    tree: Box<Zeroizing<[u8; TREE_BYTES]>>,
    period: u32,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = Hash(self.public());
        f.debug_struct("kes::SecretKey").field("public", &public).field("period", &self.period).finish_non_exhaustive()
    }
}

impl SecretKey {
    /// The key of a seed, at period 0.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let mut tree = Box::new(Zeroizing::new([0; TREE_BYTES]));
        grow(DEPTH, seed, tree.as_mut_slice());
        Self { tree, period: 0 }
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8; SECRET_BYTES]) -> Result<Self, KesError> {
        let mut tree = Box::new(Zeroizing::new([0; TREE_BYTES]));
        let (key, tail) = bytes.split_at(TREE_BYTES);
        tree.copy_from_slice(key);
        let mut period = [0; 4];
        period.copy_from_slice(tail);
        let period = u32::from_be_bytes(period);
        if period < PERIODS { Ok(Self { tree, period }) } else { Err(KesError::BadPeriod { period }) }
    }

    /// For the keystore.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; SECRET_BYTES]> {
        let mut out = Zeroizing::new([0; SECRET_BYTES]);
        out[..TREE_BYTES].copy_from_slice(self.tree.as_slice());
        out[TREE_BYTES..].copy_from_slice(&self.period.to_be_bytes());
        out
    }

    /// The verification key, the same at every period.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        let mut pair = [0; 64];
        pair.copy_from_slice(&self.tree[TREE_BYTES - 64..]);
        blake2b_256_of(&[&pair]).0
    }

    /// Where it stands.
    #[must_use]
    pub const fn period(&self) -> u32 {
        self.period
    }

    /// Moves on by one period and erases the old one.
    pub fn evolve(&mut self) -> Result<(), KesError> {
        let wanted = self.period.saturating_add(1);
        if wanted >= PERIODS {
            return Err(KesError::OutOfReach { period: self.period, wanted });
        }
        advance(DEPTH, self.period, self.tree.as_mut_slice());
        self.period = wanted;
        Ok(())
    }

    /// Moves on to `wanted`; a period that is over cannot come back.
    pub fn evolve_to(&mut self, wanted: u32) -> Result<(), KesError> {
        if wanted < self.period || wanted >= PERIODS {
            return Err(KesError::OutOfReach { period: self.period, wanted });
        }
        while self.period < wanted {
            self.evolve()?;
        }
        Ok(())
    }

    /// Signs in the current period.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let mut out = [0; SIGNATURE_BYTES];
        let mut leaf = Zeroizing::new([0; 32]);
        leaf.copy_from_slice(&self.tree[..32]);
        let mut key = SigningKey::from(*leaf);
        let sigma: [u8; 64] = key.sign(message).into();
        key.zeroize();
        out[..64].copy_from_slice(&sigma);
        for depth in 1..=DEPTH {
            let pair = key_bytes(depth) - 64;
            out[64 * depth..64 * depth + 64].copy_from_slice(&self.tree[pair..pair + 64]);
        }
        out
    }
}

fn split(seed: &[u8; 32]) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) {
    (Zeroizing::new(blake2b_256_of(&[&[1], seed]).0), Zeroizing::new(blake2b_256_of(&[&[2], seed]).0))
}

/// The verification key of a subtree, without keeping any of its secrets.
fn public_of(depth: usize, seed: &[u8; 32]) -> [u8; 32] {
    if depth == 0 {
        let mut key = SigningKey::from(*seed);
        let public = ed25519_zebra::VerificationKeyBytes::from(&key).into();
        key.zeroize();
        return public;
    }
    let (left, right) = split(seed);
    blake2b_256_of(&[&public_of(depth - 1, &left), &public_of(depth - 1, &right)]).0
}

/// Writes the key of a subtree at its first period and gives its verification key.
fn grow(depth: usize, seed: &[u8; 32], out: &mut [u8]) -> [u8; 32] {
    if depth == 0 {
        out.copy_from_slice(seed);
        return public_of(0, seed);
    }
    let (left_seed, right_seed) = split(seed);
    let (inner, rest) = out.split_at_mut(key_bytes(depth - 1));
    let left = grow(depth - 1, &left_seed, inner);
    let right = public_of(depth - 1, &right_seed);
    rest[..32].copy_from_slice(right_seed.as_slice());
    rest[32..64].copy_from_slice(&left);
    rest[64..].copy_from_slice(&right);
    blake2b_256_of(&[&left, &right]).0
}

/// From `period` (counted within the subtree, not its last) to the next.
fn advance(depth: usize, period: u32, key: &mut [u8]) {
    // A leaf has one period: its parent replaces it.
    if depth == 0 {
        return;
    }
    let half = 1 << (depth - 1);
    let (inner, rest) = key.split_at_mut(key_bytes(depth - 1));
    if period + 1 < half {
        advance(depth - 1, period, inner);
    } else if period + 1 == half {
        let mut seed = Zeroizing::new([0; 32]);
        seed.copy_from_slice(&rest[..32]);
        rest[..32].zeroize();
        grow(depth - 1, &seed, inner);
    } else {
        advance(depth - 1, period - half, inner);
    }
}

#[cfg(test)]
mod tests;
