//! What the node keeps on disk: the state with its tree, the chain with its undo journal, and consensus' own records.
//!
//! # Protocol (ledger.md §6)
//! 1. A block is one write batch, synced: values, slots, leaves, node pages, undo entry, block, receipts, lookups, tip.
//!    Whatever kills the process, reopening shows the state after some committed block, never between two.
//! 2. A rollback undoes one block a batch from its journal entry; entries of the newest 4k (at least 2,048) + 64 blocks are kept.
//! 3. Records of consensus are written and synced before [`Storage::persist`] returns: a signature is asked for only
//!    after its slot is on disk.
//! 4. The lowest four levels of the tree lie on disk in pages of 16 leaves; all levels above are held in memory, 4 MiB
//!    a million leaves, and are recomputed from the pages when the node starts.
//!
//! # Invariants
//! - Readers see one block's state: a [`Snapshot`] never moves.
//! - State used lately is kept in memory as the newest block left it, and is changed only with the tip (`hot`).
//! - A full disk is [`StorageError::DiskFull`] and changes nothing; the node stops signing and may try again. Space is
//!   measured before each batch, so the database itself never meets the end of the disk in normal running.
//! - A read that fails, or bytes of ours that do not decode, stop the process with exit code 74: a node that can't
//!   trust its disk must not judge blocks.
//! - Only [`rocks`] names the database; everything else speaks to [`Columns`], which the simulator holds in memory.
//!
//! # What it deliberately does not do
//! It executes nothing and selects nothing. It does not keep bodies of blocks off the selected chain.

mod chain;
mod columns;
mod commit;
mod consensus;
mod error;
mod hot;
mod memory;
mod overlay;
mod pages;
pub mod rocks;
mod snapshot;

pub use chain::{StoredBlock, StoredHeader};
pub use columns::{Column, Columns, Entry, Reader, Write};
pub use commit::Commit;
pub use consensus::ConsensusRecords;
pub use error::StorageError;
pub use memory::MemoryColumns;
pub use overlay::{Overlay, OverlayState};
pub use snapshot::{Snapshot, State};

use nupeer_primitives::imt::{Leaf, Levels, NodeChange, TreeHead};
use nupeer_primitives::state::Diff;
use nupeer_primitives::{BlockId, Cbor, Height, Slot};
use pages::Page;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Blocks that can be undone while nothing becomes final: consensus keeps as many above its root (`Config::depth_max`).
const UNDO_BLOCKS_MIN: u64 = 2_048;
/// Blocks that can be undone beyond that.
const UNDO_BEYOND: u64 = 64;
/// Layout of the columns. A folder of another layout is refused, never guessed at.
const LAYOUT: u64 = 2;

nupeer_primitives::record! {
    /// A place on the committed chain.
    #[derive(Copy)]
    pub struct Position {
        /// The block; the genesis hash at height 0.
        pub id: BlockId,
        /// Its height.
        pub height: Height,
        /// Its slot.
        pub slot: Slot,
    }
}

/// What a new folder starts from, and an old one must have started from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The genesis hash, as the block at height 0.
    pub id: BlockId,
    /// k of genesis.
    pub k: u64,
    /// The first state, as a diff from nothing.
    pub state: &'a Diff,
}

/// The committed chain, its state, and consensus' records.
#[derive(Debug)]
pub struct Storage {
    columns: Box<dyn Columns>,
    tip: RwLock<Arc<Tip>>,
    hot: hot::Hot,
    origin: BlockId,
    undo_blocks: u64,
}

/// What is held in memory about the newest block.
#[derive(Clone, Debug)]
struct Tip {
    position: Position,
    head: TreeHead,
    upper: Levels,
}

