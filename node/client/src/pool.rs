//! A pool operator's keys: the files that the node and `nupeer` share, and the draw of leaders (consensus.md §3, §4).
//!
//! # The key folder of a node
//! ```text
//! vrf.json          {"kind": "vrf", "secret": 32 bytes}                 draws slots
//! kes.json          {"kind": "kes", "secret": 612 bytes}                signs headers; replaced each time it evolves
//! bls.json          {"kind": "bls", "secret": 32 bytes}                 signs finality votes; none = the pool does not vote
//! bls.next.json     the key that follows it; both sign until no committee holds the old one
//! opcert.json       {cold_key, hot_key, counter, start, sigma}          public: the cold key vouches for the KES key
//! kes.next.json     a KES key that waits for its certificate            made by `nupeer pool kes rotate`
//! opcert.next.json  that certificate; the node takes both and renames them over kes.json and opcert.json
//! fee.json          {"kind": "fee", "secret": 32 bytes}                 ed25519: its account pays for evidence that the node
//!                                                                       puts on chain; none = the node only passes it on
//! signing-state.json, lock                                              the node's own
//! ```
//! Bytes are hex. Secrets have mode 0600; they are not sealed, because a node starts, and evolves its key, unattended.
//! The cold key never lies here.

use nupeer_primitives::hash::blake2b_256;
use nupeer_primitives::{GenesisHash, Hash, OpCert, Signature, Slot, VerificationKey, sign};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

pub use nupeer_consensus::crypto::kes;
pub use nupeer_consensus::crypto::leader::{LeaderCheck, Sigma};
pub use nupeer_consensus::crypto::vrf;
pub use nupeer_primitives::bls;

/// The VRF key's file.
pub const VRF_FILE: &str = "vrf.json";
/// The KES key's file.
pub const KES_FILE: &str = "kes.json";
/// The operational certificate's file.
pub const OPCERT_FILE: &str = "opcert.json";
/// The next KES key's file.
pub const KES_NEXT_FILE: &str = "kes.next.json";
/// The next certificate's file.
pub const OPCERT_NEXT_FILE: &str = "opcert.next.json";

/// The key of finality votes.
pub const BLS_FILE: &str = "bls.json";
/// The key of the account that pays for evidence.
pub const FEE_FILE: &str = "fee.json";
/// The next key of finality votes.
pub const BLS_NEXT_FILE: &str = "bls.next.json";

/// Why a key file means nothing.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum KeyFileError {
    #[error("it is not JSON of a key file: {why}")]
    Shape { why: String },
    #[error("it holds a `{found}` key where `{wanted}` is expected")]
    WrongKind { found: String, wanted: &'static str },
    #[error("{field} is not {bytes} bytes of hex")]
    NotHex { field: &'static str, bytes: usize },
    #[error("the secret is no BLS key")]
    NotBls,
    #[error(transparent)]
    Kes(#[from] kes::KesError),
}

/// A secret key as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretFile {
    kind: String,
    secret: String,
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

fn secret_text(kind: &str, secret: &[u8]) -> Zeroizing<Vec<u8>> {
    let file = SecretFile { kind: kind.into(), secret: hex::encode(secret) };
    Zeroizing::new(serde_json::to_vec_pretty(&file).expect("two strings always make JSON"))
}

fn secret_of<const N: usize>(bytes: &[u8], kind: &'static str) -> Result<Zeroizing<[u8; N]>, KeyFileError> {
    let file: SecretFile = serde_json::from_slice(bytes).map_err(|why| KeyFileError::Shape { why: why.to_string() })?;
    if file.kind != kind {
        return Err(KeyFileError::WrongKind { found: file.kind.chars().take(16).collect(), wanted: kind });
    }
    let mut out = Zeroizing::new([0; N]);
    let decoded = hex::decode_to_slice(&file.secret, out.as_mut_slice());
    decoded.map(|()| out).map_err(|_| KeyFileError::NotHex { field: "secret", bytes: N })
}

/// Contents of [`VRF_FILE`].
#[must_use]
pub fn vrf_to_file(key: &vrf::SecretKey) -> Zeroizing<Vec<u8>> {
    secret_text("vrf", key.seed())
}

/// Reads [`VRF_FILE`].
pub fn vrf_from_file(bytes: &[u8]) -> Result<vrf::SecretKey, KeyFileError> {
    secret_of::<32>(bytes, "vrf").map(|seed| vrf::SecretKey::from_seed(&seed))
}

/// Contents of [`FEE_FILE`]: the seed of an ed25519 key.
#[must_use]
pub fn fee_to_file(seed: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    secret_text("fee", seed)
}

/// Reads [`FEE_FILE`].
pub fn fee_from_file(bytes: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    secret_of::<32>(bytes, "fee")
}

/// Contents of [`KES_FILE`] and [`KES_NEXT_FILE`].
#[must_use]
pub fn kes_to_file(key: &kes::SecretKey) -> Zeroizing<Vec<u8>> {
    secret_text("kes", key.to_bytes().as_slice())
}

/// Reads [`KES_FILE`] or [`KES_NEXT_FILE`].
pub fn kes_from_file(bytes: &[u8]) -> Result<kes::SecretKey, KeyFileError> {
    let secret = secret_of::<{ kes::SECRET_BYTES }>(bytes, "kes")?;
    Ok(kes::SecretKey::from_bytes(&secret)?)
}

/// Contents of [`BLS_FILE`] and [`BLS_NEXT_FILE`].
#[must_use]
pub fn bls_to_file(key: &bls::SecretKey) -> Zeroizing<Vec<u8>> {
    secret_text("bls", key.to_bytes().as_slice())
}

/// Reads [`BLS_FILE`] or [`BLS_NEXT_FILE`].
pub fn bls_from_file(bytes: &[u8]) -> Result<bls::SecretKey, KeyFileError> {
    let secret = secret_of::<32>(bytes, "bls")?;
    bls::SecretKey::from_bytes(&secret).ok_or(KeyFileError::NotBls)
}

/// Contents of [`OPCERT_FILE`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpCertFile {
    /// The key that signed it.
    pub cold_key: String,
    /// The KES key that it vouches for.
    pub hot_key: String,
    /// Rises with each certificate.
    pub counter: u64,
    /// First KES period.
    pub start: u64,
    /// The cold key's signature.
    pub sigma: String,
}

impl OpCertFile {
    /// A certificate as JSON.
    #[must_use]
    pub fn new(cold_key: &VerificationKey, opcert: &OpCert) -> Self {
        Self {
            cold_key: cold_key.to_hex(),
            hot_key: hex::encode(opcert.hot_key),
            counter: opcert.counter,
            start: opcert.start,
            sigma: opcert.sigma.to_hex(),
        }
    }

    /// The bytes of the file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("strings and numbers always make JSON")
    }

    /// Reads a file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyFileError> {
        serde_json::from_slice(bytes).map_err(|why| KeyFileError::Shape { why: why.to_string() })
    }

    /// The cold key and its certificate; whether the signature holds is for [`certifies`] to say.
    pub fn open(&self) -> Result<(VerificationKey, OpCert), KeyFileError> {
        let hot_key = fixed::<32>("hot_key", &self.hot_key)?;
        let sigma = Signature(fixed::<64>("sigma", &self.sigma)?);
        let opcert = OpCert { hot_key, counter: self.counter, start: self.start, sigma };
        Ok((VerificationKey(fixed::<32>("cold_key", &self.cold_key)?), opcert))
    }
}

