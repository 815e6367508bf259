//! What tokens.md §4 and §13 promise of pool rewards.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use proptest::prelude::*;

const MAINNET: PoolParameters = PoolParameters {
    target_count: 100,
    a0_ppm: 300_000,
    leverage: 20,
    pledge_min: 25_000_000_000,
    perf_cap_ppm: 1_500_000,
};

fn pool() -> impl Strategy<Value = PoolSnapshot> {
    let amounts = (1u64..5_000_000_000_000, 0u64..=1_000_000, 0u64..1_000_000_000);
    (amounts, 0u64..=1_000_000, 0u64..=1_500_000, any::<bool>()).prop_map(
        |((stake, pledge_ppm, cost), margin_ppm, perf_ppm, penalised)| PoolSnapshot {
            stake,
            pledge: part(stake, pledge_ppm),
            cost,
            margin_ppm,
            perf_ppm,
            penalised,
        },
    )
}

proptest! {
    #[test]
    fn payouts_never_exceed_the_pot(pot in 0u64..2_000_000_000_000, pools in prop::collection::vec(pool(), 0..40), spare: u32) {
        let bonded = pools.iter().map(|p| p.stake).sum::<u64>() + u64::from(spare);
        let paid = payouts(pot, normal(bonded, 100_000_000_000_000, 600_000), &pools, &MAINNET);
        let sum: u128 = paid.iter().map(|p| u128::from(p.operator) + u128::from(p.members)).sum();
        prop_assert!(sum <= u128::from(pot));
        for (pool, pay) in pools.iter().zip(&paid) {
            prop_assert!(pay.operator + pay.members <= pay.reward);
            prop_assert!(pay.reward == 0 || pool.pledge >= MAINNET.pledge_min && !pool.penalised);
        }
    }

    #[test]
    fn a_leverage_cap_never_gives_more(stake in 1u64..100_000_000, pledge_ppm in 0u64..=1_000_000, n in 1u64..1_000_000_000) {
        let pledge = part(stake, pledge_ppm);
        let uncapped = PoolParameters { leverage: 1_000_000, ..MAINNET };
        let pot = 300_000_000_000;
        prop_assert!(max_pool(pot, stake, pledge, n, &MAINNET) <= max_pool(pot, stake, pledge, n, &uncapped));
        prop_assert_eq!(max_pool(pot, stake, 0, n, &MAINNET), 0);
    }

    #[test]
    fn claims_over_any_split_of_the_members_stay_within_what_was_minted(
        pots in prop::collection::vec(0u64..1_000_000_000_000, 1..20), members in prop::collection::vec(1u64..10_000_000_000, 1..20),
    ) {
        let delegated: u64 = members.iter().sum();
        let (mut idx, mut minted) = (0, 0u128);
        for pot in pots {
            let (added, next) = index::add(idx, pot, delegated);
            minted += u128::from(added);
            idx = next;
        }
        let claims: u128 = members.iter().map(|amount| u128::from(index::due(*amount, 0, idx))).sum();
        prop_assert!(claims <= minted);
    }

    #[test]
    fn no_input_panics(a: u64, b: u64, c: u64, d: u64, w: u128, t: u128, p: (u64, u64, u64)) {
        let parameters = PoolParameters { target_count: p.0, a0_ppm: p.1, leverage: p.2, ..MAINNET };
        let _ = max_pool(a, b, c, d, &parameters);
        let _ = perf(a, b, w, t, c);
        let _ = split(a, &PoolSnapshot { stake: b, pledge: c, cost: d, margin_ppm: p.0, perf_ppm: p.1, penalised: false });
        let _ = index::due(a, w, t);
    }
}
