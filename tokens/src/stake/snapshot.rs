//! Weight snapshots (prefix 0B, consensus.md §2).

use super::pool::{self, Pool};
use super::pool_stake::{amount, load};
use super::{POOLS_MAX, epoch32, pool_of};
use crate::supply::{NATIVE, supply};
use crate::weight::{PoolStake, TokenClass, weights};
use alloc::vec::Vec;
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{Epoch, PoolId};

/// Key of a snapshot, or of all that begin before it.
fn snapshot_key(epoch: Epoch) -> Key {
    Key::new(0x0B).u64(epoch.0)
}

/// Parameters of the weight formula.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotRules {
    /// Share of each class, ppm.
    pub share_ppm: [u64; 3],
    /// Staked fraction below which a class loses share, ppm.
    pub floor_ppm: u64,
    /// Most weight per weight of pledge.
    pub leverage: u64,
    /// Snapshots kept: `mark`, `set`, `go`, and those whose offences may still be proven.
    pub kept: u64,
}

/// Takes the snapshot of `epoch` from the stake at its start and drops what is too old.
pub fn take_snapshot(work: &mut Work<'_>, epoch: Epoch, rules: &SnapshotRules) -> Result<(), Bug> {
    let at = epoch32(epoch)?;
    let pools = pool::after(work, None, POOLS_MAX)?;
    let stakes = pools.iter().map(|(id, _)| stake_at(work, id, at)).collect::<Result<Vec<_>, Bug>>()?;
    let classes = token_classes(work, &stakes, rules)?;
    let mut weights = weights(&classes, &stakes, rules.floor_ppm, rules.leverage);
    for (weight, (_, pool)) in weights.iter_mut().zip(&pools) {
        // A jailed pool leads nothing, but its stake still counts in X_c: jailing gives nobody's class more share.
        if pool.is_jailed(at.saturating_add(1)) {
            *weight = 0;
        }
    }
    if weights.iter().sum::<u128>() == 0 {
        // W = 0: the previous snapshot stays (consensus.md §2), under the new number.
        for (pool, weight) in snapshot(work, Epoch(epoch.0.saturating_sub(1)))? {
            work.put(snapshot_key(epoch).pool(&pool), &weight);
        }
    } else {
        for ((id, _), weight) in pools.iter().zip(&weights) {
            work.put(snapshot_key(epoch).pool(id), weight);
        }
    }
    drop_before(work, epoch.0.saturating_sub(rules.kept.saturating_sub(1)))
}

/// Drops snapshots before `oldest`; two at most, so that a lowered parameter costs no block more than that.
fn drop_before(work: &mut Work<'_>, oldest: u64) -> Result<(), Bug> {
    for _ in 0..2 {
        let first = work.scan::<u128>(&Key::new(0x0B), &[], 1)?;
        let epoch = first.first().and_then(|(key, _)| key.get(1..9)?.first_chunk::<8>().copied());
        let Some(epoch) = epoch.map(u64::from_be_bytes).filter(|epoch| *epoch < oldest) else { return Ok(()) };
        for (pool, _) in snapshot(work, Epoch(epoch))? {
            work.remove(snapshot_key(Epoch(epoch)).pool(&pool));
        }
    }
    Ok(())
}

fn stake_at(work: &Work<'_>, id: &PoolId, epoch: u32) -> Result<PoolStake, Bug> {
    let mut out = PoolStake::default();
    for ((token, stake), pledge) in NATIVE.into_iter().zip(&mut out.stake).zip(&mut out.pledge) {
        let sums = load(work, id, token, epoch)?;
        (*stake, *pledge) = (amount(sums.stake.at_start(epoch))?, amount(sums.pledge.at_start(epoch))?);
    }
    Ok(out)
}

fn token_classes(work: &Work<'_>, pools: &[PoolStake], rules: &SnapshotRules) -> Result<[TokenClass; 3], Bug> {
    let mut classes = [TokenClass { share_ppm: 0, supply: 0, staked: 0 }; 3];
    for (i, (class, token)) in classes.iter_mut().zip(NATIVE).enumerate() {
        let staked = pools.iter().map(|p| u128::from(p.stake.get(i).copied().unwrap_or(0))).sum::<u128>();
        class.share_ppm = rules.share_ppm.get(i).copied().unwrap_or(0);
        class.supply = supply(work, token)?;
        class.staked = u64::try_from(staked).map_err(|_| Bug::Arithmetic { what: "stake above 64 bits" })?;
    }
    Ok(classes)
}

/// The snapshot taken at the boundary into `epoch`, by pool.
pub fn snapshot(work: &Work<'_>, epoch: Epoch) -> Result<Vec<(PoolId, u128)>, Bug> {
    let rows = work.scan::<u128>(&snapshot_key(epoch), &[], POOLS_MAX)?;
    rows.into_iter().map(|(key, weight)| pool_of(&key).map(|pool| (pool, weight))).collect()
}

/// A pool's weight in the snapshot of `epoch`.
pub fn weight_in(work: &Work<'_>, epoch: Epoch, pool: &PoolId) -> Result<u128, Bug> {
    Ok(work.get(&snapshot_key(epoch).pool(pool))?.unwrap_or(0))
}

/// The snapshot that leads in `epoch`.
pub fn leading(work: &Work<'_>, epoch: Epoch) -> Result<Vec<(PoolId, u128)>, Bug> {
    snapshot(work, leading_snapshot(epoch))
}

/// Number of the snapshot that leads in `epoch`.
#[must_use]
pub const fn leading_snapshot(epoch: Epoch) -> Epoch {
    Epoch(epoch.0.saturating_sub(1))
}

/// Whether a pool may lead in `epoch`, as far as jail goes.
#[must_use]
pub fn may_lead(pool: &Pool, epoch: Epoch) -> bool {
    u32::try_from(epoch.0).is_ok_and(|epoch| !pool.is_jailed(epoch))
}
