//! Unix socket paths of any length.
//!
//! `sockaddr_un` holds 107 bytes, less than a state directory plus a workload directory may take. Binding and
//! connecting go through `/proc/self/fd/<directory>/<name>` instead, which is short whatever the directory is.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

/// Longest path that fits into `sockaddr_un` with its terminating zero.
const PATH_BYTES_MAX: usize = 107;

/// A path that fits; the directory stays open for as long as this lives.
#[derive(Debug)]
pub struct ShortPath {
    path: PathBuf,
    _directory: Option<File>,
}

impl ShortPath {
    /// Shortens a socket path when it has to be.
    ///
    /// # Errors
    /// When the path has no parent directory, or that cannot be opened.
    pub fn new(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= PATH_BYTES_MAX {
            return Ok(Self { path: path.to_owned(), _directory: None });
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "socket path has no directory"));
        };
        let directory = File::open(parent)?;
        let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
        if short.as_os_str().len() > PATH_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "socket file name is too long"));
        }
        Ok(Self { path: short, _directory: Some(directory) })
    }
}

impl AsRef<Path> for ShortPath {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn deep_directories_can_be_bound_and_reached() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let path = deep.join("sock");
        let _listener = UnixListener::bind(ShortPath::new(&path).unwrap()).unwrap();
        assert!(path.exists());
        UnixStream::connect(ShortPath::new(&path).unwrap()).unwrap();
    }
}
