//! Leaves and events, proven against a final block's state root.

use nupeer_primitives::cursor::{CURSOR_BYTES_MAX, Cursor, cursor_key};
use nupeer_primitives::error::Malformed;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::imt::{Absence, Inclusion, ProofError};
use nupeer_primitives::{Cbor, Hash};
use thiserror::Error;

/// Blocks between an event and the block whose state proves it.
pub const ROOTS_MAX: usize = 4_096;
/// Steps from an event to the root of its block's events: 2^16 is far above `events_max`.
pub const STEPS_MAX: usize = 16;

/// Why a claim is not shown.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum ClaimError {
    #[error("the claim is about key {claimed}, asked was {asked}")]
    OtherKey { claimed: String, asked: String },
    #[error("the proof is not readable: {0}")]
    Malformed(Malformed),
    #[error("the proof does not lead to the final block's state root: {0}")]
    Proof(ProofError),
    #[error("{count} blocks lie between the event and its proof, at most {ROOTS_MAX} may")]
    TooFar { count: usize },
    #[error("{count} steps lead from the event to its root, at most {STEPS_MAX} may")]
    TooDeep { count: usize },
    #[error("the event leads to digest {computed}, the state says {proven}")]
    OtherDigest { computed: Hash, proven: Hash },
}

/// What stands, or does not stand, under a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateClaim {
    /// The key.
    pub key: Vec<u8>,
    /// Its value; `None` claims that the key is not live.
    pub value: Option<Vec<u8>>,
    /// Inclusion or absence, canonical CBOR.
    pub proof: Vec<u8>,
}

impl StateClaim {
    /// Shows the claim, which must be about `key`, against a state root.
    pub fn verify(&self, root: &Hash, key: &[u8]) -> Result<(), ClaimError> {
        if self.key != key {
            return Err(ClaimError::OtherKey { claimed: hex::encode(&self.key), asked: hex::encode(key) });
        }
        match &self.value {
            Some(value) => {
                let proof = Inclusion::decode(&self.proof).map_err(ClaimError::Malformed)?;
                proof.verify_value(root, key, value).map_err(ClaimError::Proof)
            }
            None => {
                let proof = Absence::decode(&self.proof).map_err(ClaimError::Malformed)?;
                proof.verify(root, key).map_err(ClaimError::Proof)
            }
        }
    }
}

/// Siblings from an event's leaf to the root of its block's events; `true` where the sibling stands on the right.
pub type EventPath = Vec<(bool, Hash)>;

/// An event of a block, by the digest that every block chains into the state: `digest' = H(digest ‖ root(events))`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventClaim {
    /// The event, canonical CBOR.
    pub event: Vec<u8>,
    /// From its leaf to the root of its block.
    pub path: EventPath,
    /// The digest before its block.
    pub before: Hash,
    /// Event roots of the blocks after its own, up to the one whose state proves the digest.
    pub after: Vec<Hash>,
    /// The cursor of that state, which holds the digest.
    pub cursor: StateClaim,
}

impl EventClaim {
    /// Shows the event against a state root.
    pub fn verify(&self, root: &Hash) -> Result<(), ClaimError> {
        if self.after.len() > ROOTS_MAX {
            return Err(ClaimError::TooFar { count: self.after.len() });
        }
        if self.path.len() > STEPS_MAX {
            return Err(ClaimError::TooDeep { count: self.path.len() });
        }
        self.cursor.verify(root, cursor_key().as_slice())?;
        let cursor = self.cursor.value.as_deref().unwrap_or_default();
        let cursor = Cursor::from_cbor(cursor, CURSOR_BYTES_MAX).map_err(ClaimError::Malformed)?;
        let leaf = blake2b_256_of(&[&[0x00], &self.event]);
        let events = self.path.iter().fold(leaf, |below, (right, sibling)| match right {
            true => blake2b_256_of(&[&[0x01], &below.0, &sibling.0]),
            false => blake2b_256_of(&[&[0x01], &sibling.0, &below.0]),
        });
        let chained = |digest: Hash, root: &Hash| blake2b_256_of(&[&digest.0, &root.0]);
        let computed = self.after.iter().fold(chained(self.before, &events), chained);
        if cursor.events == computed {
            Ok(())
        } else {
            Err(ClaimError::OtherDigest { computed, proven: cursor.events })
        }
    }
}
