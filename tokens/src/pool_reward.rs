//! What a pool earns for the epoch it led in, and how operator and members share it (tokens.md §4).
//!
//! # Invariants
//! - Σ payouts ≤ R, whatever luck the pools had.
//! - No pledge, no reward; nothing is earned by stake beyond `leverage` times the pledge.

use crate::wide::{MILLION, div_floor, part, product};
use alloc::vec::Vec;

/// Parameters of the formula.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolParameters {
    /// k: pools that the formula wants.
    pub target_count: u64,
    /// a: influence of the pledge, ppm.
    pub a0_ppm: u64,
    /// L: most stake that earns per unit of pledge.
    pub leverage: u64,
    /// Pledge below which a pool earns nothing, smallest units.
    pub pledge_min: u64,
    /// Highest performance that counts, ppm.
    pub perf_cap_ppm: u64,
}

/// A pool in a snapshot, smallest units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PoolSnapshot {
    /// All stake, the pledge included.
    pub stake: u64,
    /// The operator's own.
    pub pledge: u64,
    /// What the operator keeps before members get anything.
    pub cost: u64,
    /// Operator's part of the rest, ppm.
    pub margin_ppm: u64,
    /// Blocks made of blocks expected, ppm.
    pub perf_ppm: u64,
    /// Slashed or jailed in the epoch that is paid.
    pub penalised: bool,
}

/// What a pool is paid.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PoolPay {
    /// Before the split.
    pub reward: u64,
    /// To the reward account.
    pub operator: u64,
    /// To the index of the members.
    pub members: u64,
}

/// N in whole tokens: bonded stake of the snapshot, at least the target part of the supply.
#[must_use]
pub fn normal(bonded: u64, supply: u64, target_ppm: u64) -> u64 {
    bonded.max(part(supply, target_ppm)) / MILLION
}

/// `max` for stake and pledge in whole tokens.
#[must_use]
pub fn max_pool(pot: u64, stake: u64, pledge: u64, n: u64, p: &PoolParameters) -> u64 {
    if stake == 0 || n == 0 || p.target_count == 0 {
        return 0;
    }
    let (n, k, a) = (u128::from(n), u128::from(p.target_count), u128::from(p.a0_ppm));
    let pledged = k.saturating_mul(u128::from(pledge));
    let carried = pledged.saturating_mul(u128::from(p.leverage));
    let (s, own) = (k.saturating_mul(u128::from(stake)).min(n).min(carried), pledged.min(n));
    // s·N ≥ p·(N − s) because p ≤ s: a pledge is part of the stake.
    let pledge_effect = product(&[s, n]).saturating_sub(product(&[own, n.saturating_sub(s)]));
    let numerator = product(&[1_000_000, s, n, n]).saturating_add(product(&[a, own]).saturating_mul(pledge_effect));
    let numerator = numerator.saturating_mul(product(&[u128::from(pot)]));
    div_floor(numerator, product(&[a.saturating_add(1_000_000), k, n, n, n]))
}

/// Blocks made of blocks expected, ppm.
#[must_use]
pub fn perf(made: u64, blocks: u64, weight: u128, total: u128, cap_ppm: u64) -> u64 {
    let expected = product(&[u128::from(blocks), weight, 1 << 32]).checked_div(product(&[total])).unwrap_or_default();
    div_floor(product(&[u128::from(made), 1 << 32, 1_000_000]), expected).min(cap_ppm)
}

/// What `pool` would earn if the pots of all pools fitted into `pot`.
#[must_use]
pub fn earned(pot: u64, n: u64, pool: &PoolSnapshot, p: &PoolParameters) -> u64 {
    if pool.penalised || pool.pledge < p.pledge_min {
        return 0;
    }
    part(max_pool(pot, pool.stake / MILLION, pool.pledge / MILLION, n, p), pool.perf_ppm)
}

/// A pool's reward once the sum over all pools is known.
#[must_use]
pub fn scaled(earned: u64, sum: u128, pot: u64) -> u64 {
    if sum <= u128::from(pot) {
        return earned;
    }
    div_floor(product(&[u128::from(earned), u128::from(pot)]), product(&[sum]))
}

/// Shares a reward between operator and members.
#[must_use]
pub fn split(reward: u64, pool: &PoolSnapshot) -> PoolPay {
    let Some(rest) = reward.checked_sub(pool.cost).filter(|rest| *rest > 0) else {
        return PoolPay { reward, operator: reward, members: 0 };
    };
    if pool.stake == 0 {
        return PoolPay { reward, operator: reward, members: 0 };
    }
    let (rest, stake, pledge) = (u128::from(rest), u128::from(pool.stake), u128::from(pool.pledge));
    let margin = u128::from(pool.margin_ppm.min(MILLION));
    let others = u128::from(MILLION).saturating_sub(margin);
    let whole = product(&[1_000_000, stake]);
    let own = product(&[margin, stake]).saturating_add(product(&[others, pledge.min(stake)]));
    let operator = div_floor(product(&[rest]).saturating_mul(own), whole);
    let members = div_floor(product(&[rest, others, stake.saturating_sub(pledge)]), whole);
    PoolPay { reward, operator: pool.cost.saturating_add(operator), members }
}

/// All pools of a snapshot at once: what the two passes over the pools do, slice by slice.
#[must_use]
pub fn payouts(pot: u64, n: u64, pools: &[PoolSnapshot], p: &PoolParameters) -> Vec<PoolPay> {
    let earned: Vec<u64> = pools.iter().map(|pool| earned(pot, n, pool, p)).collect();
    let sum: u128 = earned.iter().map(|f| u128::from(*f)).sum();
    pools.iter().zip(earned).map(|(pool, f)| split(scaled(f, sum, pot), pool)).collect()
}

/// The index of a pool's members: what a delegated unit earned since genesis, times 2^64.
pub mod index {
    use crate::wide::{MILLION, product};

    /// What is minted for members, and the index after it: under one whole token nothing.
    #[must_use]
    pub fn add(index: u128, members: u64, delegated: u64) -> (u64, u128) {
        if delegated < MILLION {
            return (0, index);
        }
        let step = u128::from(members).wrapping_shl(64).checked_div(u128::from(delegated)).unwrap_or(0);
        (members, index.saturating_add(step))
    }

    /// `amount·(to − from) >> 64`.
    #[must_use]
    pub fn due(amount: u64, from: u128, to: u128) -> u64 {
        (product(&[u128::from(amount), to.saturating_sub(from)]) >> 64u32).saturating_to::<u64>()
    }
}

#[cfg(test)]
mod tests;
