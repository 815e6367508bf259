//! Diff in, update out; and back again.

use super::leaf::{KEY_BYTES_MAX, Leaf, TreeHead, node_hash};
use super::{TreeError, TreeView};
use crate::cbor::{Cbor, Reader, Writer};
use crate::error::Malformed;
use crate::hash::{Hash, blake2b_256};
use crate::state::Diff;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// A slot whose content changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeafChange {
    /// The slot.
    pub slot: u64,
    /// Content before; `None` where nothing was ever used.
    pub before: Option<Leaf>,
    /// Content after; `None` only when an undo gives the slot back.
    pub after: Option<Leaf>,
}

/// A node's new hash; zero means that nothing is stored there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeChange {
    /// 0 for leaves.
    pub level: u8,
    /// Position in the level.
    pub index: u64,
    /// The new hash.
    pub hash: Hash,
}

/// What a block does to the tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreeUpdate {
    /// Before.
    pub before: TreeHead,
    /// After.
    pub after: TreeHead,
    /// Changed slots, ascending.
    pub leaves: Vec<LeafChange>,
    /// Changed nodes, ascending by level, then index.
    pub nodes: Vec<NodeChange>,
}

impl TreeUpdate {
    /// Root after.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.after.root()
    }

    /// What must be kept to take this update back. Nodes are left out: they follow from the leaves.
    #[must_use]
    pub fn undo(&self) -> TreeUndo {
        TreeUndo {
            from: self.after,
            head: self.before,
            leaves: self.leaves.iter().map(|change| (change.slot, change.before.clone())).collect(),
        }
    }

    /// Changes of the slot index: keys that left their slot, then keys that entered one.
    pub fn slots(&self) -> impl Iterator<Item = (&[u8], Option<u64>)> {
        let moved = |change: &&LeafChange| key_of(&change.before) != key_of(&change.after);
        let left = self.leaves.iter().filter(moved).filter_map(|change| Some((key_of(&change.before)?, None)));
        let entered =
            self.leaves.iter().filter(moved).filter_map(|change| Some((key_of(&change.after)?, Some(change.slot))));
        left.chain(entered)
    }
}

fn key_of(leaf: &Option<Leaf>) -> Option<&[u8]> {
    leaf.as_ref().and_then(Leaf::key)
}

/// The tree of before, as far as an update changed it: an entry of the undo journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreeUndo {
    /// Head after: the only tree that this entry can take back.
    pub from: TreeHead,
    /// Head before.
    pub head: TreeHead,
    /// Content before, by slot.
    pub leaves: Vec<(u64, Option<Leaf>)>,
}

impl Cbor for TreeUndo {
    fn write(&self, w: &mut Writer) {
        w.array(3).put(&self.from).put(&self.head).put(&self.leaves);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(3)?;
        // The journal is our own; the count is bounded by the bytes that follow.
        Ok(Self { from: r.get()?, head: r.get()?, leaves: r.list(usize::MAX)? })
    }
}

/// Applies a net diff.
pub fn apply(view: &dyn TreeView, diff: &Diff) -> Result<TreeUpdate, TreeError> {
    let before = view.head();
    let mut batch = Batch {
        view,
        used: before.used,
        free_head: before.free_head,
        touched: BTreeMap::new(),
        passed: Vec::new(),
        cursor: (Vec::new(), 0),
    };
    for (key, value) in diff {
        batch.change(key, value.as_deref())?;
    }
    let mut after = TreeHead { used: batch.used, free_head: batch.free_head, top: before.top };
    let leaves: Vec<LeafChange> =
        batch.touched.into_values().filter(|change| change.before != change.after).collect();
    let nodes = rehash(view, &leaves, before.depth(), after.depth(), &mut after.top);
    Ok(TreeUpdate { before, after, leaves, nodes })
}

/// Takes an update back: the inverse of the update that gave `undo`.
pub fn restore(view: &dyn TreeView, undo: &TreeUndo) -> Result<TreeUpdate, TreeError> {
    let before = view.head();
    if before != undo.from {
        return Err(TreeError::UndoMismatch { found: before.root(), expected: undo.from.root() });
    }
    let leaves: Vec<LeafChange> = undo
        .leaves
        .iter()
        .map(|(slot, leaf)| LeafChange { slot: *slot, before: view.leaf(*slot), after: leaf.clone() })
        .collect();
    let mut after = TreeHead { top: before.top, ..undo.head };
    let nodes = rehash(view, &leaves, before.depth(), after.depth(), &mut after.top);
    if after.top != undo.head.top {
        return Err(TreeError::UndoMismatch { found: after.root(), expected: undo.head.root() });
    }
    Ok(TreeUpdate { before, after, leaves, nodes })
}

struct Batch<'v> {
    view: &'v dyn TreeView,
    used: u64,
    free_head: u64,
    touched: BTreeMap<u64, LeafChange>,
    /// The greatest key of the diff so far.
    passed: Vec<u8>,
    /// The greatest key not above `passed` that is live now, and its slot.
    cursor: (Vec<u8>, u64),
}

