//! Keys and signatures of a crowd: real ones, or a seal that believes everything but a missing quorum.

use nupeer_consensus::crypto::leader::{LeaderCheck, Sigma};
use nupeer_consensus::crypto::vrf;
use nupeer_consensus::finality::{Seal, VoteRequest};
use nupeer_consensus::forge::{PoolKeys, prove_leader, sign_header};
use nupeer_consensus::input::LeaderClaim;
use nupeer_primitives::finality::{Certificate, CertificateError, Committee, Link, Vote};
use nupeer_primitives::genesis::Constants;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::{
    BlsKey, BlsSignature, GenesisHash, Hash, HeaderBody, OpCert, Signature, Slot, VerificationKey,
};

/// Believes each signature. It counts all the same: a certificate without a quorum is refused.
#[derive(Clone, Copy, Debug)]
pub struct Credulous(pub GenesisHash);

impl Seal for Credulous {
    fn check_sum(&self, _: &Committee, _: &Link, _: &[(u16, BlsSignature)]) -> bool {
        true
    }
    fn check_vote(&self, _: &Committee, _: &Vote) -> bool {
        true
    }
    fn certify(&self, committee: &Committee, link: Link, votes: &[(u16, BlsSignature)]) -> Option<Certificate> {
        let signed = |index: &u16| votes.binary_search_by_key(index, |(i, _)| *i).is_ok();
        let absent = (0u16..).zip(committee.members()).map(|(index, _)| index).filter(|index| !signed(index)).collect();
        Some(Certificate { committee: committee.epoch(), absent, link, signature: BlsSignature([0; 96]) })
    }
    fn check_certificate(&self, committee: &Committee, certificate: &Certificate) -> Result<(), CertificateError> {
        committee.check_quorum(certificate).map(|_| ())
    }
    fn genesis(&self) -> GenesisHash {
        self.0
    }
}

/// What a pool signs with.
#[derive(Debug)]
pub enum Keys {
    /// Nothing: its number stands for everything.
    Stub(usize),
    /// Its secrets.
    Real(Box<PoolKeys>),
}

impl Keys {
    /// Keys of pool `n`.
    pub fn new(n: usize, seed: u64, real: bool) -> Self {
        if !real {
            return Self::Stub(n);
        }
        let seed = blake2b_256_of(&[b"crowd", &seed.to_be_bytes(), &n.to_be_bytes()]).0;
        Self::Real(Box::new(PoolKeys::from_seed(&seed)))
    }

    fn stub(n: usize) -> [u8; 32] {
        blake2b_256_of(&[b"pool", &n.to_be_bytes()]).0
    }

    /// Cold key.
    pub fn issuer(&self) -> VerificationKey {
        match self {
            Self::Stub(n) => VerificationKey(Self::stub(*n)),
            Self::Real(keys) => keys.issuer(),
        }
    }
    /// VRF key.
    pub fn vrf_key(&self) -> [u8; 32] {
        match self {
            Self::Stub(n) => Self::stub(*n),
            Self::Real(keys) => keys.vrf.public(),
        }
    }
    /// The key that votes.
    pub fn bls_key(&self) -> BlsKey {
        match self {
            Self::Stub(_) => BlsKey([0; 48]),
            Self::Real(keys) => keys.bls.public(),
        }
    }

    /// Certificate of the KES key.
    pub fn certify(&self, genesis: &GenesisHash) -> OpCert {
        match self {
            Self::Stub(n) => OpCert { hot_key: Self::stub(*n), counter: 0, start: 0, sigma: Signature([0; 64]) },
            Self::Real(keys) => keys.certify(genesis, 0, 0),
        }
    }

    /// What it claims if it leads `slot`.
    pub fn claim(&self, slot: u64, eta: &Hash, sigma: Sigma, check: &LeaderCheck, cert: OpCert) -> Option<LeaderClaim> {
        let vrf = match self {
            Self::Stub(n) => {
                let mut out = [0; 64];
                out[..32].copy_from_slice(&blake2b_256_of(&[&n.to_be_bytes(), &slot.to_be_bytes(), &eta.0]).0);
                check.leads(&vrf::leader_value(&out), sigma).then_some((out, [0; 80]))
            }
            Self::Real(keys) => prove_leader(&keys.vrf, Slot(slot), eta, sigma, check),
        }?;
        Some(LeaderClaim { vrf, opcert: cert })
    }

    /// KES signature of a header.
    pub fn sign(&mut self, body: &HeaderBody, genesis: &GenesisHash, constants: &Constants) -> Option<Box<[u8; 448]>> {
        match self {
            Self::Stub(_) => Some(Box::new([1; 448])),
            Self::Real(keys) => {
                let header = sign_header(&mut keys.kes, body.clone(), genesis, constants).ok()?;
                Some(Box::new(header.kes_signature))
            }
        }
    }

    /// Signature of a vote.
    pub fn vote(&self, request: &VoteRequest, genesis: &GenesisHash) -> BlsSignature {
        match self {
            Self::Stub(_) => BlsSignature([0; 96]),
            Self::Real(keys) => keys.bls.sign(&request.link.digest(request.committee, genesis)),
        }
    }
}
