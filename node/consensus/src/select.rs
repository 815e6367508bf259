//! Chain selection (consensus.md §8).
//!
//! ```text
//! 1. Both chains contain the final block.                       By construction of the tree.
//! 2. Intersection deeper than k below our tip: keep ours, unless the candidate contains a block whose finality is
//!    proven and that ours lacks. A proven block also wins where the fork is shallower.
//! 3. The chain that contains the justified checkpoint of highest round wins over one that does not.
//! 4. Greater height.
//! 5. Equal height: same issuer and slot: higher opcert counter;
//!    else slots at most tiebreak_slots apart: lower VRF output; else keep ours.
//! ```
//! Not transitive at rule 5, as in Praos: it is only ever asked about one candidate against the chain that we hold.

use crate::tree::{Node, Tree};
use nupeer_primitives::BlockId;

/// What rules 2 and 3 go by. Blocks that are not in the tree are left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Favour {
    /// Security parameter.
    pub k: u64,
    /// P:tiebreak_slots.
    pub tiebreak_slots: u64,
    /// J's block.
    pub justified: Option<BlockId>,
    /// A block whose finality is proven and that is not final here yet.
    pub proven: Option<BlockId>,
}

/// Two chains that forked, as far as rules 2 and 3 look at them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contest {
    /// Blocks of ours above the fork.
    pub depth: u64,
    /// Whether (candidate, ours) contains the proven block.
    pub proven: (bool, bool),
    /// Whether (candidate, ours) contains J.
    pub justified: (bool, bool),
}

impl Contest {
    /// Rules 2 and 3; `None` if they don't decide.
    #[must_use]
    pub const fn decide(&self, k: u64) -> Option<bool> {
        match self.proven {
            (true, false) => return Some(true),
            (false, true) => return Some(false),
            (true, true) | (false, false) => {}
        }
        if self.depth > k {
            return Some(false);
        }
        match self.justified {
            (true, false) => Some(true),
            (false, true) => Some(false),
            (true, true) | (false, false) => None,
        }
    }
}

/// True iff `candidate` replaces `ours`. Both are nodes of `tree`.
#[must_use]
pub fn prefer(tree: &Tree, favour: &Favour, candidate: &Node, ours: &Node) -> bool {
    let (c, o) = (&candidate.point, &ours.point);
    let Some(fork) = tree.common(&c.id, &o.id) else { return false };
    if fork.point.id == c.id || fork.point.id == o.id {
        // One continues the other: it lacks nothing.
        return c.height > o.height;
    }
    let contains =
        |tip: &BlockId, block: &BlockId| tree.common(tip, block).is_some_and(|common| common.point.id == *block);
    let both = |block: &Option<BlockId>| {
        block.as_ref().map_or((false, false), |block| (contains(&c.id, block), contains(&o.id, block)))
    };
    let depth = o.height.0.saturating_sub(fork.point.height.0);
    let contest = Contest { depth, proven: both(&favour.proven), justified: both(&favour.justified) };
    contest.decide(favour.k).unwrap_or_else(|| is_better(candidate, ours, favour.tiebreak_slots))
}

/// Rules 4 and 5.
#[must_use]
pub fn is_better(candidate: &Node, ours: &Node, tiebreak_slots: u64) -> bool {
    let (c, o) = (&candidate.point, &ours.point);
    if c.id == o.id {
        return false;
    }
    if c.height != o.height {
        return c.height > o.height;
    }
    if c.slot == o.slot && candidate.pool == ours.pool {
        return candidate.counter > ours.counter;
    }
    c.slot.0.abs_diff(o.slot.0) <= tiebreak_slots && candidate.vrf_out < ours.vrf_out
}

#[cfg(test)]
mod tests;
