//! What can go wrong with a disk.

use super::Column;
use nupeer_primitives::imt::TreeError;
use nupeer_primitives::{BlockId, Height, Slot};
use std::path::PathBuf;
use thiserror::Error;

/// Why storage refuses.
#[derive(Debug, Error)]
pub enum StorageError {
    /// No room. Nothing was written; make room and try again.
    #[error("disk full: {available} bytes left where {reserve} must stay free; free some space and the node goes on")]
    DiskFull {
        /// Bytes left.
        available: u64,
        /// Bytes that must stay free.
        reserve: u64,
    },
    /// The operating system or the database says so.
    #[error("storage failed: {message}")]
    Failed {
        /// In its words.
        message: String,
    },
    /// Another process has the folder open.
    #[error("folder {path} is open in another process")]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// Bytes that we wrote do not decode, or something that must be there is not.
    #[error("column {column:?} is corrupt; restore the folder or sync anew")]
    Corrupt {
        /// Where.
        column: Column,
    },
    /// The tree contradicts itself.
    #[error("state tree: {0}")]
    Tree(#[from] TreeError),
    /// The folder was written by another version of this program.
    #[error("folder has layout {found}, this program knows {known}")]
    UnknownLayout {
        /// In the folder.
        found: u64,
        /// Ours.
        known: u64,
    },
    /// The folder belongs to another network.
    #[error("folder belongs to the chain of genesis {found}, not {expected}")]
    OtherChain {
        /// In the folder.
        found: BlockId,
        /// Asked for.
        expected: BlockId,
    },
    /// A commit that does not extend the newest block.
    #[error(
        "block at height {height} on parent {parent} does not extend the newest block {tip} at height {tip_height}"
    )]
    NotOnTip {
        /// Of the refused block.
        height: Height,
        /// Of the refused block.
        parent: BlockId,
        /// Newest block.
        tip: BlockId,
        /// Its height.
        tip_height: Height,
    },
    /// The tree update was computed against another state.
    #[error("the update of block {id} was computed against another state")]
    OtherState {
        /// Of the refused block.
        id: BlockId,
    },
    /// This slot, or a later one, is signed already.
    #[error("slot {slot} can't be signed: slot {signed} is signed already")]
    AlreadySigned {
        /// Asked for.
        slot: Slot,
        /// On disk.
        signed: Slot,
    },
    /// A vote of this round, or of a later source, was cast already.
    #[error("round {round} can't be voted in: the last vote was in round {voted}")]
    AlreadyVoted {
        /// Asked for.
        round: u64,
        /// On disk.
        voted: u64,
    },
    /// The journal does not reach that far.
    #[error("block at height {height} can no longer be undone")]
    NoUndo {
        /// The height.
        height: Height,
    },
}

impl StorageError {
    /// Whether the same write may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::DiskFull { .. })
    }
}

/// Ends the process: a node that can't read its own disk must not judge blocks (ARCHITECTURE.md).
pub(super) fn stop_on<T>(result: Result<T, StorageError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => {
            tracing::error!(%error, "reading our own state failed; stopping");
            eprintln!("nupeer-node: reading our own state failed: {error}");
            std::process::exit(EXIT_IO)
        }
    }
}

/// `EX_IOERR` of sysexits.h.
const EXIT_IO: i32 = 74;
