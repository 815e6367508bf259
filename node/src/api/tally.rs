//! Blocks by epoch and pool, counted as they are asked for.
//!
//! Final blocks are counted once and remembered; the few above them are counted anew each time.

use super::error::Problem;
use super::ports::Chain;
use nupeer_primitives::{Height, PoolId};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Past epochs that are counted besides the present one: those whose weights the ledger still has.
pub const KEPT_EPOCHS: u64 = 2;
/// Blocks read for one answer: the reader's place is given back before the answer is due.
const READ_MAX: u64 = 50_000;

type ByEpoch = BTreeMap<u64, BTreeMap<PoolId, u64>>;

/// What is counted so far.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    epochs: ByEpoch,
    /// Height of the last block in `epochs`.
    upto: u64,
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Count {
    /// Blocks by epoch and pool; each kept epoch has its row.
    pub epochs: ByEpoch,
    /// Slot of the last block counted.
    pub tip_slot: u64,
}

impl Tally {
    /// Counts up to the tip.
    pub fn count(&self, chain: &dyn Chain) -> Result<Count, Problem> {
        let standing = chain.standing();
        let (tip, last_final) = (standing.tip, standing.final_place.height.0);
        let constants = chain.rules().constants;
        let now = constants.epoch(tip.slot.0);
        let oldest = now.saturating_sub(KEPT_EPOCHS);
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.epochs.retain(|epoch, _| *epoch >= oldest);
        let first = first_height(chain, oldest.saturating_mul(constants.epoch_slots), last_final);
        counted.upto = counted.upto.max(first.saturating_sub(1));
        let read_to = last_final.min(counted.upto.saturating_add(READ_MAX));
        let from = counted.upto.saturating_add(1);
        add(chain, from..=read_to, &mut counted.epochs);
        counted.upto = read_to.max(counted.upto);
        if read_to < last_final {
            let missing = last_final.saturating_sub(read_to);
            let detail = format!("{missing} blocks are still to be counted; ask again");
            return Err(Problem::unavailable("api.Counting", detail));
        }
        let (mut epochs, upto) = (counted.epochs.clone(), counted.upto);
        drop(counted);
        add(chain, upto.saturating_add(1)..=tip.height.0, &mut epochs);
        for epoch in oldest..=now {
            epochs.entry(epoch).or_default();
        }
        epochs.retain(|epoch, _| (oldest..=now).contains(epoch));
        Ok(Count { epochs, tip_slot: tip.slot.0 })
    }
}

fn add(chain: &dyn Chain, heights: std::ops::RangeInclusive<u64>, epochs: &mut ByEpoch) {
    for height in heights {
        // A switch may have shortened the chain since the standing was read.
        let Some((slot, pool)) = chain.maker(Height(height)) else { break };
        let made = epochs.entry(chain.rules().constants.epoch(slot.0)).or_default().entry(pool).or_default();
        *made = made.saturating_add(1);
    }
}

/// The lowest height whose block is at `slot` or later; `last + 1` if there is none.
fn first_height(chain: &dyn Chain, slot: u64, last: u64) -> u64 {
    let (mut low, mut high) = (1, last.saturating_add(1));
    while low < high {
        let middle = low.midpoint(high);
        match chain.maker(Height(middle)) {
            Some((at, _)) if at.0 < slot => low = middle.saturating_add(1),
            Some(_) | None => high = middle,
        }
    }
    low
}
