//! Bodies that are known but not committed, by their hash. Bounded: the oldest go first, and consensus asks again for
//! what it still wants.

use nupeer_primitives::{Hash, SealedBody};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Bytes of all bodies: more than a whole window of 64 full blocks.
pub const BYTES_MAX: usize = 128 * 1_024 * 1_024;

/// The store.
#[derive(Debug, Default)]
pub struct Bodies {
    by_hash: HashMap<Hash, Arc<SealedBody>>,
    order: VecDeque<Hash>,
    bytes: usize,
}

impl Bodies {
    /// Keeps a body under its hash.
    pub fn insert(&mut self, body: SealedBody) -> Arc<SealedBody> {
        let body = Arc::new(body);
        if let Some(known) = self.by_hash.get(&body.hash()) {
            return Arc::clone(known);
        }
        self.bytes = self.bytes.saturating_add(body.bytes().len());
        self.order.push_back(body.hash());
        self.by_hash.insert(body.hash(), Arc::clone(&body));
        while self.bytes > BYTES_MAX {
            let Some(old) = self.order.pop_front() else { break };
            if let Some(gone) = self.by_hash.remove(&old) {
                self.bytes = self.bytes.saturating_sub(gone.bytes().len());
            }
        }
        body
    }

    /// A known body.
    #[must_use]
    pub fn get(&self, hash: &Hash) -> Option<Arc<SealedBody>> {
        self.by_hash.get(hash).cloned()
    }
}
