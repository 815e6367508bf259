//! Blobs by their hash: sealed bundles and artifacts on their way from tenants to hosts. Content is verified when it
//! comes in; readers verify it again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nupeer_client::delivery::{BLOB_BYTES_MAX, DeliveryError, UploadPermit, check_address};
use nupeer_primitives::GenesisHash;

/// Why a blob is not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Permit or content.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// No room.
    #[error("store is full at {bytes_max} bytes; try another gateway")]
    Full {
        /// Its size.
        bytes_max: u64,
    },
    /// The disk.
    #[error("store: {0}")]
    Io(#[from] io::Error),
}

/// What kind of blob, as in its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobKind {
    /// 48 hex digits.
    Bundle,
    /// 64 hex digits.
    Artifact,
}

impl BlobKind {
    /// Reads the path segment.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "bundle" => Some(Self::Bundle),
            "artifact" | "blob" => Some(Self::Artifact),
            _ => None,
        }
    }
    const fn digits(self) -> usize {
        match self {
            Self::Bundle => 48,
            Self::Artifact => 64,
        }
    }
}

/// A directory of blobs.
#[derive(Debug)]
pub struct BlobStore {
    dir: PathBuf,
    bytes: AtomicU64,
    bytes_max: u64,
}

impl BlobStore {
    /// Opens or creates it; leftovers of cut uploads are removed.
    pub fn open(dir: &Path, bytes_max: u64) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut bytes = 0u64;
        for file in std::fs::read_dir(dir)? {
            let file = file?;
            if file.path().extension().is_some() {
                std::fs::remove_file(file.path())?;
            } else {
                bytes = bytes.saturating_add(file.metadata()?.len());
            }
        }
        Ok(Self { dir: dir.to_owned(), bytes: AtomicU64::new(bytes), bytes_max })
    }

    /// The file of an address; `None` for what is not one, so no path ever leaves the directory.
    #[must_use]
    pub fn path(&self, kind: BlobKind, address: &str) -> Option<PathBuf> {
        let plain = address.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (plain && address.len() == kind.digits()).then(|| self.dir.join(address))
    }

    /// Size of a blob that is here.
    #[must_use]
    pub fn size(&self, kind: BlobKind, address: &str) -> Option<u64> {
        std::fs::metadata(self.path(kind, address)?).ok().map(|meta| meta.len())
    }

    /// Reads a blob.
    #[must_use]
    pub fn get(&self, kind: BlobKind, address: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path(kind, address)?).ok()
    }

    /// Stores a blob under a permit; one that is here already is left as it is.
    pub fn put(
        &self,
        kind: BlobKind,
        address: &str,
        content: &[u8],
        permit: &UploadPermit,
        genesis: &GenesisHash,
    ) -> Result<(), StoreError> {
        permit.verify(genesis, content, crate::clock::wall_ms().div_euclid(1_000))?;
        check_address(address, content)?;
        let path = self.path(kind, address).ok_or(DeliveryError::DigestMismatch { address: String::new() })?;
        if path.exists() {
            return Ok(());
        }
        let size = u64::try_from(content.len().min(BLOB_BYTES_MAX)).unwrap_or(u64::MAX);
        let room = |bytes: u64| bytes.checked_add(size).filter(|after| *after <= self.bytes_max);
        if self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_err() {
            return Err(StoreError::Full { bytes_max: self.bytes_max });
        }
        let written = self.write(&path, content);
        if written.is_err() {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
        }
        Ok(written?)
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        use std::io::Write as _;
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let temporary = path.with_extension(hex::encode(nonce));
        let mut file = std::fs::File::create(&temporary)?;
        let written = file.write_all(content).and_then(|()| file.sync_all());
        if let Err(error) = written.and_then(|()| std::fs::rename(&temporary, path)) {
            let _ = std::fs::remove_file(&temporary);
            return Err(error);
        }
        std::fs::File::open(&self.dir)?.sync_all()
    }
}
