//! Slashable contradictions (consensus.md §10, tokens.md §7): `[kind, a, b]` with two raw signed objects.
//!
//! ```text
//! 1 (S1)  two headers of one issuer and slot, both KES-valid under certificates valid for that issuer
//! 2 (S2)  two votes of one pool, same round, different link     or two certificates: who is in both is guilty
//! 3 (S3)  two votes with s1 < s2 < t2 < t1                       or two certificates
//! ```
//! Checks, in order: subject, conflict, signatures. Age and novelty are the ledger's, by [`Offence::epoch`] and
//! [`Offence::key`]. Being absent or late is never an offence.

use super::{Certificate, Committee, Link, Rounds, Vote};
use crate::block::{HEADER_BYTES_MAX, Header};
use crate::cbor::{Bytes, Cbor};
use crate::error::Malformed;
use crate::genesis::Constants;
use crate::hash::{GenesisHash, Hash, blake2b_256_of};
use crate::ids::{Epoch, PoolId};
use crate::{kes, sign};
use alloc::vec::Vec;
use thiserror::Error;

/// Bytes of evidence on `evid/1` and in its action.
pub const EVIDENCE_BYTES_MAX: usize = 6_144;

code_enum! {
    /// What a pool did.
    pub enum OffenceKind {
        /// S1.
        TwoHeaders = 1,
        /// S2.
        DoubleVote = 2,
        /// S3.
        SurroundVote = 3,
    }
}

record! {
    /// Two objects that contradict each other, as they were signed.
    pub struct Evidence {
        /// What they prove.
        pub kind: OffenceKind,
        /// One of them; the smaller bytes, so that both orders are one evidence.
        pub a: Bytes<2048>,
        /// The other.
        pub b: Bytes<2048>,
    }
}

/// What evidence proves about one pool.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Offence {
    /// What it did.
    pub kind: OffenceKind,
    /// Who.
    pub pool: PoolId,
    /// Slot of the headers, or the later target round of the votes.
    pub at: u64,
    /// Epoch of that slot or round.
    pub epoch: Epoch,
}

impl Offence {
    /// `H(kind ‖ pool ‖ slot or round)`: each fault counts once, whatever evidence shows it.
    #[must_use]
    pub fn key(&self) -> Hash {
        blake2b_256_of(&[&[self.kind.code()], &self.pool.0, &self.at.to_be_bytes()])
    }
}

/// Why evidence proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum EvidenceError {
    #[error("not the objects that evidence of its kind holds: {0}")]
    Malformed(#[from] Malformed),
    #[error("the objects are of different signers, slots or rounds")]
    SubjectMismatch,
    #[error("the objects do not contradict each other")]
    NotConflicting,
    #[error("the committee of epoch {0} is not known here")]
    CommitteeUnknown(Epoch),
    #[error("a signature does not verify")]
    BadSignature,
}

/// What the judge of evidence must know.
pub struct Court<'c> {
    /// Network.
    pub genesis: GenesisHash,
    /// Consensus constants.
    pub constants: Constants,
    /// R and LAG.
    pub rounds: Rounds,
    /// Committee of an epoch, as far back as evidence may reach.
    pub committee: &'c dyn Fn(Epoch) -> Option<Committee>,
}

impl Evidence {
    fn of(kind: OffenceKind, a: Vec<u8>, b: Vec<u8>) -> Option<Self> {
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        Some(Self { kind, a: Bytes::new(a)?, b: Bytes::new(b)? })
    }
    /// Decodes bytes from outside.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::from_cbor(bytes, EVIDENCE_BYTES_MAX)
    }
    /// Evidence against the issuer of two headers of one slot; `None` if they are none.
    #[must_use]
    pub fn of_headers(a: &Header, b: &Header) -> Option<Self> {
        let (x, y) = (&a.body, &b.body);
        let same = x.issuer == y.issuer && x.slot == y.slot;
        (same && x != y).then(|| Self::of(OffenceKind::TwoHeaders, a.to_cbor(), b.to_cbor())).flatten()
    }
    /// Evidence against the voter of two votes; `None` if they do not contradict each other. Whether they are of one
    /// pool is the caller's to know.
    #[must_use]
    pub fn of_votes(a: &Vote, b: &Vote) -> Option<Self> {
        Self::of(conflict(&a.link, &b.link)?, a.to_cbor(), b.to_cbor())
    }
    /// Evidence against all that are in both of two certificates.
    #[must_use]
    pub fn of_certificates(a: &Certificate, b: &Certificate) -> Option<Self> {
        Self::of(conflict(&a.link, &b.link)?, a.to_cbor(), b.to_cbor())
    }

    /// Who is guilty of what. At least one offence, or an error.
    pub fn judge(&self, court: &Court<'_>) -> Result<Vec<Offence>, EvidenceError> {
        let (a, b) = (self.a.as_slice(), self.b.as_slice());
        match self.kind {
            OffenceKind::TwoHeaders => {
                let header = |bytes| Header::from_cbor(bytes, HEADER_BYTES_MAX);
                judge_headers(&header(a)?, &header(b)?, court).map(|offence| Vec::from([offence]))
            }
            OffenceKind::DoubleVote | OffenceKind::SurroundVote => match (Vote::decode(a), Vote::decode(b)) {
                (Ok(a), Ok(b)) => judge_votes(self.kind, &a, &b, court).map(|offence| Vec::from([offence])),
                (Err(_), _) | (_, Err(_)) => {
                    judge_certificates(self.kind, &Certificate::decode(a)?, &Certificate::decode(b)?, court)
                }
            },
        }
    }
}

