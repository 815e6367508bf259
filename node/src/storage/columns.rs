//! The port to a database: ordered columns, frozen readers, atomic durable batches.

use super::StorageError;
use std::fmt::Debug;

/// One ordered map of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Column {
    /// Page number -> the lowest four levels over 16 leaves.
    Nodes,
    /// Slot -> leaf.
    Leaves,
    /// State key -> slot.
    Slots,
    /// State key -> value.
    Values,
    /// Height -> how to take the block back.
    Undo,
    /// Height -> id and header.
    Blocks,
    /// Height -> body.
    Bodies,
    /// Block id -> height.
    Heights,
    /// Height -> events and receipts.
    Records,
    /// Transaction id -> height and index.
    Txs,
    /// Block id -> header, of consensus' index.
    Headers,
    /// Consensus' other records.
    Consensus,
    /// Layout, origin, tip.
    Meta,
}

impl Column {
    /// Every column.
    pub const ALL: [Self; 13] = [
        Self::Nodes,
        Self::Leaves,
        Self::Slots,
        Self::Values,
        Self::Undo,
        Self::Blocks,
        Self::Bodies,
        Self::Heights,
        Self::Records,
        Self::Txs,
        Self::Headers,
        Self::Consensus,
        Self::Meta,
    ];

    /// Its name on disk.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Leaves => "leaves",
            Self::Slots => "slots",
            Self::Values => "values",
            Self::Undo => "undo",
            Self::Blocks => "blocks",
            Self::Bodies => "bodies",
            Self::Heights => "heights",
            Self::Records => "records",
            Self::Txs => "txs",
            Self::Headers => "headers",
            Self::Consensus => "consensus",
            Self::Meta => "meta",
        }
    }
}

/// One change of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write {
    /// Where.
    pub column: Column,
    /// The key.
    pub key: Vec<u8>,
    /// The value; `None` deletes.
    pub value: Option<Vec<u8>>,
}

impl Write {
    /// Sets a key.
    #[must_use]
    pub fn put(column: Column, key: &[u8], value: Vec<u8>) -> Self {
        Self { column, key: key.to_vec(), value: Some(value) }
    }
    /// Deletes a key.
    #[must_use]
    pub fn delete(column: Column, key: &[u8]) -> Self {
        Self { column, key: key.to_vec(), value: None }
    }
}

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// A frozen view of all columns.
pub trait Reader: Send {
    /// Value of a key.
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;
    /// Visits keys from `from` on, ascending, until `visit` says no.
    fn scan(
        &self,
        column: Column,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StorageError>;
    /// The greatest key below `key`, and its value.
    fn last_below(&self, column: Column, key: &[u8]) -> Result<Option<Entry>, StorageError>;
}

/// A database.
pub trait Columns: Send + Sync + Debug {
    /// Freezes the present.
    fn reader(&self) -> Box<dyn Reader + '_>;
    /// Writes all changes or none, later ones over earlier ones; durable when it returns.
    fn write(&self, batch: Vec<Write>) -> Result<(), StorageError>;
    /// Whether writes may succeed again after one failed for want of room. An error that is not retryable says that
    /// they never will, before the process has started anew.
    fn check_room(&self) -> Result<(), StorageError>;
}
