//! Releasing a tenant's bytes (spec/provider.md section 1, Wipe).
//!
//! Volumes here are plain directories without a key of their own, so CRYPTO_ERASE is answered with ZERO: more than
//! was asked, and the report says what was done. On a copy-on-write filesystem or an SSD old blocks may survive
//! either; without encryption a wipe is a promise backed by the bond.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::workload::WIPING;
use crate::v1::{Wipe, WipedVolume};

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
/// Directories nested deeper than this are the tenant's joke; they are removed without being overwritten.
const DEPTH_MAX: usize = 128;

/// What will be done when a method is asked for; `None` when it makes no sense for files.
#[must_use]
pub const fn method_for(asked: Wipe) -> Option<Wipe> {
    match asked {
        Wipe::CryptoErase | Wipe::Zero => Some(Wipe::Zero),
        Wipe::Discard => Some(Wipe::Discard),
        Wipe::Unspecified | Wipe::FpgaBlank => None,
    }
}

/// Overwrites each volume, then everything else in a workload's directory. Removing the names is the caller's last
/// step, so that a crash in between loses no report.
///
/// # Errors
/// I/O. What is left is finished by calling again.
pub fn overwrite_workload(directory: &Path, method: Wipe) -> io::Result<Vec<WipedVolume>> {
    let mut volumes = Vec::new();
    let root = directory.join("volumes");
    if root.is_dir() {
        for entry in fs::read_dir(&root)? {
            let entry = entry?;
            let bytes = wipe_tree(&entry.path(), method, 0)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            volumes.push(WipedVolume { name, bytes, method: method.into() });
        }
    }
    volumes.sort_by(|a, b| a.name.cmp(&b.name));
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // The marker holds no byte of the tenant's, and a wipe cut short needs it.
        if entry.file_name() != WIPING {
            wipe_tree(&entry.path(), method, 0)?;
        }
    }
    Ok(volumes)
}

fn wipe_tree(path: &Path, method: Wipe, depth: usize) -> io::Result<u64> {
    let meta = fs::symlink_metadata(path)?;
    if meta.is_dir() {
        if depth >= DEPTH_MAX {
            return Ok(0);
        }
        let mut bytes = 0u64;
        for entry in fs::read_dir(path)? {
            bytes = bytes.saturating_add(wipe_tree(&entry?.path(), method, depth + 1)?);
        }
        return Ok(bytes);
    }
    if !meta.is_file() {
        return Ok(0);
    }
    match method {
        Wipe::Zero | Wipe::CryptoErase => zero(path, meta.len())?,
        Wipe::Discard | Wipe::Unspecified | Wipe::FpgaBlank => {}
    }
    Ok(meta.len())
}

fn zero(path: &Path, length: u64) -> io::Result<()> {
    let mut file: File = match fs::OpenOptions::new().write(true).open(path) {
        // A read-only file of the tenant's is still ours to overwrite, once it is writable.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
            fs::OpenOptions::new().write(true).open(path)?
        }
        other => other?,
    };
    let mut left = length;
    while left > 0 {
        let step = usize::try_from(left).unwrap_or(ZEROS.len()).min(ZEROS.len());
        file.write_all(&ZEROS[..step])?;
        left = left.saturating_sub(u64::try_from(step).unwrap_or(left));
    }
    file.sync_data()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn zeroing_overwrites_in_place() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("w");
        fs::create_dir_all(dir.join("volumes/data/deep")).unwrap();
        fs::write(dir.join("volumes/data/deep/marker"), b"secret").unwrap();
        // A second name keeps the inode alive, so that its bytes can be seen after the wipe.
        let witness = root.path().join("witness");
        fs::hard_link(dir.join("volumes/data/deep/marker"), &witness).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.join("volumes/data/link")).unwrap();
        let report = overwrite_workload(&dir, Wipe::Zero).unwrap();
        assert_eq!(report, [WipedVolume { name: "data".into(), bytes: 6, method: Wipe::Zero.into() }]);
        assert_eq!(fs::read(witness).unwrap(), [0; 6]);
        assert!(fs::metadata("/etc/passwd").unwrap().len() > 0);
    }
}
