//! Files that hold secrets: written whole or not at all, readable by their owner alone, never overwritten.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Bytes of any secret file.
pub const SECRET_FILE_BYTES_MAX: u64 = 65_536;

/// What can go wrong with such a file.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum SecretFileError {
    #[error("`{path}` exists already: move it away first, it may hold the only copy of a key")]
    Exists { path: PathBuf },
    #[error("`{path}` doesn't exist: create it with `nupeer keys generate`, or name another with --keystore")]
    Missing { path: PathBuf },
    #[error("`{path}` can be read by others (mode {mode:o}): run `chmod 600 {path}`")]
    ReadableByOthers { path: PathBuf, mode: u32 },
    #[error("`{path}` has more than {SECRET_FILE_BYTES_MAX} bytes")]
    TooLong { path: PathBuf },
    #[error("`{path}`: {source}")]
    Io { path: PathBuf, source: std::io::Error },
}

/// Creates `path` with `bytes`: a neighbour is written, synced and then linked into place, which fails if `path` exists.
pub fn create(path: &Path, bytes: &[u8]) -> Result<(), SecretFileError> {
    let io = |source| SecretFileError::Io { path: path.into(), source };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    create_folder(folder).map_err(io)?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|e| io(std::io::Error::other(e.to_string())))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let neighbour = folder.join(format!(".{name}.{}", hex::encode(random)));
    let outcome = write_new(&neighbour, bytes).and_then(|()| fs::hard_link(&neighbour, path));
    // The neighbour is only a second name by now, or a failed attempt.
    let removed = fs::remove_file(&neighbour);
    removed.or_else(|e| if e.kind() == ErrorKind::NotFound { Ok(()) } else { Err(e) }).map_err(io)?;
    outcome.map_err(|e| {
        let exists = e.kind() == ErrorKind::AlreadyExists;
        if exists { SecretFileError::Exists { path: path.into() } } else { io(e) }
    })?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}

#[cfg(unix)]
fn create_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn create_folder(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Reads a secret file after checking its size and mode.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    let io = |source: std::io::Error| {
        let missing = source.kind() == ErrorKind::NotFound;
        let path = path.into();
        if missing { SecretFileError::Missing { path } } else { SecretFileError::Io { path, source } }
    };
    let file = File::open(path).map_err(io)?;
    let meta = file.metadata().map_err(io)?;
    check_mode(path, &meta)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(SECRET_FILE_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > SECRET_FILE_BYTES_MAX {
        return Err(SecretFileError::TooLong { path: path.into() });
    }
    Ok(bytes)
}

#[cfg(unix)]
fn check_mode(path: &Path, meta: &fs::Metadata) -> Result<(), SecretFileError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(SecretFileError::ReadableByOthers { path: path.into(), mode }) }
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &fs::Metadata) -> Result<(), SecretFileError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_secret_file_is_private_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/key");
        create(&path, b"one").unwrap();
        assert!(matches!(create(&path, b"two"), Err(SecretFileError::Exists { .. })));
        assert_eq!(*read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no neighbour is left");
        assert!(matches!(read(&folder.path().join("none")), Err(SecretFileError::Missing { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_open_to_others_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path), Err(SecretFileError::ReadableByOthers { mode: 0o640, .. })));
    }

    #[test]
    fn an_endless_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, &vec![0; 65_537]).unwrap();
        assert!(matches!(read(&path), Err(SecretFileError::TooLong { .. })));
    }
}
