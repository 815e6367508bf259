#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]
use super::account::expiry;
use super::*;
use nupeer_primitives::AccountId;
use nupeer_primitives::Cbor;
use nupeer_primitives::governance::{Area, CandidateNo, RoleId};
use proptest::prelude::*;
use ruint::aliases::U256;

fn amounts(max: u64) -> impl Strategy<Value = Amounts> {
    [0..=max, 0..=max, 0..=max]
}

proptest! {
    #[test]
    fn a_part_is_between_nothing_and_everything_and_grows_with_its_amount(
        active in amounts(u64::MAX), maturity in amounts(u64::MAX), share in amounts(PPM), more in 0usize..3,
        area in 0usize..7,
    ) {
        let electorate = Electorate::new(area::weights(Area::ALL[area]), active, maturity);
        let part = |t: usize| account::part(active[t], share[t]);
        let x = [part(0), part(1), part(2)];
        let mut grown = x;
        grown[more] = active[more];
        let whole = if electorate.sum() > 0 { PPM } else { 0 };
        prop_assert_eq!(electorate.share_ppm(active), whole);
        prop_assert!(electorate.share_ppm(x) <= electorate.share_ppm(grown));
        prop_assert!(electorate.share_ppm(grown) <= whole);
        // §13, 4: room to multiply with 10^12.
        prop_assert!(electorate.full() < U256::from(1) << 212);
        prop_assert!(electorate.numerator(active.map(u128::from)) <= electorate.full());
    }

    #[test]
    fn a_thin_token_weighs_less_and_never_more(active in amounts(1 << 50), maturity in amounts(1 << 50), area in 0usize..7) {
        let weights = area::weights(Area::ALL[area]);
        let electorate = Electorate::new(weights, active, maturity);
        for t in 0..3 {
            prop_assert!(electorate.eff[t] <= weights[t]);
            prop_assert_eq!(electorate.eff[t] == weights[t], active[t] >= maturity[t] && (active[t] > 0 || maturity[t] > 0));
        }
    }

    #[test]
    fn whatever_enters_leaves_at_expiry(
        matured in 0u64..1_000, pending in prop::collection::vec((0u32..20, 1u64..1_000), 0..6),
        epoch in 0u32..20, until in 0u32..40,
    ) {
        let mut account = GovAccount { expiry: until, ..GovAccount::default() };
        let stake = Stake { matured, pending: pending.clone() };
        account.attach(epoch, &[stake.clone(), Stake::default(), stake.clone()]).unwrap();
        for e in epoch..45 {
            account.power.advance(e).unwrap();
            let counted: u64 = pending.iter().filter(|(from, _)| *from <= e).map(|(_, x)| x).sum();
            let expected = if until > epoch && e < until { matured + counted } else { 0 };
            prop_assert_eq!(account.power.value().unwrap(), [expected, 0, expected]);
        }
        // Attaching again replaces what stood; it never adds up.
        let twice = { let mut other = account.clone(); other.attach(44, &[stake.clone(), Stake::default(), stake]).unwrap(); other };
        prop_assert!(account.power.same_future(&twice.power) || until > 44);
    }

    #[test]
    fn an_account_is_read_as_it_was_written(
        supports in prop::collection::btree_map(1u8..=16, any::<u64>(), 0..16),
        delegations in prop::collection::vec((0usize..7, 0u32..50, prop::option::of(any::<[u8; 28]>())), 0..60),
        locked_until: u64,
    ) {
        let mut account = GovAccount { locked_until, ..GovAccount::default() };
        account.support = supports.into_iter().map(|(role, no)| (RoleId::new(role).unwrap(), CandidateNo(no))).collect();
        for (area, epoch, to) in delegations {
            account.set_delegate(Area::ALL[area], epoch, to.map(AccountId));
        }
        prop_assert_eq!(GovAccount::from_cbor(&account.to_cbor(), usize::MAX).unwrap(), account);
    }

    #[test]
    fn any_bytes_are_an_account_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = GovAccount::from_cbor(&bytes, usize::MAX);
    }

    #[test]
    fn a_jump_counts_from_the_least_start_before(starts in prop::collection::vec(0u64..1_000, 30), s in 0u32..30, lookback in 1u32..15) {
        let rules = spike::SpikeRules { factor_ppm: 1_500_000, lookback };
        let at = |epoch: u32| starts[epoch as usize];
        let guard = spike::guard_epoch(at, s, &rules);
        if s < lookback {
            prop_assert_eq!(guard, s);
        } else {
            let window: Vec<u64> = (s - lookback..s).map(at).collect();
            let least = *window.iter().min().unwrap();
            let jumped = at(s) * 1_000_000 > least * 1_500_000;
            let first = s - lookback + window.iter().position(|x| *x == least).unwrap() as u32;
            prop_assert_eq!(guard, if jumped { first } else { s });
        }
    }
}

extern crate std;
use std::vec::Vec;

#[test]
fn expiry_falls_on_steps_and_never_after_the_credential() {
    let rules = PowerRules { liveness: 180, expiry_step: 5 };
    assert_eq!(expiry(7, 1_000, &rules), 185);
    assert_eq!(expiry(7, 34, &rules), 30);
    assert_eq!(expiry(7, 0, &rules), 0);
    assert_eq!(expiry(u32::MAX, u32::MAX, &rules), u32::MAX);
}

#[test]
fn delegations_are_remembered_as_far_as_sums() {
    let mut account = GovAccount::default();
    for epoch in 0..100 {
        assert!(!account.delegated_in(Area::Legal, epoch));
        account.set_delegate(Area::Legal, epoch, Some(AccountId([epoch as u8; 28])));
        assert!(account.delegated_in(Area::Legal, epoch));
    }
    assert_eq!(account.delegate_at(Area::Legal, 100), Some(AccountId([99; 28])));
    assert_eq!(account.delegate_at(Area::Legal, 60), Some(AccountId([59; 28])));
    assert_eq!(account.delegate_at(Area::Legal, 20), None);
    assert_eq!(account.delegate_now(Area::Finance), None);
}
