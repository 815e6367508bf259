//! The file of the book. An entry is appended in one write and synced before the visitor hears of it.
//!
//! Several instances may append at once; each append is whole, their order is the file's. The limit of entries is
//! checked before the append, so simultaneous visitors may pass it by as many as they are; readers stop at the limit.

use crate::book::{ENTRIES_MAX, Entry, entries};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The file's size at which the book refuses more, whatever it holds: about three times a full book.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why the book could not be read or written.
#[derive(Debug)]
pub enum StoreError {
    /// [`ENTRIES_MAX`] entries or [`FILE_BYTES_MAX`] bytes are there.
    Full,
    /// The folder is missing: the manifest has no `mounts: {/data: ...}`.
    NotMounted {
        /// The folder.
        folder: PathBuf,
    },
    /// The disk said no.
    Io(io::Error),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => write!(f, "the book is full: {ENTRIES_MAX} entries or {FILE_BYTES_MAX} bytes"),
            Self::NotMounted { folder } => {
                write!(f, "{} is not mounted: add it to mounts in the manifest", folder.display())
            }
            Self::Io(error) => write!(f, "the book cannot be read or written: {error}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The book on disk.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The book in `folder`, which must exist by the time of the first visit.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Every entry, oldest first.
    pub fn load(&self) -> Result<Vec<Entry>, StoreError> {
        self.check()?;
        let file = match File::open(self.path()) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(entries(&bytes))
    }

    /// Adds an entry; returns when it is on disk.
    pub fn append(&self, entry: &Entry) -> Result<(), StoreError> {
        if self.load()?.len() >= ENTRIES_MAX {
            return Err(StoreError::Full);
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(self.path())?;
        let length = file.metadata()?.len();
        if length >= FILE_BYTES_MAX {
            return Err(StoreError::Full);
        }
        let mut line = entry.to_line();
        if length > 0 && !ends_a_line(&mut file)? {
            // A crash left half a line behind: end it, or it would swallow this entry too.
            line.insert(0, '\n');
        }
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        if length == 0 {
            // The name of a new file lives in its folder. Not every host lets a guest sync a folder, and one that
            // does not syncs names with the file.
            let _ = File::open(&self.folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }

    /// Whether the folder is there.
    pub fn check(&self) -> Result<(), StoreError> {
        match std::fs::metadata(&self.folder) {
            Ok(meta) if meta.is_dir() => Ok(()),
            // Without any preopened folder a WASI host answers with other kinds than NotFound.
            Ok(_) | Err(_) => Err(StoreError::NotMounted { folder: self.folder.clone() }),
        }
    }

    fn path(&self) -> PathBuf {
        Path::new(&self.folder).join("entries.tsv")
    }
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("guestbook-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        folder
    }

    #[test]
    fn entries_are_there_for_the_next_instance() {
        let folder = folder("next");
        let entry = |n| Entry::checked(n, "a", "text").unwrap();
        assert!(Store::new(&folder).load().unwrap().is_empty());
        Store::new(&folder).append(&entry(1)).unwrap();
        Store::new(&folder).append(&entry(2)).unwrap();
        assert_eq!(Store::new(&folder).load().unwrap(), vec![entry(1), entry(2)]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_torn_tail_costs_its_own_entry_only() {
        let folder = folder("torn");
        let store = Store::new(&folder);
        let entry = |n| Entry::checked(n, "a", "text").unwrap();
        store.append(&entry(1)).unwrap();
        let torn = entry(2).to_line();
        let mut file = OpenOptions::new().append(true).open(store.path()).unwrap();
        file.write_all(&torn.as_bytes()[..torn.len() - 3]).unwrap();
        drop(file);
        store.append(&entry(3)).unwrap();
        assert_eq!(store.load().unwrap(), vec![entry(1), entry(3)]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_full_book_and_a_missing_folder_are_refused() {
        let folder = folder("full");
        let store = Store::new(&folder);
        let entry = Entry::checked(1, "a", "text").unwrap();
        std::fs::write(store.path(), entry.to_line().repeat(ENTRIES_MAX)).unwrap();
        assert!(matches!(store.append(&entry), Err(StoreError::Full)));
        std::fs::write(store.path(), "x".repeat(usize::try_from(FILE_BYTES_MAX).unwrap())).unwrap();
        assert!(matches!(store.append(&entry), Err(StoreError::Full)));
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(matches!(store.load(), Err(StoreError::NotMounted { .. })));
        assert!(matches!(store.append(&entry), Err(StoreError::NotMounted { .. })));
    }
}
