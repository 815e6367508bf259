//! How bundles and artifacts reach a host, and what a tenant may ask of a daemon: permits signed over domain-tagged bytes.
//!
//! - Blobs: `PUT` and `GET {base}/v1/bundle/{48 hex}` and `{base}/v1/artifact/{64 hex}`; `base` is a daemon's delivery
//!   address, or a gateway's URL followed by `/.nupeer`. The path is the beginning of the blob's blake2b-256, so a store
//!   verifies what it takes and a reader what it gets. A `PUT` carries an [`UploadPermit`] in its headers.
//! - Tenant calls (provider.md §6) carry a [`Capability`] in the header `nupeer-capability`.

use crate::error::ClientError;
use futures::StreamExt;
use nupeer_primitives::cbor::Cbor;
use nupeer_primitives::error::Malformed;
use nupeer_primitives::hash::{Tag, blake2b_256, tagged};
use nupeer_primitives::{GenesisHash, Hash, LeaseId, Signature, VerificationKey, record, sign};
use std::time::Duration;
use thiserror::Error;

/// Bytes of a blob: a bundle or an artifact.
pub const BLOB_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// Longest life of a permit.
pub const PERMIT_SECONDS_MAX: u64 = 86_400;
/// Header with the signing key of an upload, hex.
pub const HEADER_KEY: &str = "nupeer-key";
/// Header with the signature of an upload, hex.
pub const HEADER_SIGNATURE: &str = "nupeer-signature";
/// Header with the end of an upload permit, seconds since 1970, decimal.
pub const HEADER_EXPIRY: &str = "nupeer-expiry";
/// Header with a capability, hex of its CBOR.
pub const HEADER_CAPABILITY: &str = "nupeer-capability";

/// Why a permit, capability or blob is refused.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum DeliveryError {
    #[error("header `{name}` is missing or not of its form")]
    Header { name: &'static str },
    #[error("permit ended at {expiry} s, it is {now} s")]
    Expired { expiry: u64, now: u64 },
    #[error("permit lasts until {expiry} s, more than {PERMIT_SECONDS_MAX} s from {now} s")]
    LastsTooLong { expiry: u64, now: u64 },
    #[error("signature of the permit does not verify")]
    BadSignature,
    #[error("content does not have the hash {address}")]
    DigestMismatch { address: String },
    #[error("content has {bytes} bytes, at most {BLOB_BYTES_MAX} are permitted")]
    TooLong { bytes: usize },
    #[error("capability is for lease {found}, this is {expected}")]
    OtherLease { found: String, expected: String },
    #[error("capability lacks scope {scope:#x}")]
    ScopeMissing { scope: u32 },
    #[error("capability is not well formed: {0}")]
    Malformed(Malformed),
}

/// Whether `address` (48 or 64 hex digits) is the beginning of the content's blake2b-256.
pub fn check_address(address: &str, content: &[u8]) -> Result<(), DeliveryError> {
    if content.len() > BLOB_BYTES_MAX {
        return Err(DeliveryError::TooLong { bytes: content.len() });
    }
    let known = matches!(address.len(), 48 | 64);
    if known && blake2b_256(content).to_hex().starts_with(address) {
        Ok(())
    } else {
        Err(DeliveryError::DigestMismatch { address: address.chars().take(64).collect() })
    }
}

/// Permission to store one blob: ed25519 over `T(nup/delivery/1, digest ‖ size u64 ‖ expiry u64)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UploadPermit {
    /// Who permits: an account's key or a delegate's.
    pub key: VerificationKey,
    /// Seconds since 1970.
    pub expiry: u64,
    /// Over [`Self::digest`].
    pub signature: Signature,
}

impl UploadPermit {
    /// What is signed for `content`.
    #[must_use]
    pub fn digest(genesis: &GenesisHash, content: &[u8], expiry: u64) -> Hash {
        let (digest, size) = (blake2b_256(content), content.len() as u64);
        tagged(Tag::Delivery, genesis, &[&digest.0, &size.to_be_bytes(), &expiry.to_be_bytes()])
    }

