//! Bodies that are known but not committed, by their hash. Bounded: the oldest go first, and consensus asks again for
//! what it still wants.

use nupeer_primitives::{BlockBody, Cbor, Hash};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Bytes of all bodies: more than a whole window of 64 full blocks.
pub const BYTES_MAX: usize = 128 * 1_024 * 1_024;

/// A body and its encoding.
#[derive(Clone, Debug)]
pub struct KnownBody {
    /// Decoded.
    pub body: Arc<BlockBody>,
    /// Encoded, as it is served to peers.
    pub bytes: Arc<Vec<u8>>,
}

/// The store.
#[derive(Debug, Default)]
pub struct Bodies {
    by_hash: HashMap<Hash, KnownBody>,
    order: VecDeque<Hash>,
    bytes: usize,
}

impl Bodies {
    /// Keeps a body; gives its hash.
    pub fn insert(&mut self, body: BlockBody) -> (Hash, usize) {
        let (hash, bytes) = (body.hash(), body.to_cbor());
        let size = bytes.len();
        if !self.by_hash.contains_key(&hash) {
            self.bytes = self.bytes.saturating_add(size);
            self.order.push_back(hash);
            self.by_hash.insert(hash, KnownBody { body: Arc::new(body), bytes: Arc::new(bytes) });
        }
        while self.bytes > BYTES_MAX {
            let Some(old) = self.order.pop_front() else { break };
            if let Some(gone) = self.by_hash.remove(&old) {
                self.bytes = self.bytes.saturating_sub(gone.bytes.len());
            }
        }
        (hash, size)
    }

    /// A known body.
    #[must_use]
    pub fn get(&self, hash: &Hash) -> Option<KnownBody> {
        self.by_hash.get(hash).cloned()
    }
}
