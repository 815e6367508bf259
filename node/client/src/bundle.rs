//! Sealed bundles and key wraps (market.md §14, "Sealing").
//!
//! 1. Bundle = nonce24 ‖ XChaCha20-Poly1305 under a random key CK of CBOR `[manifest, secrets, volume keys]`, with
//!    aad `"nup/bundle/1" ‖ genesis ‖ manifest_hash`.
//! 2. Per host: fresh X25519 pair (e, E), host seal key R, `k = T(nup/wrap/1, lease_id ‖ X25519(e, R) ‖ E ‖ R)`;
//!    wrap = `E ‖ nonce24 ‖ AEAD(k, CK)` with aad `lease_id`.
//! 3. Bundles move off chain by hash. `k` is used once, so any nonce serves: the wrap's nonce is the [`BundleAddress`],
//!    the first 24 bytes of the sealed bundle's blake2b-256. A host thus knows from the wrap alone what to fetch, and
//!    whoever stores a bundle can check it without a key.
//!
//! # Invariants
//! - Keys are wiped from memory when dropped; nothing here prints one.
//! - A bundle opens only for its network and its manifest hash, a wrap only for its lease and host.

use crate::manifest::{ENTRIES_MAX, MANIFEST_BYTES_MAX, ManifestError, NAME_BYTES_MAX, Workload};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use nupeer_primitives::action::WRAP_BYTES_MAX;
use nupeer_primitives::cbor::{Bytes, Cbor, Reader, Writer};
use nupeer_primitives::error::Malformed;
use nupeer_primitives::hash::{Tag, blake2b_256, tagged};
use nupeer_primitives::{GenesisHash, LeaseId};
use thiserror::Error;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of a sealed bundle.
pub const BUNDLE_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// Bytes of one secret.
pub const SECRET_BYTES_MAX: usize = 65_536;
const NONCE: usize = 24;
const POINT: usize = 32;

/// Why a bundle or wrap can't be made or opened.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum BundleError {
    #[error("the system gives no randomness: {0}")]
    NoRandomness(String),
    #[error("bundle has {bytes} bytes, at most {BUNDLE_BYTES_MAX} are permitted")]
    TooLong { bytes: usize },
    #[error("bundle does not open: it is damaged, or of another network, manifest or key")]
    NotForThisKey,
    #[error("wrap does not open: it was made for another host or lease")]
    SealedToOther,
    #[error("wrap has {bytes} bytes, {WRAP_BYTES_MAX} are expected")]
    WrapLength { bytes: usize },
    #[error("seal key is a point of small order")]
    WeakSealKey,
    #[error("bundle's content is not canonical: {0}")]
    Malformed(Malformed),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("manifest hash is {found}, the lease says {expected}")]
    ManifestMismatch { found: String, expected: String },
    #[error("secret `{name}` has {bytes} bytes, at most {SECRET_BYTES_MAX} are permitted")]
    SecretTooLong { name: String, bytes: usize },
    #[error("the manifest names secret `{name}`, the bundle has no value for it")]
    SecretMissing { name: String },
    #[error("the bundle has a secret `{name}` that the manifest doesn't name")]
    SecretUnknown { name: String },
}

/// The key CK that opens a bundle.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct BundleKey([u8; 32]);

impl BundleKey {
    /// A fresh key.
    pub fn generate() -> Result<Self, BundleError> {
        let mut key = [0; 32];
        fill(&mut key)?;
        Ok(Self(key))
    }
    /// A key kept by the tenant.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// To be kept secret.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for BundleKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BundleKey(secret)")
    }
}

/// A host's X25519 secret, for which tenants seal.
#[derive(Clone)]
pub struct SealKey(StaticSecret);

impl SealKey {
    /// A fresh key.
    pub fn generate() -> Result<Self, BundleError> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill(bytes.as_mut())?;
        Ok(Self(StaticSecret::from(*bytes)))
    }
    /// A key from its file.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(StaticSecret::from(bytes))
    }
    /// To be kept secret.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }
    /// What the host lists.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        PublicKey::from(&self.0).to_bytes()
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(secret)")
    }
}

/// Where a sealed bundle is found: the first 24 bytes of its blake2b-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct BundleAddress(pub [u8; NONCE]);