    /// Reads the permit from an upload's headers.
    pub fn from_headers<'a>(get: impl Fn(&'static str) -> Option<&'a str>) -> Result<Self, DeliveryError> {
        let missing = |name| DeliveryError::Header { name };
        Ok(Self {
            key: get(HEADER_KEY).and_then(VerificationKey::from_hex).ok_or(missing(HEADER_KEY))?,
            signature: get(HEADER_SIGNATURE).and_then(Signature::from_hex).ok_or(missing(HEADER_SIGNATURE))?,
            expiry: get(HEADER_EXPIRY).and_then(|text| text.parse().ok()).ok_or(missing(HEADER_EXPIRY))?,
        })
    }

    /// Checks it against the content; who [`Self::key`] is remains the store's policy.
    pub fn verify(&self, genesis: &GenesisHash, content: &[u8], now: u64) -> Result<(), DeliveryError> {
        check_life(self.expiry, now)?;
        let digest = Self::digest(genesis, content, self.expiry);
        if sign::verify(&self.key, &digest.0, &self.signature) { Ok(()) } else { Err(DeliveryError::BadSignature) }
    }
}

fn check_life(expiry: u64, now: u64) -> Result<(), DeliveryError> {
    if expiry < now {
        return Err(DeliveryError::Expired { expiry, now });
    }
    if expiry - now > PERMIT_SECONDS_MAX {
        return Err(DeliveryError::LastsTooLong { expiry, now });
    }
    Ok(())
}

record! {
    /// What a tenant or delegate may ask of a lease's daemon (provider.md §6).
    #[derive(Copy)]
    pub struct Capability {
        /// The lease.
        pub lease: LeaseId,
        /// Bits of `delegate_scope`.
        pub scopes: u32,
        /// Seconds since 1970, at most a day ahead.
        pub expiry: u64,
        /// Makes it unique.
        pub nonce: [u8; 16],
        /// Who signs: the account's key or a delegate's.
        pub key: VerificationKey,
        /// Over [`Capability::digest`].
        pub signature: Signature,
    }
}

impl Capability {
    /// `T(nup/query/1, lease ‖ scopes u32 ‖ expiry u64 ‖ nonce ‖ key)`.
    #[must_use]
    pub fn digest(&self, genesis: &GenesisHash) -> Hash {
        let parts: [&[u8]; 5] =
            [&self.lease.0, &self.scopes.to_be_bytes(), &self.expiry.to_be_bytes(), &self.nonce, &self.key.0];
        tagged(Tag::Query, genesis, &parts)
    }

    /// The header's value.
    #[must_use]
    pub fn to_header(&self) -> String {
        hex::encode(self.to_cbor())
    }

    /// Reads the header's value.
    pub fn from_header(text: &str) -> Result<Self, DeliveryError> {
        let bytes = hex::decode(text).map_err(|_| DeliveryError::Header { name: HEADER_CAPABILITY })?;
        Self::from_cbor(&bytes, 512).map_err(DeliveryError::Malformed)
    }

    /// Checks signature, life, lease and scope; whether [`Self::key`] speaks for the tenant is the daemon's to look up.
    pub fn verify(&self, genesis: &GenesisHash, lease: &LeaseId, scope: u32, now: u64) -> Result<(), DeliveryError> {
        if self.lease != *lease {
            return Err(DeliveryError::OtherLease { found: self.lease.to_hex(), expected: lease.to_hex() });
        }
        if self.scopes & scope != scope {
            return Err(DeliveryError::ScopeMissing { scope });
        }
        check_life(self.expiry, now)?;
        let valid = sign::verify(&self.key, &self.digest(genesis).0, &self.signature);
        if valid { Ok(()) } else { Err(DeliveryError::BadSignature) }
    }
}

/// A place that keeps blobs.
#[derive(Clone, Debug)]
pub struct Store {
    base: String,
    http: reqwest::Client,
}

/// Longest wait for 64 MiB on a slow line.
const BLOB_TIMEOUT: Duration = Duration::from_secs(300);

impl Store {
    /// A daemon's delivery address, or a gateway's URL + `/.nupeer`.
    pub fn new(base: &str) -> Result<Self, ClientError> {
        let base = base.trim_end_matches('/').to_string();
        let connect = Duration::from_secs(10);
        let built = reqwest::Client::builder().timeout(BLOB_TIMEOUT).connect_timeout(connect).no_proxy().build();
        let http = built.map_err(|e| ClientError::Unreachable { url: base.clone(), why: e.to_string() })?;
        Ok(Self { base, http })
    }

    /// Whether a blob is there already; `kind` is `bundle` or `artifact`.
    pub async fn has(&self, kind: &str, address: &str) -> Result<bool, ClientError> {
        let response = self.http.head(self.url(kind, address)).send().await.map_err(|e| self.unreachable(&e))?;
        Ok(response.status().is_success())
    }

