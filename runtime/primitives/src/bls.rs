//! BLS12-381 signatures of the finality committee: min-pk, 48-byte keys in G1, 96-byte signatures in G2, hashed and
//! paired as the Plutus built-ins do (consensus.md §1).
//!
//! # Invariants
//! - A sum of keys stands for its members only if each key was proven: [`verify_possession`] comes before any sum.
//! - Every signed message is a 32-byte digest `T(..)`, so no signature has a meaning in two places.
//! - An infinite key never verifies anything.

use crate::cbor::{Cbor, Reader, Writer};
use crate::error::Malformed;
use crate::hash::Hash;
use crate::ids::bytes_id;
use alloc::string::String;
use alloc::vec::Vec;
use blst::BLST_ERROR;
use blst::min_pk::{AggregatePublicKey, AggregateSignature, PublicKey, SecretKey as BlstSecret, Signature};
use core::fmt;
use zeroize::Zeroizing;

/// Domain of votes and of everything else that a committee signs.
const SIGNATURE_DST: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
/// Domain of possession proofs.
const POSSESSION_DST: &[u8] = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

bytes_id!(
    /// A compressed verification key in G1.
    BlsKey,
    48
);
bytes_id!(
    /// A compressed signature in G2, of one key or of many.
    BlsSignature,
    96
);

fn holds(verdict: BLST_ERROR) -> bool {
    matches!(verdict, BLST_ERROR::BLST_SUCCESS)
}

/// A secret key. Erased when dropped.
pub struct SecretKey(BlstSecret);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public())
    }
}

impl SecretKey {
    /// The key of 32 bytes of entropy (RFC draft `KeyGen`).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(BlstSecret::key_gen(seed, &[]).expect("32 bytes are enough key material"))
    }
    /// Reads what [`Self::to_bytes`] wrote; `None` for zero and for numbers that are not below the group order.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        BlstSecret::from_bytes(bytes).ok().map(Self)
    }
    /// The scalar, for the key file.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }
    /// The verification key.
    #[must_use]
    pub fn public(&self) -> BlsKey {
        BlsKey(self.0.sk_to_pk().compress())
    }
    /// Signs a digest.
    #[must_use]
    pub fn sign(&self, digest: &Hash) -> BlsSignature {
        BlsSignature(self.0.sign(&digest.0, SIGNATURE_DST, &[]).compress())
    }
    /// Proves possession: a signature over the key's own bytes in a domain of its own.
    #[must_use]
    pub fn prove(&self) -> BlsSignature {
        BlsSignature(self.0.sign(&self.public().0, POSSESSION_DST, &[]).compress())
    }
}

/// True iff `key` is a point of the group and `proof` shows that somebody holds its secret.
#[must_use]
pub fn verify_possession(key: &BlsKey, proof: &BlsSignature) -> bool {
    let (Ok(point), Ok(proof)) = (PublicKey::uncompress(&key.0), Signature::uncompress(&proof.0)) else { return false };
    holds(proof.verify(true, &key.0, POSSESSION_DST, &[], &point, true))
}

/// True iff `signature` is one key's over `digest`. The key was proven.
#[must_use]
pub fn verify(key: &BlsKey, digest: &Hash, signature: &BlsSignature) -> bool {
    KeySum::of([key]).is_some_and(|sum| sum.verify(digest, signature))
}

/// A sum of proven keys. Decompressing a key is the dear part, so a committee's sum is built once and absent members
/// are taken off it.
#[derive(Clone, Copy, Debug)]
pub struct KeySum(AggregatePublicKey);

