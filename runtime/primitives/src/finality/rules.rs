//! F1, F2, F8 and F14 of consensus.md §10 as functions of rounds, slots and two blocks.
//!
//! ```text
//! F1  Round r covers slots r*R..r*R+R-1; members of C_ep(r) vote in the first half of round r.
//! F2  A link is well formed iff s < t, ep(t)-ep(s) <= 1, Bs is an ancestor of or equal to Bt,
//!     slot(Bt) <= t*R - LAG, epoch(Bt) >= ep(t)-1.
//! F14 Recovery: if the chain up to Bt carries no certificate with target round in epochs e-1 and e, e = ep(t), the
//!     source may be (first round of e, last block of epoch <= e-2), which counts as justified for links inside e.
//! ```

use super::Link;
use crate::genesis::Constants;
use crate::ids::{BlockId, Epoch, Height, Slot};
use thiserror::Error;

/// Where a block stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The block.
    pub id: BlockId,
    /// Its height.
    pub height: Height,
    /// Its slot.
    pub slot: Slot,
}

/// Why a link is not well formed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum LinkError {
    #[error("target round {target} is not after source round {from}")]
    NotForward { from: u64, target: u64 },
    #[error("source round {from} lies {epochs} epochs before target round {target}")]
    EpochsApart { from: u64, target: u64, epochs: u64 },
    #[error("target block of slot {slot} is younger than slot {permitted}, the newest that round {round} may name")]
    TargetTooYoung { slot: Slot, permitted: u64, round: u64 },
    #[error("target block of epoch {epoch} is too old for round {round} of epoch {round_epoch}")]
    TargetTooOld { epoch: u64, round: u64, round_epoch: u64 },
    #[error("the source block is no ancestor of the target block")]
    NotAncestor,
    #[error("the link names height {named}, the target block has {actual}")]
    OtherHeight { named: Height, actual: Height },
}

/// R, LAG and the length of an epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rounds {
    /// P:R, slots of a round; divides `epoch_slots`.
    pub slots: u64,
    /// P:LAG, slots that a target is older than the beginning of its round; below R.
    pub lag: u64,
    /// E.
    pub epoch_slots: u64,
}

impl Rounds {
    /// `None` unless 0 < LAG < R and R divides E.
    #[must_use]
    pub fn new(slots: u64, lag: u64, constants: &Constants) -> Option<Self> {
        let divides = constants.epoch_slots.checked_rem(slots) == Some(0);
        (divides && lag > 0 && lag < slots).then_some(Self { slots, lag, epoch_slots: constants.epoch_slots })
    }
    /// The round of a slot.
    #[must_use]
    pub const fn at(&self, slot: u64) -> u64 {
        match slot.checked_div(self.slots) {
            Some(round) => round,
            None => 0,
        }
    }
    /// First slot of a round.
    #[must_use]
    pub const fn first_slot(&self, round: u64) -> u64 {
        round.saturating_mul(self.slots)
    }
    /// Epoch of a round.
    #[must_use]
    pub const fn epoch(&self, round: u64) -> u64 {
        self.epoch_of_slot(self.first_slot(round))
    }
    /// Epoch of a slot.
    #[must_use]
    pub const fn epoch_of_slot(&self, slot: u64) -> u64 {
        match slot.checked_div(self.epoch_slots) {
            Some(epoch) => epoch,
            None => 0,
        }
    }
    /// First round of an epoch.
    #[must_use]
    pub const fn first_of(&self, epoch: u64) -> u64 {
        self.at(epoch.saturating_mul(self.epoch_slots))
    }
    /// The youngest slot that a target of `round` may have; `None` for round 0, whose only checkpoint is genesis.
    #[must_use]
    pub const fn deadline(&self, round: u64) -> Option<u64> {
        self.first_slot(round).checked_sub(self.lag)
    }
    /// F1: whether members vote in `slot`.
    #[must_use]
    pub const fn is_first_half(&self, slot: u64) -> bool {
        let into = slot.saturating_sub(self.first_slot(self.at(slot)));
        into.saturating_mul(2) < self.slots
    }
    /// The committees that must carry a link: C_ep(t), and C_ep(s) where it differs (F3).
    pub fn committees(&self, link: &Link) -> impl Iterator<Item = Epoch> {
        let (target, from) = (self.epoch(link.round), self.epoch(link.src_round));
        core::iter::once(target).chain((from != target).then_some(from)).map(Epoch)
    }

    /// F2 but ancestry.
    pub fn check(&self, link: &Link, target: &Place) -> Result<(), LinkError> {
        let (from, round) = (link.src_round, link.round);
        if from >= round {
            return Err(LinkError::NotForward { from, target: round });
        }
        let epochs = self.epoch(round).saturating_sub(self.epoch(from));
        if epochs > 1 {
            return Err(LinkError::EpochsApart { from, target: round, epochs });
        }
        if link.dst_height != target.height {
            return Err(LinkError::OtherHeight { named: link.dst_height, actual: target.height });
        }
        let permitted = self.deadline(round).unwrap_or(0);
        if target.slot.0 > permitted {
            return Err(LinkError::TargetTooYoung { slot: target.slot, permitted, round });
        }
        let (epoch, round_epoch) = (self.epoch_of_slot(target.slot.0), self.epoch(round));
        if epoch.saturating_add(1) < round_epoch {
            return Err(LinkError::TargetTooOld { epoch, round, round_epoch });
        }
        Ok(())
    }

    /// F14: the epoch whose last block at or before it is the recovery source of links in epoch `e`, given the highest
    /// target round of any certificate that the chain carries. `None` while recovery is not permitted.
    #[must_use]
    pub fn recovery_epoch(&self, e: u64, certified: Option<u64>) -> Option<u64> {
        let starved = certified.is_none_or(|round| self.epoch(round).saturating_add(1) < e);
        if starved { e.checked_sub(2) } else { None }
    }
}
