//! Where an amount counts from which epoch on, and what a change of that does to the sums it is part of.

use super::pool_stake::{PoolStakeSums, bonded_key, load};
use crate::bond::Bond;
use crate::epoch_sum::EpochSum;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use nupeer_primitives::state::{Bug, Work};
use nupeer_primitives::{AssetId, PoolId};

/// From this epoch on (the first: now) this much counts there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    pub from: u32,
    pub pool: Option<PoolId>,
    pub amount: u64,
}

/// What a bond counts from `epoch` on, at the pool that `pool_in` names for an epoch; `turns` are epochs in which the
/// pool changes.
pub fn steps(bond: &Bond, epoch: u32, turns: Option<u32>, pool_in: impl Fn(u32) -> Option<PoolId>) -> Vec<Step> {
    let later = bond.pending.iter().map(|(at, _)| *at).chain(turns).filter(|at| *at > epoch);
    let points: BTreeSet<u32> = core::iter::once(epoch).chain(later).collect();
    points.into_iter().map(|from| Step { from, pool: pool_in(from), amount: bond.active_in(from) }).collect()
}

/// Net changes by pool (`None`: bonded with no pool) and epoch.
#[derive(Default, Debug)]
pub struct Deltas(BTreeMap<(Option<PoolId>, u32), i128>);

impl Deltas {
    /// The change from one schedule to another.
    pub fn between(before: &[Step], after: &[Step]) -> Result<Self, Bug> {
        let mut deltas = Self::default();
        deltas.lay(before, -1)?;
        deltas.lay(after, 1)?;
        deltas.0.retain(|_, x| *x != 0);
        Ok(deltas)
    }

    fn lay(&mut self, steps: &[Step], sign: i128) -> Result<(), Bug> {
        let mut last: Option<Step> = None;
        for step in steps {
            if let Some(last) = last {
                self.add((last.pool, step.from), i128::from(last.amount).saturating_mul(sign).saturating_neg())?;
            }
            self.add((step.pool, step.from), i128::from(step.amount).saturating_mul(sign))?;
            last = Some(*step);
        }
        Ok(())
    }

    fn add(&mut self, at: (Option<PoolId>, u32), x: i128) -> Result<(), Bug> {
        let sum = self.0.entry(at).or_default();
        *sum = sum.checked_add(x).ok_or(Bug::Arithmetic { what: "stake of a pool" })?;
        Ok(())
    }

    /// Writes the changes into the sums of pools and into `bonded`.
    pub fn apply(&self, work: &mut Work<'_>, token: AssetId, epoch: u32, is_pledge: bool) -> Result<(), Bug> {
        if self.0.is_empty() {
            return Ok(());
        }
        let pools: BTreeSet<PoolId> = self.0.keys().filter_map(|(pool, _)| *pool).collect();
        for pool in pools {
            let mut sums = load(work, &pool, token, epoch)?;
            for ((_, at), x) in self.0.range((Some(pool), 0)..=(Some(pool), u32::MAX)) {
                sums.stake.sched(*at, *x)?;
                if is_pledge {
                    sums.pledge.sched(*at, *x)?;
                }
            }
            PoolStakeSums::store(&sums, work, &pool, token);
        }
        let mut bonded: EpochSum = work.get(&bonded_key(token))?.unwrap_or_default();
        bonded.advance(epoch)?;
        for ((_, at), x) in &self.0 {
            bonded.sched(*at, *x)?;
        }
        work.put(bonded_key(token), &bonded);
        Ok(())
    }
}
