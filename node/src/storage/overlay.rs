//! States that are not on disk: executed blocks that are not selected yet, and forks below the newest block.
//!
//! A fork's state is the committed one, taken back in memory to the fork's root, with the fork's blocks laid on top.

use super::{Position, Snapshot, State, Storage, StorageError};
use nupeer_primitives::Hash;
use nupeer_primitives::Height;
use nupeer_primitives::imt::{self, Leaf, TreeHead, TreeUpdate, TreeView};
use nupeer_primitives::state::{Diff, View};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

/// Changes over a state that does not move.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Overlay {
    values: Diff,
    head: Option<TreeHead>,
    nodes: BTreeMap<(u8, u64), Hash>,
    leaves: BTreeMap<u64, Option<Leaf>>,
    slots: BTreeMap<Vec<u8>, Option<u64>>,
}

impl Overlay {
    /// Lays one more block on top. `tree` was computed against this overlay over the same state.
    pub fn push(&mut self, diff: &Diff, tree: &TreeUpdate) {
        self.values.extend(diff.iter().map(|(key, value)| (key.clone(), value.clone())));
        self.nodes.extend(tree.nodes.iter().map(|node| ((node.level, node.index), node.hash)));
        self.leaves.extend(tree.leaves.iter().map(|change| (change.slot, change.after.clone())));
        self.slots.extend(tree.slots().map(|(key, slot)| (key.to_vec(), slot)));
        self.head = Some(tree.after);
    }

    /// The state that it makes of `base`.
    #[must_use]
    pub fn over<'a>(&'a self, base: &'a dyn State) -> OverlayState<'a> {
        OverlayState { base, overlay: self }
    }
}

impl Storage {
    /// The overlay over `snapshot` that takes blocks back until `height` is the newest.
    pub fn undone(&self, snapshot: &Snapshot<'_>, height: Height) -> Result<Overlay, StorageError> {
        let mut overlay = Overlay::default();
        let mut at = snapshot.position().height;
        while at > height {
            at = self.undo_one(snapshot, &mut overlay, at)?.0.height;
        }
        Ok(overlay)
    }

    /// Takes one more block back: the one at `height`, the newest that `overlay` leaves. Gives the block before it, and the
    /// values that became others again.
    pub fn undo_one(
        &self,
        snapshot: &Snapshot<'_>,
        overlay: &mut Overlay,
        height: Height,
    ) -> Result<(Position, Diff), StorageError> {
        let undo = self.undo_at(snapshot, height)?;
        let tree = imt::restore(&overlay.over(snapshot), &undo.tree)?;
        overlay.push(&undo.values, &tree);
        Ok((undo.parent, undo.values))
    }
}

/// An [`Overlay`] over a state.
pub struct OverlayState<'a> {
    base: &'a dyn State,
    overlay: &'a Overlay,
}

impl fmt::Debug for OverlayState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OverlayState({} values)", self.overlay.values.len())
    }
}

impl View for OverlayState<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.overlay.values.get(key) {
            Some(value) => value.clone(),
            None => self.base.get(key),
        }
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let start = prefix.max(from);
        let changed: Vec<_> = self
            .overlay
            .values
            .range::<[u8], _>((Bound::Included(start), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .collect();
        // Every changed key can hide one of the base, so the base is asked for that many more.
        let stored = self.base.scan(prefix, from, limit.saturating_add(changed.len()));
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

impl TreeView for OverlayState<'_> {
    fn head(&self) -> TreeHead {
        self.overlay.head.unwrap_or_else(|| self.base.head())
    }

    fn node(&self, level: u8, index: u64) -> Hash {
        self.overlay.nodes.get(&(level, index)).copied().unwrap_or_else(|| self.base.node(level, index))
    }

    fn slot_of(&self, key: &[u8]) -> Option<u64> {
        self.overlay.slots.get(key).copied().unwrap_or_else(|| self.base.slot_of(key))
    }

    fn leaf(&self, slot: u64) -> Option<Leaf> {
        self.overlay.leaves.get(&slot).cloned().unwrap_or_else(|| self.base.leaf(slot))
    }

    fn predecessor(&self, key: &[u8]) -> (Vec<u8>, u64) {
        let below = (Bound::Unbounded, Bound::Excluded(key));
        let laid = self.overlay.slots.range::<[u8], _>(below).rev();
        let laid = laid.filter_map(|(key, slot)| Some((key, (*slot)?))).next();
        let mut stored = self.base.predecessor(key);
        // Passes keys that the overlay removed, but never below what the overlay itself offers.
        while !stored.0.is_empty()
            && laid.is_none_or(|(key, _)| *key < stored.0)
            && self.overlay.slots.get(&stored.0) == Some(&None)
        {
            stored = self.base.predecessor(&stored.0);
        }
        match laid {
            Some((key, slot)) if *key >= stored.0 => (key.clone(), slot),
            _ => stored,
        }
    }
}