impl BundleAddress {
    /// The address of a sealed bundle.
    #[must_use]
    pub fn of(sealed: &[u8]) -> Self {
        let mut out = [0; NONCE];
        out.iter_mut().zip(blake2b_256(sealed).0).for_each(|(to, from)| *to = from);
        Self(out)
    }
    /// 48 hex digits, as in `/v1/bundle/{hash}`.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }
    /// Reads [`Self::to_hex`].
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut out = [0; NONCE];
        hex::decode_to_slice(text, &mut out).ok()?;
        Some(Self(out))
    }
    /// The bundle that a wrap belongs to.
    pub fn in_wrap(wrap: &[u8]) -> Result<Self, BundleError> {
        let length = BundleError::WrapLength { bytes: wrap.len() };
        if wrap.len() != WRAP_BYTES_MAX {
            return Err(length);
        }
        let nonce = wrap.get(POINT..POINT + NONCE).and_then(|nonce| nonce.try_into().ok());
        nonce.map(Self).ok_or(length)
    }
}

/// What a host needs to run a lease. Debug prints no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Bundle {
    /// What runs; its hash is the lease's.
    pub workload: Workload,
    /// Values of the secrets, names ascending, exactly those that the workload names.
    pub secrets: Vec<(String, Zeroizing<Vec<u8>>)>,
    /// Keys of volumes, names ascending.
    pub volume_keys: Vec<(String, Zeroizing<[u8; 32]>)>,
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle").field("workload", &self.workload).finish_non_exhaustive()
    }
}

impl Bundle {
    /// Seals the bundle under `key`.
    pub fn seal(&self, key: &BundleKey, genesis: &GenesisHash) -> Result<Vec<u8>, BundleError> {
        self.check()?;
        let mut nonce = [0; NONCE];
        fill(&mut nonce)?;
        let plain = Zeroizing::new(self.to_cbor());
        let aad = bundle_aad(genesis, &self.workload.hash());
        let cipher = XChaCha20Poly1305::new(<&Key>::from(&key.0));
        let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &aad });
        let sealed = sealed.map_err(|_| BundleError::TooLong { bytes: plain.len() })?;
        let out = [nonce.as_slice(), &sealed].concat();
        if out.len() > BUNDLE_BYTES_MAX { Err(BundleError::TooLong { bytes: out.len() }) } else { Ok(out) }
    }

    /// Opens a sealed bundle and compares it with the hash on chain.
    pub fn open(
        sealed: &[u8],
        key: &BundleKey,
        genesis: &GenesisHash,
        manifest_hash: &[u8; 32],
    ) -> Result<Self, BundleError> {
        if sealed.len() > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLong { bytes: sealed.len() });
        }
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or(BundleError::NotForThisKey)?;
        let aad = bundle_aad(genesis, manifest_hash);
        let cipher = XChaCha20Poly1305::new(<&Key>::from(&key.0));
        let plain = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: rest, aad: &aad });
        let plain = Zeroizing::new(plain.map_err(|_| BundleError::NotForThisKey)?);
        let bundle = Self::from_cbor(&plain, BUNDLE_BYTES_MAX).map_err(BundleError::Malformed)?;
        bundle.check()?;
        let found = bundle.workload.hash();
        if found != *manifest_hash {
            return Err(BundleError::ManifestMismatch {
                found: hex::encode(found),
                expected: hex::encode(manifest_hash),
            });
        }
        Ok(bundle)
    }

    fn check(&self) -> Result<(), BundleError> {
        self.workload.check()?;
        for (name, value) in &self.secrets {
            if value.len() > SECRET_BYTES_MAX {
                return Err(BundleError::SecretTooLong { name: name.clone(), bytes: value.len() });
            }
            if !self.workload.secrets.contains(name) {
                return Err(BundleError::SecretUnknown { name: name.clone() });
            }
        }
        match self.workload.secrets.iter().find(|name| !self.secrets.iter().any(|(known, _)| known == *name)) {
            Some(name) => Err(BundleError::SecretMissing { name: name.clone() }),
            None => Ok(()),
        }
    }
}

