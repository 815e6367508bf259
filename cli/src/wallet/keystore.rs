//! The encrypted keystore: one JSON file that holds the entropy of a set of words.
//!
//! `sealed` = XChaCha20-Poly1305 under Argon2id(password, salt) of the entropy; everything else in the file is its
//! associated data. `digest` = blake2b-256 over associated data and `sealed`: if it fits and the seal doesn't open, the
//! password is wrong; if it doesn't, the file is damaged. It protects nothing against a liar, who meets the seal.
//!
//! Public account ids stand beside the seal, so that looking needs no password.

use super::derivation::Account;
use super::secret_file::{self, SecretFileError};
use super::words::{Words, WordsError};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use nupeer_primitives::AccountId;
use nupeer_primitives::hash::blake2b_256;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Format of the file.
const VERSION: u32 = 1;
/// Accounts whose ids can be read without the password.
pub const PUBLIC_ACCOUNTS: u32 = 8;
/// Least bytes of a new password.
pub const PASSWORD_BYTES_MIN: usize = 8;

/// Work that a password costs. Bounds keep a hostile file from taking the machine's memory or hours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Memory, KiB.
    memory_kib: u32,
    /// Passes over it.
    passes: u32,
    /// Lanes.
    lanes: u32,
}

impl Cost {
    /// For people's keys: 64 MiB, three passes.
    pub const NORMAL: Self = Self { memory_kib: 65_536, passes: 3, lanes: 1 };
    /// For tests.
    pub const LEAST: Self = Self { memory_kib: 8_192, passes: 1, lanes: 1 };
    const MEMORY_KIB_MAX: u32 = 1_048_576;
    const PASSES_MAX: u32 = 16;

