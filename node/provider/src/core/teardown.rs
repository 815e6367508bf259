//! What may take a workload down (spec/provider.md §1 Teardown): law L1 in code.
//!
//! 1. A sighting is a head at which the lease was proven to be past serving: Grace, Closing (stop), Purging, Closed or
//!    a higher epoch (destroy). Closed counts as Purging does: it follows only from Purging or from before any start.
//! 2. A sighting is dropped when the chain no longer contains its block, and all are dropped when a later head proves
//!    the opposite. Silence drops nothing and adds nothing.
//! 3. Stop needs one sighting that is [`final_enough`]; Destroy needs three, each a finality round after the last.

use nupeer_primitives::{BlockId, Height};
use std::collections::BTreeMap;

use crate::ports::{HeadRef, LeaseState, LeaseView};

/// Heads that have to agree before anything is destroyed.
pub const SIGHTINGS: usize = 3;

/// What a proven lease record argues for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// It goes on.
    Serve,
    /// It should stand still, data kept.
    Stop,
    /// It is over here.
    Destroy,
}

/// Reads a proven record from the view of a host that holds the lease under `epoch`.
#[must_use]
pub fn evidence(epoch: u32, lease: &LeaseView) -> Evidence {
    if lease.epoch > epoch {
        return Evidence::Destroy;
    }
    if lease.epoch < epoch {
        return Evidence::Serve;
    }
    match lease.state {
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

/// Whether a sighting can no longer be reverted. Until there are finality certificates, a block under `depth_final`
/// others counts as final; this function, and nothing else, will ask for the certificate instead.
#[must_use]
pub fn final_enough(sighting: HeadRef, head: HeadRef, depth_final: u64, ids: &BTreeMap<Height, BlockId>) -> bool {
    head.height.0.checked_sub(sighting.height.0).is_some_and(|depth| depth >= depth_final)
        && ids.get(&sighting.height) == Some(&sighting.id)
}

/// Heads that argued for taking a lease down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sightings {
    stop: Option<HeadRef>,
    destroy: Vec<HeadRef>,
    destroy_since_ms: u64,
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
    /// Depth that counts as final.
    pub depth_final: u64,
    /// Blocks between sightings that count apart.
    pub round_blocks: u64,
}

impl Sightings {
    /// Takes what one view proved.
    pub fn observe(&mut self, what: Evidence, by: &Judge<'_>) {
        let reverted = |at: &HeadRef| {
            by.ids.get(&at.height).is_some_and(|id| *id != at.id)
                || at.height > by.head.height
                || (at.height == by.head.height && at.id != by.head.id)
        };
        if self.stop.as_ref().is_some_and(reverted) {
            self.stop = None;
        }
        if self.destroy.iter().any(reverted) {
            self.destroy.clear();
        }
        match what {
            Evidence::Serve => {
                self.stop = None;
                self.destroy.clear();
            }
            Evidence::Stop => {
                self.stop.get_or_insert(by.head);
                self.destroy.clear();
            }
            Evidence::Destroy => {
                self.stop.get_or_insert(by.head);
                self.sight_destroy(by);
            }
        }
        let is_final = |at: &HeadRef| final_enough(*at, by.head, by.depth_final, by.ids);
        self.may_stop = self.stop.as_ref().is_some_and(is_final);
        self.may_destroy = self.destroy.len() >= SIGHTINGS && self.destroy.iter().all(is_final);
    }

    fn sight_destroy(&mut self, by: &Judge<'_>) {
        let apart = match self.destroy.last() {
            None => {
                self.destroy_since_ms = by.market_ms;
                true
            }
            Some(last) => by.head.height.0.checked_sub(last.height.0).is_some_and(|d| d >= by.round_blocks.max(1)),
        };
        if apart && self.destroy.len() < SIGHTINGS {
            self.destroy.push(by.head);
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

    /// Market time of the first sighting that argued for destruction.
    #[must_use]
    pub const fn destroy_since_ms(&self) -> u64 {
        self.destroy_since_ms
    }

    /// Heights whose ids the next view should name.
    pub fn heights(&self) -> impl Iterator<Item = Height> + '_ {
        self.stop.iter().chain(&self.destroy).map(|at| at.height)
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
        let ids = ids.iter().map(|(h, fork)| (Height(*h), BlockId([*fork; 32]))).collect();
        let by = Judge { head: head(height, 1), market_ms: height, ids: &ids, depth_final: 10, round_blocks: 3 };
        s.observe(what, &by);
    }

    #[test]
    fn stop_waits_until_its_sighting_is_buried() {
        let mut s = Sightings::default();
        see(&mut s, Evidence::Stop, 5, &[]);
        see(&mut s, Evidence::Stop, 14, &[(5, 1)]);
        assert!(!s.may_stop());
        see(&mut s, Evidence::Stop, 15, &[]);
        assert!(!s.may_stop(), "a height nobody answered for proves nothing");
        see(&mut s, Evidence::Stop, 15, &[(5, 1)]);
        assert!(s.may_stop() && !s.may_destroy());
    }

    #[test]
    fn destroy_needs_three_sightings_apart_and_buried() {
        let mut s = Sightings::default();
        for height in 5..=30 {
            see(&mut s, Evidence::Destroy, height, &[(5, 1), (8, 1), (11, 1)]);
            assert_eq!(s.may_destroy(), height >= 21, "at {height}");
        }
    }

    #[test]
    fn a_reverted_or_contradicted_sighting_counts_for_nothing() {
        let mut s = Sightings::default();
        for height in 5..=20 {
            see(&mut s, Evidence::Destroy, height, &[(5, 1), (8, 1), (11, 1)]);
        }
        see(&mut s, Evidence::Destroy, 21, &[(5, 1), (8, 9), (11, 1)]);
        assert!(!s.may_destroy(), "block 8 was reverted");
        see(&mut s, Evidence::Serve, 22, &[(5, 1), (21, 1)]);
        assert!(!s.may_stop() && !s.may_destroy());
        assert_eq!(s.heights().count(), 0);
    }
}
