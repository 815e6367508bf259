//! The journal as the shell's parts share it: one writer behind one lock, or none when it is damaged.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::{GenesisHash, Hash, MeterReceipt};

use crate::clock::wall_ms;
use crate::core::Held;
use crate::journal::record::{AUDIT_BYTES_MAX, Body, Record};
use crate::journal::{Journal, JournalError, Signed};
use crate::keys::SessionKey;
use crate::meter::SampleRecord;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The journal's own word.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It is damaged, so nothing is written at all.
    #[error("JournalCorrupt: nothing is written until a person decides")]
    Damaged,
}

impl WriteError {
    /// Whether space is what is missing.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Journal(JournalError::Full { .. }))
    }
}

/// One writer for many.
#[derive(Debug, Clone)]
pub struct SharedJournal(Arc<Mutex<Option<Journal>>>);

impl SharedJournal {
    /// Over an open journal, or none.
    #[must_use]
    pub fn new(journal: Option<Journal>) -> Self {
        Self(Arc::new(Mutex::new(journal)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Journal>> {
        // A journal is consistent after every call, whatever happened to its caller.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the file and its lock back; nothing is written any more.
    pub fn close(&self) {
        drop(self.lock().take());
    }

    /// Writes one record and syncs.
    pub fn write(&self, held: Held, body: Body) -> Result<(), WriteError> {
        let record = Record { wall_ms: wall_ms(), held, body };
        let mut journal = self.lock();
        let journal = journal.as_mut().ok_or(WriteError::Damaged)?;
        tokio::task::block_in_place(|| journal.append(&[record])).map_err(WriteError::from)
    }

    /// Writes an audit entry before the thing it speaks of is done; gives the new head.
    pub fn audit(&self, held: Held, text: &str) -> Result<Hash, WriteError> {
        let text: String = text.chars().take(AUDIT_BYTES_MAX.div_euclid(4)).collect();
        let previous = {
            let journal = self.lock();
            let book = journal.as_ref().ok_or(WriteError::Damaged)?.book();
            book.entries.get(&held).and_then(|entry| entry.audit_head).unwrap_or(Hash::ZERO)
        };
        let head = blake2b_256_of(&[previous.as_bytes(), text.as_bytes()]);
        self.write(held, Body::Audit { head, text })?;
        Ok(head)
    }

    /// See [`Journal::sign`].
    pub fn sign(
        &self,
        genesis: &GenesisHash,
        key: &SessionKey,
        drafts: Vec<(SampleRecord, MeterReceipt)>,
    ) -> Result<Signed, WriteError> {
        let mut journal = self.lock();
        let journal = journal.as_mut().ok_or(WriteError::Damaged)?;
        tokio::task::block_in_place(|| journal.sign(wall_ms(), genesis, key, drafts)).map_err(WriteError::from)
    }

    /// Drops what is 90 days past, now and then.
    pub fn prune(&self) -> Result<(), WriteError> {
        match self.lock().as_mut() {
            Some(journal) => Ok(tokio::task::block_in_place(|| journal.prune(wall_ms())).map(drop)?),
            None => Ok(()),
        }
    }

    /// Number of syncs and the nanoseconds they took.
    #[must_use]
    pub fn fsync_cost(&self) -> (u64, u64) {
        self.lock().as_ref().map_or((0, 0), Journal::fsync_cost)
    }
}
