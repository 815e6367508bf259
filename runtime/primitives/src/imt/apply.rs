//! Diff in, update out; and back again.

use super::leaf::{KEY_BYTES_MAX, Leaf, TreeHead, hash_all, node_hashes};
use super::{TreeError, TreeView};
use crate::cbor::{Cbor, Reader, Writer};
use crate::error::Malformed;
use crate::hash::Hash;
use crate::state::Diff;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
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

impl LeafChange {
    fn take(&mut self) -> Self {
        Self { slot: self.slot, before: self.before.take(), after: self.after.take() }
    }
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
    pub fn slots(&self) -> impl Iterator<Item = (&Arc<[u8]>, Option<u64>)> {
        let moved = |change: &&LeafChange| key_of(&change.before) != key_of(&change.after);
        let left = self.leaves.iter().filter(moved).filter_map(|change| Some((key_of(&change.before)?, None)));
        let entered =
            self.leaves.iter().filter(moved).filter_map(|change| Some((key_of(&change.after)?, Some(change.slot))));
        left.chain(entered)
    }
}

fn key_of(leaf: &Option<Leaf>) -> Option<&Arc<[u8]>> {
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
        places: BTreeMap::new(),
        changes: Vec::new(),
        passed: &[],
        cursor: 0,
    };
    let values: Vec<&[u8]> = diff.values().map(|value| value.as_deref().unwrap_or_default()).collect();
    for ((key, value), hash) in diff.iter().zip(hash_all(&values)) {
        if value.as_ref().is_some_and(Vec::is_empty) {
            return Err(TreeError::EmptyValue { key: key.clone() });
        }
        batch.change(key, value.as_ref().map(|_| hash))?;
    }
    let mut after = TreeHead { used: batch.used, free_head: batch.free_head, top: before.top };
    let leaves = batch.into_changes();
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

struct Batch<'a> {
    view: &'a dyn TreeView,
    used: u64,
    free_head: u64,
    /// Slot -> its place in `changes`; changes are large, and a map would move them about.
    places: BTreeMap<u64, usize>,
    changes: Vec<LeafChange>,
    /// The greatest key of the diff so far.
    passed: &'a [u8],
    /// Slot of the greatest key not above `passed` that is live now.
    cursor: u64,
}

impl<'a> Batch<'a> {
    fn change(&mut self, key: &'a [u8], value_hash: Option<Hash>) -> Result<(), TreeError> {
        if key.is_empty() {
            return Err(TreeError::EmptyKey);
        }
        if key.len() > KEY_BYTES_MAX {
            return Err(TreeError::KeyTooLong { length: key.len() });
        }
        self.cursor = match (self.view.slot_of(key), value_hash) {
            (Some(slot), Some(hash)) => self.update(slot, hash)?,
            (None, Some(hash)) => self.insert(key, hash)?,
            (Some(slot), None) => self.delete(key, slot)?,
            (None, None) => return Ok(()),
        };
        self.passed = key;
        Ok(())
    }

    fn update(&mut self, slot: u64, hash: Hash) -> Result<u64, TreeError> {
        match &mut self.at(slot).after {
            Some(Leaf::Live { value_hash, .. }) => *value_hash = hash,
            Some(Leaf::Free { .. }) | None => return Err(TreeError::Inconsistent { slot }),
        }
        Ok(slot)
    }

    fn insert(&mut self, key: &[u8], value_hash: Hash) -> Result<u64, TreeError> {
        let slot = self.allocate()?;
        let predecessor = self.predecessor(key);
        let key = Arc::from(key);
        let next = self.relink(predecessor, Arc::clone(&key))?;
        self.at(slot).after = Some(Leaf::Live { key, next, value_hash });
        Ok(slot)
    }

    fn delete(&mut self, key: &[u8], slot: u64) -> Result<u64, TreeError> {
        let predecessor = self.predecessor(key);
        let next = self.relink(slot, Arc::default())?;
        self.relink(predecessor, next)?;
        self.at(slot).after = Some(Leaf::Free { next_free: self.free_head });
        self.free_head = slot;
        Ok(predecessor)
    }

    /// Slot of the greatest live key below `key`. Among neighbours the list itself knows, which saves the view a search:
    /// queues are emptied and filled in runs. Else, as keys ascend, what the view says about keys above `passed` still
    /// holds; below, the cursor knows better.
    fn predecessor(&mut self, key: &[u8]) -> u64 {
        if let Some(Leaf::Live { next, .. }) = &self.at(self.cursor).after
            && (next.is_empty() || &**next >= key)
        {
            return self.cursor;
        }
        let (stored, slot) = self.view.predecessor(key);
        if stored.as_slice() > self.passed { slot } else { self.cursor }
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
    fn relink(&mut self, slot: u64, to: Arc<[u8]>) -> Result<Arc<[u8]>, TreeError> {
        match &mut self.at(slot).after {
            Some(Leaf::Live { next, .. }) => Ok(core::mem::replace(next, to)),
            Some(Leaf::Free { .. }) | None => Err(TreeError::Inconsistent { slot }),
        }
    }

    fn at(&mut self, slot: u64) -> &mut LeafChange {
        let place = *self.places.entry(slot).or_insert(self.changes.len());
        if place == self.changes.len() {
            let before = self.view.leaf(slot);
            self.changes.push(LeafChange { slot, after: before.clone(), before });
        }
        self.changes.get_mut(place).expect("a place names a change that was pushed")
    }

    /// What really changed, by slot.
    fn into_changes(self) -> Vec<LeafChange> {
        let Self { places, mut changes, .. } = self;
        let taken = places.into_values().filter_map(|place| changes.get_mut(place).map(LeafChange::take));
        taken.filter(|change| change.before != change.after).collect()
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
    let preimages: Vec<Vec<u8>> =
        leaves.iter().map(|change| change.after.as_ref().map(Leaf::preimage).unwrap_or_default()).collect();
    let mut nodes = Vec::with_capacity(leaves.len().saturating_mul(usize::from(depth_after) + 1));
    nodes.extend(leaves.iter().zip(hash_all(&preimages)).map(|(change, hash)| NodeChange {
        level: 0,
        index: change.slot,
        hash: if change.after.is_some() { hash } else { Hash::ZERO },
    }));
    let mut start = 0;
    for level in 0..depth_before.max(depth_after) {
        let children = nodes.get(start..).unwrap_or(&[]);
        start = nodes.len();
        let mut pairs = Vec::with_capacity(children.len());
        let mut parents = Vec::with_capacity(children.len());
        let mut rest = children.iter().peekable();
        while let Some(child) = rest.next() {
            let index = child.index;
            let twin = rest.next_if(|node| node.index == index ^ 1).map(|node| node.hash);
            let sibling = twin.unwrap_or_else(|| view.node(level, index ^ 1));
            pairs.push(if index & 1 == 0 { (child.hash, sibling) } else { (sibling, child.hash) });
            parents.push(index >> 1);
        }
        let hashes = if level < depth_after { node_hashes(&pairs) } else { alloc::vec![Hash::ZERO; pairs.len()] };
        let parents = parents.into_iter().zip(hashes);
        nodes.extend(parents.map(|(index, hash)| NodeChange { level: level + 1, index, hash }));
    }
    if let Some(node) = nodes.iter().rev().find(|node| node.level == depth_after && node.index == 0) {
        *top = node.hash;
    }
    nodes
}
