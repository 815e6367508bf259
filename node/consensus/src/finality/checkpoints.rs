//! F3-F5, F7 and F14: from certificates to justified and final checkpoints, over whatever chains are known.
//!
//! # Invariants
//! - Every justified checkpoint that is kept descends from the final one.
//! - `last` only moves to a later round, and only onto our selected chain.

use super::chain::ChainView;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::vec::Vec;
use nupeer_primitives::finality::evidence::conflict;
use nupeer_primitives::finality::{Evidence, Place, Rounds};
use nupeer_primitives::{BlockId, Certificate, Checkpoint, Epoch, Link};

/// Certificates kept above the final round: a day of mainnet without a final block makes 8,640; beyond this the oldest
/// go, which late bodies can bring back.
pub const CERTIFICATES_MAX: usize = 16_384;

/// What a new certificate or block led to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// F4.
    Justified(Checkpoint),
    /// F5: final as soon as our selected chain contains it.
    Proven(Checkpoint),
    /// F5 for a chain without our final block: more than a third of some committee lies.
    Contradiction(Checkpoint),
}

/// What taking a certificate in did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It was not known; with evidence, if it contradicts one that was.
    New(Vec<Evidence>),
    /// One for the same link and committee is known.
    Known,
    /// Its round is not above the final one.
    Old,
}

/// See the module header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoints {
    rounds: Rounds,
    certificates: BTreeMap<Link, BTreeMap<Epoch, Certificate>>,
    /// By which link each was justified; `None` for the one it began with.
    justified: BTreeMap<Checkpoint, Option<Link>>,
    last: Checkpoint,
    /// Certificates that justify `last` and those that finalise it.
    proof: Vec<Certificate>,
    /// The newest final checkpoint that certificates prove, and the link that does; maybe not on our chain yet.
    proven: Option<(Checkpoint, Link)>,
}

