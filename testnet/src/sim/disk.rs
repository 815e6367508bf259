//! A disk that crashes its node: it fails before or after a chosen write, or is full for a while.

use nupeer_node::storage::{Columns, MemoryColumns, Reader, StorageError, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

const NONE: u8 = 0;
const BEFORE: u8 = 1;
const AFTER: u8 = 2;

/// When the power goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    /// The write is lost.
    BeforeWrite,
    /// The write is durable, nothing after it happened.
    AfterWrite,
}

/// Survives its node's lives; every write of it is durable when it returns.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    columns: MemoryColumns,
    kind: Arc<AtomicU8>,
    writes_left: Arc<AtomicU64>,
}

impl Disk {
    /// Crashes at the `writes`-th write from now on.
    pub fn crash_in(&self, writes: u64, crash: Crash) {
        self.writes_left.store(writes, Ordering::SeqCst);
        self.kind.store(if crash == Crash::BeforeWrite { BEFORE } else { AFTER }, Ordering::SeqCst);
    }
    /// No crash is planned any more.
    pub fn mend(&self) {
        self.kind.store(NONE, Ordering::SeqCst);
        self.columns.set_full(false);
    }
    /// Writes find room again.
    pub fn make_room(&self) {
        self.columns.set_full(false);
    }
    /// Every write fails for want of room.
    pub fn fill(&self) {
        self.columns.set_full(true);
    }
    /// Counts a write; true when it is the one that crashes.
    fn strikes(&self) -> bool {
        self.kind.load(Ordering::SeqCst) != NONE
            && self.writes_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| Some(n.saturating_sub(1))) == Ok(0)
    }
}

impl Columns for Disk {
    fn reader(&self) -> Box<dyn Reader + '_> {
        self.columns.reader()
    }
    fn check_room(&self) -> Result<(), StorageError> {
        self.columns.check_room()
    }
    fn write(&self, batch: Vec<Write>) -> Result<(), StorageError> {
        let gone = || StorageError::Failed { message: "simulated crash".into() };
        if !self.strikes() {
            return self.columns.write(batch);
        }
        if self.kind.load(Ordering::SeqCst) == AFTER {
            self.columns.write(batch)?;
        }
        Err(gone())
    }
}
