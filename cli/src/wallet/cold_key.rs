//! A pool's cold key: an ed25519 key in a sealed file, and the counter of its certificates beside it.
//!
//! The seal is the keystore's: XChaCha20-Poly1305 under Argon2id(password, salt), everything else in the file being its
//! associated data. Pool id and public key stand outside it, so that looking needs no password.
//!
//! # Invariants
//! - A counter is on disk before the certificate that carries it exists; a crash in between wastes nothing, because the
//!   last counter may be used again.

use super::keystore::{CIPHER, Cost, KDF, KeystoreError, PASSWORD_BYTES_MIN, derive_key};
use super::secret_file::{self, SecretFileError};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use ed25519_dalek::{Signer, SigningKey};
use nupeer_primitives::{GenesisHash, OpCert, PoolId, Signature, VerificationKey};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const VERSION: u32 = 1;

/// What can go wrong with a cold key.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ColdKeyError {
    #[error(transparent)]
    File(#[from] SecretFileError),
    #[error(transparent)]
    Seal(#[from] KeystoreError),
    #[error("`{path}` is damaged or no cold key ({why}): restore it from a copy")]
    Damaged { path: PathBuf, why: String },
    #[error("wrong password for `{path}`, or the file was changed")]
    WrongPassword { path: PathBuf },
    #[error("the system gives no randomness: {reason}")]
    NoRandomness { reason: String },
    #[error("counter file `{path}`: {why}")]
    Counter { path: PathBuf, why: String },
    #[error("no certificate was issued yet: leave --again out")]
    NothingIssued,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColdKeyFile {
    nupeer_cold_key: u32,
    pool: String,
    cold_key: String,
    kdf: String,
    cost: Cost,
    salt: String,
    cipher: String,
    nonce: String,
    sealed: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CounterFile {
    pool: String,
    /// Counter of the next certificate.
    next: u64,
}

/// A cold key whose seal is closed.
pub struct ColdKey {
    path: PathBuf,
    file: ColdKeyFile,
    public: VerificationKey,
}

impl std::fmt::Debug for ColdKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ColdKey").field("pool", &self.pool()).finish_non_exhaustive()
    }
}

/// What to certify.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Certify {
    /// The KES key.
    pub hot_key: [u8; 32],
    /// Its first period.
    pub start: u64,
    /// Whether the last counter is used once more.
    pub again: bool,
}

