//! ECVRF-ED25519-SHA512-Elligator2, draft-irtf-cfrg-vrf-03, exactly Cardano's (consensus.md §3).
//!
//! ```text
//! prove:   H = map(SHA512(4 ‖ 1 ‖ Y ‖ alpha)), top bit cleared;  Gamma = x·H;  k = SHA512(prefix ‖ H)
//!          c = SHA512(4 ‖ 2 ‖ H ‖ Gamma ‖ k·B ‖ k·H)[..16];  s = k + c·x;  proof = Gamma ‖ c ‖ s
//! verify:  Y canonical and not of small order, Gamma canonical;  U = s·B - c·Y;  V = s·H - c·Gamma;  c again
//! output:  SHA512(4 ‖ 3 ‖ 8·Gamma)
//! ```
//! Like Cardano, `s` is reduced modulo the group order and not required to be canonical: the output does not depend on
//! it, and a changed proof is a changed header that its KES signature no longer covers.

use super::elligator;
use core::fmt;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use nupeer_primitives::Hash;
use nupeer_primitives::hash::blake2b_256_of;
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a proof.
pub const PROOF_BYTES: usize = 80;
/// Bytes of an output.
pub const OUTPUT_BYTES: usize = 64;

const SUITE: u8 = 4;

/// A secret key: 32 bytes of seed, erased when dropped.
#[derive(Clone)]
pub struct SecretKey {
    seed: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("vrf::SecretKey").field("public", &Hash(self.public)).finish_non_exhaustive()
    }
}

impl SecretKey {
    /// The key of a seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let (x, _) = expand(seed);
        Self { seed: Zeroizing::new(*seed), public: EdwardsPoint::mul_base(&x).compress().0 }
    }
    /// The verification key.
    #[must_use]
    pub const fn public(&self) -> [u8; 32] {
        self.public
    }
    /// The seed, for a keystore.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }
}

/// Secret scalar and nonce prefix of a seed, as in ed25519.
fn expand(seed: &[u8; 32]) -> (Zeroizing<Scalar>, Zeroizing<[u8; 32]>) {
    let mut wide: [u8; 64] = Sha512::digest(seed).into();
    let (mut low, mut prefix) = ([0; 32], Zeroizing::new([0; 32]));
    low.copy_from_slice(&wide[..32]);
    prefix.copy_from_slice(&wide[32..]);
    // Reduction changes nothing: the scalar only multiplies points of prime order.
    let x = Scalar::from_bytes_mod_order(curve25519_dalek::scalar::clamp_integer(low));
    wide.zeroize();
    low.zeroize();
    (Zeroizing::new(x), prefix)
}

fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    let mut hasher = Sha512::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn hash_to_curve(public: &[u8; 32], alpha: &[u8]) -> EdwardsPoint {
    let wide = sha512(&[&[SUITE, 1], public, alpha]);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&wide[..32]);
    elligator::map(&bytes)
}

fn challenge(points: [&[u8; 32]; 4]) -> [u8; 16] {
    let [h, gamma, u, v] = points;
    let wide = sha512(&[&[SUITE, 2], h, gamma, u, v]);
    let mut out = [0; 16];
    out.copy_from_slice(&wide[..16]);
    out
}

fn short_scalar(c: &[u8; 16]) -> Scalar {
    let mut wide = [0; 32];
    wide[..16].copy_from_slice(c);
    Scalar::from_bytes_mod_order(wide)
}

fn output(gamma: &EdwardsPoint) -> [u8; OUTPUT_BYTES] {
    sha512(&[&[SUITE, 3], &gamma.mul_by_cofactor().compress().0])
}

/// A point whose y is below p.
fn decode_point(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    let [first, middle @ .., last] = bytes;
    let at_least_p = *first >= 0xed && middle.iter().all(|b| *b == 0xff) && last & 0x7f == 0x7f;
    if at_least_p { None } else { CompressedEdwardsY(*bytes).decompress() }
}

/// Proves the output of `alpha`.
#[must_use]
pub fn prove(key: &SecretKey, alpha: &[u8]) -> [u8; PROOF_BYTES] {
    let (x, prefix) = expand(&key.seed);
    let h = hash_to_curve(&key.public, alpha);
    let h_bytes = h.compress().0;
    let gamma = (h * *x).compress().0;
    let k = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&sha512(&[prefix.as_slice(), &h_bytes])));
    let c = challenge([&h_bytes, &gamma, &EdwardsPoint::mul_base(&k).compress().0, &(h * *k).compress().0]);
    let s = *k + short_scalar(&c) * *x;
    let mut proof = [0; PROOF_BYTES];
    proof[..32].copy_from_slice(&gamma);
    proof[32..48].copy_from_slice(&c);
    proof[48..].copy_from_slice(s.as_bytes());
    proof
}

