//! What may take a workload down (spec/provider.md §1 Teardown): law L1 in code.
//!
//! 1. A sighting is a head at which a node shows the lease past serving: Grace, Closing (stop), Purging, Closed or a
//!    higher epoch (destroy). Closed counts as Purging does: it follows only from Purging or from before any start. A
//!    fact is the same, proven at a final block.
//! 2. A sighting is dropped when the chain no longer contains its block, and all are dropped, facts too, when a later
//!    head shows the opposite. Silence drops nothing and adds nothing.
//! 3. Stop, which can be taken back, needs one sighting that is [`buried`] or one fact. Destroy needs three facts, each a
//!    finality round after the last, and a head that doesn't speak against them: no node's word, however often given,
//!    destroys anything.

use nupeer_primitives::{BlockId, Height};
use std::collections::BTreeMap;

use crate::ports::{HeadRef, LeaseFact, LeaseState};

/// Facts that have to agree before anything is destroyed.
pub const SIGHTINGS: usize = 3;

/// What a lease record argues for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// It goes on.
    Serve,
    /// It should stand still, data kept.
    Stop,
    /// It is over here.
    Destroy,
}

/// Reads epoch and state of a record, as a host does that holds the lease under `held`.
#[must_use]
pub const fn evidence(held: u32, epoch: u32, state: LeaseState) -> Evidence {
    if epoch > held {
        return Evidence::Destroy;
    }
    if epoch < held {
        return Evidence::Serve;
    }
    match state {
        LeaseState::Purging | LeaseState::Closed => Evidence::Destroy,
        LeaseState::Grace | LeaseState::Closing => Evidence::Stop,
        LeaseState::Queued
        | LeaseState::Matched
        | LeaseState::Provisioning
        | LeaseState::Active
        | LeaseState::Reclaiming
        | LeaseState::Failover => Evidence::Serve,
    }
}

/// Whether a sighting lies under `depth_final` blocks of the chain that the node shows.
#[must_use]
pub fn buried(sighting: HeadRef, head: HeadRef, depth_final: u64, ids: &BTreeMap<Height, BlockId>) -> bool {
    head.height.0.checked_sub(sighting.height.0).is_some_and(|depth| depth >= depth_final)
        && ids.get(&sighting.height) == Some(&sighting.id)
}

/// What argued for taking a lease down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sightings {
    stop: Option<HeadRef>,
    proven_stop: bool,
    destroy: Vec<HeadRef>,
    destroy_since_ms: u64,
    /// Height of the newest fact that was taken in.
    facts_to: Height,
    is_unproven: bool,
    may_stop: bool,
    may_destroy: bool,
}

/// A view's facts that sightings are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    /// Its head.
    pub head: HeadRef,
    /// Its market time.
    pub market_ms: u64,
    /// Ids on its chain.
    pub ids: &'a BTreeMap<Height, BlockId>,
    /// Depth that counts as buried.
    pub depth_final: u64,
    /// Blocks between facts that count apart.
    pub round_blocks: u64,
    /// The epoch under which the host holds the lease.
    pub held: u32,
    /// What is proven of the lease, ascending.
    pub facts: &'a [LeaseFact],
}

impl Sightings {
    /// Takes in what one view shows, and what is proven by now.
    pub fn observe(&mut self, what: Evidence, by: &Judge<'_>) {
        let reverted = |at: &HeadRef| {
            by.ids.get(&at.height).is_some_and(|id| *id != at.id)
                || at.height > by.head.height
                || (at.height == by.head.height && at.id != by.head.id)
        };
        if self.stop.as_ref().is_some_and(reverted) {
            self.stop = None;
        }
        match what {
            Evidence::Serve => self.stop = None,
            Evidence::Stop | Evidence::Destroy => {
                self.stop.get_or_insert(by.head);
            }
        }
        for fact in by.facts.iter().filter(|fact| fact.at.height > self.facts_to).copied().collect::<Vec<_>>() {
            self.facts_to = fact.at.height;
            self.take(&fact, by);
        }
        match what {
            Evidence::Serve => {
                self.proven_stop = false;
                self.destroy.clear();
            }
            Evidence::Stop => self.destroy.clear(),
            Evidence::Destroy => {}
        }
        let is_buried = |at: &HeadRef| buried(*at, by.head, by.depth_final, by.ids);
        self.may_stop = self.proven_stop || self.stop.as_ref().is_some_and(is_buried);
        self.may_destroy = self.destroy.len() >= SIGHTINGS;
        self.is_unproven = what == Evidence::Destroy && !self.may_destroy;
    }

