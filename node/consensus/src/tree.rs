//! The tree of headers above the newest final block, and how far each of them has come.
//!
//! # Invariants
//! - Every node descends from the root; its parent is in the tree. The root is executed.
//! - A node's stage is never past its parent's when it is past `Checked`: trust and execution grow from the root.
//! - Nodes are at most [`NODES_MAX`], those not yet trusted at most [`CHECKING_MAX`].

use crate::input::{Job, Peer, Point};
use crate::nonce::Nonce;
use crate::view::LedgerView;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use nupeer_primitives::{BlockId, Hash, Height, McRef, PoolId, Slot};

/// Headers in the tree: 3k/f slots of mainnet full of blocks (12,960), k below, and as much again for forks. About
/// 1.5 KiB each.
pub const NODES_MAX: usize = 32_768;
/// Headers whose crypto is being checked: four full answers. A worker checks about 1,000 a second.
pub const CHECKING_MAX: usize = 2_048;
/// Peers remembered as having a block: the first few are enough to fetch it.
pub const ANNOUNCERS_MAX: usize = 8;

/// How far a block has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// Rules 1-15 hold, 16-19 are being checked.
    Checking,
    /// Rules 1-19 hold, but an ancestor is still being checked.
    Checked,
    /// Rules 1-19 hold here and in every ancestor.
    Trusted,
    /// The body is in the driver's store.
    Held,
    /// The ledger is at work.
    Running,
    /// Executed, every rule holds.
    Valid,
}

/// A header and what is known about its block.
#[derive(Clone, Debug)]
pub struct Node {
    /// Id, height, slot.
    pub point: Point,
    /// The parent.
    pub parent: BlockId,
    /// Who issued it.
    pub pool: PoolId,
    /// Its operational certificate counter.
    pub counter: u64,
    /// Its VRF output.
    pub vrf_out: [u8; 64],
    /// Its Cardano reference.
    pub mc: McRef,
    /// What its body must hash to.
    pub body_hash: Hash,
    /// What its body must measure.
    pub body_size: u32,
    /// State root that execution must reach.
    pub state_root: Hash,
    /// The encoded header.
    pub bytes: Vec<u8>,
    /// Nonce state after it.
    pub nonce: Nonce,
    /// Progress.
    pub stage: Stage,
    /// The ledger after it, once executed.
    pub view: Option<Arc<LedgerView>>,
    /// An executed ancestor, the nearest one when the node was added.
    pub base: BlockId,
    /// Nodes that name it as parent.
    pub children: Vec<BlockId>,
    /// Who has shown it to us.
    pub announcers: Vec<Peer>,
    /// The check of rules 16-19 that decides about it: a verdict of an earlier check does not count.
    pub job: Job,
}

impl Node {
    /// Remembers that `peer` has it.
    pub fn announced_by(&mut self, peer: Peer) {
        if self.announcers.len() < ANNOUNCERS_MAX && !self.announcers.contains(&peer) {
            self.announcers.push(peer);
        }
    }
}

/// A node that left the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Removed {
    /// Which.
    pub id: BlockId,
    /// Whether it stood in the header index on disk.
    pub indexed: bool,
}

/// See the module header.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: BTreeMap<BlockId, Node>,
    root: BlockId,
    counters: BTreeMap<PoolId, u64>,
    checking: usize,
    /// Trusted nodes without a trusted child.
    trusted_leaves: BTreeSet<(Height, BlockId)>,
    /// Valid nodes without a valid child.
    valid_leaves: BTreeSet<(Height, BlockId)>,
    /// Trusted headers by slot and issuer (rule 20).
    issued: BTreeMap<(Slot, PoolId), Vec<BlockId>>,
}

impl Tree {
    /// A tree of one executed block.
    #[must_use]
    pub fn new(root: Node, counters: BTreeMap<PoolId, u64>) -> Self {
        let (id, leaf) = (root.point.id, (root.point.height, root.point.id));
        Self {
            nodes: BTreeMap::from([(id, Node { stage: Stage::Valid, ..root })]),
            root: id,
            counters,
            checking: 0,
            trusted_leaves: BTreeSet::from([leaf]),
            valid_leaves: BTreeSet::from([leaf]),
            issued: BTreeMap::new(),
        }
    }

