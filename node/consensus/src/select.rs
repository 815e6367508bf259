//! Chain selection (consensus.md §8).
//!
//! ```text
//! 1. Both chains contain the final block.                       By construction of the tree.
//! 2. Intersection deeper than k below our tip: keep ours.       The same, while a block k deep stands for a final one.
//! 3. (justified checkpoint: with the finality overlay)
//! 4. Greater height.
//! 5. Equal height: same issuer and slot: higher opcert counter;
//!    else slots at most tiebreak_slots apart: lower VRF output; else keep ours.
//! ```
//! Not transitive at rule 5, as in Praos: it is only ever asked about one candidate against the chain that we hold.

use crate::tree::Node;

/// True iff `candidate` replaces `ours`. Both are nodes of one tree.
#[must_use]
pub fn prefer(candidate: &Node, ours: &Node, tiebreak_slots: u64) -> bool {
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
