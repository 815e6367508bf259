//! Operational certificates (consensus.md §4): the cold key vouches for a KES key, judged by ZIP-215.

use nupeer_primitives::{OpCert, VerificationKey, sign};

/// True iff `sigma` is the cold key's over `message`, which is [`OpCert::digest`] on this chain.
#[must_use]
pub fn verify(issuer: &VerificationKey, opcert: &OpCert, message: &[u8]) -> bool {
    sign::verify(issuer, message, &opcert.sigma)
}
