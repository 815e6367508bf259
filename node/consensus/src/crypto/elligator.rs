//! Elligator2 onto Curve25519 and on to Edwards form, as the VRF suite needs it (draft-irtf-cfrg-vrf-03, 5.4.1.2).
//!
//! `curve25519-dalek` keeps its field private and maps only by RFC 9380, which hashes differently, so the few field
//! operations stand here. Every input is public: nothing here has to run in constant time.

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};

/// An element of GF(2^255 - 19) in five limbs of 51 bits; limbs stay below 2^52.
#[derive(Clone, Copy)]
struct Element([u64; 5]);

const LIMB: u128 = (1 << 51) - 1;
/// 16p, limb by limb: added before a subtraction so that no limb goes below zero.
const SIXTEEN_P: [u64; 5] =
    [16 * ((1 << 51) - 19), 16 * ((1 << 51) - 1), 16 * ((1 << 51) - 1), 16 * ((1 << 51) - 1), 16 * ((1 << 51) - 1)];

const fn low_limb(x: u128) -> u64 {
    // Lossless: masked to 51 bits.
    (x & LIMB) as u64
}

impl Element {
    const ONE: Self = Self([1, 0, 0, 0, 0]);
    /// A of Curve25519.
    const A: Self = Self([486_662, 0, 0, 0, 0]);

    /// 32 little-endian bytes; the top bit is ignored.
    fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut out = [0; 5];
        for (i, limb) in out.iter_mut().enumerate() {
            let first_bit = i * 51;
            for bit in 0..51 {
                let at = first_bit + bit;
                let byte = bytes.get(at / 8).copied().unwrap_or(0);
                *limb |= u64::from((byte >> (at % 8)) & 1) << bit;
            }
        }
        Self(out)
    }

    /// The canonical encoding.
    fn to_bytes(self) -> [u8; 32] {
        let mut limbs = Self::carried(self.0.map(u128::from)).0;
        // The value is below 2p now. Adding 19 overflows 2^255 exactly when it is at least p.
        let over = limbs.iter().fold(19, |carry, limb| (limb + carry) >> 51);
        let mut carry = 19 * over;
        for limb in &mut limbs {
            let sum = *limb + carry;
            *limb = low_limb(u128::from(sum));
            carry = sum >> 51;
        }
        let mut out = [0; 32];
        for (at, byte) in out.iter_mut().enumerate() {
            for bit in 0..8 {
                let place = at * 8 + bit;
                let limb = limbs.get(place / 51).copied().unwrap_or(0);
                *byte |= u8::from((limb >> (place % 51)) & 1 == 1) << bit;
            }
        }
        out
    }

    /// Carries once around; sums of at most 2^112 a limb come out below 2^52.
    fn carried(mut limbs: [u128; 5]) -> Self {
        for _ in 0..2 {
            let mut carry = 0;
            for limb in &mut limbs {
                let sum = *limb + carry;
                *limb = sum & LIMB;
                carry = sum >> 51;
            }
            limbs[0] += 19 * carry;
        }
        // limbs[0] is below 2^51 + 19 · 2^13, the others below 2^51.
        Self(limbs.map(|limb| limb as u64))
    }

    fn add(self, other: Self) -> Self {
        let mut out = [0; 5];
        for (o, (a, b)) in out.iter_mut().zip(self.0.iter().zip(&other.0)) {
            *o = u128::from(*a) + u128::from(*b);
        }
        Self::carried(out)
    }

    fn sub(self, other: Self) -> Self {
        let mut out = [0; 5];
        for (o, ((a, b), p)) in out.iter_mut().zip(self.0.iter().zip(&other.0).zip(&SIXTEEN_P)) {
            *o = u128::from(*a) + u128::from(*p) - u128::from(*b);
        }
        Self::carried(out)
    }

    fn mul(self, other: Self) -> Self {
        let mut out = [0u128; 5];
        for (i, a) in self.0.iter().enumerate() {
            for (j, b) in other.0.iter().enumerate() {
                let product = u128::from(*a) * u128::from(*b);
                // 2^255 = 19 mod p folds the upper half back.
                let factor = if i + j < 5 { 1 } else { 19 };
                if let Some(limb) = out.get_mut((i + j) % 5) {
                    *limb += factor * product;
                }
            }
        }
        Self::carried(out)
    }

    /// `self^(2^n)`.
    fn squared(self, n: u32) -> Self {
        (0..n).fold(self, |x, _| x.mul(x))
    }

    /// `(self^11, self^(2^250 - 1))`, the common part of both powers below.
    fn power_chain(self) -> (Self, Self) {
        let x2 = self.squared(1);
        let x9 = x2.squared(2).mul(self);
        let x11 = x9.mul(x2);
        let n5 = x11.squared(1).mul(x9);
        let n10 = n5.squared(5).mul(n5);
        let n20 = n10.squared(10).mul(n10);
        let n40 = n20.squared(20).mul(n20);
        let n50 = n40.squared(10).mul(n10);
        let n100 = n50.squared(50).mul(n50);
        let n200 = n100.squared(100).mul(n100);
        (x11, n200.squared(50).mul(n50))
    }

    /// `self^(p-2)`; zero stays zero.
    fn inverse(self) -> Self {
        let (x11, chain) = self.power_chain();
        chain.squared(5).mul(x11)
    }

    /// Whether a root exists: `self^((p-1)/2)` is 1 (or 0).
    fn is_square(self) -> bool {
        let (_, chain) = self.power_chain();
        let x2 = self.squared(1);
        let euler = chain.squared(4).mul(x2.squared(1)).mul(x2).to_bytes();
        euler == Self::ONE.to_bytes() || euler == [0; 32]
    }
}

