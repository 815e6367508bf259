//! The key agent's half of block production: a pool's keys, the leader proof, and the signature of a header
//! (consensus.md §3, §4).
//!
//! Signing a slot twice is a slashable fault that these functions cannot see: the caller makes the record of
//! (slot, block id) durable before it calls [`sign_header`] (§4).

use crate::crypto::kes::{self, KesError};
use crate::crypto::leader::{LeaderCheck, Sigma};
use crate::crypto::vrf;
use crate::header::KesRules;
use core::fmt;
use ed25519_zebra::{SigningKey, VerificationKeyBytes};
use nupeer_primitives::genesis::{Constants, GenesisPool};
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::{
    Amount, GenesisHash, Hash, Header, HeaderBody, OpCert, PoolId, Signature, Slot, VerificationKey, bls,
};
use thiserror::Error;
use zeroize::Zeroizing;

/// Why a header is not signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum SignError {
    #[error("the header's certificate is for KES key {header}, the agent holds {ours}")]
    OtherKey { header: Hash, ours: Hash },
    #[error("slot {slot} lies in KES period {period}, outside the certificate from {start} for {evolutions} periods")]
    OutOfCertificate { slot: Slot, period: u64, start: u64, evolutions: u64 },
    #[error(transparent)]
    Kes(#[from] KesError),
}

/// Every secret of a pool.
pub struct PoolKeys {
    cold: Zeroizing<[u8; 32]>,
    /// Draws slots.
    pub vrf: vrf::SecretKey,
    /// Signs headers.
    pub kes: kes::SecretKey,
    /// Signs finality votes.
    pub bls: bls::SecretKey,
}

impl fmt::Debug for PoolKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolKeys").field("pool", &self.pool()).finish_non_exhaustive()
    }
}

impl PoolKeys {
    /// Cold, VRF, KES and BLS key of one seed, each from its own hash of it.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let part = |name: &[u8]| Zeroizing::new(blake2b_256_of(&[b"nupeer/pool-keys/", name, b"/", seed]).0);
        Self {
            cold: part(b"cold"),
            vrf: vrf::SecretKey::from_seed(&part(b"vrf")),
            kes: kes::SecretKey::from_seed(&part(b"kes")),
            bls: bls::SecretKey::from_seed(&part(b"bls")),
        }
    }
    /// From keys kept apart: the cold key's ed25519 seed, and the hot keys.
    #[must_use]
    pub fn from_parts(cold: &[u8; 32], vrf: vrf::SecretKey, kes: kes::SecretKey, bls: bls::SecretKey) -> Self {
        Self { cold: Zeroizing::new(*cold), vrf, kes, bls }
    }
    /// The cold verification key.
    #[must_use]
    pub fn issuer(&self) -> VerificationKey {
        VerificationKey(VerificationKeyBytes::from(&SigningKey::from(*self.cold)).into())
    }
    /// The pool.
    #[must_use]
    pub fn pool(&self) -> PoolId {
        self.issuer().pool()
    }
    /// A cold-key signature over a digest.
    #[must_use]
    pub fn sign_cold(&self, digest: &Hash) -> Signature {
        Signature(SigningKey::from(*self.cold).sign(&digest.0).into())
    }
    /// The pool as a genesis record names it, with the same amounts of each token. Its rewards go to the cold key's account.
    #[must_use]
    pub fn genesis_pool(&self, stake: Amount, pledge: Amount) -> GenesisPool {
        let mut pool = GenesisPool {
            cold_key: self.issuer(),
            vrf_key: self.vrf.public(),
            bls_key: self.bls.public(),
            bls_proof: self.bls.prove(),
            reward_account: self.issuer().account(),
            proof: Signature([0; 64]),
            pledge: (pledge, pledge, pledge),
            stake: (stake, stake, stake),
        };
        pool.proof = self.sign_cold(&pool.proof_digest());
        pool
    }
    /// Certifies the KES key for `start` and the periods after it. The key must stand at its period 0 then.
    #[must_use]
    pub fn certify(&self, genesis: &GenesisHash, counter: u64, start: u64) -> OpCert {
        let mut cert = OpCert { hot_key: self.kes.public(), counter, start, sigma: Signature([0; 64]) };
        cert.sigma = self.sign_cold(&cert.digest(genesis));
        cert
    }
}

/// VRF output and proof of `slot`, if they make a pool of share `sigma` its leader.
#[must_use]
pub fn prove_leader(
    key: &vrf::SecretKey,
    slot: Slot,
    eta: &Hash,
    sigma: Sigma,
    check: &LeaderCheck,
) -> Option<([u8; 64], [u8; 80])> {
    let proof = vrf::prove(key, &vrf::alpha(slot.0, eta));
    let out = vrf::proof_to_output(&proof)?;
    check.leads(&vrf::leader_value(&out), sigma).then_some((out, proof))
}

/// Signs the block id of `body`. Evolves the key to the slot's period first and so erases every earlier one.
pub fn sign_header(
    key: &mut kes::SecretKey,
    body: HeaderBody,
    genesis: &GenesisHash,
    constants: &Constants,
) -> Result<Header, SignError> {
    let (header, ours) = (Hash(body.opcert.hot_key), Hash(key.public()));
    if header != ours {
        return Err(SignError::OtherKey { header, ours });
    }
    let rules = KesRules::of(constants);
    let (start, period, evolutions) = (body.opcert.start, rules.period(body.slot), rules.evolutions);
    let age = period.checked_sub(start).filter(|age| *age < evolutions).and_then(|age| u32::try_from(age).ok());
    let Some(age) = age else {
        return Err(SignError::OutOfCertificate { slot: body.slot, period, start, evolutions });
    };
    key.evolve_to(age)?;
    let kes_signature = key.sign(&body.id(genesis).0);
    Ok(Header { body, kes_signature })
}