/// The output that `proof` proves for `alpha` under `public`; `None` if it proves nothing.
#[must_use]
pub fn verify(public: &[u8; 32], alpha: &[u8], proof: &[u8; PROOF_BYTES]) -> Option<[u8; OUTPUT_BYTES]> {
    let (mut gamma_bytes, mut c_bytes, mut s_bytes) = ([0; 32], [0; 16], [0; 32]);
    gamma_bytes.copy_from_slice(&proof[..32]);
    c_bytes.copy_from_slice(&proof[32..48]);
    s_bytes.copy_from_slice(&proof[48..]);
    let y = decode_point(public).filter(|y| !y.is_small_order())?;
    let gamma = decode_point(&gamma_bytes)?;
    let minus_c = -short_scalar(&c_bytes);
    let s = Scalar::from_bytes_mod_order(s_bytes);
    let h = hash_to_curve(public, alpha);
    let u = EdwardsPoint::vartime_double_scalar_mul_basepoint(&minus_c, &y, &s);
    let v = EdwardsPoint::vartime_multiscalar_mul([s, minus_c], [h, gamma]);
    let again = challenge([&h.compress().0, &gamma.compress().0, &u.compress().0, &v.compress().0]);
    (again == c_bytes).then(|| output(&gamma))
}

/// The output of a proof, without any check: for a prover's own proofs.
#[must_use]
pub fn proof_to_output(proof: &[u8; PROOF_BYTES]) -> Option<[u8; OUTPUT_BYTES]> {
    let mut gamma = [0; 32];
    gamma.copy_from_slice(&proof[..32]);
    decode_point(&gamma).map(|gamma| output(&gamma))
}

/// `H(slot ‖ eta)`: the VRF input of a slot.
#[must_use]
pub fn alpha(slot: u64, eta: &Hash) -> [u8; 32] {
    blake2b_256_of(&[&slot.to_be_bytes(), &eta.0]).0
}

/// `H("L" ‖ out)`, the big-endian number of the leader check.
#[must_use]
pub fn leader_value(out: &[u8; OUTPUT_BYTES]) -> [u8; 32] {
    blake2b_256_of(&[b"L", out]).0
}

/// `H(H("N" ‖ out))`, what a header adds to the nonce.
#[must_use]
pub fn nonce_value(out: &[u8; OUTPUT_BYTES]) -> Hash {
    blake2b_256_of(&[&blake2b_256_of(&[b"N", out]).0])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_proven_verifies_and_nothing_near_it_does(
            seed: [u8; 32], alpha in proptest::collection::vec(any::<u8>(), 0..80), flip in 0usize..640
        ) {
            let key = SecretKey::from_seed(&seed);
            let proof = prove(&key, &alpha);
            let out = verify(&key.public(), &alpha, &proof).unwrap();
            prop_assert_eq!(proof_to_output(&proof), Some(out));
            let mut bad = proof;
            bad[flip / 8] ^= 1 << (flip % 8);
            prop_assert_eq!(verify(&key.public(), &alpha, &bad), None);
            let mut other = alpha.clone();
            other.push(0);
            prop_assert_eq!(verify(&key.public(), &other, &proof), None);
        }
        #[test]
        fn any_bytes_are_refused_calmly(public: [u8; 32], a: [u8; 32], b: [u8; 32], c: [u8; 16]) {
            let mut proof = [0; PROOF_BYTES];
            proof[..32].copy_from_slice(&a);
            proof[32..64].copy_from_slice(&b);
            proof[64..].copy_from_slice(&c);
            prop_assert_eq!(verify(&public, &a, &proof), None);
        }
    }

    #[test]
    fn keys_of_small_order_and_bent_encodings_are_refused() {
        let mut one = [0; 32];
        one[0] = 1;
        let mut p_plus_one = [0xff; 32];
        (p_plus_one[0], p_plus_one[31]) = (0xee, 0x7f);
        assert!(decode_point(&one).unwrap().is_small_order());
        assert!(decode_point(&p_plus_one).is_none());
        for key in [one, p_plus_one, [0; 32]] {
            assert_eq!(verify(&key, b"", &[0; PROOF_BYTES]), None);
        }
    }
}
