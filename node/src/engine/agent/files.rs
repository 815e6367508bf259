//! Where a key agent keeps its files: a folder of mode 0600, locked against a second process.

use anyhow::{Context, Result, bail};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The lock's file. Its content means nothing.
const LOCK_FILE: &str = "lock";
/// Bytes of any key file: the longest holds a KES key in hex.
const FILE_BYTES_MAX: u64 = 65_536;

/// Where an agent keeps its files.
pub trait KeyFiles: Send {
    /// Contents of a file; `None` if there is none.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>>;
    /// Replaces a file whole or not at all, durable when it returns.
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()>;
    /// Removes a file, durable when it returns. One that isn't there is removed already.
    fn remove(&mut self, name: &str) -> Result<()>;
    /// Replaces a file, and overwrites what it held as far as the medium permits.
    fn write_erasing(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.write(name, bytes)
    }
}

/// Files of mode 0600 in a folder.
#[derive(Debug)]
pub struct Folder(pub PathBuf);

/// Held while a process uses a key folder; given back when dropped, or when the process ends however it does.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl Folder {
    /// Locks the folder: two processes on one signing state would each believe that they sign alone.
    pub fn lock(&self) -> Result<FolderLock> {
        std::fs::create_dir_all(&self.0).with_context(|| self.0.display().to_string())?;
        let path = self.0.join(LOCK_FILE);
        let options = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = options.with_context(|| format!("opening {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(FolderLock { _file: file }),
            Err(TryLockError::WouldBlock) => {
                bail!("{} is in use by another process: stop that node first", self.0.display())
            }
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
        }
    }

    /// Writes beside the file and gives that path; durable.
    fn write_beside(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        std::fs::create_dir_all(&self.0)?;
        let new = self.0.join(format!("{name}.new"));
        let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(new)
    }

    fn sync(&self) -> Result<()> {
        Ok(File::open(&self.0)?.sync_all()?)
    }

    fn erase(path: &Path) -> std::io::Result<()> {
        let mut file = match File::options().write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let length = usize::try_from(file.metadata()?.len().min(FILE_BYTES_MAX)).unwrap_or(0);
        file.write_all(&vec![0; length])?;
        file.sync_all()?;
        std::fs::remove_file(path)
    }
}

impl KeyFiles for Folder {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.0.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let mut bytes = Vec::new();
        let read = file.take(FILE_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes);
        read.with_context(|| format!("reading {}", path.display()))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            bail!("{} has more than {FILE_BYTES_MAX} bytes", path.display());
        }
        Ok(Some(bytes))
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let new = self.write_beside(name, bytes)?;
        std::fs::rename(&new, self.0.join(name))?;
        self.sync()
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        match std::fs::remove_file(self.0.join(name)) {
            Ok(()) => self.sync(),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error).with_context(|| format!("removing {}", self.0.join(name).display())),
        }
    }

    fn write_erasing(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let (path, old) = (self.0.join(name), self.0.join(format!("{name}.old")));
        // A crash may have left one; what it names is no longer in use.
        Self::erase(&old)?;
        let new = self.write_beside(name, bytes)?;
        match std::fs::hard_link(&path, &old) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        std::fs::rename(&new, &path)?;
        self.sync()?;
        Self::erase(&old)?;
        self.sync()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_is_locked_once() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder(dir.path().join("keys"));
        let first = folder.lock().unwrap();
        let error = folder.lock().unwrap_err().to_string();
        assert!(error.contains("in use by another process"), "{error}");
        drop(first);
        assert!(folder.lock().is_ok());
    }

    #[test]
    fn an_erasing_write_leaves_no_second_name_of_the_old_content() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder(dir.path().into());
        folder.write("kes.json", b"old secret").unwrap();
        let held = File::open(dir.path().join("kes.json")).unwrap();
        folder.write_erasing("kes.json", b"new").unwrap();
        assert_eq!(folder.read("kes.json").unwrap().unwrap(), b"new");
        let mut left = Vec::new();
        (&held).read_to_end(&mut left).unwrap();
        assert_eq!(left, vec![0; 10], "who still holds the old file reads zeros");
        let names = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(names, 1);
        // A crash between link and erasure.
        std::fs::write(dir.path().join("kes.json.old"), b"forgotten").unwrap();
        folder.write_erasing("kes.json", b"newer").unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn removal_is_idempotent_and_reads_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder(dir.path().into());
        folder.write("a", b"1").unwrap();
        folder.remove("a").unwrap();
        folder.remove("a").unwrap();
        assert_eq!(folder.read("a").unwrap(), None);
        std::fs::write(dir.path().join("b"), vec![0; 70_000]).unwrap();
        assert!(folder.read("b").is_err());
    }
}
