//! Header and body layout (consensus.md §6).

use crate::cbor::{Cbor, Reader, Writer};
use crate::error::Malformed;
use crate::finality::Certificate;
use crate::hash::{GenesisHash, Hash, Tag, blake2b_256, blake2b_256_of, merkle_root, tagged};
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
        let empty_list = blake2b_256(&[0x80]);
        let certs = blake2b_256(&self.certs.to_cbor());
        blake2b_256_of(&[&empty_list.0, &certs.0, &tx_root(&self.txs).0])
    }

    /// Decodes bytes from outside, at most `max` of them.
    pub fn decode(bytes: &[u8], max: usize) -> Result<Self, Malformed> {
        Self::from_cbor(bytes, max.min(BODY_BYTES_MAX))
    }
}

/// Binary Merkle root over whole transactions, witnesses included.
#[must_use]
pub fn tx_root(txs: &[Transaction]) -> Hash {
    let encoded: Vec<Vec<u8>> = txs.iter().map(Cbor::to_cbor).collect();
    merkle_root(encoded.iter().map(Vec::as_slice))
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
