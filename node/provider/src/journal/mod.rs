//! The journal: append-only, one writer, crash-safe (spec/provider.md §1). Law L3: write, sync, then sign.
//!
//! 1. `open` takes the lock, reads every frame, and cuts off a torn tail: bytes of the last append that never reached
//!    the disk whole. Anything else that is not a frame is [`JournalError::Corrupt`]: workloads go on, nothing is
//!    signed, a person decides.
//! 2. `append` writes records and syncs once. When it fails the file is cut back to what was synced and the journal is
//!    full; the next append tries again, so it heals by itself.
//! 3. `sign` is the only way to a receipt's signature: sample, sync, body, sync, signature. A seq that stands in the
//!    journal is only ever signed with the body that stands there.
//! 4. `prune` writes what is still needed to a new file and renames it over the old one.
//!
//! Not here: what a receipt says, who may have it.

pub mod book;
pub mod frame;
pub mod record;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use nupeer_primitives::{Cbor, GenesisHash, MeterReceipt, Signature};

use crate::core::Held;
use crate::keys::SessionKey;
use crate::meter::SampleRecord;
use book::Book;
use frame::{Found, MAGIC, PAYLOAD_BYTES_MAX};
use record::{Body, Record};

/// Largest journal (spec/provider.md §8).
pub const JOURNAL_BYTES_MAX: u64 = 8 << 30;
/// From this size on, pruning is worth a rewrite.
pub const PRUNE_BYTES: u64 = 64 << 20;

/// Why the journal cannot be used, or not now.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Damaged in the middle. Not retryable.
    #[error(
        "JournalCorrupt: {path} is damaged at byte {at} of {bytes}; workloads go on, nothing is signed; copy the file, then decide by hand"
    )]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Where.
        at: u64,
        /// Its size.
        bytes: u64,
    },
    /// No space. Retryable.
    #[error("JournalFull: {path} takes no more at {bytes} bytes ({why}); free disk space, signing goes on by itself")]
    Full {
        /// Which file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The system's words.
        why: String,
    },
    /// A body that contradicts the journal. Never signed.
    #[error("receipt {seq} of lease {held:?} was drafted twice with different content; the stored one stands")]
    SecondBody {
        /// Which lease.
        held: Held,
        /// Which receipt.
        seq: u64,
    },
    /// Another daemon runs.
    #[error("{path} is in use by another daemon")]
    Locked {
        /// Which file.
        path: PathBuf,
    },
    /// The file cannot be opened or read.
    #[error("journal {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

/// What the journal writes to: a file, or a test's disk that fails.
pub trait Disk: Send + 'static {
    /// Writes at the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns once everything is on the medium.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to `bytes`.
    fn truncate(&mut self, bytes: u64) -> io::Result<()>;
}

impl Disk for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.seek(SeekFrom::End(0))?;
        self.write_all(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }
}

/// One verdict for each draft.
pub type Signed = Vec<Result<(MeterReceipt, Signature), JournalError>>;

/// The one writer.
#[derive(Debug)]
pub struct Journal<D: Disk = File> {
    path: PathBuf,
    disk: D,
    bytes: u64,
    bytes_max: u64,
    /// A failed append left bytes behind that could not be cut off yet.
    dirty: bool,
    book: Book,
    fsyncs: u64,
    fsync_ns: u64,
}

