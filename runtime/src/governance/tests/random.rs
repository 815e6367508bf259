//! Whatever is done in whatever order over whatever gaps: sums equal brute force, and power is what the account's own
//! records say, with no timer that could have run late.

use super::*;
use alloc::collections::BTreeMap;
use nupeer_governance::power::TokenSums;
use nupeer_primitives::governance::Area;
use proptest::prelude::*;

/// What each account and all together had at the starts of epochs, by their own records.
type Starts = BTreeMap<u32, BTreeMap<u8, [u64; 3]>>;

fn step() -> impl Strategy<Value = Step> {
    let person = 1..=PEOPLE;
    let token = (1u16..=3).prop_map(AssetId);
    let role = (0usize..3).prop_map(|i| [RoleId::CEO, RoleId::CTO, RoleId::CAO][i]);
    let bond = 100_000_000u64;
    prop_oneof![
        4 => (person.clone(), token.clone(), 1u64..1_000).prop_map(|(n, t, x)| Step::Bond(n, t, x * 1_000_000)),
        2 => (person.clone(), token.clone(), 1u64..1_000).prop_map(|(n, t, x)| Step::Unbond(n, t, x * 1_000_000)),
        2 => (person.clone(), 1u64..60).prop_map(|(n, e)| Step::Certify(n, e)),
        1 => person.clone().prop_map(Step::Revoke),
        2 => (person.clone(), role.clone()).prop_map(move |(n, r)| Step::Act(n, stand(r, bond))),
        1 => (person.clone(), role.clone()).prop_map(|(n, role)| Step::Act(n, Action::CandidateWithdraw { role })),
        4 => (person.clone(), role.clone(), 1u64..12).prop_map(|(n, r, no)| Step::Act(n, support(r, no))),
        1 => (person.clone(), role).prop_map(|(n, role)| Step::Act(n, Action::Support { role, candidate: None })),
        3 => (person.clone(), 0usize..7, 0..=PEOPLE).prop_map(|(n, area, to)| {
            Step::Act(n, Action::DelegateVote { area: Area::ALL[area], to: (to > 0).then(|| who(to)) })
        }),
        1 => (person, token).prop_map(|(n, t)| Step::ReleaseRoleBond(n, t)),
    ]
}

const fn person(step: &Step) -> u8 {
    match step {
        Step::Act(n, _)
        | Step::Bond(n, ..)
        | Step::Unbond(n, ..)
        | Step::Certify(n, _)
        | Step::Revoke(n)
        | Step::ReleaseRoleBond(n, _) => *n,
        Step::Council(_) => 0,
    }
}

/// Power as the account's bonds and expiry say, epoch by epoch.
fn naive_power(dao: &Dao, n: u8, epoch: u32) -> [u64; 3] {
    let account = state::account(&Work::new(&dao.state), &who(n)).unwrap();
    NATIVE.map(|token| {
        let bond = position(&Work::new(&dao.state), n, token);
        if account.expiry > epoch { bond.active_in(epoch) } else { 0 }
    })
}

fn record(starts: &mut Starts, dao: &Dao, from: u32, to: u32) {
    for epoch in from..=to {
        starts.insert(epoch, (1..=PEOPLE).map(|n| (n, naive_power(dao, n, epoch))).collect());
    }
}

fn check_starts(dao: &Dao, starts: &Starts) {
    let (work, now) = (Work::new(&dao.state), dao.now());
    let total = super::super::power::totals(&work, &now).unwrap();
    for (epoch, accounts) in starts.iter().rev().take(40) {
        let mut sum = [0; 3];
        for (n, naive) in accounts {
            let mut account = state::account(&work, &who(*n)).unwrap();
            account.power.advance(now.epoch).unwrap();
            assert_eq!(account.power.at_start(*epoch).unwrap(), *naive, "account {n} at the start of {epoch}");
            sum = nupeer_governance::vote::plus(sum, *naive);
        }
        assert_eq!(total.at_start(*epoch).unwrap(), sum, "total at the start of {epoch}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_sum_equals_brute_force_now_and_at_every_epoch_start(
        blocks in prop::collection::vec((1u64..400, prop::collection::vec(step(), 0..4)), 1..60),
    ) {
        let mut dao = Dao::new();
        let mut starts = Starts::new();
        for (slots, steps) in blocks {
            let before = dao.epoch().0 as u32;
            let after = (dao.ctx.slot.0 + slots) / dao.ctx.constants.epoch_slots;
            // The state before the block says what the epochs that begin with it start from.
            record(&mut starts, &dao, before + 1, after as u32);
            dao.block(slots, &steps);
            for n in 1..=PEOPLE {
                let mut account = state::account(&Work::new(&dao.state), &who(n)).unwrap();
                account.power.advance(dao.now().epoch).unwrap();
                prop_assert_eq!(account.power.value().unwrap(), naive_power(&dao, n, dao.now().epoch));
            }
            check_starts(&dao, &starts);
        }
    }

    /// Who lends to whom depends on who lent first; everything else of two people leaves the same state in any order.
    #[test]
    fn two_people_swapped_in_a_block_leave_the_same_state(
        before in prop::collection::vec(prop::collection::vec(step(), 1..4), 1..20),
        (one, other) in (step(), step()),
    ) {
        let lends = |step: &Step| matches!(step, Step::Act(_, Action::DelegateVote { .. }));
        prop_assume!(person(&one) != person(&other) && !lends(&one) && !lends(&other));
        // A candidacy takes the next number, and its support is refused before it stands.
        let stands = |step: &Step| matches!(step, Step::Act(_, Action::Candidate { .. } | Action::CandidateWithdraw { .. }));
        prop_assume!(!stands(&one) && !stands(&other));
        let mut dao = Dao::new();
        for steps in before {
            dao.block(30, &steps);
        }
        let run = |steps: &[Step]| {
            let mut dao = Dao { state: dao.state.clone(), ctx: dao.ctx, events: Vec::new() };
            dao.block(5, steps);
            dao.state
        };
        prop_assert!(run(&[one.clone(), other.clone()]) == run(&[other, one]));
    }

    #[test]
    fn empty_blocks_between_change_no_sum(
        blocks in prop::collection::vec((1u64..12, prop::collection::vec(step(), 0..3)), 1..80),
        splits in prop::collection::vec(1u64..12, 80),
    ) {
        let (mut few, mut many) = (Dao::new(), Dao::new());
        for ((slots, steps), split) in blocks.iter().zip(&splits) {
            let first = few.block(*slots, steps);
            let rest = slots.saturating_sub(*split);
            if rest > 0 {
                many.block(slots - rest, &[]);
            }
            let second = many.block(if rest > 0 { rest } else { *slots }, steps);
            // Seats may be evaluated on either side of an epoch boundary; what accounts may do does not depend on it.
            prop_assert_eq!(first, second);
        }
        let sums = |dao: &Dao, prefix: u8| -> Vec<(Vec<u8>, TokenSums)> {
            let work = Work::new(&dao.state);
            let rows = work.scan::<TokenSums>(&nupeer_primitives::state::Key::new(prefix), &[], usize::MAX).unwrap();
            rows.into_iter().map(|(key, mut sums)| { sums.advance(dao.now().epoch).unwrap(); (key, sums) }).collect()
        };
        for prefix in [0x15, 0x16] {
            prop_assert_eq!(sums(&few, prefix), sums(&many, prefix));
        }
        let total = |dao: &Dao| super::super::power::totals(&Work::new(&dao.state), &dao.now()).unwrap();
        prop_assert_eq!(total(&few), total(&many));
        prop_assert_eq!(few.now(), many.now());
    }
}