    pub(super) fn permitted(self) -> bool {
        (Self::LEAST.memory_kib..=Self::MEMORY_KIB_MAX).contains(&self.memory_kib)
            && (1..=Self::PASSES_MAX).contains(&self.passes)
            && (1..=4).contains(&self.lanes)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeystoreFile {
    nupeer_keystore: u32,
    kdf: String,
    cost: Cost,
    salt: String,
    cipher: String,
    nonce: String,
    accounts: Vec<String>,
    sealed: String,
    digest: String,
}

pub(super) const KDF: &str = "argon2id";
pub(super) const CIPHER: &str = "xchacha20poly1305";

/// A keystore whose seal is still closed.
#[derive(Debug)]
pub struct Keystore {
    path: PathBuf,
    file: KeystoreFile,
    accounts: Vec<AccountId>,
}

/// What can go wrong with a keystore.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum KeystoreError {
    #[error(transparent)]
    File(#[from] SecretFileError),
    #[error(
        "`{path}` is damaged or not a keystore ({why}): restore it from a backup, or run `nupeer keys import` with your words"
    )]
    Damaged { path: PathBuf, why: String },
    #[error("`{path}` has format {version}, this program knows {VERSION}: update nupeer")]
    UnknownVersion { path: PathBuf, version: u32 },
    #[error("wrong password for `{path}`")]
    WrongPassword { path: PathBuf },
    #[error("password has {length} bytes, at least {PASSWORD_BYTES_MIN} are needed")]
    PasswordTooShort { length: usize },
    #[error("key derivation failed: {reason}")]
    Derivation { reason: String },
    #[error(transparent)]
    Words(#[from] WordsError),
}

impl Keystore {
    /// Seals `words` into a new file.
    pub fn create(path: &Path, words: &Words, password: &str, cost: Cost) -> Result<Self, KeystoreError> {
        if password.len() < PASSWORD_BYTES_MIN {
            return Err(KeystoreError::PasswordTooShort { length: password.len() });
        }
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        for random in [salt.as_mut_slice(), nonce.as_mut_slice()] {
            getrandom::fill(random).map_err(|e| WordsError::NoRandomness { reason: e.to_string() })?;
        }
        let entropy = words.entropy();
        let accounts: Vec<AccountId> = (0..PUBLIC_ACCOUNTS).map(|i| Account::derive(&entropy, i).id()).collect();
        let mut file = KeystoreFile {
            nupeer_keystore: VERSION,
            kdf: KDF.into(),
            cost,
            salt: hex::encode(salt),
            cipher: CIPHER.into(),
            nonce: hex::encode(nonce),
            accounts: accounts.iter().map(AccountId::to_hex).collect(),
            sealed: String::new(),
            digest: String::new(),
        };
        let aad = file.associated_data();
        let cipher = XChaCha20Poly1305::new(<&Key>::from(&*derive_key(password, &salt, cost)?));
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: &entropy, aad: &aad })
            .map_err(|e| KeystoreError::Derivation { reason: e.to_string() })?;
        file.sealed = hex::encode(sealed);
        file.digest = file.expected_digest();
        let mut text = serde_json::to_string_pretty(&file).expect("strings and numbers always make JSON");
        text.push('\n');
        secret_file::create(path, text.as_bytes())?;
        Ok(Self { path: path.into(), file, accounts })
    }

    /// Reads a keystore without opening its seal.
    pub fn open(path: &Path) -> Result<Self, KeystoreError> {
        let bytes = secret_file::read(path)?;
        let damaged = |why: String| KeystoreError::Damaged { path: path.into(), why };
        #[derive(Deserialize)]
        struct Head {
            nupeer_keystore: u32,
        }
        // The version comes first, so that a file of tomorrow isn't called damaged.
        let head: Head = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        if head.nupeer_keystore != VERSION {
            return Err(KeystoreError::UnknownVersion { path: path.into(), version: head.nupeer_keystore });
        }
        let file: KeystoreFile = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        if file.digest != file.expected_digest() {
            return Err(damaged("its checksum doesn't fit".into()));
        }
        if file.kdf != KDF || file.cipher != CIPHER || !file.cost.permitted() {
            return Err(damaged("its kdf, cost or cipher is not one of ours".into()));
        }
        let accounts: Option<Vec<AccountId>> = file.accounts.iter().map(|text| AccountId::from_hex(text)).collect();
        let accounts = accounts.ok_or_else(|| damaged("an account id is not 28 bytes of hex".into()))?;
        Ok(Self { path: path.into(), file, accounts })
    }

    /// Ids of the first accounts, by number.
    #[must_use]
    pub fn accounts(&self) -> &[AccountId] {
        &self.accounts
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the seal.
    pub fn unlock(&self, password: &str) -> Result<Words, KeystoreError> {
        let damaged = |why: &str| KeystoreError::Damaged { path: self.path.clone(), why: why.into() };
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        hex::decode_to_slice(&self.file.salt, &mut salt).map_err(|_| damaged("its salt is not 16 bytes of hex"))?;
        hex::decode_to_slice(&self.file.nonce, &mut nonce).map_err(|_| damaged("its nonce is not 24 bytes of hex"))?;
        let sealed = hex::decode(&self.file.sealed).map_err(|_| damaged("its seal is not hex"))?;
        let aad = self.file.associated_data();
        let cipher = XChaCha20Poly1305::new(<&Key>::from(&*derive_key(password, &salt, self.file.cost)?));
        let entropy = cipher
            .decrypt(&XNonce::from(nonce), Payload { msg: &sealed, aad: &aad })
            .map_err(|_| KeystoreError::WrongPassword { path: self.path.clone() })?;
        Ok(Words::from_entropy(&Zeroizing::new(entropy))?)
    }
}

impl KeystoreFile {
    /// Everything but the seal and the digest.
    fn associated_data(&self) -> Vec<u8> {
        let bare = Self { sealed: String::new(), digest: String::new(), ..self.clone() };
        serde_json::to_vec(&bare).expect("strings and numbers always make JSON")
    }

    fn expected_digest(&self) -> String {
        blake2b_256(&[self.associated_data().as_slice(), self.sealed.as_bytes()].concat()).to_hex()
    }
}

pub(super) fn derive_key(password: &str, salt: &[u8], cost: Cost) -> Result<Zeroizing<[u8; 32]>, KeystoreError> {
    let reason = |e: argon2::Error| KeystoreError::Derivation { reason: e.to_string() };
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(reason)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, key.as_mut_slice())
        .map_err(reason)?;
    Ok(key)
}

#[cfg(test)]
mod tests;
