//! Raw ed25519 keys for daemons: session keys of hosts and delegates. The file is 64 hex digits and a line end, mode 0600.

use super::secret_file::{self, SecretFileError};
use ed25519_dalek::{Signer, SigningKey};
use nupeer_primitives::{AccountId, GenesisHash, Signature, TxBody, VerificationKey, Witness};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A key that acts under a grant.
pub struct SessionKey(SigningKey);

/// Why a file is not a session key.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum SessionKeyError {
    #[error(transparent)]
    File(#[from] SecretFileError),
    #[error("`{path}` is not a session key: 64 hex digits are expected")]
    NotAKey { path: PathBuf },
    #[error("the system gives no randomness: {reason}")]
    NoRandomness { reason: String },
}

impl SessionKey {
    /// A fresh key in a new file.
    pub fn create(path: &Path) -> Result<Self, SessionKeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|e| SessionKeyError::NoRandomness { reason: e.to_string() })?;
        let mut text = Zeroizing::new(hex::encode(seed.as_ref()));
        text.push('\n');
        secret_file::create(path, text.as_bytes())?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads a key file.
    pub fn open(path: &Path) -> Result<Self, SessionKeyError> {
        let bytes = secret_file::read(path)?;
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(bytes.trim_ascii(), seed.as_mut())
            .map_err(|_| SessionKeyError::NotAKey { path: path.into() })?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// The public key, to be granted.
    #[must_use]
    pub fn key(&self) -> VerificationKey {
        VerificationKey(self.0.verifying_key().to_bytes())
    }

    /// A session witness for `owner`.
    #[must_use]
    pub fn sign(&self, owner: AccountId, body: &TxBody, genesis: &GenesisHash) -> Witness {
        Witness::Session { owner, key: self.key(), signature: self.sign_digest(&body.id(genesis).0) }
    }

    /// Signs a domain-tagged digest.
    #[must_use]
    pub fn sign_digest(&self, digest: &[u8; 32]) -> Signature {
        Signature(self.0.sign(digest).to_bytes())
    }
}

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SessionKey").field(&self.key()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use nupeer_primitives::sign::verify;

    #[test]
    fn a_session_key_survives_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.key");
        let key = SessionKey::create(&path).unwrap();
        let again = SessionKey::open(&path).unwrap();
        assert_eq!(key.key(), again.key());
        assert!(verify(&key.key(), &[5; 32], &again.sign_digest(&[5; 32])));
        let junk = folder.path().join("junk");
        secret_file::create(&junk, b"not hex").unwrap();
        assert!(matches!(SessionKey::open(&junk), Err(SessionKeyError::NotAKey { .. })));
    }
}
