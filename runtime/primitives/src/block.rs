//! Header and body layout (consensus.md §6).

use crate::cbor::{Cbor, Reader, Writer};
use crate::error::Malformed;
use crate::finality::Certificate;
use crate::hash::{GenesisHash, Hash, Tag, blake2b_256, blake2b_256_of, merkle_leaf, merkle_root_of, tagged};
use crate::ids::{BlockId, Height, PoolId, Signature, Slot, VerificationKey};
use crate::tx::Transaction;
use alloc::vec::Vec;

/// Bytes of a header, `P:header_max`'s ceiling.
pub const HEADER_BYTES_MAX: usize = 2_048;
/// Bytes of a body that any parameter setting may permit.
pub const BODY_BYTES_MAX: usize = 2 * 1_024 * 1_024;
/// Transactions in a body; the byte and weight limits bind first.
pub const BODY_TXS_MAX: usize = 16_384;
/// Certificates in a body.
pub const CERTS_MAX: usize = 4;

record! {
    /// The Cardano block that a header names.
    #[derive(Copy, PartialOrd, Ord)]
    pub struct McRef {
        /// Block hash.
        pub hash: Hash,
        /// Cardano slot.
        pub slot: u64,
        /// Cardano height.
        pub height: u64,
    }
}

record! {
    /// Operational certificate: the cold key vouches for a hot KES key.
    #[derive(Copy)]
    pub struct OpCert {
        /// KES verification key.
        pub hot_key: [u8; 32],
        /// Issue number.
        pub counter: u64,
        /// First KES period.
        pub start: u64,
        /// Cold-key signature over `T(nup/opcert/1, hot ‖ counter ‖ start)`.
        pub sigma: Signature,
    }
}

impl OpCert {
    /// The digest that the cold key signs.
    #[must_use]
    pub fn digest(&self, genesis: &GenesisHash) -> Hash {
        tagged(Tag::Opcert, genesis, &[&self.hot_key, &self.counter.to_be_bytes(), &self.start.to_be_bytes()])
    }
}

record! {
    /// Everything that the KES key signs.
    pub struct HeaderBody {
        /// Parent's height + 1.
        pub height: Height,
        /// Slot of issue.
        pub slot: Slot,
        /// Parent block; the genesis hash at height 1.
        pub parent: BlockId,
        /// Cold key of the issuing pool.
        pub issuer: VerificationKey,
        /// VRF key of the issuing pool.
        pub vrf_key: [u8; 32],
        /// VRF output and proof.
        pub vrf: ([u8; 64], [u8; 80]),
        /// Bytes of the encoded body.
        pub body_size: u32,
        /// [`BlockBody::hash`].
        pub body_hash: Hash,
        /// Operational certificate.
        pub opcert: OpCert,
        /// Protocol version (major, minor).
        pub version: (u16, u16),
        /// Cardano reference.
        pub mc: McRef,
        /// Nonce contribution of Cardano, where consensus.md §5 wants it.
        pub z: Option<Hash>,
        /// Root of the state after this block.
        pub state_root: Hash,
    }
}

impl HeaderBody {
    /// `T(nup/header/1, cbor(header_body))`; KES signs this id.
    #[must_use]
    pub fn id(&self, genesis: &GenesisHash) -> BlockId {
        BlockId(tagged(Tag::Header, genesis, &[&self.to_cbor()]).0)
    }

    /// The pool that issued it.
    #[must_use]
    pub fn pool(&self) -> PoolId {
        self.issuer.pool()
    }
}

record! {
    /// A signed header.
    pub struct Header {
        /// What is signed.
        pub body: HeaderBody,
        /// Sum6 KES signature over the id.
        pub kes_signature: [u8; 448],
    }
}

impl Header {
    /// Decodes bytes from outside (rule 1 of consensus.md §7).
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::from_cbor(bytes, HEADER_BYTES_MAX)
    }
    /// The block id.
    #[must_use]
    pub fn id(&self, genesis: &GenesisHash) -> BlockId {
        self.body.id(genesis)
    }
}

/// What a header commits to. Inherents gain their shape with the Cardano follower; until then the list is empty and
/// anything else is refused.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BlockBody {
    /// Finality certificates, at most [`CERTS_MAX`].
    pub certs: Vec<Certificate>,
    /// Transactions in order.
    pub txs: Vec<Transaction>,
}

impl BlockBody {
    /// `H(H(inherents) ‖ H(certs) ‖ tx_root)`.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash_over(self.txs.iter().map(tx_leaf).collect())
    }

    /// [`BlockBody::hash`] where the leaves of the transactions are known already.
    fn hash_over(&self, leaves: Vec<Hash>) -> Hash {
        let empty_list = blake2b_256(&[0x80]);
        let certs = blake2b_256(&self.certs.to_cbor());
        blake2b_256_of(&[&empty_list.0, &certs.0, &merkle_root_of(leaves).0])
    }

    /// Decodes bytes from outside, at most `max` of them.
    pub fn decode(bytes: &[u8], max: usize) -> Result<Self, Malformed> {
        Self::from_cbor(bytes, max.min(BODY_BYTES_MAX))
    }
}

/// A transaction's leaf under a body's root: the digest of its whole encoding, witnesses included.
#[must_use]
pub fn tx_leaf(tx: &Transaction) -> Hash {
    merkle_leaf(&tx.to_cbor())
}

/// A body with its encoding and digests, made once and passed on, so that nobody encodes or hashes it again.
///
/// The parts belong together by construction: there is no way to change one of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedBody {
    body: BlockBody,
    bytes: Vec<u8>,
    leaves: Vec<Hash>,
    hash: Hash,
}

impl SealedBody {
    /// Of a body.
    #[must_use]
    pub fn new(body: BlockBody) -> Self {
        let bytes = body.to_cbor();
        Self::with(body, bytes)
    }

    /// Decodes bytes from outside, at most `max` of them.
    pub fn decode(bytes: Vec<u8>, max: usize) -> Result<Self, Malformed> {
        Ok(Self::with(BlockBody::decode(&bytes, max)?, bytes))
    }

    fn with(body: BlockBody, bytes: Vec<u8>) -> Self {
        let leaves: Vec<Hash> = body.txs.iter().map(tx_leaf).collect();
        let hash = body.hash_over(leaves.clone());
        Self { body, bytes, leaves, hash }
    }

    /// Decoded.
    #[must_use]
    pub const fn body(&self) -> &BlockBody {
        &self.body
    }

    /// Canonical encoding.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes of the encoding.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// [`tx_leaf`] of each transaction, in order.
    #[must_use]
    pub fn leaves(&self) -> &[Hash] {
        &self.leaves
    }

    /// [`BlockBody::hash`].
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }
}

impl Cbor for BlockBody {
    fn write(&self, w: &mut Writer) {
        w.array(3).array(0).put(&self.certs).put(&self.txs);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(3)?;
        r.array(0)?;
        Ok(Self { certs: r.list(CERTS_MAX)?, txs: r.list(BODY_TXS_MAX)? })
    }
}

/// Header and body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// The signed header.
    pub header: Header,
    /// Its body.
    pub body: BlockBody,
}
