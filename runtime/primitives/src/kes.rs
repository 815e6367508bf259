//! Checking Sum6 key-evolving signatures over ed25519, Cardano's construction and layout (consensus.md §4). Here and not
//! with the keys, because the ledger judges headers, too: as evidence.
//!
//! ```text
//! vk_0  = an ed25519 key;  vk_d = H(vk_left ‖ vk_right)
//! sig_d = sig_{d-1} ‖ vk_left ‖ vk_right                    (64 + 64·d bytes)
//! ```

use crate::hash::blake2b_256_of;
use crate::ids::{Signature, VerificationKey};
use crate::sign;

/// Levels of the tree.
pub const DEPTH: usize = 6;
/// Periods of one key.
pub const PERIODS: u32 = 1 << DEPTH;
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64 + 64 * DEPTH;

/// True iff `signature` is of `public` at evolution `period` over `message`. The leaf signature is judged by ZIP-215.
#[must_use]
pub fn verify(public: &[u8; 32], period: u32, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    if period >= PERIODS {
        return false;
    }
    let mut expected = *public;
    for depth in (1..=DEPTH).rev() {
        let (mut left, mut right) = ([0; 32], [0; 32]);
        left.copy_from_slice(&signature[64 * depth..64 * depth + 32]);
        right.copy_from_slice(&signature[64 * depth + 32..64 * depth + 64]);
        if blake2b_256_of(&[&left, &right]).0 != expected {
            return false;
        }
        expected = if (period >> (depth - 1)) & 1 == 0 { left } else { right };
    }
    let mut sigma = [0; 64];
    sigma.copy_from_slice(&signature[..64]);
    sign::verify(&VerificationKey(expected), message, &Signature(sigma))
}
