//! The density rule of consensus.md §9(b): while syncing, two chains that split more than k blocks back are compared by
//! the number of headers in the s slots after the split. An adversary with less stake cannot make the denser one.

use crate::tree::{Node, Tree};
use core::cmp::Ordering;
use nupeer_primitives::BlockId;

/// A candidate chain of a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Its highest header in the tree.
    pub head: BlockId,
    /// First slot of it that we have not seen; `u64::MAX` once all that the peer claims is in the tree.
    pub unseen_from: u64,
}

/// What the comparison says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Density {
    /// The split is at most k blocks back on both: the longest chain decides.
    Shallow,
    /// One of the chains is not downloaded up to the end of the window.
    Undecided,
    /// Headers of the first against headers of the second.
    Decided(Ordering),
}

/// Compares two candidates.
#[must_use]
pub fn compare(tree: &Tree, a: Candidate, b: Candidate, k: u64, horizon: u64) -> Density {
    let (Some(split), Some(head_a), Some(head_b)) =
        (tree.common(&a.head, &b.head), tree.get(&a.head), tree.get(&b.head))
    else {
        return Density::Undecided;
    };
    let length = |head: &Node| head.point.height.0.saturating_sub(split.point.height.0);
    if length(head_a) == 0 || length(head_b) == 0 || length(head_a).max(length(head_b)) <= k {
        return Density::Shallow;
    }
    let end = split.point.slot.0.saturating_add(horizon);
    if a.unseen_from <= end || b.unseen_from <= end {
        return Density::Undecided;
    }
    let count = |head: &BlockId| {
        tree.ancestors(head)
            .take_while(|node| node.point.height > split.point.height)
            .filter(|node| node.point.slot.0 <= end)
            .count()
    };
    Density::Decided(count(&a.head).cmp(&count(&b.head)))
}

#[cfg(test)]
mod tests;
