//! A committee and what it takes to check its certificates (consensus.md §2, §10): the table and the genesis hash.

use super::{Certificate, Link, MEMBERS_MAX, Vote};
use crate::bls::{self, BlsKey, BlsSignature, KeySum};
use crate::hash::{GenesisHash, Hash, blake2b_256_of};
use crate::ids::{Epoch, PoolId};
use alloc::vec::Vec;
use thiserror::Error;

record! {
    /// A row of a committee table; its place is its index (prefix 0D).
    #[derive(Copy)]
    pub struct Member {
        /// The pool.
        pub pool: PoolId,
        /// Its proven key.
        pub key: BlsKey,
        /// Its weight.
        pub weight: u64,
        /// Lovelace of the pool in the Cardano stake column.
        pub ada: u64,
    }
}

/// Why a certificate proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum CertificateError {
    #[error("certificate of committee {got}, the table is of {table}")]
    OtherCommittee { got: Epoch, table: Epoch },
    #[error("absent index {index} in a committee of {members}")]
    UnknownIndex { index: u16, members: usize },
    #[error("absent indices are not strictly ascending at {index}")]
    IndexOrder { index: u16 },
    #[error("{signed} of weight {total} signed, more than two thirds are needed")]
    NoQuorum { signed: u128, total: u128 },
    #[error("the signature of {present} members does not verify")]
    BadSignature { present: usize },
}

/// F3: more than two thirds.
#[must_use]
pub const fn is_quorum(signed: u128, total: u128) -> bool {
    signed.saturating_mul(3) > total.saturating_mul(2)
}

/// The shortest prefix of pools, by weight descending and id ascending, with 99 % of all weight, at most
/// [`MEMBERS_MAX`] (consensus.md §2). Given are all pools that may sit: not jailed, not retiring, with a proven key.
#[must_use]
pub fn draw(mut pools: Vec<Member>) -> Vec<Member> {
    pools.retain(|pool| pool.weight > 0);
    let total = pools.iter().fold(0u128, |sum, pool| sum.saturating_add(u128::from(pool.weight)));
    pools.sort_by(|a, b| b.weight.cmp(&a.weight).then(a.pool.cmp(&b.pool)));
    let mut sum = 0u128;
    let enough = pools.iter().position(|pool| {
        sum = sum.saturating_add(u128::from(pool.weight));
        sum.saturating_mul(100) >= total.saturating_mul(99)
    });
    pools.truncate(enough.map_or(MEMBERS_MAX, |last| last.saturating_add(1)).min(MEMBERS_MAX));
    pools
}

/// `H` of the table: key, weight and ada of each row in order, integers big-endian.
#[must_use]
pub fn table_hash(members: &[Member]) -> Hash {
    let rows: Vec<[u8; 16]> = members
        .iter()
        .map(|member| {
            let mut numbers = [0; 16];
            numbers[..8].copy_from_slice(&member.weight.to_be_bytes());
            numbers[8..].copy_from_slice(&member.ada.to_be_bytes());
            numbers
        })
        .collect();
    let parts: Vec<&[u8]> =
        members.iter().zip(&rows).flat_map(|(member, numbers)| [&member.key.0[..], &numbers[..]]).collect();
    blake2b_256_of(&parts)
}

/// The members of one epoch, with the sum of their keys.
#[derive(Clone, Debug)]
pub struct Committee {
    epoch: Epoch,
    members: Vec<Member>,
    total: u128,
    sum: Option<KeySum>,
}

impl PartialEq for Committee {
    fn eq(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.members == other.members
    }
}
impl Eq for Committee {}

