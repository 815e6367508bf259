//! What the overlay asks about the chain: the node's tree answers, and the model checker's.

use alloc::vec::Vec;
use nupeer_primitives::finality::Place;
use nupeer_primitives::{BlockId, Epoch};

/// What the ledger knows about finality on the chain up to a block.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ChainFacts {
    /// Highest target round of any certificate in a body (F14).
    pub certified: Option<u64>,
    /// Highest round that those certificates make final: older certificates are of no use in a body.
    pub final_round: u64,
    /// Last block at or before the end of each recent epoch that is over, ascending (F14).
    pub epoch_ends: Vec<(Epoch, BlockId)>,
}

impl ChainFacts {
    /// The recovery source's block in epoch `e`, if recovery is permitted there.
    #[must_use]
    pub fn recovery_block(&self, e: u64, rounds: &nupeer_primitives::finality::Rounds) -> Option<BlockId> {
        let epoch = rounds.recovery_epoch(e, self.certified)?;
        self.epoch_ends.iter().find(|(end, _)| end.0 == epoch).map(|(_, block)| *block)
    }
}

/// Blocks that descend from the newest final one, whose headers are trusted.
pub trait ChainView {
    /// Where a block stands; `None` for unknown blocks and those below the root.
    fn place(&self, id: &BlockId) -> Option<Place>;
    /// True iff `block` is `from` or follows it; both are known.
    fn descends(&self, block: &BlockId, from: &BlockId) -> bool;
    /// True iff a known block is on our selected chain, hence executed `Valid`.
    fn is_selected(&self, id: &BlockId) -> bool;
    /// The newest block of our selected chain whose slot is at most `slot`.
    fn newest_selected(&self, slot: u64) -> Option<Place>;
    /// What the ledger says about the chain up to an executed block.
    fn facts(&self, id: &BlockId) -> Option<&ChainFacts>;
}