impl ColdKey {
    /// A fresh key, sealed into a new file, with its counter file.
    pub fn create(path: &Path, password: &str, cost: Cost) -> Result<Self, ColdKeyError> {
        if password.len() < PASSWORD_BYTES_MIN {
            return Err(KeystoreError::PasswordTooShort { length: password.len() }.into());
        }
        let mut seed = Zeroizing::new([0; 32]);
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        for random in [seed.as_mut_slice(), salt.as_mut_slice(), nonce.as_mut_slice()] {
            getrandom::fill(random).map_err(|e| ColdKeyError::NoRandomness { reason: e.to_string() })?;
        }
        let public = VerificationKey(SigningKey::from_bytes(&seed).verifying_key().to_bytes());
        let mut file = ColdKeyFile {
            nupeer_cold_key: VERSION,
            pool: public.pool().to_hex(),
            cold_key: public.to_hex(),
            kdf: KDF.into(),
            cost,
            salt: hex::encode(salt),
            cipher: CIPHER.into(),
            nonce: hex::encode(nonce),
            sealed: String::new(),
        };
        let cipher = XChaCha20Poly1305::new(<&Key>::from(&*derive_key(password, &salt, cost)?));
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: seed.as_slice(), aad: &file.associated_data() })
            .map_err(|e| ColdKeyError::Damaged { path: path.into(), why: e.to_string() })?;
        file.sealed = hex::encode(sealed);
        let mut text = serde_json::to_vec_pretty(&file).expect("strings and numbers always make JSON");
        text.push(b'\n');
        let key = Self { path: path.into(), file, public };
        // The counter comes first: a key without one could issue a number twice.
        secret_file::create(&key.counter_path(), &key.counter_text(0))?;
        secret_file::create(path, &text)?;
        Ok(key)
    }

    /// Reads the file without opening its seal.
    pub fn open(path: &Path) -> Result<Self, ColdKeyError> {
        let bytes = secret_file::read(path)?;
        let damaged = |why: String| ColdKeyError::Damaged { path: path.into(), why };
        let file: ColdKeyFile = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        if file.nupeer_cold_key != VERSION {
            return Err(damaged(format!("format {}, this program knows {VERSION}", file.nupeer_cold_key)));
        }
        if file.kdf != KDF || file.cipher != CIPHER || !file.cost.permitted() {
            return Err(damaged("its kdf, cost or cipher is not one of ours".into()));
        }
        let public = VerificationKey::from_hex(&file.cold_key);
        let public = public.ok_or_else(|| damaged("its key is not 32 bytes of hex".into()))?;
        if public.pool().to_hex() != file.pool {
            return Err(damaged("its pool id is not the hash of its key".into()));
        }
        Ok(Self { path: path.into(), file, public })
    }

    /// The public key.
    #[must_use]
    pub const fn public(&self) -> VerificationKey {
        self.public
    }

    /// The pool.
    #[must_use]
    pub fn pool(&self) -> PoolId {
        self.public.pool()
    }

    /// Where the counter lies.
    #[must_use]
    pub fn counter_path(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".counter");
        PathBuf::from(name)
    }

    /// Issues a certificate: opens the seal, writes the counter, signs.
    pub fn issue(&self, password: &str, genesis: &GenesisHash, what: Certify) -> Result<OpCert, ColdKeyError> {
        let key = self.unlock(password)?;
        let next = self.next_counter()?;
        let Certify { hot_key, start, again } = what;
        let counter = if again { next.checked_sub(1).ok_or(ColdKeyError::NothingIssued)? } else { next };
        if !again {
            self.write_counter(next.saturating_add(1))?;
        }
        let mut opcert = OpCert { hot_key, counter, start, sigma: Signature([0; 64]) };
        opcert.sigma = Signature(key.sign(&opcert.digest(genesis).0).to_bytes());
        Ok(opcert)
    }

    fn unlock(&self, password: &str) -> Result<SigningKey, ColdKeyError> {
        let damaged = |why: &str| ColdKeyError::Damaged { path: self.path.clone(), why: why.into() };
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        hex::decode_to_slice(&self.file.salt, &mut salt).map_err(|_| damaged("its salt is not 16 bytes of hex"))?;
        hex::decode_to_slice(&self.file.nonce, &mut nonce).map_err(|_| damaged("its nonce is not 24 bytes of hex"))?;
        let sealed = hex::decode(&self.file.sealed).map_err(|_| damaged("its seal is not hex"))?;
        let cipher = XChaCha20Poly1305::new(<&Key>::from(&*derive_key(password, &salt, self.file.cost)?));
        let aad = self.file.associated_data();
        let seed = cipher.decrypt(&XNonce::from(nonce), Payload { msg: &sealed, aad: &aad });
        let seed = Zeroizing::new(seed.map_err(|_| ColdKeyError::WrongPassword { path: self.path.clone() })?);
        let seed = <[u8; 32]>::try_from(seed.as_slice()).map_err(|_| damaged("its key has a wrong length"))?;
        let key = SigningKey::from_bytes(&Zeroizing::new(seed));
        if key.verifying_key().to_bytes() == self.public.0 {
            Ok(key)
        } else {
            Err(damaged("the sealed key is not the one that the file names"))
        }
    }

    fn counter_error(&self, why: impl Into<String>) -> ColdKeyError {
        ColdKeyError::Counter { path: self.counter_path(), why: why.into() }
    }

    fn next_counter(&self) -> Result<u64, ColdKeyError> {
        let bytes = match secret_file::read(&self.counter_path()) {
            Ok(bytes) => bytes,
            Err(SecretFileError::Missing { .. }) => {
                let why = "it is missing: restore it, or write {\"pool\": ID, \"next\": N} with N = 1 + the \
                           `opcert_counter` that `nupeer pool stake` shows";
                return Err(self.counter_error(why));
            }
            Err(other) => return Err(other.into()),
        };
        let file: CounterFile = serde_json::from_slice(&bytes).map_err(|e| self.counter_error(e.to_string()))?;
        if file.pool == self.file.pool { Ok(file.next) } else { Err(self.counter_error("it belongs to another pool")) }
    }

    fn counter_text(&self, next: u64) -> Vec<u8> {
        let file = CounterFile { pool: self.file.pool.clone(), next };
        serde_json::to_vec(&file).expect("a string and a number always make JSON")
    }

    /// Replaced whole or not at all, and durable when this returns.
    fn write_counter(&self, next: u64) -> Result<(), ColdKeyError> {
        let path = self.counter_path();
        let mut aside = path.clone().into_os_string();
        aside.push(".new");
        let write = || -> std::io::Result<()> {
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&aside)?;
            file.write_all(&self.counter_text(next))?;
            file.sync_all()?;
            std::fs::rename(&aside, &path)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(|e| self.counter_error(e.to_string()))
    }
}

