//! The indexed Merkle tree over the ledger state (ledger.md §6): one root a block, proofs of what is and what is not.
//!
//! Every live key owns a slot. Leaves form a list ordered by key (`next`), so one leaf proves that nothing lies between
//! its key and `next`. Deleted slots form a second list (`free_head`, `next_free`) and are used again.
//!
//! # Protocol
//! 1. Leaf `H(0x00 ‖ u16 len(key) ‖ key ‖ u16 len(next) ‖ next ‖ H(value))`; free slot `H(0x03 ‖ next_free u64)`; a slot
//!    that was never used is 32 zero bytes. Node `H(0x01 ‖ l ‖ r)`; two zero children give zero.
//! 2. A diff is applied in ascending key order. A new key takes `free_head`, else slot `used`, which grows by one. A
//!    deleted key's slot becomes `free_head`. The insert after a delete in one diff therefore takes the slot just freed.
//! 3. `top` is the node at `depth` = ⌈log2 used⌉, index 0; `root = H(0x02 ‖ depth ‖ used ‖ free_head ‖ top)`.
//!
//! # Decided here, where the specification is silent
//! - Slot 0 holds the sentinel: empty key, `next` = smallest live key, and `H("")` in place of a value hash. No live
//!   value is empty, so nobody can prove a value for it. It is part of `used`, so an empty tree has `used` = 1, depth 0.
//! - Slot 0 is never free, so 0 ends the free list, which is last-in-first-out.
//! - `next` of the greatest key is the empty key.
//! - `used` and depth never shrink, except by undo, which gives back the tree of before bit for bit.
//! - A change that changes nothing (an equal value, the removal of an absent key) leaves the tree as it is.
//!
//! # Invariants
//! - The root is a function of the state before and the net diff alone; the order inside one diff is fixed.
//! - [`restore`] after [`apply()`] is the identity on head, leaves and nodes (I9).
//! - A batch hashes each touched node once, level by level.
//!
//! # What it deliberately does not do
//! It holds no values and touches no disk: a [`TreeView`] reads, a [`TreeUpdate`] says what to write.

mod apply;
mod leaf;
mod memory;
mod proof;
mod slots;

pub use apply::{LeafChange, NodeChange, TreeUndo, TreeUpdate, apply, restore};
pub use leaf::{KEY_BYTES_MAX, Leaf, TreeHead, depth_of, node_hash};
pub use memory::{Levels, MemoryTree};
pub use proof::{Absence, Inclusion, PROOF_BYTES_MAX, ProofError, prove_absence, prove_inclusion};

use crate::hash::Hash;
use alloc::vec::Vec;
use thiserror::Error;

/// A tree as it stands. Reads have no error: a failing disk stops the process.
pub trait TreeView {
    /// Depth, counters and top node.
    fn head(&self) -> TreeHead;
    /// Hash of a node; level 0 are the leaves. Zero where nothing was ever used.
    fn node(&self, level: u8, index: u64) -> Hash;
    /// Slot of a live key.
    fn slot_of(&self, key: &[u8]) -> Option<u64>;
    /// What stands in a slot; `None` where nothing was ever used.
    fn leaf(&self, slot: u64) -> Option<Leaf>;
    /// Greatest live key below `key`, and its slot; the empty key in slot 0 when there is none.
    fn predecessor(&self, key: &[u8]) -> (Vec<u8>, u64);
}

/// A diff that no rule may produce, or a tree that contradicts itself. Either is a bug: the node halts.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum TreeError {
    /// The empty key belongs to the sentinel.
    #[error("the empty key belongs to the sentinel")]
    EmptyKey,
    /// Longer than [`KEY_BYTES_MAX`].
    #[error("key of {length} bytes where {KEY_BYTES_MAX} are permitted")]
    KeyTooLong {
        /// Bytes of the key.
        length: usize,
    },
    /// Values are never empty.
    #[error("empty value under key {key:02x?}")]
    EmptyValue {
        /// The key.
        key: Vec<u8>,
    },
    /// A slot should hold a live leaf, or a free one, and does not.
    #[error("slot {slot} does not hold what the tree says it holds")]
    Inconsistent {
        /// The slot.
        slot: u64,
    },
    /// The journal entry is another tree's, or does not give back the tree of before.
    #[error("undo stands at root {found} where the journal says {expected}")]
    UndoMismatch {
        /// Recomputed.
        found: Hash,
        /// In the journal.
        expected: Hash,
    },
}

#[cfg(test)]
mod tests;
