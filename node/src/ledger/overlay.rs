//! A state as it stands after another block than the stored tip: the stored state with changes laid over it.
//!
//! Forks are short, so the way back (undo journal) and the way forward (blocks executed on the other branch) fit in
//! memory; storage itself only ever holds the selected chain.

use nupeer_primitives::Hash;
use nupeer_primitives::imt::{Leaf, TreeError, TreeHead, TreeUndo, TreeUpdate, TreeView, restore};
use nupeer_primitives::state::{Diff, View};
use std::collections::BTreeMap;

/// Both faces of a state.
pub trait StateView: View + TreeView {
    /// As the values that rules read.
    fn values(&self) -> &dyn View;
    /// As the tree that the root comes from.
    fn tree(&self) -> &dyn TreeView;
}

impl<T: View + TreeView> StateView for T {
    fn values(&self) -> &dyn View {
        self
    }
    fn tree(&self) -> &dyn TreeView {
        self
    }
}

/// Changes over a base.
pub struct Overlay<'b> {
    base: &'b dyn StateView,
    values: Diff,
    nodes: BTreeMap<(u8, u64), Hash>,
    leaves: BTreeMap<u64, Option<Leaf>>,
    slots: BTreeMap<Vec<u8>, Option<u64>>,
    head: TreeHead,
}

impl<'b> Overlay<'b> {
    /// No changes.
    #[must_use]
    pub fn new(base: &'b dyn StateView) -> Self {
        let head = base.head();
        Self {
            base,
            values: Diff::new(),
            nodes: BTreeMap::new(),
            leaves: BTreeMap::new(),
            slots: BTreeMap::new(),
            head,
        }
    }

    /// Lays an executed block over it.
    pub fn apply(&mut self, diff: &Diff, update: &TreeUpdate) {
        self.values.extend(diff.iter().map(|(key, value)| (key.clone(), value.clone())));
        self.lay_tree(update);
    }

    /// Takes the newest block of the base back, by its journal entry.
    pub fn undo(&mut self, before: &Diff, undo: &TreeUndo) -> Result<(), TreeError> {
        let update = restore(self, undo)?;
        self.apply(before, &update);
        Ok(())
    }

    fn lay_tree(&mut self, update: &TreeUpdate) {
        for (key, slot) in update.slots() {
            self.slots.insert(key.to_vec(), slot);
        }
        for change in &update.leaves {
            self.leaves.insert(change.slot, change.after.clone());
        }
        for change in &update.nodes {
            self.nodes.insert((change.level, change.index), change.hash);
        }
        self.head = update.after;
    }
}

impl View for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.values.get(key) {
            Some(change) => change.clone(),
            None => self.base.values().get(key),
        }
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let start = from.max(prefix).to_vec();
        let changed: Vec<_> =
            self.values.range(start..).take_while(|(key, _)| key.starts_with(prefix)).collect();
        let stored = self.base.values().scan(prefix, from, limit.saturating_add(changed.len()));
        let mut merged: BTreeMap<Vec<u8>, Vec<u8>> = stored.into_iter().collect();
        for (key, value) in changed {
            match value {
                Some(value) => merged.insert(key.clone(), value.clone()),
                None => merged.remove(key),
            };
        }
        merged.into_iter().take(limit).collect()
    }
}

impl TreeView for Overlay<'_> {
    fn head(&self) -> TreeHead {
        self.head
    }
    fn node(&self, level: u8, index: u64) -> Hash {
        self.nodes.get(&(level, index)).copied().unwrap_or_else(|| self.base.node(level, index))
    }
    fn slot_of(&self, key: &[u8]) -> Option<u64> {
        self.slots.get(key).copied().unwrap_or_else(|| self.base.slot_of(key))
    }
    fn leaf(&self, slot: u64) -> Option<Leaf> {
        self.leaves.get(&slot).cloned().unwrap_or_else(|| self.base.leaf(slot))
    }
    fn predecessor(&self, key: &[u8]) -> (Vec<u8>, u64) {
        let mut below = self.base.predecessor(key);
        while !below.0.is_empty() && self.slots.get(&below.0) == Some(&None) {
            below = self.base.predecessor(&below.0);
        }
        let laid = self.slots.range(..key.to_vec()).rev().find_map(|(key, slot)| slot.map(|slot| (key.clone(), slot)));
        match laid {
            Some(laid) if laid.0 > below.0 => laid,
            Some(_) | None => {
                // A key that kept its place may still have moved to another slot.
                let slot = self.slots.get(&below.0).copied().flatten().unwrap_or(below.1);
                (below.0, slot)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use nupeer_primitives::imt::{MemoryTree, apply};
    use nupeer_primitives::state::{MemoryState, apply_diff};
    use proptest::prelude::*;

    struct Memory {
        values: MemoryState,
        tree: MemoryTree,
    }

    impl View for Memory {
        fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
            View::get(&self.values, key)
        }
        fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
            self.values.scan(prefix, from, limit)
        }
    }

    impl TreeView for Memory {
        fn head(&self) -> TreeHead {
            self.tree.head()
        }
        fn node(&self, level: u8, index: u64) -> Hash {
            self.tree.node(level, index)
        }
        fn slot_of(&self, key: &[u8]) -> Option<u64> {
            self.tree.slot_of(key)
        }
        fn leaf(&self, slot: u64) -> Option<Leaf> {
            self.tree.leaf(slot)
        }
        fn predecessor(&self, key: &[u8]) -> (Vec<u8>, u64) {
            self.tree.predecessor(key)
        }
    }

    fn net(state: &MemoryState, raw: &[(u8, Option<u8>)]) -> Diff {
        let changes: Diff = raw.iter().map(|(k, v)| (vec![*k], v.map(|v| vec![v]))).collect();
        changes.into_iter().filter(|(k, v)| View::get(state, k) != *v).collect()
    }

    type Raw = Vec<(u8, Option<u8>)>;

    proptest! {
        /// Going back and down another branch over a store gives the roots of walking that branch from the start.
        #[test]
        fn another_branch_over_the_store_equals_the_branch_alone(
            common: Raw, ours in prop::collection::vec(any::<Raw>(), 0..4), theirs in prop::collection::vec(any::<Raw>(), 0..4)
        ) {
            let mut store = Memory { values: MemoryState::new(), tree: MemoryTree::new() };
            let mut commit = |store: &mut Memory, raw: &Raw| {
                let diff = net(&store.values, raw);
                let update = apply(&store.tree, &diff).unwrap();
                let before: Diff = diff.keys().map(|k| (k.clone(), View::get(&store.values, k))).collect();
                apply_diff(&mut store.values, &diff);
                store.tree.commit(&update);
                (before, update.undo())
            };
            commit(&mut store, &common);
            // The lone branch replays the common block, so that slots are the same.
            let mut alone = Memory { values: MemoryState::new(), tree: MemoryTree::new() };
            commit(&mut alone, &common);
            let journal: Vec<_> = ours.iter().map(|raw| commit(&mut store, raw)).collect();
            let mut overlay = Overlay::new(&store);
            for (before, undo) in journal.iter().rev() {
                overlay.undo(before, undo).unwrap();
            }
            prop_assert_eq!(overlay.head().root(), alone.tree.head().root());
            for raw in &theirs {
                let diff = net(&alone.values, raw);
                let update = apply(&overlay, &diff).unwrap();
                overlay.apply(&diff, &update);
                commit(&mut alone, raw);
                prop_assert_eq!(overlay.head().root(), alone.tree.head().root());
            }
            prop_assert_eq!(overlay.scan(&[], &[], 1_000), alone.values.scan(&[], &[], 1_000));
        }
    }
}
