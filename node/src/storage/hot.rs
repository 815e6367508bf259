//! State that was read or written lately, as it stands after the newest block.
//!
//! # Invariants
//! - An entry is what the newest committed block left: a batch that moves the tip brings its own entries up to date
//!   under the same lock that moves it, and nobody else changes them.
//! - Only snapshots of the newest block look here ([`Hot::of`]); older ones go to the database.

use super::{Column, Write};
use crate::recent::Recent;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes remembered of each column, keys and values: together a tenth of the node's whole memory goal.
const BYTES_MAX: usize = 3 * 1_024 * 1_024;
/// What an entry costs beside its bytes.
const ENTRY_BYTES: usize = 96;

/// See the module header.
#[derive(Debug)]
pub struct Hot(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// Rises with every batch that moves the tip.
    moves: u64,
    columns: [Recent<Vec<u8>, Option<Vec<u8>>>; 4],
}

impl Default for Hot {
    fn default() -> Self {
        Self(Mutex::new(Inner { moves: 0, columns: [(); 4].map(|()| Recent::new(BYTES_MAX)) }))
    }
}

/// Columns that executing a block reads.
const fn place(column: Column) -> Option<usize> {
    match column {
        Column::Nodes => Some(0),
        Column::Leaves => Some(1),
        Column::Slots => Some(2),
        Column::Values => Some(3),
        Column::Undo
        | Column::Blocks
        | Column::Bodies
        | Column::Heights
        | Column::Records
        | Column::Txs
        | Column::Headers
        | Column::Consensus
        | Column::Meta => None,
    }
}

impl Hot {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the newest state.
    pub fn moves(&self) -> u64 {
        self.lock().moves
    }

    /// What the state number `moves` holds, if it is the newest one and the key was used lately.
    pub fn of(&self, moves: u64, column: Column, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let mut inner = self.lock();
        if inner.moves != moves {
            return None;
        }
        inner.columns.get_mut(place(column)?)?.get(key)
    }

    /// Remembers what was read from the state number `moves`.
    pub fn learn(&self, moves: u64, column: Column, key: &[u8], value: Option<&Vec<u8>>) {
        let mut inner = self.lock();
        if inner.moves == moves {
            inner.put(column, key.to_vec(), value.cloned());
        }
    }

    /// The tip moved by this batch, which is durable.
    pub fn moved(&self, batch: Vec<Write>) {
        let mut inner = self.lock();
        inner.moves = inner.moves.wrapping_add(1);
        for Write { column, key, value } in batch {
            inner.put(column, key, value);
        }
    }
}

impl Inner {
    fn put(&mut self, column: Column, key: Vec<u8>, value: Option<Vec<u8>>) {
        let size = key.len() + value.as_ref().map_or(0, Vec::len) + ENTRY_BYTES;
        if let Some(column) = place(column).and_then(|place| self.columns.get_mut(place)) {
            column.put(key, value, size);
        }
    }
}

/// The part of a batch that [`Hot::moved`] wants.
pub fn state_part(batch: &[Write]) -> Vec<Write> {
    batch.iter().filter(|write| place(write.column).is_some()).cloned().collect()
}
