//! blake2b digests and the domain-tagged hash `T(tag, x)` (consensus.md §1).

use alloc::string::String;
use blake2::{
    Blake2b, Digest,
    digest::consts::{U28, U32},
};
use core::fmt;

/// A blake2b-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// 32 zero bytes: the empty Merkle root.
    pub const ZERO: Self = Self([0; 32]);

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Lower-case hex.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Parses 64 hex digits; `None` for anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut out = [0; 32];
        hex::decode_to_slice(text, &mut out).ok()?;
        Some(Self(out))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// The hash of the genesis record; it names the network in every signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub struct GenesisHash(pub Hash);

/// `H(x)`.
#[must_use]
pub fn blake2b_256(bytes: &[u8]) -> Hash {
    blake2b_256_of(&[bytes])
}

/// `H` over the concatenation of `parts`, without building it.
#[must_use]
pub fn blake2b_256_of(parts: &[&[u8]]) -> Hash {
    let mut hasher = Blake2b::<U32>::new();
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// `H224(x)`.
#[must_use]
pub fn blake2b_224(bytes: &[u8]) -> [u8; 28] {
    blake2b_224_of(&[bytes])
}

/// `H224` over the concatenation of `parts`.
#[must_use]
pub fn blake2b_224_of(parts: &[&[u8]]) -> [u8; 28] {
    let mut hasher = Blake2b::<U28>::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Domain tags. No tag is a prefix of another (tested), so two domains can never sign the same bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Tag {
    Header,
    Opcert,
    Vote,
    Anchor,
    Handover,
    Fast,
    Gov,
    Poolreg,
    Tx,
    Nonce,
    Batch,
    Lease,
    Receipt,
    Wrap,
    Rfq,
    Delivery,
    Edge,
    Query,
    Device,
}

impl Tag {
    /// Every tag, for the prefix test.
    pub const ALL: [Self; 19] = [
        Self::Header,
        Self::Opcert,
        Self::Vote,
        Self::Anchor,
        Self::Handover,
        Self::Fast,
        Self::Gov,
        Self::Poolreg,
        Self::Tx,
        Self::Nonce,
        Self::Batch,
        Self::Lease,
        Self::Receipt,
        Self::Wrap,
        Self::Rfq,
        Self::Delivery,
        Self::Edge,
        Self::Query,
        Self::Device,
    ];

    /// The bytes that enter the hash.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Header => "nup/header/1",
            Self::Opcert => "nup/opcert/1",
            Self::Vote => "nup/vote/1",
            Self::Anchor => "nup/anchor/1",
            Self::Handover => "nup/handover/1",
            Self::Fast => "nup/fast/1",
            Self::Gov => "nup/gov/1",
            Self::Poolreg => "nup/poolreg/1",
            Self::Tx => "nup/tx/1",
            Self::Nonce => "nup/nonce/1",
            Self::Batch => "nup/batch/1",
            Self::Lease => "nup/lease/1",
            Self::Receipt => "nup/receipt/1",
            Self::Wrap => "nup/wrap/1",
            Self::Rfq => "nup/rfq/1",
            Self::Delivery => "nup/delivery/1",
            Self::Edge => "nup/edge/1",
            Self::Query => "nup/query/1",
            Self::Device => "nup/device/1",
        }
    }
}

/// `T(tag, x) = H(tag ‖ genesis_hash ‖ x)`, with `x` given in parts.
#[must_use]
pub fn tagged(tag: Tag, genesis: &GenesisHash, parts: &[&[u8]]) -> Hash {
    let mut hasher = Blake2b::<U32>::new();
    hasher.update(tag.as_str().as_bytes());
    hasher.update(genesis.0.as_bytes());
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// Root of the binary Merkle tree of consensus.md §6: leaf `H(0x00 ‖ item)`, node `H(0x01 ‖ l ‖ r)`, an odd node is
/// promoted, an empty list gives 32 zero bytes.
#[must_use]
pub fn merkle_root<'a>(items: impl Iterator<Item = &'a [u8]>) -> Hash {
    merkle_root_of(items.map(merkle_leaf).collect())
}

/// `H(0x00 ‖ item)`: a leaf of [`merkle_root`].
#[must_use]
pub fn merkle_leaf(item: &[u8]) -> Hash {
    blake2b_256_of(&[&[0], item])
}

/// [`merkle_root`] of leaves that are hashed already.
#[must_use]
pub fn merkle_root_of(leaves: alloc::vec::Vec<Hash>) -> Hash {
    let mut level = leaves;
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [l, r] => blake2b_256_of(&[&[1], &l.0, &r.0]),
                [odd] => *odd,
                _ => Hash::ZERO,
            })
            .collect();
    }
    level.first().copied().unwrap_or(Hash::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tag_is_a_prefix_of_another() {
        for a in Tag::ALL {
            for b in Tag::ALL {
                assert!(a == b || !b.as_str().starts_with(a.as_str()), "{a:?} is a prefix of {b:?}");
            }
        }
    }

    #[test]
    fn merkle_root_promotes_the_odd_node() {
        let items: [&[u8]; 3] = [b"a", b"b", b"c"];
        let leaf = |x: &[u8]| blake2b_256_of(&[&[0], x]);
        let ab = blake2b_256_of(&[&[1], &leaf(b"a").0, &leaf(b"b").0]);
        let root = blake2b_256_of(&[&[1], &ab.0, &leaf(b"c").0]);
        assert_eq!(merkle_root(items.into_iter()), root);
        assert_eq!(merkle_root(core::iter::empty()), Hash::ZERO);
    }
}