/// Parses a whole file: the book, and how many bytes of it are good.
pub fn parse(path: &Path, file: &[u8]) -> Result<(Book, u64), JournalError> {
    let size = u64::try_from(file.len()).unwrap_or(u64::MAX);
    let corrupt = |at: usize| JournalError::Corrupt {
        path: path.to_owned(),
        at: u64::try_from(at).unwrap_or(u64::MAX),
        bytes: size,
    };
    let mut book = Book::default();
    if file.len() < MAGIC.len() {
        // The header itself was torn; nothing can have been signed before it was synced.
        return if MAGIC.starts_with(file) || file.iter().all(|b| *b == 0) { Ok((book, 0)) } else { Err(corrupt(0)) };
    }
    if !file.starts_with(&MAGIC) {
        return Err(corrupt(0));
    }
    let mut at = MAGIC.len();
    loop {
        match frame::read(file, at) {
            Found::Frame(payload, next) => {
                let record = Record::from_cbor(payload, PAYLOAD_BYTES_MAX).map_err(|_| corrupt(at))?;
                book.take(record);
                at = next;
            }
            Found::End | Found::Torn => return Ok((book, u64::try_from(at).unwrap_or(u64::MAX))),
            Found::Damaged => return Err(corrupt(at)),
        }
    }
}

impl Journal<File> {
    /// Opens or creates the journal of a state directory.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let io = |source| JournalError::Io { path: path.to_owned(), source };
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        let lock = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        rustix::fs::flock(&file, lock).map_err(|_| JournalError::Locked { path: path.to_owned() })?;
        let mut all = Vec::new();
        file.read_to_end(&mut all).map_err(io)?;
        let (book, good) = parse(path, &all)?;
        let mut journal = Self::over(path.to_owned(), file, book, good, JOURNAL_BYTES_MAX);
        if good < u64::try_from(all.len()).unwrap_or(u64::MAX) {
            journal.disk.truncate(good).and_then(|()| journal.disk.sync()).map_err(io)?;
        }
        if good == 0 {
            journal.disk.append(&MAGIC).and_then(|()| journal.disk.sync()).map_err(io)?;
            journal.bytes = u64::try_from(MAGIC.len()).unwrap_or(u64::MAX);
            sync_directory(path).map_err(io)?;
        }
        Ok(journal)
    }

    /// Reads a journal without changing it; for `check` and for a damaged one.
    pub fn read(path: &Path) -> Result<Book, JournalError> {
        let all = match std::fs::read(path) {
            Ok(all) => all,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(JournalError::Io { path: path.to_owned(), source }),
        };
        parse(path, &all).map(|(book, _)| book)
    }

    /// Every frame up to the damage, so that workloads of a damaged journal are found and left alone.
    #[must_use]
    pub fn salvage(path: &Path) -> Book {
        let all = std::fs::read(path).unwrap_or_default();
        let mut book = Book::default();
        let mut at = MAGIC.len();
        while let Found::Frame(payload, next) = frame::read(&all, at) {
            if let Ok(record) = Record::from_cbor(payload, PAYLOAD_BYTES_MAX) {
                book.take(record);
            }
            at = next;
        }
        book
    }

    /// Rewrites the file when it is large and much of it is 90 days past; true when it did.
    pub fn prune(&mut self, now_ms: u64) -> Result<bool, JournalError> {
        if self.bytes < PRUNE_BYTES {
            return Ok(false);
        }
        self.compact(now_ms).map(|()| true)
    }

    /// Rewrites the file with what is still needed.
    pub fn compact(&mut self, now_ms: u64) -> Result<(), JournalError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| JournalError::Io { path, source }
        };
        self.book.prune(now_ms);
        let temporary = self.path.with_extension("new");
        let mut bytes = MAGIC.to_vec();
        for record in self.book.to_records() {
            let at = bytes.len();
            frame::write(&mut bytes, at, &record.to_cbor()).ok_or_else(|| self.too_large())?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&temporary)
            .map_err(io(&temporary))?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| JournalError::Locked { path: temporary.clone() })?;
        file.append(&bytes).and_then(|()| file.sync_all()).map_err(io(&temporary))?;
        std::fs::rename(&temporary, &self.path).map_err(io(&self.path))?;
        sync_directory(&self.path).map_err(io(&self.path))?;
        self.disk = file;
        self.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.dirty = false;
        Ok(())
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

