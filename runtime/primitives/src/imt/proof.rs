//! Proofs that a light client, or Aiken, checks against a state root (ledger.md §6).

use super::TreeView;
use super::leaf::{KEY_BYTES_MAX, Leaf, TreeHead, depth_of, live_hash, node_hash};
use crate::cbor::{Cbor, Reader, Writer};
use crate::error::Malformed;
use crate::hash::{Hash, blake2b_256};
use alloc::vec::Vec;
use thiserror::Error;

/// Bytes of an encoded proof: two keys and 64 siblings with room for headers.
pub const PROOF_BYTES_MAX: usize = 3_072;
/// Siblings of a proof: slots are 64-bit numbers.
const SIBLINGS_MAX: usize = 64;

/// Why a proof proves nothing.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ProofError {
    /// Depth, siblings and used slots contradict each other.
    #[error("depth {depth} with {siblings} siblings does not fit {used} used slots")]
    WrongDepth {
        /// Claimed depth.
        depth: u8,
        /// Siblings given.
        siblings: usize,
        /// Claimed slots.
        used: u64,
    },
    /// The slot lies outside the tree.
    #[error("slot {slot} is not among {used} used slots")]
    WrongSlot {
        /// Claimed slot.
        slot: u64,
        /// Claimed slots.
        used: u64,
    },
    /// The proof ends in another root.
    #[error("proof ends in root {found} where {expected} is asked")]
    WrongRoot {
        /// Computed.
        found: Hash,
        /// Asked.
        expected: Hash,
    },
    /// The leaf is another key's.
    #[error("proof is about another key")]
    WrongKey,
    /// The leaf holds another value.
    #[error("proof is about a value with hash {found}")]
    WrongValue {
        /// In the leaf.
        found: Hash,
    },
    /// The key does not lie between the leaf and its next.
    #[error("the key does not lie in the proven gap")]
    NotInGap,
}

/// A live leaf and its path to the root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inclusion {
    /// Slot of the leaf.
    pub slot: u64,
    /// Its key.
    pub key: Vec<u8>,
    /// The next live key; empty for none.
    pub next: Vec<u8>,
    /// `H(value)`.
    pub value_hash: Hash,
    /// Siblings, leaf level first.
    pub siblings: Vec<Hash>,
    /// Levels above the leaves.
    pub depth: u8,
    /// Slots used.
    pub used: u64,
    /// Head of the free list.
    pub free_head: u64,
}

impl Inclusion {
    /// Checks that the leaf stands in the tree with this root. It says nothing yet about a value or another key.
    pub fn verify(&self, root: &Hash) -> Result<(), ProofError> {
        let Self { slot, key, next, value_hash, siblings, depth, used, free_head } = self;
        if *depth != depth_of(*used) || siblings.len() != usize::from(*depth) {
            return Err(ProofError::WrongDepth { depth: *depth, siblings: siblings.len(), used: *used });
        }
        if slot >= used {
            return Err(ProofError::WrongSlot { slot: *slot, used: *used });
        }
        if key.len() > KEY_BYTES_MAX || next.len() > KEY_BYTES_MAX {
            return Err(ProofError::WrongKey);
        }
        let mut top = live_hash(key, next, value_hash);
        for (level, sibling) in siblings.iter().enumerate() {
            top = if (slot >> level) & 1 == 0 { node_hash(&top, sibling) } else { node_hash(sibling, &top) };
        }
        let found = TreeHead { used: *used, free_head: *free_head, top }.root();
        if found == *root { Ok(()) } else { Err(ProofError::WrongRoot { found, expected: *root }) }
    }

    /// Checks that `key` holds `value` under this root.
    pub fn verify_value(&self, root: &Hash, key: &[u8], value: &[u8]) -> Result<(), ProofError> {
        if key.is_empty() || self.key != key {
            return Err(ProofError::WrongKey);
        }
        if blake2b_256(value) != self.value_hash {
            return Err(ProofError::WrongValue { found: self.value_hash });
        }
        self.verify(root)
    }

    /// Decodes bytes from outside.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::from_cbor(bytes, PROOF_BYTES_MAX)
    }
}

impl Cbor for Inclusion {
    fn write(&self, w: &mut Writer) {
        let Self { slot, key, next, value_hash, siblings, depth, used, free_head } = self;
        w.array(8).uint(*slot).bytes(key).bytes(next).put(value_hash).put(siblings);
        w.put(depth).uint(*used).uint(*free_head);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(8)?;
        Ok(Self {
            slot: r.uint()?,
            key: r.bytes(KEY_BYTES_MAX)?.to_vec(),
            next: r.bytes(KEY_BYTES_MAX)?.to_vec(),
            value_hash: r.get()?,
            siblings: r.list(SIBLINGS_MAX)?,
            depth: r.get()?,
            used: r.uint()?,
            free_head: r.uint()?,
        })
    }
}

/// The leaf before a gap: no key in the gap is live.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Absence(pub Inclusion);

impl Absence {
    /// Checks that `key` is not live under this root.
    pub fn verify(&self, root: &Hash, key: &[u8]) -> Result<(), ProofError> {
        let Inclusion { key: below, next, .. } = &self.0;
        let in_gap = below.as_slice() < key && (next.is_empty() || key < next.as_slice());
        if in_gap { self.0.verify(root) } else { Err(ProofError::NotInGap) }
    }

    /// Decodes bytes from outside.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::from_cbor(bytes, PROOF_BYTES_MAX)
    }
}

impl Cbor for Absence {
    fn write(&self, w: &mut Writer) {
        w.put(&self.0);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.get().map(Self)
    }
}

/// Proof for a live key; `None` when it is not live.
#[must_use]
pub fn prove_inclusion(view: &dyn TreeView, key: &[u8]) -> Option<Inclusion> {
    path(view, view.slot_of(key)?)
}

/// Proof that a key is not live; `None` when it is.
#[must_use]
pub fn prove_absence(view: &dyn TreeView, key: &[u8]) -> Option<Absence> {
    if key.is_empty() || view.slot_of(key).is_some() {
        return None;
    }
    path(view, view.predecessor(key).1).map(Absence)
}

fn path(view: &dyn TreeView, slot: u64) -> Option<Inclusion> {
    let Leaf::Live { key, next, value_hash } = view.leaf(slot)? else { return None };
    let head = view.head();
    let depth = head.depth();
    let siblings = (0..depth).map(|level| view.node(level, (slot >> level) ^ 1)).collect();
    let (key, next) = (key.to_vec(), next.to_vec());
    Some(Inclusion { slot, key, next, value_hash, siblings, depth, used: head.used, free_head: head.free_head })
}
