//! Any sequence of operations and epochs, against a naive reckoning of what members are due.
#![allow(clippy::wildcard_enum_match_arm)]

use super::*;
use alloc::collections::{BTreeMap, BTreeSet};
use nupeer_tokens::stake::position;
use nupeer_tokens::work_ledger::{self, FeeEarned};
use proptest::prelude::*;

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
enum Step {
    Act(u8, Action),
    Slash(u8, u64),
    Fee(u8, u64, u64),
    Slots(u64),
}

fn action() -> impl Strategy<Value = Action> {
    let token = || prop::sample::select(NATIVE.as_slice());
    let amount = || (1u64..60_000).prop_map(units);
    let some_pool = || (0u8..3).prop_map(pool);
    prop_oneof![
        4 => (token(), amount()).prop_map(|(token, amount)| Action::Bond { token, amount }),
        3 => (token(), amount()).prop_map(|(token, amount)| Action::Unbond { token, amount }),
        1 => token().prop_map(|token| Action::Release { token }),
        4 => (token(), prop::option::of(some_pool())).prop_map(|(token, pool)| Action::Delegate { token, pool }),
        1 => (some_pool(), token(), amount()).prop_map(|(pool, token, amount)| Action::Pledge { pool, token, amount }),
        1 => (some_pool(), token(), amount()).prop_map(|(pool, token, amount)| Action::Unpledge { pool, token, amount }),
        2 => token().prop_map(|token| Action::ClaimRewards { token }),
        1 => (some_pool(), 0u32..500_000).prop_map(|(pool, margin_ppm)| {
            let cost = (units(1), units(20), units(300));
            Action::PoolSet { pool, margin_ppm, cost, reward_account: who(7), meta_hash: [0; 32] }
        }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..7, action()).prop_map(|(n, action)| Step::Act(n, action)),
        1 => (0u8..7, 1u64..40_000).prop_map(|(n, tokens)| Step::Slash(n, tokens * TOKEN)),
        1 => (3u8..7, 1u64..900, 0u64..=1_000_000).prop_map(|(n, quote, up)| Step::Fee(n, quote * TOKEN, up)),
        4 => prop_oneof![Just(5u64), Just(70), Just(120), 1u64..400].prop_map(Step::Slots),
    ]
}

/// Amounts at a pool in a snapshot, by owner: what every record says at the epoch's start.
type Members = BTreeMap<(u32, PoolId, AssetId), Vec<(u8, u64)>>;

fn note_members(x: &Ledger, epoch: u32, members: &mut Members) {
    for (n, token) in (0..8).flat_map(|n| NATIVE.map(|token| (n, token))) {
        let own = position::load(&x.work(), &who(n), token).unwrap();
        let amount = own.bond.active_in(epoch);
        if let Some(at) = own.pool_in(epoch).filter(|_| amount > 0) {
            members.entry((epoch, at, token)).or_default().push((n, amount));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn sums_rewards_and_supply_hold_whatever_happens(steps in prop::collection::vec(step(), 1..90)) {
        let mut x = Ledger::new();
        let (mut members, mut expected) = (Members::new(), BTreeMap::<(u8, AssetId), (u64, u64)>::new());
        let (mut paid, mut slashed) = (BTreeMap::<(u8, AssetId), u64>::new(), BTreeSet::new());
        note_members(&x, 0, &mut members);
        for step in steps {
            let before = u32::try_from(x.ctx.epoch().0).unwrap();
            match step {
                Step::Act(n, action) => {
                    let _ = x.block(1, n % 3, &[(n, action)]);
                }
                Step::Slash(n, amount) => {
                    let mut work = Work::new(&x.state);
                    slashed.insert((n, NATIVE[usize::from(n % 3)]));
                    position::slash(&mut work, (&who(n), NATIVE[usize::from(n % 3)]), before, amount).unwrap();
                    if n < 3 {
                        pledge::slash(&mut work, (&pool(n), NATIVE[0]), before, amount / 7).unwrap();
                    }
                    let (diff, events) = work.finish();
                    apply_diff(&mut x.state, &diff);
                    prop_assert!(events.is_empty());
                    // A slash settles what was due without an event of its own.
                    x.events.clear();
                    continue;
                }
                Step::Fee(n, treasury_part, service_ppm) => {
                    let mut work = Work::new(&x.state);
                    let fee = FeeEarned { account: who(n), token: NATIVE[1], treasury_part, service_ppm, bond: FUNDS };
                    let rules = crate::tokens::rules::work_rewards(&work).unwrap();
                    work_ledger::earn(&mut work, before, &fee, &rules).unwrap();
                    let diff = work.finish().0;
                    apply_diff(&mut x.state, &diff);
                    continue;
                }
                // One epoch at a time: the naive reckoning looks at every epoch's start.
                Step::Slots(slots) => {
                    let _ = x.block(slots.min(EPOCH), (slots % 3) as u8, &[]);
                }
            }
            let now = u32::try_from(x.ctx.epoch().0).unwrap();
            if now > before {
                note_members(&x, now, &mut members);
            }
            for event in &x.events {
                match event {
                    Event::PoolRewarded { pool, token, epoch, members: pot, .. } => {
                        let snapshot = u32::try_from(epoch.0 - 1).unwrap();
                        let rows = members.get(&(snapshot, *pool, *token)).cloned().unwrap_or_default();
                        let all: u64 = rows.iter().map(|(_, amount)| amount).sum();
                        for (n, amount) in rows {
                            let share = u128::from(pot.get()) * u128::from(amount) / u128::from(all.max(1));
                            let due = expected.entry((n, *token)).or_default();
                            *due = (due.0 + u64::try_from(share).unwrap(), due.1 + 2);
                        }
                    }
                    Event::RewardsClaimed { account, token, pools, .. } => {
                        let n = (0..8).find(|n| who(*n) == *account).unwrap();
                        *paid.entry((n, *token)).or_default() += pools.get();
                    }
                    _ => {}
                }
            }
        }
        for (n, token) in (0..8).flat_map(|n| NATIVE.map(|token| (n, token))) {
            let due = position::due(&x.work(), &who(n), token).unwrap();
            let got = due + paid.get(&(n, token)).copied().unwrap_or(0);
            let (share, tolerance) = expected.get(&(n, token)).copied().unwrap_or_default();
            prop_assert!(got <= share + tolerance, "{n} got {got} of {share}");
            // A slash settles without an event of its own; what its owner got by it is not seen here.
            prop_assert!(slashed.contains(&(n, token)) || got + tolerance >= share, "{n} got {got} of {share}");
        }
    }
}