impl Checkpoints {
    /// Begins at a final checkpoint: genesis, or what disk remembers.
    #[must_use]
    pub fn new(rounds: Rounds, last: Checkpoint, proof: Vec<Certificate>) -> Self {
        let justified = BTreeMap::from([(last, None)]);
        Self { rounds, certificates: BTreeMap::new(), justified, last, proof, proven: None }
    }
    /// R, LAG, E.
    #[must_use]
    pub const fn rounds(&self) -> &Rounds {
        &self.rounds
    }
    /// F: the newest final checkpoint on our chain.
    #[must_use]
    pub const fn last(&self) -> &Checkpoint {
        &self.last
    }
    /// What proves F to a stranger; empty at genesis.
    #[must_use]
    pub fn proof(&self) -> &[Certificate] {
        &self.proof
    }
    /// A final checkpoint that is proven, but not on our selected chain yet.
    #[must_use]
    pub fn proven(&self) -> Option<&Checkpoint> {
        self.proven.as_ref().map(|(checkpoint, _)| checkpoint)
    }
    /// Justified checkpoints, ascending by round.
    pub fn justified(&self) -> impl DoubleEndedIterator<Item = &Checkpoint> {
        self.justified.keys()
    }
    /// J: the justified checkpoint of highest round.
    #[must_use]
    pub fn best(&self) -> &Checkpoint {
        self.justified.last_key_value().map_or(&self.last, |(checkpoint, _)| checkpoint)
    }
    /// Certificates for links above the final round, ascending by round.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.values().flat_map(BTreeMap::values)
    }
    /// Whether a certificate for this link and committee is held.
    #[must_use]
    pub fn has(&self, link: &Link, committee: Epoch) -> bool {
        self.certificates.get(link).is_some_and(|by| by.contains_key(&committee))
    }

    /// Takes in a certificate whose signature was checked.
    pub fn take(&mut self, certificate: Certificate) -> Taken {
        let link = certificate.link;
        if link.round <= self.last.round {
            return Taken::Old;
        }
        if self.has(&link, certificate.committee) {
            return Taken::Known;
        }
        let rivals = self.certificates().filter(|other| conflict(&other.link, &link).is_some());
        let evidence = rivals.filter_map(|other| Evidence::of_certificates(other, &certificate)).collect();
        self.certificates.entry(link).or_default().insert(certificate.committee, certificate);
        if self.certificates.len() > CERTIFICATES_MAX {
            self.certificates.pop_first();
        }
        Taken::New(evidence)
    }

    /// Whether `target` follows the block of a justified checkpoint. One below the root is an ancestor of everything.
    fn follows(chain: &dyn ChainView, target: &Place, source: &Checkpoint) -> bool {
        chain.place(&source.block).is_none() || chain.descends(&target.id, &source.block)
    }

    /// F4, F5: looks at every certificate again. A source's round is below its target's, so one pass in order of rounds
    /// finds all.
    pub fn evaluate(&mut self, chain: &dyn ChainView) -> Vec<Found> {
        let mut found = Vec::new();
        for (link, by) in &self.certificates {
            let target = link.target();
            let source = self.justified.keys().find(|justified| link.starts_at(justified)).copied();
            let finalises = source.filter(|source| {
                let newest = self.proven.map_or(self.last.round, |(proven, _)| proven.round.max(self.last.round));
                source.round.checked_add(1) == Some(link.round) && source.round > newest
            });
            if self.justified.contains_key(&target) && finalises.is_none() {
                continue;
            }
            if !self.rounds.committees(link).all(|epoch| by.contains_key(&epoch)) {
                continue;
            }
            let Some(place) = chain.place(&link.dst_hash) else { continue };
            if self.rounds.check(link, &place).is_err() {
                continue;
            }
            let starts = match &source {
                Some(source) => Self::follows(chain, &place, source),
                None => is_recovery(&self.rounds, link, chain),
            };
            if !starts {
                continue;
            }
            if let Entry::Vacant(vacant) = self.justified.entry(target) {
                vacant.insert(Some(*link));
                found.push(Found::Justified(target));
            }
            if let Some(source) = finalises {
                let place = chain.place(&source.block);
                let ours = place.is_none_or(|place| Self::follows(chain, &place, &self.last));
                if ours {
                    self.proven = Some((source, *link));
                    found.push(Found::Proven(source));
                } else {
                    found.push(Found::Contradiction(source));
                }
            }
        }
        found
    }

    /// Moves F to what is proven, once our selected chain contains it. Gives the new F.
    pub fn finalise(&mut self, chain: &dyn ChainView) -> Option<Checkpoint> {
        let (checkpoint, link) = self.proven?;
        if chain.place(&checkpoint.block).is_some() && !chain.is_selected(&checkpoint.block) {
            return None;
        }
        let held = |link: Link| self.certificates.get(&link).into_iter().flat_map(BTreeMap::values).cloned();
        let justifies = self.justified.get(&checkpoint).copied().flatten();
        self.proof = justifies.into_iter().chain([link]).flat_map(held).collect();
        self.proven = None;
        self.last = checkpoint;
        self.certificates.retain(|link, _| link.round > checkpoint.round);
        self.justified.retain(|justified, _| justified.round > checkpoint.round);
        self.justified.insert(checkpoint, None);
        Some(checkpoint)
    }

    /// These blocks left the tree because they do not follow its new root.
    pub fn drop_forks(&mut self, gone: &[BlockId]) {
        self.justified.retain(|justified, _| !gone.contains(&justified.block));
        if self.proven.is_some_and(|(proven, _)| gone.contains(&proven.block)) {
            self.proven = None;
        }
    }

    /// F7: the justified checkpoint of highest round below `round` on our selected chain.
    #[must_use]
    pub fn source(&self, round: u64, chain: &dyn ChainView) -> Option<Checkpoint> {
        let ours = |c: &&Checkpoint| chain.place(&c.block).is_none() || chain.is_selected(&c.block);
        self.justified.keys().rev().filter(|checkpoint| checkpoint.round < round).find(ours).copied()
    }
}

/// F14: whether a link starts at the recovery source of its epoch, by the chain up to its target.
#[must_use]
pub fn is_recovery(rounds: &Rounds, link: &Link, chain: &dyn ChainView) -> bool {
    let e = rounds.epoch(link.round);
    link.src_round == rounds.first_of(e)
        && chain.facts(&link.dst_hash).and_then(|facts| facts.recovery_block(e, rounds)) == Some(link.src_hash)
}