impl ColdKeyFile {
    fn associated_data(&self) -> Vec<u8> {
        let bare = Self { sealed: String::new(), ..self.clone() };
        serde_json::to_vec(&bare).expect("strings and numbers always make JSON")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use nupeer_client::pool::certifies;
    use nupeer_primitives::Hash;

    const PASSWORD: &str = "correct horse";
    const GENESIS: GenesisHash = GenesisHash(Hash([7; 32]));

    fn what(again: bool) -> Certify {
        Certify { hot_key: [5; 32], start: 3, again }
    }

    #[test]
    fn certificates_count_up_also_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cold.json");
        let made = ColdKey::create(&path, PASSWORD, Cost::LEAST).unwrap();
        assert!(matches!(made.issue(PASSWORD, &GENESIS, what(true)), Err(ColdKeyError::NothingIssued)));
        for counter in 0..3 {
            let key = ColdKey::open(&path).unwrap();
            let opcert = key.issue(PASSWORD, &GENESIS, what(false)).unwrap();
            assert_eq!((opcert.counter, opcert.start, opcert.hot_key), (counter, 3, [5; 32]));
            assert!(certifies(&made.public(), &opcert, &GENESIS));
        }
        assert_eq!(made.issue(PASSWORD, &GENESIS, what(true)).unwrap().counter, 2);
    }

    #[test]
    fn no_certificate_leaves_without_its_counter_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cold.json");
        let key = ColdKey::create(&path, PASSWORD, Cost::LEAST).unwrap();
        std::fs::create_dir(folder.path().join("cold.json.counter.new")).unwrap();
        assert!(matches!(key.issue(PASSWORD, &GENESIS, what(false)), Err(ColdKeyError::Counter { .. })));
        std::fs::remove_dir(folder.path().join("cold.json.counter.new")).unwrap();
        std::fs::remove_file(key.counter_path()).unwrap();
        let error = key.issue(PASSWORD, &GENESIS, what(false)).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
        secret_file::create(&key.counter_path(), br#"{"pool":"00","next":9}"#).unwrap();
        let error = key.issue(PASSWORD, &GENESIS, what(false)).unwrap_err();
        assert!(error.to_string().contains("another pool"), "{error}");
    }

    #[test]
    fn a_wrong_password_a_changed_file_and_an_old_one_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cold.json");
        let key = ColdKey::create(&path, PASSWORD, Cost::LEAST).unwrap();
        let wrong = key.issue("something else", &GENESIS, what(false)).unwrap_err();
        assert!(matches!(wrong, ColdKeyError::WrongPassword { .. }), "{wrong}");
        assert!(matches!(
            ColdKey::create(&path, PASSWORD, Cost::LEAST),
            Err(ColdKeyError::File(SecretFileError::Exists { .. }))
        ));
        let text = std::fs::read_to_string(&path).unwrap();
        let other = text.replace(&key.pool().to_hex(), &"00".repeat(28));
        std::fs::write(&path, other).unwrap();
        assert!(matches!(ColdKey::open(&path), Err(ColdKeyError::Damaged { .. })));
        std::fs::write(&path, text.replace("\"passes\": 1", "\"passes\": 2")).unwrap();
        let changed = ColdKey::open(&path).unwrap().issue(PASSWORD, &GENESIS, what(false)).unwrap_err();
        assert!(matches!(changed, ColdKeyError::WrongPassword { .. }), "the seal covers the whole file: {changed}");
    }
}