impl Batch<'_> {
    fn change(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), TreeError> {
        let prefix = *key.first().ok_or(TreeError::EmptyKey)?;
        if key.len() > KEY_BYTES_MAX {
            return Err(TreeError::KeyTooLong { length: key.len() });
        }
        if value.is_some_and(<[u8]>::is_empty) {
            return Err(TreeError::EmptyValue { prefix });
        }
        self.cursor = match (self.view.slot_of(key), value.map(blake2b_256)) {
            (Some(slot), Some(value_hash)) => self.update(key, slot, value_hash)?,
            (None, Some(value_hash)) => self.insert(key, value_hash)?,
            (Some(slot), None) => self.delete(key, slot)?,
            (None, None) => return Ok(()),
        };
        self.passed.clear();
        self.passed.extend_from_slice(key);
        Ok(())
    }

    fn update(&mut self, key: &[u8], slot: u64, value_hash: Hash) -> Result<(Vec<u8>, u64), TreeError> {
        let next = self.next_of(slot)?.to_vec();
        self.write(slot, Leaf::Live { key: key.to_vec(), next, value_hash });
        Ok((key.to_vec(), slot))
    }

    fn insert(&mut self, key: &[u8], value_hash: Hash) -> Result<(Vec<u8>, u64), TreeError> {
        let slot = self.allocate()?;
        let (_, predecessor) = self.predecessor(key);
        let next = self.relink(predecessor, key)?;
        self.write(slot, Leaf::Live { key: key.to_vec(), next, value_hash });
        Ok((key.to_vec(), slot))
    }

    fn delete(&mut self, key: &[u8], slot: u64) -> Result<(Vec<u8>, u64), TreeError> {
        let predecessor = self.predecessor(key);
        let next = self.next_of(slot)?.to_vec();
        self.relink(predecessor.1, &next)?;
        self.write(slot, Leaf::Free { next_free: self.free_head });
        self.free_head = slot;
        Ok(predecessor)
    }

    /// Keys ascend, so what the view says about keys above `passed` still holds; below, the cursor knows better.
    fn predecessor(&self, key: &[u8]) -> (Vec<u8>, u64) {
        let stored = self.view.predecessor(key);
        if stored.0 > self.passed { stored } else { self.cursor.clone() }
    }

    fn allocate(&mut self) -> Result<u64, TreeError> {
        let slot = self.free_head;
        if slot == 0 {
            let slot = self.used;
            self.used = slot.checked_add(1).ok_or(TreeError::Inconsistent { slot })?;
            return Ok(slot);
        }
        match self.at(slot).after {
            Some(Leaf::Free { next_free }) => self.free_head = next_free,
            Some(Leaf::Live { .. }) | None => return Err(TreeError::Inconsistent { slot }),
        }
        Ok(slot)
    }

    /// Points a live leaf at another `next` and gives back the old one.
    fn relink(&mut self, slot: u64, to: &[u8]) -> Result<Vec<u8>, TreeError> {
        match &mut self.at(slot).after {
            Some(Leaf::Live { next, .. }) => Ok(core::mem::replace(next, to.to_vec())),
            Some(Leaf::Free { .. }) | None => Err(TreeError::Inconsistent { slot }),
        }
    }

    fn next_of(&mut self, slot: u64) -> Result<&[u8], TreeError> {
        match &self.at(slot).after {
            Some(Leaf::Live { next, .. }) => Ok(next),
            Some(Leaf::Free { .. }) | None => Err(TreeError::Inconsistent { slot }),
        }
    }

    fn write(&mut self, slot: u64, leaf: Leaf) {
        self.at(slot).after = Some(leaf);
    }

    fn at(&mut self, slot: u64) -> &mut LeafChange {
        let view = self.view;
        self.touched.entry(slot).or_insert_with(|| {
            let before = view.leaf(slot);
            LeafChange { slot, after: before.clone(), before }
        })
    }
}

/// Hashes the touched paths, one level after the other, and sets `top`.
///
/// Above the new depth (only after an undo) nothing is stored. Every node there was made by a slot that the undo gives
/// back, so clearing the touched ones clears all.
fn rehash(
    view: &dyn TreeView,
    leaves: &[LeafChange],
    depth_before: u8,
    depth_after: u8,
    top: &mut Hash,
) -> Vec<NodeChange> {
    let mut nodes: Vec<NodeChange> = leaves
        .iter()
        .map(|change| NodeChange {
            level: 0,
            index: change.slot,
            hash: change.after.as_ref().map_or(Hash::ZERO, Leaf::hash),
        })
        .collect();
    let mut start = 0;
    for level in 0..depth_before.max(depth_after) {
        let end = nodes.len();
        while let Some(child) = nodes.get(start).filter(|_| start < end).copied() {
            let twin = nodes.get(start + 1).filter(|_| start + 1 < end).filter(|node| node.index == child.index ^ 1);
            start += 1 + usize::from(twin.is_some());
            let hash = if level >= depth_after {
                Hash::ZERO
            } else {
                let sibling = twin.map_or_else(|| view.node(level, child.index ^ 1), |node| node.hash);
                if child.index & 1 == 0 { node_hash(&child.hash, &sibling) } else { node_hash(&sibling, &child.hash) }
            };
            nodes.push(NodeChange { level: level + 1, index: child.index >> 1, hash });
        }
    }
    if let Some(node) = nodes.iter().rev().find(|node| node.level == depth_after && node.index == 0) {
        *top = node.hash;
    }
    nodes
}