/// S2 or S3, if two links are either.
#[must_use]
pub fn conflict(a: &Link, b: &Link) -> Option<OffenceKind> {
    if a.round == b.round {
        return (a != b).then_some(OffenceKind::DoubleVote);
    }
    let (outer, inner) = if a.round > b.round { (a, b) } else { (b, a) };
    let surrounds = outer.src_round < inner.src_round && inner.src_round < inner.round;
    surrounds.then_some(OffenceKind::SurroundVote)
}

fn judge_headers(a: &Header, b: &Header, court: &Court<'_>) -> Result<Offence, EvidenceError> {
    let (x, y) = (&a.body, &b.body);
    if x.issuer != y.issuer || x.slot != y.slot {
        return Err(EvidenceError::SubjectMismatch);
    }
    if x == y {
        return Err(EvidenceError::NotConflicting);
    }
    if !(is_signed(a, court) && is_signed(b, court)) {
        return Err(EvidenceError::BadSignature);
    }
    let epoch = Epoch(court.constants.epoch(x.slot.0));
    Ok(Offence { kind: OffenceKind::TwoHeaders, pool: x.pool(), at: x.slot.0, epoch })
}

/// Whether a header's certificate is its issuer's and its KES signature is the certificate's.
fn is_signed(header: &Header, court: &Court<'_>) -> bool {
    let (body, cert) = (&header.body, &header.body.opcert);
    let period = body.slot.0.checked_div(court.constants.kes_period).unwrap_or(0);
    let evolution = period.checked_sub(cert.start).filter(|age| *age < court.constants.kes_evolutions);
    let Some(evolution) = evolution.and_then(|age| u32::try_from(age).ok()) else { return false };
    sign::verify(&body.issuer, &cert.digest(&court.genesis).0, &cert.sigma)
        && kes::verify(&cert.hot_key, evolution, &header.id(&court.genesis).0, &header.kes_signature)
}

fn committee(court: &Court<'_>, epoch: Epoch) -> Result<Committee, EvidenceError> {
    (court.committee)(epoch).ok_or(EvidenceError::CommitteeUnknown(epoch))
}

fn judge_votes(kind: OffenceKind, a: &Vote, b: &Vote, court: &Court<'_>) -> Result<Offence, EvidenceError> {
    let (first, second) = (committee(court, a.committee)?, committee(court, b.committee)?);
    let pool = first.member(a.index).map(|member| member.pool);
    let (Some(pool), true) = (pool, pool == second.member(b.index).map(|member| member.pool)) else {
        return Err(EvidenceError::SubjectMismatch);
    };
    if conflict(&a.link, &b.link) != Some(kind) {
        return Err(EvidenceError::NotConflicting);
    }
    if !(first.verify_vote(a, &court.genesis) && second.verify_vote(b, &court.genesis)) {
        return Err(EvidenceError::BadSignature);
    }
    Ok(voted(kind, pool, &a.link, &b.link, court))
}

fn judge_certificates(
    kind: OffenceKind,
    a: &Certificate,
    b: &Certificate,
    court: &Court<'_>,
) -> Result<Vec<Offence>, EvidenceError> {
    if conflict(&a.link, &b.link) != Some(kind) {
        return Err(EvidenceError::NotConflicting);
    }
    let (first, second) = (committee(court, a.committee)?, committee(court, b.committee)?);
    if first.verify(a, &court.genesis).is_err() || second.verify(b, &court.genesis).is_err() {
        return Err(EvidenceError::BadSignature);
    }
    let in_second = |pool: &PoolId| second.present(&b.absent).any(|(_, member)| member.pool == *pool);
    let guilty = first.present(&a.absent).filter(|(_, member)| in_second(&member.pool));
    let offences: Vec<Offence> = guilty.map(|(_, m)| voted(kind, m.pool, &a.link, &b.link, court)).collect();
    if offences.is_empty() { Err(EvidenceError::SubjectMismatch) } else { Ok(offences) }
}

fn voted(kind: OffenceKind, pool: PoolId, a: &Link, b: &Link, court: &Court<'_>) -> Offence {
    let at = a.round.max(b.round);
    Offence { kind, pool, at, epoch: Epoch(court.rounds.epoch(at)) }
}