impl KeySum {
    /// The sum of `keys`; `None` for none at all or for bytes that are no point.
    #[must_use]
    pub fn of<'k>(keys: impl IntoIterator<Item = &'k BlsKey>) -> Option<Self> {
        let mut sum: Option<AggregatePublicKey> = None;
        for key in keys {
            let key = PublicKey::uncompress(&key.0).ok()?;
            match &mut sum {
                Some(sum) => sum.add_public_key(&key, false).ok()?,
                None => sum = Some(AggregatePublicKey::from_public_key(&key)),
            }
        }
        sum.map(Self)
    }
    /// This sum without another.
    #[must_use]
    pub fn without(mut self, other: &Self) -> Self {
        self.0.sub_aggregate(&other.0);
        self
    }
    /// The sum as one key.
    #[must_use]
    pub fn key(&self) -> BlsKey {
        BlsKey(self.0.to_public_key().compress())
    }
    /// True iff `signature` is the sum of all members' over `digest`: two pairings, whatever the number of members.
    #[must_use]
    pub fn verify(&self, digest: &Hash, signature: &BlsSignature) -> bool {
        let Ok(signature) = Signature::uncompress(&signature.0) else { return false };
        let key = self.0.to_public_key();
        // Bytes that are no group member pass decompression: a sum is checked as a whole.
        key.validate().is_ok() && holds(signature.verify(true, &digest.0, SIGNATURE_DST, &[], &key, false))
    }
}

/// The sum of signatures over one message; `None` for none at all or for bytes that are no point. Proves nothing by
/// itself: verify it under the sum of the keys.
#[must_use]
pub fn aggregate<'s>(signatures: impl IntoIterator<Item = &'s BlsSignature>) -> Option<BlsSignature> {
    let points: Vec<Signature> =
        signatures.into_iter().map(|s| Signature::uncompress(&s.0).ok()).collect::<Option<_>>()?;
    let refs: Vec<&Signature> = points.iter().collect();
    let sum = AggregateSignature::aggregate(&refs, false).ok()?;
    Some(BlsSignature(sum.to_signature().compress()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn key(n: u8) -> SecretKey {
        SecretKey::from_seed(&[n; 32])
    }

    #[test]
    fn a_proof_of_possession_is_for_one_key_and_no_signature() {
        let (a, b) = (key(1), key(2));
        assert!(verify_possession(&a.public(), &a.prove()));
        assert!(!verify_possession(&b.public(), &a.prove()));
        let digest = Hash([3; 32]);
        assert!(!verify_possession(&a.public(), &a.sign(&digest)));
        assert!(!verify(&a.public(), &digest, &a.prove()));
        assert!(!verify_possession(&BlsKey([0; 48]), &a.prove()));
        assert!(!verify_possession(&a.public(), &BlsSignature([0xff; 96])));
        let mut infinite = BlsKey([0; 48]);
        infinite.0[0] = 0xc0;
        let mut nothing = BlsSignature([0; 96]);
        nothing.0[0] = 0xc0;
        assert!(!verify_possession(&infinite, &nothing));
        assert!(!verify(&infinite, &digest, &nothing));
    }

    #[test]
    fn a_sum_without_the_absent_verifies_the_sum_of_the_present() {
        let keys: Vec<SecretKey> = (1..=5).map(key).collect();
        let public: Vec<BlsKey> = keys.iter().map(SecretKey::public).collect();
        let digest = Hash([9; 32]);
        let signatures: Vec<BlsSignature> = keys.iter().map(|key| key.sign(&digest)).collect();
        let all = KeySum::of(&public).unwrap();
        assert!(all.verify(&digest, &aggregate(&signatures).unwrap()));
        let absent = KeySum::of([&public[1], &public[4]]).unwrap();
        let present = aggregate([&signatures[0], &signatures[2], &signatures[3]]).unwrap();
        let sum = all.without(&absent);
        assert!(sum.verify(&digest, &present));
        assert!(!sum.verify(&Hash([8; 32]), &present));
        assert!(!all.verify(&digest, &present));
        assert_eq!(sum.key(), KeySum::of([&public[0], &public[2], &public[3]]).unwrap().key());
        assert!(!all.without(&all).verify(&digest, &present));
    }

    #[test]
    fn secrets_survive_their_file_and_zero_is_no_secret() {
        let a = key(7);
        assert_eq!(SecretKey::from_bytes(&a.to_bytes()).unwrap().public(), a.public());
        assert!(SecretKey::from_bytes(&[0; 32]).is_none());
        assert!(SecretKey::from_bytes(&[0xff; 32]).is_none());
        assert!(aggregate([]).is_none() && KeySum::of([]).is_none());
    }
}
