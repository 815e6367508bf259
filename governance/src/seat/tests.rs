#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]
use super::*;
use crate::power::PPM;
use alloc::collections::BTreeMap;
use nupeer_primitives::Cbor;
use nupeer_primitives::governance::CandidateNo;
use proptest::prelude::*;

const RULES: SeatRules = SeatRules {
    e_min: 50_000,
    k_min: 30_000,
    kappa: 400_000,
    weight_ref: 500_000,
    ema_div: 32,
    confirm: 3,
    grace: 10,
    suspend: 5,
    min_tenure: 10,
    need_start: 600_000,
    need_step: 10_000,
    need_floor: 250_000,
    challenge_margin: 1_100_000,
    challenge_share: 400_000,
    challenge_confirm: 5,
};

fn shares(parts: &[u64]) -> BTreeMap<CandidateNo, u64> {
    // Supports of a role add up to at most everything.
    let whole = parts.iter().sum::<u64>().max(PPM);
    (1..).map(CandidateNo).zip(parts.iter().map(|part| part * PPM / whole)).collect()
}

proptest! {
    #[test]
    fn a_seat_is_held_or_vacant_and_its_number_only_grows(
        ticks in prop::collection::vec((prop::collection::vec(0u64..600_000, 0..5), any::<bool>(), 0u8..40), 1..200),
        term in prop::option::of(5u64..60),
    ) {
        let mut seat = Seat::vacant(0, term);
        for (n, (parts, holder_ok, leaves)) in (0u64..).zip(ticks) {
            let (before, support) = (seat.clone(), shares(&parts));
            if leaves == 0 {
                seat.vacate(n);
            }
            let transition = seat.evaluate(n, &Field { support: &support, holder_ok }, &RULES);
            prop_assert_eq!(seat.holder.is_none(), seat.state == SeatState::Vacant);
            let grew = matches!(
                transition,
                Some(Transition::Elect { .. } | Transition::Renew { .. } | Transition::Supersede { .. })
            );
            prop_assert_eq!(seat.instance, before.instance + u64::from(grew));
            prop_assert!(grew || seat.holder == before.holder || seat.holder.is_none());
            let sum: u64 = support.values().sum();
            prop_assert!((before.ema.min(sum)..=before.ema.max(sum)).contains(&seat.ema));
            let weight = seat.weight(PPM, &RULES);
            prop_assert_eq!(weight > 0, seat.state == SeatState::Active);
            prop_assert!(weight <= PPM);
            prop_assert_eq!(Seat::from_cbor(&seat.to_cbor(), usize::MAX).unwrap(), seat.clone());
        }
    }

    /// governance.md §13, 9.
    #[test]
    fn support_for_others_alone_below_half_as_much_again_costs_no_holder_the_seat(
        h in 50_000u64..400_000, others in 0u64..1_500_000, n in 0u64..50,
    ) {
        let others = h * others / PPM;
        let support = BTreeMap::from([(CandidateNo(1), h), (CandidateNo(2), others)]);
        let mut seat = Seat::vacant(0, None);
        (seat.state, seat.holder, seat.ema) = (SeatState::Active, Some(CandidateNo(1)), h + others);
        // A challenger of more than a tenth more may still win by confirmation; before, nothing else can happen.
        let transition = seat.evaluate(n, &Field { support: &support, holder_ok: true }, &RULES);
        prop_assert_eq!(transition, None);
        prop_assert_eq!(seat.state, SeatState::Active);
    }

    #[test]
    fn the_moving_average_floors_towards_minus_infinity(ema in 0u64..1_000_000, x in 0u64..1_000_000, div in 1u64..128) {
        let rules = SeatRules { ema_div: div, ..RULES };
        let mut seat = Seat::vacant(0, None);
        seat.ema = ema;
        seat.evaluate(0, &Field { support: &BTreeMap::from([(CandidateNo(1), x)]), holder_ok: true }, &rules);
        let exact = ema as i64 + (x as i64 - ema as i64).div_euclid(div as i64);
        prop_assert_eq!(seat.ema as i64, exact);
    }
}

#[test]
fn ties_elect_nobody_and_a_miss_begins_anew() {
    let mut seat = Seat::vacant(0, None);
    let mut tick = |n: u64, a: u64, b: u64| {
        let support = BTreeMap::from([(CandidateNo(1), a), (CandidateNo(2), b)]);
        seat.evaluate(n, &Field { support: &support, holder_ok: true }, &RULES)
    };
    for n in 35..60 {
        assert_eq!(tick(n, 200_000, 200_000), None);
    }
    assert_eq!([tick(60, 2, 300_000), tick(61, 2, 300_000)], [None, None]);
    assert_eq!(tick(62, 300_000, 300_000), None);
    assert_eq!([tick(63, 2, 300_000), tick(64, 2, 300_000)], [None, None]);
    assert_eq!(tick(65, 2, 300_000), Some(Transition::Elect { holder: CandidateNo(2), instance: 1 }));
}

#[test]
fn grace_runs_on_through_suspension() {
    let mut seat = Seat::vacant(0, None);
    (seat.state, seat.holder, seat.instance, seat.ema) = (SeatState::Active, Some(CandidateNo(1)), 1, 300_000);
    let support = BTreeMap::from([(CandidateNo(1), 100_000), (CandidateNo(2), 105_000)]);
    let mut tick = |n, holder_ok| seat.evaluate(n, &Field { support: &support, holder_ok }, &RULES);
    assert!(matches!(tick(100, true), Some(Transition::Grace { until: 110, .. })));
    assert_eq!(tick(107, false), Some(Transition::Suspend { until: 112 }));
    assert_eq!(tick(111, true), Some(Transition::Restore { state: SeatState::Grace }));
    assert_eq!(tick(112, true), Some(Transition::Revoke));
}

#[test]
fn the_bond_is_in_the_heaviest_token() {
    use nupeer_primitives::AssetId;
    assert_eq!(role::bond_token([334_000, 333_000, 333_000]), AssetId::IAAS);
    assert_eq!(role::bond_token([400_000, 400_000, 200_000]), AssetId::IAAS);
    assert_eq!(role::bond_token([100_000, 800_000, 100_000]), AssetId::PAAS);
    assert_eq!(role::bond_token([100_000, 100_000, 800_000]), AssetId::SAAS);
}
