//! Keys of this machine: session (signs receipts and lease actions), seal (opens key wraps). The account's key is never
//! here. Files are hex of a 32-byte seed, mode 0600; what is read is wiped from memory when dropped.

use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer as _, SigningKey};
use nupeer_primitives::{Signature, VerificationKey};
use zeroize::{Zeroize as _, Zeroizing};

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not there or not readable.
    #[error("key file {path}: {source}; make one with `nupeer-provider keygen {path}`")]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Others can read it.
    #[error("key file {path} has mode {mode:o}; run chmod 600 on it")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not a key.
    #[error("key file {path} does not hold 64 hexadecimal digits")]
    Shape {
        /// Which file.
        path: PathBuf,
    },
}

/// Reads a 32-byte seed.
pub fn read_seed(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Open { path: path.to_owned(), mode });
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(io)?);
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), &mut *seed).map_err(|_| KeyError::Shape { path: path.to_owned() })?;
    Ok(seed)
}

/// Writes a fresh seed; an existing file is never overwritten.
pub fn create_seed(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    use std::io::Write as _;
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|e| io(io::Error::other(e)))?;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
    let mut text = hex::encode(*seed);
    let written = writeln!(file, "{text}").and_then(|()| file.sync_all());
    text.zeroize();
    written.map_err(io)?;
    Ok(seed)
}

/// Reads a seed or makes one: for keys that belong to this machine alone.
pub fn read_or_create_seed(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    if path.exists() { read_seed(path) } else { create_seed(path) }
}

/// Signs receipts and lease actions of this host.
#[derive(Clone)]
pub struct SessionKey(SigningKey);

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SessionKey({})", self.public())
    }
}

impl SessionKey {
    /// From its seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }
    /// Reads it.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        read_seed(path).map(|seed| Self::from_seed(&seed))
    }
    /// The public half.
    #[must_use]
    pub fn public(&self) -> VerificationKey {
        VerificationKey(self.0.verifying_key().to_bytes())
    }
    /// Signs a domain-tagged digest.
    #[must_use]
    pub fn sign(&self, digest: &[u8; 32]) -> Signature {
        Signature(self.0.sign(digest).to_bytes())
    }
    /// The seed, for the transport's own key format.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }
}