fn fixed<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], KeyFileError> {
    let mut out = [0; N];
    hex::decode_to_slice(text, &mut out).map(|()| out).map_err(|_| KeyFileError::NotHex { field, bytes: N })
}

/// Whether a certificate is its cold key's, on this network.
#[must_use]
pub fn certifies(cold_key: &VerificationKey, opcert: &OpCert, genesis: &GenesisHash) -> bool {
    sign::verify(cold_key, &opcert.digest(genesis).0, &opcert.sigma)
}

/// Hash of a VRF key as pools register it.
#[must_use]
pub fn vrf_hash(key: &vrf::SecretKey) -> Hash {
    blake2b_256(&key.public())
}

/// The slots of a range that a pool leads: the check that every node makes of its headers.
#[must_use]
pub fn slots_led(
    key: &vrf::SecretKey,
    slots: std::ops::Range<u64>,
    eta: &Hash,
    sigma: Sigma,
    check: &LeaderCheck,
) -> Vec<u64> {
    let leads = |slot: &u64| nupeer_consensus::forge::prove_leader(key, Slot(*slot), eta, sigma, check).is_some();
    slots.filter(leads).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use nupeer_consensus::forge::PoolKeys;
    use proptest::prelude::*;

    #[test]
    fn keys_and_certificates_survive_their_files() {
        let keys = PoolKeys::from_seed(&[3; 32]);
        let genesis = GenesisHash(Hash([7; 32]));
        assert_eq!(vrf_from_file(&vrf_to_file(&keys.vrf)).unwrap().public(), keys.vrf.public());
        let mut kes = kes_from_file(&kes_to_file(&keys.kes)).unwrap();
        assert_eq!(kes.public(), keys.kes.public());
        kes.evolve().unwrap();
        assert_eq!(kes_from_file(&kes_to_file(&kes)).unwrap().period(), 1);
        assert_eq!(bls_from_file(&bls_to_file(&keys.bls)).unwrap().public(), keys.bls.public());
        assert_eq!(bls_from_file(&secret_text("bls", &[0; 32])).unwrap_err(), KeyFileError::NotBls);
        let opcert = keys.certify(&genesis, 4, 9);
        let file = OpCertFile::from_bytes(&OpCertFile::new(&keys.issuer(), &opcert).to_bytes()).unwrap();
        assert_eq!(file.open().unwrap(), (keys.issuer(), opcert));
        assert!(certifies(&keys.issuer(), &opcert, &genesis));
        assert!(!certifies(&keys.issuer(), &opcert, &GenesisHash(Hash([8; 32]))), "of another network");
        assert!(!certifies(&keys.issuer(), &OpCert { counter: 5, ..opcert }, &genesis));
        let mixed = vrf_from_file(&kes_to_file(&kes)).unwrap_err();
        assert!(matches!(mixed, KeyFileError::WrongKind { wanted: "vrf", .. }), "{mixed}");
    }

    #[test]
    fn a_pool_alone_leads_f_of_the_slots() {
        let key = PoolKeys::from_seed(&[3; 32]).vrf;
        let sigma = Sigma { weight: 5, total: 5 };
        let led = slots_led(&key, 0..400, &Hash([1; 32]), sigma, &LeaderCheck::new(1, 2));
        assert!((150..250).contains(&led.len()), "{}", led.len());
        assert_eq!(slots_led(&key, 7..9, &Hash([1; 32]), sigma, &LeaderCheck::new(1, 1)), [7, 8]);
        assert!(
            slots_led(&key, 0..9, &Hash([1; 32]), Sigma { weight: 0, total: 5 }, &LeaderCheck::new(1, 1)).is_empty()
        );
    }

    proptest! {
        #[test]
        fn junk_is_no_key(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(kes_from_file(&bytes).is_err());
            prop_assert!(OpCertFile::from_bytes(&bytes).is_err());
        }
    }
}
