//! Leaf updates of the state tree in memory.

use super::report::{Goal, Row};
use super::{Limit, best, per_second, timed};
use anyhow::Result;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::imt::{MemoryTree, apply};
use nupeer_primitives::state::Diff;

const LEAVES: u64 = 1_000_000;
const BATCH: u64 = 1_000;
const BATCHES: u64 = 100;
/// Leaves inserted at once while the tree is made; nothing is measured then.
const GROWTH: u64 = 100_000;

/// Keys as wide as a balance's.
fn key(n: u64) -> Vec<u8> {
    blake2b_256_of(&[b"leaf", &n.to_be_bytes()]).0[..31].to_vec()
}

/// Updates of existing leaves, picked all over the tree.
pub fn measure(limit: &Limit) -> Result<Vec<Row>> {
    let mut tree = MemoryTree::new();
    for first in (0..LEAVES).step_by(usize::try_from(GROWTH)?) {
        let diff: Diff = (first..first + GROWTH).map(|n| (key(n), Some(n.to_be_bytes().to_vec()))).collect();
        tree.commit(&apply(&tree, &diff)?);
    }
    let mut batches: Vec<Diff> = (0..BATCHES)
        .map(|batch| {
            let picked = (0..BATCH).map(|n| (batch * BATCH + n).wrapping_mul(7_919) % LEAVES);
            picked.map(|n| (key(n), Some((n ^ batch ^ 1 << 40).to_be_bytes().to_vec()))).collect()
        })
        .collect();
    let updates: usize = batches.iter().map(Diff::len).sum();
    let time = best(limit.rounds, || {
        let ((), time) = timed(|| {
            for diff in &batches {
                tree.commit(&apply(&tree, diff)?);
            }
            Ok(())
        })?;
        // Values that were written in this round would change nothing in the next one.
        for diff in &mut batches {
            diff.values_mut().flatten().for_each(|value| value.iter_mut().take(1).for_each(|byte| *byte ^= 1));
        }
        Ok(time)
    })?;
    let row = Row::new("state tree, 1 M leaves, batches of 1,000", per_second(updates, time), "leaves/s");
    Ok(vec![row.goal(Goal::AtLeast(300_000.0))])
}
