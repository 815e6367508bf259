//! How rules read and write the ledger state: load -> compute -> commit (ARCHITECTURE.md, ledger.md §6).
//!
//! Keys are a prefix byte and fixed-width big-endian parts; values are canonical CBOR and never empty. A [`Work`] lays
//! the changes of a block, and inside it those of one transaction, over an unchanging [`View`]. A transaction that
//! fails drops its layer and nothing else. Reading our own state never fails for a reason that a user could cause: if
//! it does, that is a [`Bug`] and the node halts.

use crate::cbor::Cbor;
use crate::event::Event;
use crate::ids::{AccountId, LeaseId, PoolId};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use thiserror::Error;

/// An unchanging state. A failing disk stops the process, so reads have no error.
pub trait View {
    /// Value of a live key.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;
    /// At most `limit` live keys that start with `prefix` and are not below `from`, ascending, with their values.
    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)>;
}

/// A state in memory: genesis, tests, the simulator.
pub type MemoryState = BTreeMap<Vec<u8>, Vec<u8>>;

impl View for MemoryState {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        BTreeMap::get(self, key).cloned()
    }
    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let start = if from > prefix { from } else { prefix };
        self.range(start.to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }
}

/// Net changes of a block, ascending by key; `None` removes.
pub type Diff = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Builds a key part by part.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key(Vec<u8>);

impl Key {
    /// Starts with the module's prefix byte.
    #[must_use]
    pub fn new(prefix: u8) -> Self {
        // Room for the usual key: an account or a lease and a number.
        let mut key = Vec::with_capacity(48);
        key.push(prefix);
        Self(key)
    }
    /// Fixed-width bytes.
    #[must_use]
    pub fn bytes(mut self, part: &[u8]) -> Self {
        self.0.extend_from_slice(part);
        self
    }
    /// One byte.
    #[must_use]
    pub fn u8(self, part: u8) -> Self {
        self.bytes(&[part])
    }
    /// Two bytes.
    #[must_use]
    pub fn u16(self, part: u16) -> Self {
        self.bytes(&part.to_be_bytes())
    }
    /// Four bytes.
    #[must_use]
    pub fn u32(self, part: u32) -> Self {
        self.bytes(&part.to_be_bytes())
    }
    /// Eight bytes.
    #[must_use]
    pub fn u64(self, part: u64) -> Self {
        self.bytes(&part.to_be_bytes())
    }
    /// An account.
    #[must_use]
    pub fn account(self, part: &AccountId) -> Self {
        self.bytes(&part.0)
    }
    /// A pool.
    #[must_use]
    pub fn pool(self, part: &PoolId) -> Self {
        self.bytes(&part.0)
    }
    /// A lease.
    #[must_use]
    pub fn lease(self, part: &LeaseId) -> Self {
        self.bytes(&part.0)
    }
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
    /// The bytes, owned.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

/// A broken promise of our own code. The node halts and changes nothing.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Bug {
    /// A value in state does not decode.
    #[error("state value under prefix {prefix:#04x} does not decode")]
    Corrupt {
        /// First byte of the key.
        prefix: u8,
    },
    /// Something that the rules say exists is not there.
    #[error("missing from state: {what}")]
    Missing {
        /// What.
        what: &'static str,
    },
    /// A sum that invariants bound left its range.
    #[error("arithmetic out of range: {what}")]
    Arithmetic {
        /// Which sum.
        what: &'static str,
    },
    /// The network runs rules that this program does not know.
    #[error("node too old: version {}.{} begins at height {height}, install it", version.0, version.1)]
    NodeTooOld {
        /// What begins.
        version: (u16, u16),
        /// Where.
        height: u64,
    },
    /// An invariant does not hold.
    #[error("invariant broken: {what}")]
    Invariant {
        /// Which, with values.
        what: String,
    },
}

/// A rule's error: stable number and text form (ledger.md §8).
pub trait Rule: fmt::Display {
    /// Stable number, from 8192.
    fn code(&self) -> u16;
    /// `module.Variant`.
    fn name(&self) -> &'static str;
}

/// Why an action did not run to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Abort {
    /// A rule refuses: the transaction fails and keeps fee and sequence only.
    Rule {
        /// Stable number.
        code: u16,
        /// `module.Variant`.
        name: &'static str,
        /// The sentence with its values.
        detail: String,
    },
    /// Our own fault.
    Bug(Bug),
}

impl<E: Rule> From<E> for Abort {
    fn from(rule: E) -> Self {
        Self::Rule { code: rule.code(), name: rule.name(), detail: rule.to_string() }
    }
}

impl From<Bug> for Abort {
    fn from(bug: Bug) -> Self {
        Self::Bug(bug)
    }
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule { name, detail, .. } => write!(f, "{name}: {detail}"),
            Self::Bug(bug) => write!(f, "{bug}"),
        }
    }
}

/// Changes laid over a view.
pub struct Work<'v> {
    base: &'v dyn View,
    /// What was read from `base`: every transaction asks for the same parameters and asset rows.
    read: RefCell<BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
    block: Diff,
    /// Branches over the block, each over the one before: a transaction, and inside it what may fail alone.
    layers: Vec<Layer>,
    events: Vec<Event>,
}

/// Changes that may still be dropped.
#[derive(Debug)]
struct Layer {
    changes: Diff,
    events_before: usize,
}

impl fmt::Debug for Work<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Work({} changes, {} events)", self.block.len(), self.events.len())
    }
}

impl<'v> Work<'v> {
    /// Nothing changed yet.
    #[must_use]
    pub fn new(base: &'v dyn View) -> Self {
        Self { base, read: RefCell::default(), block: Diff::new(), layers: Vec::new(), events: Vec::new() }
    }

