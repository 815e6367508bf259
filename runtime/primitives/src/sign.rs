//! ed25519 verdicts of this chain: ZIP-215 (cofactored), alone and in batch, always the same answer (consensus.md §1).

use crate::hash::blake2b_256_of;
use crate::ids::{Signature, VerificationKey};
use alloc::vec::Vec;
use ed25519_zebra::{Signature as ZebraSignature, VerificationKey as ZebraKey, VerificationKeyBytes, batch};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

/// True iff `signature` is `key`'s over `message` by the ZIP-215 rule.
#[must_use]
pub fn verify(key: &VerificationKey, message: &[u8], signature: &Signature) -> bool {
    ZebraKey::try_from(key.0).is_ok_and(|key| key.verify(&ZebraSignature::from(signature.0), message).is_ok())
}

/// One signature to judge.
#[derive(Clone, Copy, Debug)]
pub struct Signed {
    /// Who signed.
    pub key: VerificationKey,
    /// The 32-byte digest that was signed.
    pub digest: [u8; 32],
    /// The signature.
    pub signature: Signature,
}

/// True iff every signature verifies. Coefficients come from a hash of the whole batch, so no randomness is needed:
/// a forger would have to find signatures whose defects cancel under coefficients that depend on them.
#[must_use]
pub fn verify_all(items: &[Signed]) -> bool {
    if let [only] = items {
        return verify(&only.key, &only.digest, &only.signature);
    }
    let mut verifier = batch::Verifier::new();
    let mut transcript: Vec<&[u8]> = Vec::with_capacity(items.len().saturating_mul(3));
    for item in items {
        transcript.extend([item.key.0.as_slice(), &item.digest, &item.signature.0]);
        verifier.queue((VerificationKeyBytes::from(item.key.0), ZebraSignature::from(item.signature.0), &item.digest));
    }
    let seed = blake2b_256_of(&transcript).0;
    verifier.verify(ChaCha20Rng::from_seed(seed)).is_ok()
}

/// Batches this small gain less than another halving of a bad one costs.
const SINGLY_MAX: usize = 4;

/// Positions of the signatures that do not verify, ascending; a bad batch is halved until its culprits stand alone.
#[must_use]
pub fn find_bad(items: &[Signed]) -> Vec<usize> {
    let mut bad = Vec::new();
    let mut open = alloc::vec![(0, items.len())];
    while let Some((from, to)) = open.pop() {
        let Some(part) = items.get(from..to) else { continue };
        if part.len() <= SINGLY_MAX {
            let fails = |(_, item): &(usize, &Signed)| !verify(&item.key, &item.digest, &item.signature);
            bad.extend((from..).zip(part).filter(fails).map(|(index, _)| index));
        } else if !verify_all(part) {
            let middle = from.midpoint(to);
            open.extend([(middle, to), (from, middle)]);
        }
    }
    bad
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ed25519_zebra::SigningKey;

    fn signed(n: u8) -> Signed {
        let key = SigningKey::from([n; 32]);
        let digest = [n ^ 0x55; 32];
        Signed {
            key: VerificationKey(ed25519_zebra::VerificationKeyBytes::from(&key).into()),
            digest,
            signature: Signature(key.sign(&digest).into()),
        }
    }

    #[test]
    fn a_batch_names_exactly_its_bad_signatures() {
        let mut items: Vec<Signed> = (1..=33).map(signed).collect();
        assert!(verify_all(&items));
        assert!(verify_all(&[]));
        for bad in [0, 7, 32] {
            items[bad].digest[0] ^= 1;
        }
        assert!(!verify_all(&items));
        assert_eq!(find_bad(&items), [0, 7, 32]);
    }
}
