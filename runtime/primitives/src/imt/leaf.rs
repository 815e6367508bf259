//! Leaves, the head of the tree, and how both are hashed (ledger.md §6).

use crate::cbor::{Cbor, Reader, Writer};
use crate::error::Malformed;
use crate::hash::{Hash, blake2b_256, blake2b_256_of};
use alloc::sync::Arc;
use alloc::vec::Vec;
use blake2b_simd::Params;
use blake2b_simd::many::{HashManyJob, hash_many};

/// Bytes of a state key. Keys are a prefix byte and fixed-width parts; the longest of the specification has 64 + prefix.
pub const KEY_BYTES_MAX: usize = 255;

/// What stands in a slot that was used at least once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Leaf {
    /// A live key.
    Live {
        /// The key; empty for the sentinel.
        key: Arc<[u8]>,
        /// Smallest live key greater than `key`; empty for the last.
        next: Arc<[u8]>,
        /// `H(value)`.
        value_hash: Hash,
    },
    /// A slot waiting to be used again.
    Free {
        /// The next free slot; 0 ends the list.
        next_free: u64,
    },
}

impl Leaf {
    /// What slot 0 holds in an empty tree.
    #[must_use]
    pub fn sentinel() -> Self {
        Self::Live { key: Arc::default(), next: Arc::default(), value_hash: blake2b_256(&[]) }
    }

    /// Its hash, a node of level 0.
    #[must_use]
    pub fn hash(&self) -> Hash {
        blake2b_256(&self.preimage())
    }

    /// What is hashed.
    pub(super) fn preimage(&self) -> Vec<u8> {
        match self {
            Self::Live { key, next, value_hash } => live_bytes(key, next, value_hash),
            Self::Free { next_free } => [&[3][..], &next_free.to_be_bytes()].concat(),
        }
    }

    /// The live key.
    #[must_use]
    pub fn key(&self) -> Option<&Arc<[u8]>> {
        match self {
            Self::Live { key, .. } => Some(key),
            Self::Free { .. } => None,
        }
    }
}

impl Cbor for Leaf {
    fn write(&self, w: &mut Writer) {
        match self {
            Self::Live { key, next, value_hash } => {
                w.array(4).uint(0).bytes(key).bytes(next).put(value_hash);
            }
            Self::Free { next_free } => {
                w.array(2).uint(1).uint(*next_free);
            }
        }
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = r.position();
        match (r.array_max(4)?, r.uint()?) {
            (4, 0) => Ok(Self::Live {
                key: r.bytes(KEY_BYTES_MAX)?.into(),
                next: r.bytes(KEY_BYTES_MAX)?.into(),
                value_hash: r.get()?,
            }),
            (2, 1) => Ok(Self::Free { next_free: r.uint()? }),
            _ => Err(Malformed::Shape { at }),
        }
    }
}

/// `0x00 ‖ u16 len(key) ‖ key ‖ u16 len(next) ‖ next ‖ H(value)`. Lengths are bounded where keys enter.
fn live_bytes(key: &[u8], next: &[u8], value_hash: &Hash) -> Vec<u8> {
    let length = |part: &[u8]| u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut out = Vec::with_capacity(37 + key.len() + next.len());
    out.push(0);
    for part in [key, next] {
        out.extend_from_slice(&length(part));
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&value_hash.0);
    out
}

pub(super) fn live_hash(key: &[u8], next: &[u8], value_hash: &Hash) -> Hash {
    blake2b_256(&live_bytes(key, next, value_hash))
}

/// `H(0x01 ‖ l ‖ r)`; two zero children give zero.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    if *left == Hash::ZERO && *right == Hash::ZERO {
        return Hash::ZERO;
    }
    blake2b_256(&node_bytes(&(*left, *right)))
}

/// Inputs prepared at a time: they stay in the processor's first cache.
const LANES_BATCH: usize = 32;

/// `H` of many inputs at once: four lanes of the processor work side by side where it has them, which doubles the
/// speed of a block's root. With the feature `std` the processor is asked; the result never depends on it.
pub(super) fn hash_all<T: AsRef<[u8]>>(inputs: &[T]) -> Vec<Hash> {
    let mut params = Params::new();
    params.hash_length(32);
    let mut hashes = Vec::with_capacity(inputs.len());
    for some in inputs.chunks(LANES_BATCH) {
        let mut jobs: Vec<HashManyJob<'_>> =
            some.iter().map(|input| HashManyJob::new(&params, input.as_ref())).collect();
        hash_many(&mut jobs);
        hashes.extend(jobs.iter().map(|job| job.to_hash().as_bytes().try_into().map_or(Hash::ZERO, Hash)));
    }
    hashes
}

/// [`node_hash`] of many pairs.
pub(super) fn node_hashes(pairs: &[(Hash, Hash)]) -> Vec<Hash> {
    let inputs: Vec<[u8; 65]> = pairs.iter().map(node_bytes).collect();
    let mut hashes = hash_all(&inputs);
    for (hash, pair) in hashes.iter_mut().zip(pairs) {
        if *pair == (Hash::ZERO, Hash::ZERO) {
            *hash = Hash::ZERO;
        }
    }
    hashes
}

fn node_bytes((left, right): &(Hash, Hash)) -> [u8; 65] {
    let mut buffer = [1u8; 65];
    buffer[1..33].copy_from_slice(&left.0);
    buffer[33..].copy_from_slice(&right.0);
    buffer
}

/// Depth of the smallest power of two that covers `used` slots.
#[must_use]
pub fn depth_of(used: u64) -> u8 {
    let bits = u64::BITS - used.saturating_sub(1).leading_zeros();
    u8::try_from(bits).unwrap_or(64)
}

record! {
    /// All that the root commits to besides the nodes.
    #[derive(Copy)]
    pub struct TreeHead {
        /// Slots used at least once, the sentinel's included.
        pub used: u64,
        /// Head of the free list; 0 when it is empty.
        pub free_head: u64,
        /// Node at [`TreeHead::depth`], index 0.
        pub top: Hash,
    }
}

impl TreeHead {
    /// A tree with nothing but the sentinel.
    #[must_use]
    pub fn empty() -> Self {
        Self { used: 1, free_head: 0, top: Leaf::sentinel().hash() }
    }

    /// ⌈log2 used⌉.
    #[must_use]
    pub fn depth(&self) -> u8 {
        depth_of(self.used)
    }

    /// `H(0x02 ‖ depth u8 ‖ used u64 ‖ free_head u64 ‖ top)`.
    #[must_use]
    pub fn root(&self) -> Hash {
        blake2b_256_of(&[
            &[2, self.depth()],
            &self.used.to_be_bytes(),
            &self.free_head.to_be_bytes(),
            self.top.as_bytes(),
        ])
    }
}
