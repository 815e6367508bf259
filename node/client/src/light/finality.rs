//! A block with all that shows it is final.

use super::trust::Trust;
use nupeer_primitives::error::Malformed;
use nupeer_primitives::finality::{Certificate, CertificateError, Link};
use nupeer_primitives::{BlockId, Cbor, Epoch, Hash, Header, Height, Reader, Slot, Writer};
use thiserror::Error;

/// Headers of one proof: what a client asks about is rarely older than the newest checkpoint by more.
pub const HEADERS_MAX: usize = 512;
/// Certificates of one proof: two links, each under at most two committees.
pub const CERTIFICATES_MAX: usize = 4;

/// Headers from a block up to a final checkpoint, ascending, and the certificates of the two links that make it final.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FinalityProof {
    /// The block in question first, the checkpoint last.
    pub headers: Vec<Header>,
    /// Certificates of the link to the checkpoint and of the link from it to the next round, in any order.
    pub certificates: Vec<Certificate>,
}

impl Cbor for FinalityProof {
    fn write(&self, w: &mut Writer) {
        w.array(2).put(&self.headers).put(&self.certificates);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(2)?;
        Ok(Self { headers: r.list(HEADERS_MAX)?, certificates: r.list(CERTIFICATES_MAX)? })
    }
}

/// What is known about a final block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FinalBlock {
    /// Its id.
    pub id: BlockId,
    /// Its height.
    pub height: Height,
    /// Its slot.
    pub slot: Slot,
    /// State after it.
    pub state_root: Hash,
    /// Round of the checkpoint that made it final.
    pub round: u64,
}

/// Why a proof shows nothing.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum FinalityError {
    #[error("the proof has no header")]
    NoHeader,
    #[error("header at height {height} does not name the one before it as its parent")]
    BrokenChain { height: Height },
    #[error("no certificate for a link to the last header, block {checkpoint}")]
    NoLinkTo { checkpoint: BlockId },
    #[error("no certificate for a link from round {round} to round {} that starts at block {checkpoint}", round + 1)]
    NoLinkFrom { checkpoint: BlockId, round: u64 },
    #[error("the link names height {named}, its block has {actual}")]
    OtherHeight { named: Height, actual: Height },
    #[error("the link to round {round} starts in round {from}, which is not before it")]
    NotForward { from: u64, round: u64 },
    #[error("the committee of {committee} must carry the link to round {round} too, and its certificate is missing")]
    CommitteeMissing { committee: Epoch, round: u64 },
    #[error("the committee of {committee} is not known: known are {known:?}; verify the epochs between first")]
    CommitteeUnknown { committee: Epoch, known: Vec<Epoch> },
    #[error("certificate of {committee} for round {round}: {source}")]
    Certificate { committee: Epoch, round: u64, source: CertificateError },
}

impl FinalityProof {
    /// The first header's block, once everything about it is shown.
    pub fn verify(&self, trust: &Trust) -> Result<FinalBlock, FinalityError> {
        let ids: Vec<BlockId> = self.headers.iter().map(|header| header.id(trust.genesis())).collect();
        let (Some(first), Some(last)) = (self.headers.first(), self.headers.last()) else {
            return Err(FinalityError::NoHeader);
        };
        for ((parent, before), header) in ids.iter().zip(&self.headers).zip(self.headers.iter().skip(1)) {
            let next = before.body.height.0.checked_add(1);
            if header.body.parent != *parent || Some(header.body.height.0) != next {
                return Err(FinalityError::BrokenChain { height: header.body.height });
            }
        }
        let (Some(id), Some(checkpoint)) = (ids.first().copied(), ids.last().copied()) else {
            return Err(FinalityError::NoHeader);
        };
        let onward = |to: &Link| {
            let next = to.round.checked_add(1);
            let starts = |from: &Link| from.starts_at(&to.target()) && Some(from.round) == next;
            self.certificates.iter().map(|certificate| certificate.link).find(starts)
        };
        let links_to: Vec<Link> =
            self.certificates.iter().map(|c| c.link).filter(|l| l.dst_hash == checkpoint).collect();
        let to = links_to.iter().find(|link| onward(link).is_some()).or(links_to.first());
        let to = *to.ok_or(FinalityError::NoLinkTo { checkpoint })?;
        let from = onward(&to).ok_or(FinalityError::NoLinkFrom { checkpoint, round: to.round })?;
        if to.dst_height != last.body.height {
            return Err(FinalityError::OtherHeight { named: to.dst_height, actual: last.body.height });
        }
        self.carried(&to, trust)?;
        self.carried(&from, trust)?;
        Ok(FinalBlock {
            id,
            height: first.body.height,
            slot: first.body.slot,
            state_root: first.body.state_root,
            round: to.round,
        })
    }

    /// F3: the certificate of each committee that must carry `link`, verified.
    fn carried(&self, link: &Link, trust: &Trust) -> Result<(), FinalityError> {
        if link.src_round >= link.round {
            return Err(FinalityError::NotForward { from: link.src_round, round: link.round });
        }
        for committee in trust.rounds().committees(link) {
            let of = |c: &&Certificate| c.link == *link && c.committee == committee;
            let missing = FinalityError::CommitteeMissing { committee, round: link.round };
            let certificate = self.certificates.iter().find(of).ok_or(missing)?;
            let unknown = || FinalityError::CommitteeUnknown { committee, known: trust.known() };
            let table = trust.committee(committee).ok_or_else(unknown)?;
            let refused = |source| FinalityError::Certificate { committee, round: link.round, source };
            table.verify(certificate, trust.genesis()).map_err(refused)?;
        }
        Ok(())
    }
}