    /// The node of a block.
    #[must_use]
    pub fn get(&self, id: &BlockId) -> Option<&Node> {
        self.nodes.get(id)
    }
    /// The node of a block, to note something that no index depends on.
    pub fn get_mut(&mut self, id: &BlockId) -> Option<&mut Node> {
        self.nodes.get_mut(id)
    }
    /// The final block.
    #[must_use]
    pub const fn root(&self) -> BlockId {
        self.root
    }
    /// Number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }
    /// A tree always has its root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
    /// True when no header may be added.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.nodes.len() >= NODES_MAX || self.checking >= CHECKING_MAX
    }
    /// Headers in check.
    #[must_use]
    pub const fn checking(&self) -> usize {
        self.checking
    }
    /// Trusted chains, best height first.
    pub fn trusted_leaves(&self) -> impl Iterator<Item = &Node> {
        self.trusted_leaves.iter().rev().filter_map(|(_, id)| self.nodes.get(id))
    }
    /// Executed chains, best height first.
    pub fn valid_leaves(&self) -> impl Iterator<Item = &Node> {
        self.valid_leaves.iter().rev().filter_map(|(_, id)| self.nodes.get(id))
    }
    /// Trusted headers of one issuer for one slot.
    #[must_use]
    pub fn issued(&self, slot: Slot, pool: PoolId) -> &[BlockId] {
        self.issued.get(&(slot, pool)).map_or(&[], Vec::as_slice)
    }

    /// The node and its ancestors, down to the root.
    pub fn ancestors(&self, id: &BlockId) -> impl Iterator<Item = &Node> {
        core::iter::successors(self.nodes.get(id), |node| {
            if node.point.id == self.root { None } else { self.nodes.get(&node.parent) }
        })
    }

    /// Highest operational certificate counter of `pool` up to `tip`: 0 if it never issued.
    #[must_use]
    pub fn counter(&self, tip: &BlockId, pool: &PoolId) -> u64 {
        self.ancestors(tip)
            .find(|node| node.pool == *pool && node.point.id != self.root)
            .map_or_else(|| self.counters.get(pool).copied().unwrap_or(0), |node| node.counter)
    }

    /// Counters as of the root.
    #[must_use]
    pub const fn counters(&self) -> &BTreeMap<PoolId, u64> {
        &self.counters
    }

    /// Last common block of two nodes.
    #[must_use]
    pub fn common(&self, a: &BlockId, b: &BlockId) -> Option<&Node> {
        let (mut a, mut b) = (self.nodes.get(a)?, self.nodes.get(b)?);
        while a.point.id != b.point.id {
            if a.point.height >= b.point.height {
                a = self.nodes.get(&a.parent)?;
            } else {
                b = self.nodes.get(&b.parent)?;
            }
        }
        Some(a)
    }

    /// Adds a header below a known parent, in stage `Checking`. False if the parent is unknown or the id is taken.
    pub fn insert(&mut self, node: Node) -> bool {
        let id = node.point.id;
        if self.nodes.contains_key(&id) {
            return false;
        }
        let Some(parent) = self.nodes.get_mut(&node.parent) else { return false };
        parent.children.push(id);
        self.nodes.insert(id, Node { stage: Stage::Checking, ..node });
        self.checking = self.checking.saturating_add(1);
        true
    }

    /// Rules 16-19 hold for `id`: it and those checked above it become trusted. Gives them, parents first.
    pub fn trust(&mut self, id: &BlockId) -> Vec<BlockId> {
        match self.nodes.get_mut(id) {
            Some(node) if node.stage == Stage::Checking => node.stage = Stage::Checked,
            Some(_) | None => return Vec::new(),
        }
        let mut trusted = Vec::new();
        let mut open = alloc::vec![*id];
        while let Some(id) = open.pop() {
            let Some(node) = self.nodes.get(&id) else { continue };
            let rooted = self.nodes.get(&node.parent).is_some_and(|parent| parent.stage >= Stage::Trusted);
            if node.stage != Stage::Checked || !rooted {
                continue;
            }
            self.checking = self.checking.saturating_sub(1);
            self.enter_trust(&id);
            trusted.push(id);
            if let Some(node) = self.nodes.get(&id) {
                open.extend(node.children.iter().rev());
            }
        }
        trusted
    }

    fn enter_trust(&mut self, id: &BlockId) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        node.stage = Stage::Trusted;
        let (point, pool, parent) = (node.point, node.pool, node.parent);
        if let Some(parent) = self.nodes.get(&parent) {
            self.trusted_leaves.remove(&(parent.point.height, parent.point.id));
        }
        self.trusted_leaves.insert((point.height, point.id));
        self.issued.entry((point.slot, pool)).or_default().push(point.id);
    }

    /// Moves a trusted node on to `Held` or `Running`.
    pub fn advance(&mut self, id: &BlockId, stage: Stage) {
        if let Some(node) = self.nodes.get_mut(id)
            && node.stage >= Stage::Trusted
            && node.stage < stage
            && stage < Stage::Valid
        {
            node.stage = stage;
        }
    }

    /// Notes that a block was executed. Its parent must have been. Without a view (after a restart) its children are
    /// checked against that of an ancestor.
    pub fn execute(&mut self, id: &BlockId, view: Option<Arc<LedgerView>>) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        if node.stage < Stage::Trusted {
            return;
        }
        node.stage = Stage::Valid;
        node.view = view;
        let (point, parent) = (node.point, node.parent);
        if let Some(parent) = self.nodes.get(&parent) {
            self.valid_leaves.remove(&(parent.point.height, parent.point.id));
        }
        self.valid_leaves.insert((point.height, point.id));
    }

    /// Removes a node and all that follow it. The root stays.
    pub fn remove(&mut self, id: &BlockId) -> Vec<Removed> {
        if *id == self.root {
            return Vec::new();
        }
        let parent = self.nodes.get(id).map(|node| node.parent);
        let removed = self.remove_subtree(id);
        if let Some(parent) = parent {
            if let Some(node) = self.nodes.get_mut(&parent) {
                node.children.retain(|child| child != id);
            }
            self.restore_leaf(&parent);
        }
        removed
    }

    fn remove_subtree(&mut self, id: &BlockId) -> Vec<Removed> {
        let mut removed = Vec::new();
        let mut open = alloc::vec![*id];
        while let Some(id) = open.pop() {
            let Some(node) = self.nodes.remove(&id) else { continue };
            let leaf = (node.point.height, id);
            self.trusted_leaves.remove(&leaf);
            self.valid_leaves.remove(&leaf);
            if node.stage < Stage::Trusted {
                self.checking = self.checking.saturating_sub(1);
            }
            if let Some(ids) = self.issued.get_mut(&(node.point.slot, node.pool)) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.issued.remove(&(node.point.slot, node.pool));
                }
            }
            removed.push(Removed { id, indexed: node.stage >= Stage::Trusted });
            open.extend(node.children);
        }
        removed
    }

    fn restore_leaf(&mut self, id: &BlockId) {
        let Some(node) = self.nodes.get(id) else { return };
        let has_child = |stage: Stage| {
            node.children.iter().any(|child| self.nodes.get(child).is_some_and(|child| child.stage >= stage))
        };
        let (leaf, stage) = ((node.point.height, *id), node.stage);
        let (trusted, valid) = (has_child(Stage::Trusted), has_child(Stage::Valid));
        if stage >= Stage::Trusted && !trusted {
            self.trusted_leaves.insert(leaf);
        }
        if stage >= Stage::Valid && !valid {
            self.valid_leaves.insert(leaf);
        }
    }

    /// Makes `child`, an executed child of the root, the new root. Gives everything that fell away, the old root first.
    pub fn advance_root(&mut self, child: &BlockId) -> Vec<Removed> {
        let Some(node) = self.nodes.get(child) else { return Vec::new() };
        if node.parent != self.root || node.stage != Stage::Valid {
            return Vec::new();
        }
        self.counters.insert(node.pool, node.counter);
        let (slot, pool) = (node.point.slot, node.pool);
        let old = self.root;
        let siblings = self.nodes.get(&old).map(|root| root.children.clone()).unwrap_or_default();
        let mut removed = Vec::new();
        for sibling in siblings.iter().filter(|id| *id != child) {
            removed.extend(self.remove_subtree(sibling));
        }
        let view = self.nodes.remove(&old).and_then(|root| root.view);
        if let Some(root) = self.nodes.get_mut(child) {
            // After a restart only the old root may have had one.
            root.view = root.view.take().or(view);
        }
        self.issued.remove(&(slot, pool));
        self.root = *child;
        removed
    }
}

#[cfg(test)]
pub(crate) mod tests;