    /// Stores a blob under a permit.
    pub async fn put(
        &self,
        kind: &str,
        address: &str,
        content: Vec<u8>,
        permit: &UploadPermit,
    ) -> Result<(), ClientError> {
        let request = self
            .http
            .put(self.url(kind, address))
            .header(HEADER_KEY, permit.key.to_hex())
            .header(HEADER_SIGNATURE, permit.signature.to_hex())
            .header(HEADER_EXPIRY, permit.expiry.to_string())
            .header("content-type", "application/octet-stream");
        let response = request.body(content).send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let detail: String = response.text().await.unwrap_or_default().chars().take(400).collect();
        Err(ClientError::Unexpected { status: status.as_u16(), detail })
    }

    /// Fetches a blob and verifies it against its address.
    pub async fn get(&self, kind: &str, address: &str) -> Result<Vec<u8>, ClientError> {
        let response = self.http.get(self.url(kind, address)).send().await.map_err(|e| self.unreachable(&e))?;
        match response.status().as_u16() {
            200 => {}
            404 => return Err(ClientError::NotFound { what: format!("{kind} {address}") }),
            status => return Err(ClientError::Unexpected { status, detail: format!("{kind} {address}") }),
        }
        let (mut content, mut chunks) = (Vec::new(), response.bytes_stream());
        while let Some(chunk) = chunks.next().await {
            content.extend_from_slice(&chunk.map_err(|e| self.unreachable(&e))?);
            if content.len() > BLOB_BYTES_MAX {
                break;
            }
        }
        check_address(address, &content).map_err(|e| ClientError::Garbled { why: e.to_string() })?;
        Ok(content)
    }

    fn url(&self, kind: &str, address: &str) -> String {
        format!("{}/v1/{kind}/{address}", self.base)
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        ClientError::Unreachable { url: self.base.clone(), why: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GENESIS: GenesisHash = GenesisHash(Hash([7; 32]));

    #[test]
    fn content_is_what_its_address_says() {
        let digest = blake2b_256(b"content").to_hex();
        assert_eq!(check_address(&digest, b"content"), Ok(()));
        assert_eq!(check_address(&digest[..48], b"content"), Ok(()));
        for address in ["", &digest[..2], &digest[..47], "../../etc/passwd", &"0".repeat(64)] {
            assert!(check_address(address, b"content").is_err(), "{address}");
        }
    }

    #[test]
    fn unsigned_and_expired_permits_are_refused() {
        let permit = UploadPermit { key: VerificationKey([1; 32]), expiry: 100, signature: Signature([0; 64]) };
        assert_eq!(permit.verify(&GENESIS, b"x", 99), Err(DeliveryError::BadSignature));
        assert_eq!(permit.verify(&GENESIS, b"x", 101), Err(DeliveryError::Expired { expiry: 100, now: 101 }));
        let far = UploadPermit { expiry: 100_000, ..permit };
        assert!(matches!(far.verify(&GENESIS, b"x", 0), Err(DeliveryError::LastsTooLong { .. })));
        let headers = |name: &'static str| (name == HEADER_KEY).then_some("zz");
        assert_eq!(UploadPermit::from_headers(headers), Err(DeliveryError::Header { name: HEADER_KEY }));
    }

    #[test]
    fn a_capability_is_for_its_lease_scope_and_time() {
        let capability = Capability {
            lease: LeaseId([1; 32]),
            scopes: 8,
            expiry: 50,
            nonce: [2; 16],
            key: VerificationKey([3; 32]),
            signature: Signature([4; 64]),
        };
        assert_eq!(Capability::from_header(&capability.to_header()), Ok(capability));
        assert!(Capability::from_header("zz").is_err());
        let verify = |lease: u8, scope, now| capability.verify(&GENESIS, &LeaseId([lease; 32]), scope, now);
        assert!(matches!(verify(2, 8, 1), Err(DeliveryError::OtherLease { .. })));
        assert_eq!(verify(1, 16, 1), Err(DeliveryError::ScopeMissing { scope: 16 }));
        assert_eq!(verify(1, 8, 51), Err(DeliveryError::Expired { expiry: 50, now: 51 }));
        assert_eq!(verify(1, 8, 1), Err(DeliveryError::BadSignature));
    }
}
