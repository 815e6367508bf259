//! Bodies that are known but not committed, by their hash. Bounded: the oldest go first, and consensus asks again for
//! what it still wants.

use crate::checked::{self, CheckedTxs};
use nupeer_primitives::{Hash, SealedBody};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Bytes of all bodies: more than a whole window of 64 full blocks.
pub const BYTES_MAX: usize = 128 * 1_024 * 1_024;

/// Bytes of one answer's bodies whose transactions are checked ahead: more might push each other out of the store.
const AHEAD_BYTES_MAX: u64 = (checked::BYTES_MAX / 4) as u64;

/// A body as a peer sent it. Decoding and hashing need no state, so they are done before the engine hears of it.
#[derive(Debug)]
pub enum Arrived {
    /// Of the body's shape; whether a header wants it is for consensus to say.
    Whole(Box<SealedBody>),
    /// Not a body.
    Garbled {
        /// Its bytes.
        size: u32,
    },
}

impl Arrived {
    /// Decodes bytes from outside.
    #[must_use]
    pub fn of(bytes: Vec<u8>) -> Self {
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        SealedBody::decode(bytes, usize::MAX).map_or(Self::Garbled { size }, |body| Self::Whole(Box::new(body)))
    }
}

/// Decodes an answer's bodies and checks their signatures, so that the engine, which is busy with the blocks before,
/// finds them checked. What is bad is left for the engine to judge.
#[must_use]
pub fn check_ahead(bodies: Vec<Option<Vec<u8>>>, checked: &CheckedTxs) -> Vec<Option<Arrived>> {
    let mut room = AHEAD_BYTES_MAX;
    let mut one = |bytes: Vec<u8>| {
        let arrived = Arrived::of(bytes);
        if let Arrived::Whole(body) = &arrived
            && let Some(left) = room.checked_sub(body.size())
        {
            room = left;
            checked.check_ahead(body);
        }
        arrived
    };
    bodies.into_iter().map(|body| body.map(&mut one)).collect()
}

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