    /// Opens the layer of one transaction.
    pub fn begin_tx(&mut self) {
        self.layers.push(Layer { changes: Diff::new(), events_before: self.events.len() });
    }

    /// Keeps the transaction's changes.
    pub fn keep_tx(&mut self) {
        if let Some(layer) = self.layers.pop() {
            // Key by key: `append` would rebuild the block's whole layer for each transaction.
            self.layers.last_mut().map_or(&mut self.block, |below| &mut below.changes).extend(layer.changes);
        }
    }

    /// Drops the transaction's changes and events.
    pub fn drop_tx(&mut self) {
        if let Some(layer) = self.layers.pop() {
            self.events.truncate(layer.events_before);
        }
    }

    /// Runs `steps` all or nothing on a branch: a rule that refuses leaves no change and no event.
    pub fn attempt<T>(&mut self, steps: impl FnOnce(&mut Self) -> Result<T, Abort>) -> Result<Result<T, Abort>, Bug> {
        self.begin_tx();
        match steps(self) {
            Ok(done) => {
                self.keep_tx();
                Ok(Ok(done))
            }
            Err(Abort::Bug(bug)) => Err(bug),
            Err(rule @ Abort::Rule { .. }) => {
                self.drop_tx();
                Ok(Err(rule))
            }
        }
    }

    /// Raw value of a live key.
    #[must_use]
    pub fn get_raw(&self, key: &[u8]) -> Option<Vec<u8>> {
        let branches = self.layers.iter().rev().map(|layer| &layer.changes);
        for layer in branches.chain(core::iter::once(&self.block)) {
            if let Some(change) = layer.get(key) {
                return change.clone();
            }
        }
        self.base_value(key)
    }

    fn base_value(&self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(value) = self.read.borrow().get(key) {
            return value.clone();
        }
        let value = self.base.get(key);
        self.read.borrow_mut().insert(key.to_vec(), value.clone());
        value
    }

    /// Value of a live key.
    pub fn get<T: Cbor>(&self, key: &Key) -> Result<Option<T>, Bug> {
        self.get_raw(key.as_slice()).map(|bytes| decode(key.as_slice(), &bytes)).transpose()
    }

    /// Value of a key that the rules say is live.
    pub fn expect<T: Cbor>(&self, key: &Key, what: &'static str) -> Result<T, Bug> {
        self.get(key)?.ok_or(Bug::Missing { what })
    }

    /// Whether a key is live.
    #[must_use]
    pub fn has(&self, key: &Key) -> bool {
        self.get_raw(key.as_slice()).is_some()
    }

    /// Sets a key.
    pub fn put<T: Cbor>(&mut self, key: Key, value: &T) {
        self.set(key, Some(value.to_cbor()));
    }

    /// Removes a key.
    pub fn remove(&mut self, key: Key) {
        self.set(key, None);
    }

    fn set(&mut self, key: Key, value: Option<Vec<u8>>) {
        self.layers.last_mut().map_or(&mut self.block, |layer| &mut layer.changes).insert(key.into_vec(), value);
    }

    /// At most `limit` live keys with `prefix`, not below `from`, ascending, with their values decoded.
    pub fn scan<T: Cbor>(&self, prefix: &Key, from: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, T)>, Bug> {
        let layers: Vec<&Diff> =
            core::iter::once(&self.block).chain(self.layers.iter().map(|layer| &layer.changes)).collect();
        let raw = scan_layers(self.base, &layers, prefix.as_slice(), from, limit);
        raw.into_iter().map(|(key, value)| decode(&key, &value).map(|v| (key, v))).collect()
    }

    /// Records what happened.
    pub fn emit(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Events so far.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Ends the block: net changes (those that change nothing are left out) and events.
    #[must_use]
    pub fn finish(mut self) -> (Diff, Vec<Event>) {
        while !self.layers.is_empty() {
            self.keep_tx();
        }
        let mut block = core::mem::take(&mut self.block);
        block.retain(|key, value| self.base_value(key) != *value);
        (block, self.events)
    }
}

fn decode<T: Cbor>(key: &[u8], bytes: &[u8]) -> Result<T, Bug> {
    let prefix = key.first().copied().unwrap_or(0);
    T::from_cbor(bytes, usize::MAX).map_err(|_| Bug::Corrupt { prefix })
}

/// Merges layers over a base; later layers win.
fn scan_layers(base: &dyn View, layers: &[&Diff], prefix: &[u8], from: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let start = if from > prefix { from } else { prefix };
    let mut changed: BTreeMap<&[u8], &Option<Vec<u8>>> = BTreeMap::new();
    for layer in layers {
        for (key, value) in layer.range(start.to_vec()..).take_while(|(key, _)| key.starts_with(prefix)) {
            changed.insert(key, value);
        }
    }
    // Every changed key can hide one of the base, so the base is asked for that many more.
    let stored = base.scan(prefix, from, limit.saturating_add(changed.len()));
    let mut merged: BTreeMap<Vec<u8>, Vec<u8>> = stored.into_iter().collect();
    for (key, value) in changed {
        match value {
            Some(value) => {
                merged.insert(key.to_vec(), value.clone());
            }
            None => {
                merged.remove(key);
            }
        }
    }
    merged.into_iter().take(limit).collect()
}

/// Applies a diff to a state in memory.
pub fn apply_diff(state: &mut MemoryState, diff: &Diff) {
    for (key, value) in diff {
        match value {
            Some(value) => {
                state.insert(key.clone(), value.clone());
            }
            None => {
                state.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
