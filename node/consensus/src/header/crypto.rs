//! Rules 16-19: signatures, proof and leader check, as a job that carries all it needs.

use super::issuer::Entitlement;
use super::{Claims, HeaderError};
use crate::crypto::leader::LeaderCheck;
use crate::crypto::{kes, opcert, vrf};
use alloc::sync::Arc;
use alloc::vec::Vec;
use nupeer_primitives::{GenesisHash, Hash, Header};

/// The bytes that the issuer's two signatures are over. The only thing in which another chain's headers differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Messages {
    /// What the cold key signs.
    pub opcert: Vec<u8>,
    /// What the KES key signs.
    pub header: Vec<u8>,
}

impl Messages {
    /// On this chain: the certificate's digest, and the block id.
    #[must_use]
    pub fn of(header: &Header, genesis: &GenesisHash) -> Self {
        Self { opcert: header.body.opcert.digest(genesis).0.to_vec(), header: header.id(genesis).0.to_vec() }
    }
}

/// Rules 16-19 of one header.
#[derive(Clone, Debug)]
pub struct CryptoJob {
    claims: Claims,
    messages: Messages,
    entitlement: Entitlement,
    eta: Hash,
    leader: Arc<LeaderCheck>,
}

impl CryptoJob {
    /// From what rules 1-15 established; `eta` is the nonce of the header's epoch.
    #[must_use]
    pub const fn new(
        claims: Claims,
        messages: Messages,
        entitlement: Entitlement,
        eta: Hash,
        leader: Arc<LeaderCheck>,
    ) -> Self {
        Self { claims, messages, entitlement, eta, leader }
    }

    /// What the header says about its right to exist: for a simulator that stubs the cryptography.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The same job for signatures over other bytes: for headers of another chain's layout.
    #[must_use]
    pub fn with_messages(self, messages: Messages) -> Self {
        Self { messages, ..self }
    }

    /// Rules 16, 17, 18, 19 in this order. Pure; may run on any thread.
    pub fn run(&self) -> Result<(), HeaderError> {
        let Claims { slot, issuer, vrf_key, vrf_out, vrf_proof, opcert: cert, kes_signature } = &self.claims;
        let Entitlement { sigma, evolution } = self.entitlement;
        if !opcert::verify(issuer, cert, &self.messages.opcert) {
            return Err(HeaderError::OpcertSig { pool: issuer.pool() });
        }
        if !kes::verify(&cert.hot_key, evolution, &self.messages.header, kes_signature) {
            return Err(HeaderError::KesSig { evolution });
        }
        if vrf::verify(vrf_key, &vrf::alpha(slot.0, &self.eta), vrf_proof) != Some(*vrf_out) {
            return Err(HeaderError::VrfProof { slot: *slot });
        }
        if !self.leader.leads(&vrf::leader_value(vrf_out), sigma) {
            let (pool, slot) = (issuer.pool(), *slot);
            return Err(HeaderError::NotLeader { pool, slot, weight: sigma.weight, total: sigma.total });
        }
        Ok(())
    }
}
