//! The promises, looked at after every step.

use nupeer_consensus::state::{State, final_point};
use nupeer_primitives::{BlockId, Hash, HeaderBody, Height, PoolId, Slot};
use std::collections::{BTreeMap, BTreeSet};

/// What all honest nodes together have shown so far.
#[derive(Debug, Default)]
pub struct Promises {
    final_blocks: BTreeMap<Height, BlockId>,
    roots: BTreeMap<BlockId, Hash>,
    signed: BTreeMap<(PoolId, Slot), BlockId>,
    final_height: BTreeMap<usize, Height>,
    /// Broken promises.
    pub violations: Vec<String>,
}

/// Violations listed; the first ones tell what happened.
const VIOLATIONS_MAX: usize = 20;

impl Promises {
    /// Notes a broken promise.
    pub fn broken(&mut self, what: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(what);
        }
    }

    /// Common prefix, final points that never move back, bounded queues.
    pub fn look_at(&mut self, node: usize, state: &State) {
        if let Some(point) = final_point(state) {
            let known = *self.final_blocks.entry(point.height).or_insert(point.id);
            if known != point.id {
                self.broken(format!(
                    "node {node}: final block {} at height {} where another node has {known}",
                    point.id, point.height
                ));
            }
            let before = self.final_height.insert(node, point.height).unwrap_or_default();
            if point.height < before {
                self.broken(format!("node {node}: final height went back from {before} to {}", point.height));
            }
        }
        for (queue, length, limit) in state.queue_lengths() {
            if length > limit {
                self.broken(format!("node {node}: queue {queue:?} holds {length} of at most {limit}"));
            }
        }
    }

    /// A node that lost its disk begins again; what it was final with stays final for everybody.
    pub fn forget(&mut self, node: usize) {
        self.final_height.remove(&node);
    }

    /// One root per block id, also across nodes.
    pub fn root(&mut self, node: usize, id: BlockId, root: Hash) {
        let known = *self.roots.entry(id).or_insert(root);
        if known != root {
            self.broken(format!("node {node}: block {id} gives root {root}, elsewhere {known}"));
        }
    }

    /// An honest pool signs a slot once.
    pub fn own_header(&mut self, header: &HeaderBody, id: BlockId) {
        let known = *self.signed.entry((header.pool(), header.slot)).or_insert(id);
        if known != id {
            self.broken(format!("pool {} signed {known} and {id} in slot {}", header.pool(), header.slot));
        }
    }

    /// After the network healed, honest nodes are on one chain.
    pub fn converged(&mut self, tips: &[(usize, Height, BlockId)], slack: u64) {
        let ids: BTreeSet<BlockId> = tips.iter().map(|(_, _, id)| *id).collect();
        let heights = tips.iter().map(|(_, height, _)| height.0);
        let (low, high) = (heights.clone().min().unwrap_or(0), heights.max().unwrap_or(0));
        if ids.len() > 1 && high.saturating_sub(low) > slack {
            self.broken(format!("no convergence after healing: {tips:?}"));
        }
    }

    /// Greatest final height that anybody has.
    #[must_use]
    pub fn final_height(&self) -> u64 {
        self.final_blocks.last_key_value().map_or(0, |(height, _)| height.0)
    }
}