    fn take(&mut self, fact: &LeaseFact, by: &Judge<'_>) {
        match evidence(by.held, fact.epoch, fact.state) {
            Evidence::Serve => {
                self.proven_stop = false;
                self.destroy.clear();
            }
            Evidence::Stop => {
                self.proven_stop = true;
                self.destroy.clear();
            }
            Evidence::Destroy => {
                self.proven_stop = true;
                let apart = match self.destroy.last() {
                    None => {
                        self.destroy_since_ms = by.market_ms;
                        true
                    }
                    Some(last) => {
                        let between = fact.at.height.0.checked_sub(last.height.0);
                        between.is_some_and(|between| between >= by.round_blocks.max(1))
                    }
                };
                if apart && self.destroy.len() < SIGHTINGS {
                    self.destroy.push(fact.at);
                }
            }
        }
    }

    /// Whether the workload may be stopped.
    #[must_use]
    pub const fn may_stop(&self) -> bool {
        self.may_stop
    }

    /// Whether it may be destroyed, as far as the chain is concerned.
    #[must_use]
    pub const fn may_destroy(&self) -> bool {
        self.may_destroy
    }

    /// Whether the node shows the lease over, and proof of it is awaited.
    #[must_use]
    pub const fn is_unproven(&self) -> bool {
        self.is_unproven
    }

    /// Market time at the first fact that argued for destruction.
    #[must_use]
    pub const fn destroy_since_ms(&self) -> u64 {
        self.destroy_since_ms
    }

    /// Heights whose ids the next view should name.
    pub fn heights(&self) -> impl Iterator<Item = Height> + '_ {
        self.stop.iter().map(|at| at.height)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn head(height: u64, fork: u8) -> HeadRef {
        HeadRef { height: Height(height), id: BlockId([fork; 32]) }
    }

    fn see(s: &mut Sightings, what: Evidence, height: u64, ids: &[(u64, u8)]) {
        see_with(s, what, height, ids, &[]);
    }

    fn see_with(s: &mut Sightings, what: Evidence, height: u64, ids: &[(u64, u8)], facts: &[LeaseFact]) {
        let ids = ids.iter().map(|(h, fork)| (Height(*h), BlockId([*fork; 32]))).collect();
        let (head, market_ms) = (head(height, 1), height);
        let by = Judge { head, market_ms, ids: &ids, depth_final: 10, round_blocks: 3, held: 1, facts };
        s.observe(what, &by);
    }

    fn fact(height: u64, state: LeaseState) -> LeaseFact {
        LeaseFact { at: head(height, 1), epoch: 1, state }
    }

    #[test]
    fn stop_waits_until_its_sighting_is_buried_or_proven() {
        let mut s = Sightings::default();
        see(&mut s, Evidence::Stop, 5, &[]);
        see(&mut s, Evidence::Stop, 14, &[(5, 1)]);
        assert!(!s.may_stop());
        see(&mut s, Evidence::Stop, 15, &[]);
        assert!(!s.may_stop(), "a height nobody answered for proves nothing");
        see(&mut s, Evidence::Stop, 15, &[(5, 1)]);
        assert!(s.may_stop() && !s.may_destroy());
        let mut s = Sightings::default();
        see_with(&mut s, Evidence::Stop, 6, &[], &[fact(5, LeaseState::Grace)]);
        assert!(s.may_stop() && !s.may_destroy());
        see(&mut s, Evidence::Serve, 7, &[]);
        assert!(!s.may_stop());
    }

    #[test]
    fn destroy_needs_three_facts_apart_and_no_word_replaces_one() {
        let mut s = Sightings::default();
        for height in 5..=60 {
            see(&mut s, Evidence::Destroy, height, &[(5, 1)]);
            assert!(!s.may_destroy() && s.is_unproven(), "only a node's word");
        }
        let all: Vec<LeaseFact> = (50..=70).map(|height| fact(height, LeaseState::Purging)).collect();
        for known in 0..=10 {
            let head = 61 + known as u64;
            see_with(&mut s, Evidence::Destroy, head, &[], &all[..known]);
            assert_eq!(s.may_destroy(), known >= 7, "facts at 50, 53 and 56");
        }
        assert_eq!(s.destroy_since_ms(), 62);
        see(&mut s, Evidence::Stop, 80, &[]);
        assert!(!s.may_destroy(), "the newest head speaks against it");
    }

    #[test]
    fn a_reverted_or_contradicted_sighting_counts_for_nothing() {
        let mut s = Sightings::default();
        see(&mut s, Evidence::Stop, 5, &[(5, 1)]);
        see(&mut s, Evidence::Stop, 21, &[(5, 9)]);
        assert!(!s.may_stop(), "block 5 was reverted");
        let facts = [(10, LeaseState::Purging), (13, LeaseState::Purging), (15, LeaseState::Active)];
        let facts = facts.map(|(height, state)| fact(height, state));
        see_with(&mut s, Evidence::Destroy, 22, &[], &facts);
        see_with(&mut s, Evidence::Destroy, 23, &[], &[fact(16, LeaseState::Purging)]);
        assert!(!s.may_destroy(), "a fact against it begins the count anew");
        see(&mut s, Evidence::Serve, 24, &[]);
        assert!(!s.may_stop() && !s.may_destroy());
        assert_eq!(s.heights().count(), 0);
    }
}