impl<D: Disk> Journal<D> {
    /// Over a disk whose first `bytes` bytes give `book`.
    #[must_use]
    pub const fn over(path: PathBuf, disk: D, book: Book, bytes: u64, bytes_max: u64) -> Self {
        Self { path, disk, bytes, bytes_max, dirty: false, book, fsyncs: 0, fsync_ns: 0 }
    }

    /// What it says.
    #[must_use]
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// Number of syncs and the nanoseconds they took.
    #[must_use]
    pub const fn fsync_cost(&self) -> (u64, u64) {
        (self.fsyncs, self.fsync_ns)
    }

    /// Appends and syncs. All or nothing: after an error none of the records is in the journal.
    pub fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        if records.is_empty() {
            return Ok(());
        }
        if self.dirty {
            self.disk.truncate(self.bytes).and_then(|()| self.disk.sync()).map_err(|e| self.full(&e))?;
            self.dirty = false;
        }
        let mut bytes = Vec::new();
        for record in records {
            let at = usize::try_from(self.bytes).unwrap_or(usize::MAX).saturating_add(bytes.len());
            frame::write(&mut bytes, at, &record.to_cbor()).ok_or_else(|| self.too_large())?;
        }
        let after = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if after > self.bytes_max {
            return Err(self.full(&io::Error::other("at its limit")));
        }
        let started = std::time::Instant::now();
        let done = self.disk.append(&bytes).and_then(|()| self.disk.sync());
        self.fsyncs = self.fsyncs.saturating_add(1);
        self.fsync_ns = self.fsync_ns.saturating_add(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
        if let Err(error) = done {
            self.dirty = self.disk.truncate(self.bytes).and_then(|()| self.disk.sync()).is_err();
            return Err(self.full(&error));
        }
        self.bytes = after;
        for record in records {
            self.book.take(record.clone());
        }
        Ok(())
    }

    /// Sample, sync, body, sync, signature; for many leases at once the syncs are shared. A body that the journal
    /// already holds is signed again without writing; one that contradicts it is refused alone.
    pub fn sign(
        &mut self,
        wall_ms: u64,
        genesis: &GenesisHash,
        key: &SessionKey,
        drafts: Vec<(SampleRecord, MeterReceipt)>,
    ) -> Result<Signed, JournalError> {
        let (mut samples, mut bodies, mut verdicts) = (Vec::new(), Vec::new(), Vec::new());
        for (sample, receipt) in drafts {
            let held = Held { lease: receipt.lease, epoch: receipt.epoch };
            let entry = self.book.entries.get(&held);
            let stored = entry.and_then(|entry| entry.receipts.get(&receipt.seq));
            let seq = receipt.seq;
            let drafted_now = bodies.iter().any(|r: &Record| r.held == held);
            match stored {
                Some(stored) if *stored == receipt => {}
                None if entry.is_none_or(|entry| seq > entry.seq_max) && !drafted_now => {
                    samples.push(Record { wall_ms, held, body: Body::Sample(sample) });
                    bodies.push(Record { wall_ms, held, body: Body::Receipt(receipt.clone()) });
                }
                Some(_) | None => {
                    verdicts.push(Err(JournalError::SecondBody { held, seq }));
                    continue;
                }
            }
            verdicts.push(Ok(receipt));
        }
        self.append(&samples)?;
        self.append(&bodies)?;
        let sign = |receipt: MeterReceipt| {
            let signature = key.sign(receipt.digest(genesis).as_bytes());
            (receipt, signature)
        };
        Ok(verdicts.into_iter().map(|verdict| verdict.map(sign)).collect())
    }

    fn full(&self, why: &io::Error) -> JournalError {
        JournalError::Full { path: self.path.clone(), bytes: self.bytes, why: why.to_string() }
    }

    fn too_large(&self) -> JournalError {
        self.full(&io::Error::other(format!("a record of more than {PAYLOAD_BYTES_MAX} bytes")))
    }
}

#[cfg(test)]
mod tests;