impl Cbor for Bundle {
    fn write(&self, w: &mut Writer) {
        w.array(3).bytes(&self.workload.to_cbor()).array(self.secrets.len());
        for (name, value) in &self.secrets {
            w.array(2).text(name).bytes(value);
        }
        w.array(self.volume_keys.len());
        for (name, key) in &self.volume_keys {
            w.array(2).text(name).bytes(key.as_ref());
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(3)?;
        let workload = Workload::from_cbor(r.bytes(MANIFEST_BYTES_MAX)?, MANIFEST_BYTES_MAX)?;
        let mut secrets = Vec::new();
        for _ in 0..r.array_max(ENTRIES_MAX)? {
            r.array(2)?;
            let name = r.text(NAME_BYTES_MAX)?.to_string();
            secrets.push((name, Zeroizing::new(r.bytes(SECRET_BYTES_MAX)?.to_vec())));
        }
        let mut volume_keys = Vec::new();
        for _ in 0..r.array_max(ENTRIES_MAX)? {
            r.array(2)?;
            let name = r.text(NAME_BYTES_MAX)?.to_string();
            volume_keys.push((name, Zeroizing::new(r.get::<[u8; 32]>()?)));
        }
        let rising = secrets.iter().zip(secrets.iter().skip(1)).all(|(a, b)| a.0 < b.0)
            && volume_keys.iter().zip(volume_keys.iter().skip(1)).all(|(a, b)| a.0 < b.0);
        if rising { Ok(Self { workload, secrets, volume_keys }) } else { Err(Malformed::NotCanonical) }
    }
}

/// Seals the key of the bundle at `address` to a host.
pub fn wrap(
    key: &BundleKey,
    address: &BundleAddress,
    lease: &LeaseId,
    seal_key: &[u8; 32],
    genesis: &GenesisHash,
) -> Result<Bytes<WRAP_BYTES_MAX>, BundleError> {
    let mut secret = Zeroizing::new([0; 32]);
    fill(secret.as_mut())?;
    wrap_with(StaticSecret::from(*secret), key, address, lease, seal_key, genesis)
}

fn wrap_with(
    ephemeral: StaticSecret,
    key: &BundleKey,
    address: &BundleAddress,
    lease: &LeaseId,
    seal_key: &[u8; 32],
    genesis: &GenesisHash,
) -> Result<Bytes<WRAP_BYTES_MAX>, BundleError> {
    let point = PublicKey::from(&ephemeral).to_bytes();
    let wrap_key = wrap_key(&ephemeral, &point, seal_key, seal_key, lease, genesis)?;
    let cipher = XChaCha20Poly1305::new(<&Key>::from(&*wrap_key));
    let sealed = cipher.encrypt(&XNonce::from(address.0), Payload { msg: &key.0, aad: &lease.0 });
    let sealed = sealed.map_err(|_| BundleError::TooLong { bytes: key.0.len() })?;
    let out = [point.as_slice(), &address.0, &sealed].concat();
    let bytes = out.len();
    Bytes::new(out).ok_or(BundleError::WrapLength { bytes })
}

/// Opens a wrap with the host's seal key: the bundle's key, and where the bundle is found.
pub fn unwrap(
    wrap: &[u8],
    lease: &LeaseId,
    seal_key: &SealKey,
    genesis: &GenesisHash,
) -> Result<(BundleKey, BundleAddress), BundleError> {
    let address = BundleAddress::in_wrap(wrap)?;
    let (point, rest) = wrap.split_first_chunk::<POINT>().ok_or(BundleError::WrapLength { bytes: wrap.len() })?;
    let wrap_key = wrap_key(&seal_key.0, point, &seal_key.public(), point, lease, genesis)?;
    let cipher = XChaCha20Poly1305::new(<&Key>::from(&*wrap_key));
    let sealed = rest.get(NONCE..).unwrap_or_default();
    let key = cipher.decrypt(&XNonce::from(address.0), Payload { msg: sealed, aad: &lease.0 });
    let key = Zeroizing::new(key.map_err(|_| BundleError::SealedToOther)?);
    let key: [u8; 32] = key.as_slice().try_into().map_err(|_| BundleError::SealedToOther)?;
    Ok((BundleKey(key), address))
}

/// `T(nup/wrap/1, lease_id ‖ X25519(ours, theirs) ‖ E ‖ R)`.
fn wrap_key(
    ours: &StaticSecret,
    point: &[u8; 32],
    seal_key: &[u8; 32],
    theirs: &[u8; 32],
    lease: &LeaseId,
    genesis: &GenesisHash,
) -> Result<Zeroizing<[u8; 32]>, BundleError> {
    let shared = ours.diffie_hellman(&PublicKey::from(*theirs));
    // A small-order point would make the key known to everybody.
    if !shared.was_contributory() {
        return Err(BundleError::WeakSealKey);
    }
    Ok(Zeroizing::new(tagged(Tag::Wrap, genesis, &[&lease.0, shared.as_bytes(), point, seal_key]).0))
}

fn bundle_aad(genesis: &GenesisHash, manifest_hash: &[u8; 32]) -> Vec<u8> {
    [b"nup/bundle/1".as_slice(), genesis.0.as_bytes(), manifest_hash].concat()
}

fn fill(bytes: &mut [u8]) -> Result<(), BundleError> {
    getrandom::fill(bytes).map_err(|e| BundleError::NoRandomness(e.to_string()))
}

#[cfg(test)]
mod tests;