/// Maps 32 bytes (top bit ignored) onto the curve, x even, and clears the cofactor.
pub(crate) fn map(bytes: &[u8; 32]) -> EdwardsPoint {
    let r = Element::from_bytes(bytes);
    let r2 = r.squared(1);
    // u = n/d with d = 1 + 2r², which is never 0: -1/2 is not a square.
    let d = Element::ONE.add(r2.add(r2));
    let n = Element([0; 5]).sub(Element::A);
    let d2 = d.squared(1);
    // (u³ + Au² + u)·d⁴ = d·(n³ + A·n²·d + n·d²), square exactly when v exists for u.
    let inner = n.squared(1).mul(n.add(Element::A.mul(d))).add(n.mul(d2));
    // Else the other root: -A - u = (-A·d + A)/d.
    let n = if inner.mul(d).is_square() { n } else { Element::A.sub(Element::A.mul(d)) };
    let y = n.sub(d).mul(n.add(d).inverse());
    CompressedEdwardsY(y.to_bytes())
        .decompress()
        .expect("Elligator2 gives a u with a v, so its y has an x; for u = -1 the y is 0, which has one too")
        .mul_by_cofactor()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn field_laws(a: [u8; 32], b: [u8; 32]) {
            let (x, y) = (Element::from_bytes(&a), Element::from_bytes(&b));
            prop_assert_eq!(x.add(y).sub(y).to_bytes(), x.to_bytes());
            prop_assert_eq!(x.add(y).squared(1).to_bytes(),
                x.squared(1).add(x.mul(y)).add(x.mul(y)).add(y.squared(1)).to_bytes());
            prop_assert_eq!(x.mul(x.inverse()).mul(y).to_bytes(), y.to_bytes());
            prop_assert!(x.squared(1).is_square());
        }
        #[test]
        fn every_input_lands_in_the_prime_order_subgroup(bytes: [u8; 32]) {
            prop_assert!(map(&bytes).is_torsion_free());
        }
    }

    #[test]
    fn edges_of_the_field() {
        let mut p = [0xff; 32];
        (p[0], p[31]) = (0xed, 0x7f);
        assert_eq!(Element::from_bytes(&p).to_bytes(), [0; 32]);
        p[0] = 0xee;
        assert_eq!(Element::from_bytes(&p).to_bytes(), Element::ONE.to_bytes());
        let two = Element::ONE.add(Element::ONE);
        assert!(!two.is_square());
        for edge in [[0; 32], [0xff; 32], p] {
            assert!(map(&edge).is_torsion_free());
        }
    }
}
