//! Votes, links and certificates of the finality overlay (consensus.md §10): shapes, signed bytes, and the rules that
//! need no more than a link, two blocks and a committee. Consensus, the ledger and clients judge by the same functions.
//!
//! ```text
//! vote        = [committee_epoch u64, index u16,     round u64, src_round u64, src_hash b32, dst_height u64, dst_hash b32, sig b96]
//! certificate = [committee_epoch u64, [*absent u16], round u64, src_round u64, src_hash b32, dst_height u64, dst_hash b32, sig b96]
//! signed      = T(nup/vote/1, committee_epoch ‖ round ‖ src_round ‖ src_hash ‖ dst_height ‖ dst_hash)
//! ```
//! The index is not signed, so all votes for one link under one committee are one message.

pub mod committee;
pub mod evidence;
pub mod rules;

use crate::bls::BlsSignature;
use crate::cbor::{Cbor, Reader, Writer};
use crate::error::Malformed;
use crate::hash::{GenesisHash, Hash, Tag, tagged};
use crate::ids::{BlockId, Epoch, Height};
use alloc::vec::Vec;

pub use committee::{CertificateError, Committee, Member};
pub use evidence::{Evidence, EvidenceError, Offence};
pub use rules::{LinkError, Place, Rounds};

/// Bytes of a vote on `vote/1`.
pub const VOTE_BYTES_MAX: usize = 320;
/// Bytes of a certificate on `cert/1` and in a body.
pub const CERTIFICATE_BYTES_MAX: usize = 1_024;
/// Members of a committee (consensus.md §2).
pub const MEMBERS_MAX: usize = 200;

record! {
    /// A block that a round names.
    #[derive(Copy, PartialOrd, Ord)]
    pub struct Checkpoint {
        /// The round.
        pub round: u64,
        /// The block.
        pub block: BlockId,
        /// Its height.
        pub height: Height,
    }
}

/// From a justified checkpoint to a later one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Link {
    /// Target round, in which the votes are cast.
    pub round: u64,
    /// Source round.
    pub src_round: u64,
    /// Source block.
    pub src_hash: BlockId,
    /// Height of the target block.
    pub dst_height: Height,
    /// Target block.
    pub dst_hash: BlockId,
}

impl Link {
    /// The target.
    #[must_use]
    pub const fn target(&self) -> Checkpoint {
        Checkpoint { round: self.round, block: self.dst_hash, height: self.dst_height }
    }
    /// True iff the source is `checkpoint`; its height is not part of a link.
    #[must_use]
    pub fn starts_at(&self, checkpoint: &Checkpoint) -> bool {
        self.src_round == checkpoint.round && self.src_hash == checkpoint.block
    }
    /// What members of the committee of `epoch` sign.
    #[must_use]
    pub fn digest(&self, epoch: Epoch, genesis: &GenesisHash) -> Hash {
        let (round, src_round) = (self.round.to_be_bytes(), self.src_round.to_be_bytes());
        let (epoch, height) = (epoch.0.to_be_bytes(), self.dst_height.0.to_be_bytes());
        tagged(Tag::Vote, genesis, &[&epoch, &round, &src_round, &self.src_hash.0, &height, &self.dst_hash.0])
    }
    fn write(&self, w: &mut Writer) {
        w.uint(self.round).uint(self.src_round).put(&self.src_hash).put(&self.dst_height).put(&self.dst_hash);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { round: r.get()?, src_round: r.get()?, src_hash: r.get()?, dst_height: r.get()?, dst_hash: r.get()? })
    }
}

/// One member's vote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vote {
    /// Epoch of the committee.
    pub committee: Epoch,
    /// Index of the member in it.
    pub index: u16,
    /// What it votes for.
    pub link: Link,
    /// Its signature over [`Link::digest`].
    pub signature: BlsSignature,
}

impl Vote {
    /// Decodes bytes from outside.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::from_cbor(bytes, VOTE_BYTES_MAX)
    }
}

impl Cbor for Vote {
    fn write(&self, w: &mut Writer) {
        w.array(8).put(&self.committee).put(&self.index);
        self.link.write(w);
        w.put(&self.signature);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(8)?;
        Ok(Self { committee: r.get()?, index: r.get()?, link: Link::read(r)?, signature: r.get()? })
    }
}

/// More than two thirds of a committee's weight, for one link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    /// Epoch of the committee.
    pub committee: Epoch,
    /// Indices of the members that are not in the signature, ascending.
    pub absent: Vec<u16>,
    /// What they voted for.
    pub link: Link,
    /// Sum of their signatures.
    pub signature: BlsSignature,
}

impl Certificate {
    /// Decodes bytes from outside.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::from_cbor(bytes, CERTIFICATE_BYTES_MAX)
    }
}

impl Cbor for Certificate {
    fn write(&self, w: &mut Writer) {
        w.array(8).put(&self.committee).put(&self.absent);
        self.link.write(w);
        w.put(&self.signature);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(8)?;
        let committee = r.get()?;
        let at = r.position();
        let absent: Vec<u16> = r.list(MEMBERS_MAX)?;
        if !absent.is_sorted_by(|a, b| a < b) {
            return Err(Malformed::Shape { at });
        }
        Ok(Self { committee, absent, link: Link::read(r)?, signature: r.get()? })
    }
}

#[cfg(test)]
mod tests;