impl Committee {
    /// From the rows of the ledger, in index order; each key was proven when it was registered.
    #[must_use]
    pub fn new(epoch: Epoch, members: Vec<Member>) -> Self {
        let total = members.iter().fold(0u128, |sum, member| sum.saturating_add(u128::from(member.weight)));
        let sum = KeySum::of(members.iter().map(|member| &member.key));
        Self { epoch, members, total, sum }
    }
    /// Its epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }
    /// Its rows.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }
    /// W: the members' weight. Members that were jailed since stay in it.
    #[must_use]
    pub const fn total(&self) -> u128 {
        self.total
    }
    /// The row of an index.
    #[must_use]
    pub fn member(&self, index: u16) -> Option<&Member> {
        self.members.get(usize::from(index))
    }
    /// The index of a pool.
    #[must_use]
    pub fn index_of(&self, pool: &PoolId) -> Option<u16> {
        self.members.iter().position(|member| member.pool == *pool).and_then(|at| u16::try_from(at).ok())
    }
    /// Weight of the members at `indices`, each counted once if they ascend.
    #[must_use]
    pub fn weight_of(&self, indices: impl IntoIterator<Item = u16>) -> u128 {
        indices.into_iter().filter_map(|index| self.member(index)).fold(0, |sum, m| sum.saturating_add(m.weight.into()))
    }
    /// Members that are in a certificate's signature.
    pub fn present<'c>(&'c self, absent: &'c [u16]) -> impl Iterator<Item = (u16, &'c Member)> {
        (0u16..).zip(&self.members).filter(|(index, _)| absent.binary_search(index).is_err())
    }

    /// Whether a vote's signature is its member's. Votes are checked one by one only to find whom to blame.
    #[must_use]
    pub fn verify_vote(&self, vote: &Vote, genesis: &GenesisHash) -> bool {
        let digest = vote.link.digest(self.epoch, genesis);
        let ours = vote.committee == self.epoch;
        ours && self.member(vote.index).is_some_and(|member| bls::verify(&member.key, &digest, &vote.signature))
    }

    /// Whether the sum of `signatures` is that of the members at `indices` over `link`.
    #[must_use]
    pub fn verify_sum(&self, link: &Link, votes: &[(u16, BlsSignature)], genesis: &GenesisHash) -> bool {
        let keys: Option<Vec<&BlsKey>> = votes.iter().map(|(i, _)| self.member(*i).map(|m| &m.key)).collect();
        let Some(sum) = keys.and_then(KeySum::of) else { return false };
        let Some(signature) = bls::aggregate(votes.iter().map(|(_, signature)| signature)) else { return false };
        sum.verify(&link.digest(self.epoch, genesis), &signature)
    }

    /// The certificate that the votes at `indices` make; they must be checked, ascending and without repetition.
    #[must_use]
    pub fn certify(&self, link: Link, votes: &[(u16, BlsSignature)]) -> Option<Certificate> {
        let signature = bls::aggregate(votes.iter().map(|(_, signature)| signature))?;
        let signed = |index: &u16| votes.binary_search_by_key(index, |(i, _)| *i).is_ok();
        let absent = (0u16..).zip(&self.members).map(|(index, _)| index).filter(|index| !signed(index)).collect();
        Some(Certificate { committee: self.epoch, absent, link, signature })
    }

    /// Whether more than two thirds of the weight signed, without looking at the signature.
    pub fn check_quorum(&self, certificate: &Certificate) -> Result<u128, CertificateError> {
        if certificate.committee != self.epoch {
            return Err(CertificateError::OtherCommittee { got: certificate.committee, table: self.epoch });
        }
        let mut last = None;
        for &index in &certificate.absent {
            if self.member(index).is_none() {
                return Err(CertificateError::UnknownIndex { index, members: self.members.len() });
            }
            if last.is_some_and(|last| last >= index) {
                return Err(CertificateError::IndexOrder { index });
            }
            last = Some(index);
        }
        let signed = self.total.saturating_sub(self.weight_of(certificate.absent.iter().copied()));
        if is_quorum(signed, self.total) {
            Ok(signed)
        } else {
            Err(CertificateError::NoQuorum { signed, total: self.total })
        }
    }

    /// Whether a certificate is this committee's: ΣC - Σabsent, two pairings. Gives the weight that signed.
    pub fn verify(&self, certificate: &Certificate, genesis: &GenesisHash) -> Result<u128, CertificateError> {
        let signed = self.check_quorum(certificate)?;
        let bad = CertificateError::BadSignature { present: self.present(&certificate.absent).count() };
        let all = self.sum.ok_or(bad)?;
        let missing = KeySum::of(certificate.absent.iter().filter_map(|index| self.member(*index)).map(|m| &m.key));
        let key = missing.map_or(all, |missing| all.without(&missing));
        let digest = certificate.link.digest(self.epoch, genesis);
        if key.verify(&digest, &certificate.signature) { Ok(signed) } else { Err(bad) }
    }
}
