//! Pools, their stake, and the weight snapshots that leaders are drawn from (consensus.md §2, ledger.md §6).
//!
//! A snapshot is taken at each epoch boundary under its epoch's number. The one taken at the boundary into `e-1` is
//! `set` during `e`: stake that leads is two epochs old and was fixed before the randomness of its nonce existed.

use crate::asset;
use crate::weight::{PoolStake, TokenClass, weights};
use alloc::vec::Vec;
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, BlsKey, Epoch, Hash, PoolId, VerificationKey, record};

record! {
    /// A registered pool (prefix 08).
    pub struct Pool {
        /// Cold key; its hash is the pool id.
        pub cold_key: VerificationKey,
        /// `H(vrf_vkey)`.
        pub vrf_hash: Hash,
        /// Key of finality votes, proven when it was registered; without one the pool sits in no committee.
        pub bls_key: Option<BlsKey>,
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
    let (ids, pools, jailed) = current_stake(work)?;
    let classes = token_classes(work, &pools, parameters)?;
    let mut weights = weights(&classes, &pools, parameters.floor_ppm, parameters.leverage);
    for weight in weights.iter_mut().zip(&jailed).filter(|(_, jailed)| **jailed).map(|(weight, _)| weight) {
        // A jailed pool leads nothing, but its stake still counts in X_c: jailing gives nobody's class more share.
        *weight = 0;
    }
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

/// Every pool, its stake, and whether it is jailed, column by column.
type CurrentStake = (Vec<PoolId>, Vec<PoolStake>, Vec<bool>);

fn current_stake(work: &Work<'_>) -> Result<CurrentStake, Bug> {
    let (mut ids, mut stakes, mut jailed) = (Vec::new(), Vec::new(), Vec::new());
    for (key, pool) in work.scan::<Pool>(&Key::new(0x08), &[], POOLS_MAX)? {
        let id = pool_of(&key)?;
        let mut stake = PoolStake::default();
        for (i, token) in TOKENS.into_iter().enumerate() {
            let Some(own) = work.get::<PoolToken>(&pool_token_key(&id, token))? else { continue };
            if let (Some(s), Some(p)) = (stake.stake.get_mut(i), stake.pledge.get_mut(i)) {
                (*s, *p) = (own.stake.get(), own.pledge.get());
            }
        }
        ids.push(id);
        stakes.push(stake);
        jailed.push(pool.jailed);
    }
    Ok((ids, stakes, jailed))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::asset::AssetRecord;
    use nupeer_primitives::cbor::{Bytes, Cbor};
    use nupeer_primitives::genesis::{AssetRow, AssetStatus};
    use nupeer_primitives::state::MemoryState;

    const PARAMETERS: WeightParameters =
        WeightParameters { share_ppm: [333_334, 333_333, 333_333], floor_ppm: 200_000, leverage: 20 };

    /// Two pools of equal stake in every class.
    fn state(second_jailed: bool) -> MemoryState {
        let mut state = MemoryState::new();
        for token in TOKENS {
            let row = AssetRow {
                id: token,
                policy: [0; 28],
                name: Bytes::default(),
                ticker: "stake".into(),
                status: AssetStatus::Active,
            };
            let record = AssetRecord { issued: 1_000_000, ..AssetRecord::new(row) };
            state.insert(asset::key(token).into_vec(), record.to_cbor());
        }
        for (n, jailed) in [(1, false), (2, second_jailed)] {
            let cold_key = VerificationKey([n; 32]);
            let id = cold_key.pool();
            let (vrf_hash, reward_account) = (Hash([n; 32]), AccountId([n; 28]));
            let pool = Pool { cold_key, vrf_hash, bls_key: None, reward_account, jailed };
            state.insert(pool_key(&id).into_vec(), pool.to_cbor());
            for token in TOKENS {
                let own = PoolToken { stake: Amount::new(100_000), pledge: Amount::new(100_000) };
                state.insert(pool_token_key(&id, token).into_vec(), own.to_cbor());
            }
        }
        state
    }

    fn weight_of(second_jailed: bool, n: u8) -> u128 {
        let state = state(second_jailed);
        let mut work = Work::new(&state);
        take_snapshot(&mut work, Epoch(1), &PARAMETERS).unwrap();
        let rows = snapshot(&work, Epoch(1)).unwrap();
        rows.into_iter().find(|(id, _)| *id == VerificationKey([n; 32]).pool()).unwrap().1
    }

    #[test]
    fn a_jailed_pool_has_no_weight_and_gives_the_others_none_of_its_stake() {
        assert!(weight_of(false, 2) > 0);
        assert_eq!(weight_of(true, 2), 0);
        assert_eq!(weight_of(true, 1), weight_of(false, 1));
    }

    #[test]
    fn with_everybody_jailed_the_snapshot_before_stays() {
        let mut state = state(true);
        let only = VerificationKey([1; 32]);
        let (key, id) = (pool_key(&only.pool()), only.pool());
        let reward_account = AccountId([1; 28]);
        let pool = Pool { cold_key: only, vrf_hash: Hash::ZERO, bls_key: None, reward_account, jailed: true };
        state.insert(key.into_vec(), pool.to_cbor());
        state.insert(snapshot_key(Epoch(4)).pool(&id).into_vec(), 7u128.to_cbor());
        let mut work = Work::new(&state);
        take_snapshot(&mut work, Epoch(5), &PARAMETERS).unwrap();
        assert_eq!(snapshot(&work, Epoch(5)).unwrap(), [(id, 7)]);
    }
}
