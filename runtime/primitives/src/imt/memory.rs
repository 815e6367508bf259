//! A tree in memory: tests, the simulator, benches; and its levels alone as a cache over a tree on disk.

use super::TreeView;
use super::apply::{NodeChange, TreeUpdate};
use super::leaf::{Leaf, TreeHead};
use super::slots::SlotIndex;
use crate::hash::Hash;
use alloc::vec::Vec;

/// The nodes of all levels from `lowest` up, one vector a level: a million leaves cost 4 MiB from level 4 up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Levels {
    lowest: u8,
    levels: Vec<Vec<Hash>>,
}

impl Levels {
    /// No node yet; levels below `lowest` are somebody else's.
    #[must_use]
    pub fn new(lowest: u8) -> Self {
        Self { lowest, levels: Vec::new() }
    }

    /// The lowest level held.
    #[must_use]
    pub fn lowest(&self) -> u8 {
        self.lowest
    }

    /// A node; zero where nothing is stored or the level is below [`Levels::lowest`].
    #[must_use]
    pub fn get(&self, level: u8, index: u64) -> Hash {
        let at = level.checked_sub(self.lowest).and_then(|at| self.levels.get(usize::from(at)));
        at.zip(usize::try_from(index).ok()).and_then(|(nodes, index)| nodes.get(index)).copied().unwrap_or(Hash::ZERO)
    }

    /// Sets a node; changes below [`Levels::lowest`] are ignored.
    pub fn set(&mut self, change: &NodeChange) {
        let Some(at) = change.level.checked_sub(self.lowest).map(usize::from) else { return };
        let Ok(index) = usize::try_from(change.index) else { return };
        if self.levels.len() <= at {
            self.levels.resize_with(at + 1, Vec::new);
        }
        let Some(nodes) = self.levels.get_mut(at) else { return };
        if change.hash == Hash::ZERO && index >= nodes.len() {
            return;
        }
        if nodes.len() <= index {
            nodes.resize(index + 1, Hash::ZERO);
        }
        if let Some(node) = nodes.get_mut(index) {
            *node = change.hash;
        }
        // Zeroes at the end are not stored, so that a tree after undo equals the tree before, byte for byte.
        while nodes.last() == Some(&Hash::ZERO) {
            nodes.pop();
        }
        while self.levels.last().is_some_and(Vec::is_empty) {
            self.levels.pop();
        }
    }
}

/// A whole tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemoryTree {
    head: TreeHead,
    slots: SlotIndex,
    leaves: Vec<Leaf>,
    levels: Levels,
}

impl Default for MemoryTree {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryTree {
    /// The empty tree.
    #[must_use]
    pub fn new() -> Self {
        let head = TreeHead::empty();
        let mut levels = Levels::new(0);
        levels.set(&NodeChange { level: 0, index: 0, hash: head.top });
        Self { head, slots: SlotIndex::default(), leaves: alloc::vec![Leaf::sentinel()], levels }
    }

    /// Writes an update that was computed against this tree.
    pub fn commit(&mut self, update: &TreeUpdate) {
        for (key, slot) in update.slots() {
            match slot {
                Some(slot) => self.slots.insert(key, slot),
                None => self.slots.remove(key),
            }
        }
        for change in &update.leaves {
            let (Ok(at), Some(leaf)) = (usize::try_from(change.slot), change.after.clone()) else { continue };
            match self.leaves.get_mut(at) {
                Some(place) => *place = leaf,
                // Changes ascend and slots are taken one after the other, so this is the next one.
                None => self.leaves.push(leaf),
            }
        }
        self.leaves.truncate(usize::try_from(update.after.used).unwrap_or(usize::MAX));
        for change in &update.nodes {
            self.levels.set(change);
        }
        self.head = update.after;
    }

    /// Number of live keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no key is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.len() == 0
    }
}

impl TreeView for MemoryTree {
    fn head(&self) -> TreeHead {
        self.head
    }
    fn node(&self, level: u8, index: u64) -> Hash {
        self.levels.get(level, index)
    }
    fn slot_of(&self, key: &[u8]) -> Option<u64> {
        self.slots.get(key)
    }
    fn leaf(&self, slot: u64) -> Option<Leaf> {
        self.leaves.get(usize::try_from(slot).ok()?).cloned()
    }
    fn predecessor(&self, key: &[u8]) -> (Vec<u8>, u64) {
        self.slots.below(key).map_or((Vec::new(), 0), |(key, slot)| (key.to_vec(), slot))
    }
}