impl Storage {
    /// Opens columns, writing the first state into empty ones.
    pub fn open(columns: Box<dyn Columns>, origin: &Origin<'_>) -> Result<Self, StorageError> {
        let undo_blocks = origin.k.saturating_mul(4).max(UNDO_BLOCKS_MIN).saturating_add(UNDO_BEYOND);
        let fresh = columns.reader().get(Column::Meta, meta::LAYOUT)?.is_none();
        if fresh {
            columns.write(empty_tree(origin.id))?;
        }
        let tip = load_tip(columns.reader().as_ref(), origin.id)?;
        let storage =
            Self { columns, tip: RwLock::new(Arc::new(tip)), hot: hot::Hot::default(), origin: origin.id, undo_blocks };
        if storage.columns.reader().get(Column::Meta, meta::READY)?.is_none() {
            storage.write_first_state(origin.state)?;
        }
        Ok(storage)
    }

    /// Opens a RocksDB folder, creating it where there is none.
    pub fn open_rocks(options: &rocks::Options, origin: &Origin<'_>) -> Result<Self, StorageError> {
        Self::open(Box::new(rocks::RocksColumns::open(options)?), origin)
    }

    /// Whether writing may go on after it failed for want of room.
    pub fn check_room(&self) -> Result<(), StorageError> {
        self.columns.check_room()
    }

    /// The newest committed block.
    #[must_use]
    pub fn position(&self) -> Position {
        self.tip().position
    }

    /// The genesis hash, as the block at height 0.
    #[must_use]
    pub fn origin(&self) -> BlockId {
        self.origin
    }

    /// State and tree after the newest committed block, frozen.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<'_> {
        // The lock is held while the reader is made, so that all three show the same block.
        let tip = self.tip();
        Snapshot::new(self.columns.reader(), Arc::clone(&tip), &self.hot)
    }

    fn tip(&self) -> RwLockReadGuard<'_, Arc<Tip>> {
        self.tip.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn tip_mut(&self) -> RwLockWriteGuard<'_, Arc<Tip>> {
        self.tip.write().unwrap_or_else(PoisonError::into_inner)
    }
}

mod meta {
    pub const LAYOUT: &[u8] = b"layout";
    pub const ORIGIN: &[u8] = b"origin";
    pub const POSITION: &[u8] = b"position";
    pub const HEAD: &[u8] = b"head";
    pub const READY: &[u8] = b"ready";
}

/// The tree with nothing but the sentinel, at height 0.
fn empty_tree(origin: BlockId) -> Vec<Write> {
    let head = TreeHead::empty();
    let position = Position { id: origin, height: Height(0), slot: Slot(0) };
    let mut page = Page::default();
    page.set(&NodeChange { level: 0, index: 0, hash: head.top });
    vec![
        Write::put(Column::Meta, meta::LAYOUT, LAYOUT.to_cbor()),
        Write::put(Column::Meta, meta::ORIGIN, origin.to_cbor()),
        Write::put(Column::Meta, meta::POSITION, position.to_cbor()),
        Write::put(Column::Meta, meta::HEAD, head.to_cbor()),
        Write::put(Column::Leaves, &0u64.to_be_bytes(), Leaf::sentinel().to_cbor()),
        page.write(0),
    ]
}

fn load_tip(reader: &dyn Reader, origin: BlockId) -> Result<Tip, StorageError> {
    let layout: u64 = meta_value(reader, meta::LAYOUT)?;
    if layout != LAYOUT {
        return Err(StorageError::UnknownLayout { found: layout, known: LAYOUT });
    }
    let found: BlockId = meta_value(reader, meta::ORIGIN)?;
    if found != origin {
        return Err(StorageError::OtherChain { found, expected: origin });
    }
    let head: TreeHead = meta_value(reader, meta::HEAD)?;
    let upper = pages::load_upper(reader, &head)?;
    Ok(Tip { position: meta_value(reader, meta::POSITION)?, head, upper })
}

fn meta_value<T: Cbor>(reader: &dyn Reader, key: &'static [u8]) -> Result<T, StorageError> {
    let bytes = reader.get(Column::Meta, key)?.ok_or(StorageError::Corrupt { column: Column::Meta })?;
    T::from_cbor(&bytes, usize::MAX).map_err(|_| StorageError::Corrupt { column: Column::Meta })
}

#[cfg(test)]
mod tests;
