//! Columns in RocksDB: one instance, one column family a column, every batch synced.

use super::columns::Entry;
use super::{Column, Columns, Reader, StorageError, Write};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, LogLevel,
    SnapshotWithThreadMode, WriteBatch, WriteOptions,
};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes that must stay free on the disk: room for the log, one flush and one compaction of small tables.
pub const RESERVE_BYTES: u64 = 64 * 1_024 * 1_024;
/// Bytes beyond the reserve that must be free before writing begins again: some blocks, so that it does not stop at once.
const RESUME_BYTES: u64 = 8 * 1_024 * 1_024;
/// Bytes of cached blocks over all columns; the node's whole memory goal is 150 MB.
const CACHE_BYTES: usize = 24 * 1_024 * 1_024;
/// Bytes of unflushed writes over all columns.
const BUFFER_BYTES: usize = 24 * 1_024 * 1_024;
/// Bytes of write-ahead log before columns are flushed.
const LOG_BYTES: u64 = 64 * 1_024 * 1_024;
/// Open table files.
const FILES: i32 = 256;

/// Where and how to open.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder.
    pub path: PathBuf,
    /// Bytes that must stay free; [`RESERVE_BYTES`] unless the operator says otherwise.
    pub reserve_bytes: u64,
}

impl Options {
    /// A folder with the usual reserve.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), reserve_bytes: RESERVE_BYTES }
    }
}

/// A RocksDB folder.
pub struct RocksColumns {
    db: DB,
    path: PathBuf,
    reserve_bytes: u64,
    synced: WriteOptions,
    /// The database itself met the end of the disk: it refuses all writes until it is opened again.
    stopped: AtomicBool,
}

impl fmt::Debug for RocksColumns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RocksColumns({})", self.path.display())
    }
}

impl RocksColumns {
    /// Opens the folder, creating it where there is none. RocksDB replays its log: what was synced is there.
    pub fn open(options: &Options) -> Result<Self, StorageError> {
        let Options { path, reserve_bytes } = options;
        std::fs::create_dir_all(path).map_err(|error| StorageError::Failed {
            message: format!("folder {} can't be made: {error}", path.display()),
        })?;
        let mut db_options = rocksdb::Options::default();
        db_options.create_if_missing(true);
        db_options.create_missing_column_families(true);
        db_options.set_db_write_buffer_size(BUFFER_BYTES);
        db_options.set_max_total_wal_size(LOG_BYTES);
        db_options.set_max_open_files(FILES);
        db_options.set_keep_log_file_num(2);
        db_options.set_log_level(LogLevel::Warn);
        let cache = Cache::new_lru_cache(CACHE_BYTES);
        let families =
            Column::ALL.map(|column| ColumnFamilyDescriptor::new(column.name(), family_options(column, &cache)));
        let db = DB::open_cf_descriptors(&db_options, path, families).map_err(|error| open_error(&error, path))?;
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        Ok(Self { db, path: path.clone(), reserve_bytes: *reserve_bytes, synced, stopped: AtomicBool::new(false) })
    }

    fn family(&self, column: Column) -> Result<&ColumnFamily, StorageError> {
        self.db.cf_handle(column.name()).ok_or(StorageError::Corrupt { column })
    }

    fn check_room_for(&self, bytes: u64) -> Result<(), StorageError> {
        let available = available_bytes(&self.path)?;
        let reserve = self.reserve_bytes.saturating_add(bytes);
        if available < reserve { Err(StorageError::DiskFull { available, reserve }) } else { Ok(()) }
    }
}

fn family_options(column: Column, cache: &Cache) -> rocksdb::Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    let mut options = rocksdb::Options::default();
    match column {
        // Looked up key by key, often in vain.
        Column::Slots | Column::Values | Column::Txs | Column::Heights => table.set_bloom_filter(10.0, false),
        Column::Nodes
        | Column::Leaves
        | Column::Undo
        | Column::Blocks
        | Column::Bodies
        | Column::Records
        | Column::Headers
        | Column::Consensus
        | Column::Meta => {}
    }
    // Hashes don't shrink.
    let compression = if column == Column::Nodes { DBCompressionType::None } else { DBCompressionType::Lz4 };
    options.set_compression_type(compression);
    options.set_block_based_table_factory(&table);
    options
}

fn available_bytes(path: &Path) -> Result<u64, StorageError> {
    let stat = rustix::fs::statvfs(path).map_err(|error| StorageError::Failed {
        message: format!("free space of {} can't be read: {error}", path.display()),
    })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn open_error(error: &rocksdb::Error, path: &Path) -> StorageError {
    if error.as_ref().contains("lock") && error.kind() == rocksdb::ErrorKind::IOError {
        return StorageError::Locked { path: path.to_path_buf() };
    }
    failed(error)
}

fn failed(error: &rocksdb::Error) -> StorageError {
    let message = error.as_ref();
    if message.contains("No space left on device") || message.contains("Disk quota exceeded") {
        return StorageError::DiskFull { available: 0, reserve: 0 };
    }
    StorageError::Failed { message: message.to_owned() }
}

impl Columns for RocksColumns {
    fn reader(&self) -> Box<dyn Reader + '_> {
        Box::new(RocksReader { columns: self, snapshot: self.db.snapshot() })
    }

    fn check_room(&self) -> Result<(), StorageError> {
        self.check_room_for(RESUME_BYTES)?;
        if self.stopped.load(Ordering::SeqCst) {
            let message = "the database stopped when the disk was full; start the node again".to_owned();
            return Err(StorageError::Failed { message });
        }
        Ok(())
    }

    fn write(&self, batch: Vec<Write>) -> Result<(), StorageError> {
        let mut raw = WriteBatch::default();
        for Write { column, key, value } in batch {
            let family = self.family(column)?;
            match value {
                Some(value) => raw.put_cf(family, key, value),
                None => raw.delete_cf(family, key),
            }
        }
        self.check_room_for(u64::try_from(raw.size_in_bytes()).unwrap_or(u64::MAX))?;
        self.db.write_opt(raw, &self.synced).map_err(|error| {
            let error = failed(&error);
            self.stopped.fetch_or(error.is_retryable(), Ordering::SeqCst);
            error
        })
    }
}

struct RocksReader<'a> {
    columns: &'a RocksColumns,
    snapshot: SnapshotWithThreadMode<'a, DB>,
}

impl Reader for RocksReader<'_> {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.snapshot.get_cf(self.columns.family(column)?, key).map_err(|error| failed(&error))
    }

    fn scan(
        &self,
        column: Column,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StorageError> {
        let mut cursor = self.snapshot.raw_iterator_cf(self.columns.family(column)?);
        cursor.seek(from);
        while let Some((key, value)) = cursor.item() {
            if !visit(key, value) {
                break;
            }
            cursor.next();
        }
        cursor.status().map_err(|error| failed(&error))
    }

    fn last_below(&self, column: Column, key: &[u8]) -> Result<Option<Entry>, StorageError> {
        let mut cursor = self.snapshot.raw_iterator_cf(self.columns.family(column)?);
        cursor.seek_for_prev(key);
        if cursor.key() == Some(key) {
            cursor.prev();
        }
        let found = cursor.item().map(|(key, value)| (key.to_vec(), value.to_vec()));
        cursor.status().map_err(|error| failed(&error))?;
        Ok(found)
    }
}
