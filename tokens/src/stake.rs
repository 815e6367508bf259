//! Pools, their stake, and the weight snapshots that leaders are drawn from (consensus.md §2, ledger.md §6).
//!
//! A snapshot is taken at each epoch boundary under its epoch's number. The one taken at the boundary into `e-1` is
//! `set` during `e`: stake that leads is two epochs old and was fixed before the randomness of its nonce existed.

use crate::asset;
use crate::weight::{PoolStake, TokenClass, weights};
use alloc::vec::Vec;
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, Epoch, Hash, PoolId, VerificationKey, record};

record! {
    /// A registered pool (prefix 08).
    pub struct Pool {
        /// Cold key; its hash is the pool id.
        pub cold_key: VerificationKey,
        /// `H(vrf_vkey)`.
        pub vrf_hash: Hash,
        /// Receives block fees.
        pub reward_account: AccountId,
        /// Whether it may lead.
        pub jailed: bool,
    }
}

record! {
    /// Stake of a pool in one token (prefix 0A).
    #[derive(Copy)]
    pub struct PoolToken {
        /// All stake.
        pub stake: Amount,
        /// The operator's own part.
        pub pledge: Amount,
    }
}

/// Snapshots kept: `mark`, `set`, `go` and one more for proofs about the epoch that just ended.
pub const SNAPSHOTS_KEPT: u64 = 4;
/// Pools of one snapshot; registration costs a pledge, so this is never reached by accident.
pub const POOLS_MAX: usize = 10_000;
const TOKENS: [AssetId; 3] = [AssetId::IAAS, AssetId::PAAS, AssetId::SAAS];

/// Key of a pool.
#[must_use]
pub fn pool_key(pool: &PoolId) -> Key {
    Key::new(0x08).pool(pool)
}

/// Key of a pool's stake in a token.
#[must_use]
pub fn pool_token_key(pool: &PoolId, token: AssetId) -> Key {
    Key::new(0x0A).pool(pool).u16(token.0)
}

fn snapshot_key(epoch: Epoch) -> Key {
    Key::new(0x0B).u64(epoch.0)
}

/// Parameters of the weight formula.
#[derive(Clone, Copy, Debug)]
pub struct WeightParameters {
    /// Share of each class, ppm.
    pub share_ppm: [u64; 3],
    /// Staked fraction below which a class loses share, ppm.
    pub floor_ppm: u64,
    /// Most weight per weight of pledge.
    pub leverage: u64,
}

/// Takes the snapshot of `epoch` from the stake as it stands and drops the one that is too old.
pub fn take_snapshot(work: &mut Work<'_>, epoch: Epoch, parameters: &WeightParameters) -> Result<(), Bug> {
    let (ids, pools) = current_stake(work)?;
    let classes = token_classes(work, &pools, parameters)?;
    let weights = weights(&classes, &pools, parameters.floor_ppm, parameters.leverage);
    if weights.iter().sum::<u128>() == 0 {
        // W = 0: the previous snapshot stays (consensus.md §2), under the new number.
        for (pool, weight) in snapshot(work, Epoch(epoch.0.saturating_sub(1)))? {
            work.put(snapshot_key(epoch).pool(&pool), &weight);
        }
    } else {
        for (pool, weight) in ids.iter().zip(&weights) {
            work.put(snapshot_key(epoch).pool(pool), weight);
        }
    }
    if let Some(old) = epoch.0.checked_sub(SNAPSHOTS_KEPT) {
        for (pool, _) in snapshot(work, Epoch(old))? {
            work.remove(snapshot_key(Epoch(old)).pool(&pool));
        }
    }
    Ok(())
}

fn current_stake(work: &Work<'_>) -> Result<(Vec<PoolId>, Vec<PoolStake>), Bug> {
    let mut ids = Vec::new();
    let mut stakes = Vec::new();
    for (key, pool) in work.scan::<Pool>(&Key::new(0x08), &[], POOLS_MAX)? {
        let id = pool_of(&key)?;
        let mut stake = PoolStake::default();
        for (i, token) in TOKENS.into_iter().enumerate() {
            let Some(own) = work.get::<PoolToken>(&pool_token_key(&id, token))? else { continue };
            if pool.jailed {
                continue;
            }
            if let (Some(s), Some(p)) = (stake.stake.get_mut(i), stake.pledge.get_mut(i)) {
                (*s, *p) = (own.stake.get(), own.pledge.get());
            }
        }
        ids.push(id);
        stakes.push(stake);
    }
    Ok((ids, stakes))
}

fn token_classes(work: &Work<'_>, pools: &[PoolStake], parameters: &WeightParameters) -> Result<[TokenClass; 3], Bug> {
    let mut classes = [TokenClass { share_ppm: 0, supply: 0, staked: 0 }; 3];
    for (i, class) in classes.iter_mut().enumerate() {
        let token = TOKENS.get(i).copied().unwrap_or_default();
        let issued = asset::record(work, token)?.map_or(0, |r| r.issued);
        let staked = pools.iter().map(|p| u128::from(p.stake.get(i).copied().unwrap_or(0))).sum::<u128>();
        class.share_ppm = parameters.share_ppm.get(i).copied().unwrap_or(0);
        class.supply = u64::try_from(issued).map_err(|_| Bug::Arithmetic { what: "token supply above 64 bits" })?;
        class.staked = u64::try_from(staked).map_err(|_| Bug::Arithmetic { what: "stake above 64 bits" })?;
    }
    Ok(classes)
}

fn pool_of(key: &[u8]) -> Result<PoolId, Bug> {
    let tail = key.len().checked_sub(28).and_then(|at| key.get(at..)).and_then(|t| <[u8; 28]>::try_from(t).ok());
    tail.map(PoolId).ok_or(Bug::Corrupt { prefix: key.first().copied().unwrap_or(0) })
}

/// The snapshot taken at the boundary into `epoch`, by pool.
pub fn snapshot(work: &Work<'_>, epoch: Epoch) -> Result<Vec<(PoolId, u128)>, Bug> {
    let rows = work.scan::<u128>(&snapshot_key(epoch), &[], POOLS_MAX)?;
    rows.into_iter().map(|(key, weight)| pool_of(&key).map(|pool| (pool, weight))).collect()
}

/// The snapshot that leads in `epoch`.
pub fn leading(work: &Work<'_>, epoch: Epoch) -> Result<Vec<(PoolId, u128)>, Bug> {
    snapshot(work, Epoch(epoch.0.saturating_sub(1)))
}
