#![allow(clippy::unwrap_used, clippy::panic)]
use super::receipt::{Basis, DraftError, as_applied, draft};
use super::*;
use crate::ports::{Applied, HeadRef, MeterTerm};
use nupeer_primitives::receipt::{FLAG_DEGRADED, FLAG_FINAL, FLAG_RESET};
use nupeer_primitives::{Amount, BlockId, Hash, Height};
use proptest::prelude::*;

const TERMS: [MeterTerm; 2] = [
    MeterTerm { kind: 1, num: 10_000, den: 1_000_000_000, cap_per_s: 5_000_000 },
    MeterTerm { kind: 4, num: 100_000, den: 1_000_000_000_000, cap_per_s: 2_000_000_000 },
];

fn basis(last: &Applied, now_ms: u64) -> Basis<'_> {
    Basis {
        lease: LeaseId([1; 32]),
        epoch: 0,
        terms: &TERMS,
        last,
        ceiling: None,
        now_ms,
        up_ms: now_ms,
        anchor: HeadRef { height: Height(7), id: BlockId([9; 32]) },
        detail_root: Hash::ZERO,
        is_final: false,
    }
}

fn totals(list: &[(u32, u64)]) -> Totals {
    list.iter().copied().collect()
}

#[test]
fn worked_example_of_the_market_spec() {
    // market.md §19 case 9: 250 MB cost 2 500.
    let mut c = Counters::default();
    c.take(Source::Relay, 1, &totals(&[(1, 250_000_000)]));
    let r = draft(&c, &basis(&Applied::default(), 60_000)).unwrap();
    assert_eq!((r.amount, r.seq, r.flags), (Amount::new(2_500), 1, 0));
    assert_eq!(r.counters, [(1, 250_000_000), (4, 0)]);
}

#[test]
fn a_burst_is_billed_up_to_the_cap_and_the_rest_later() {
    let mut c = Counters::default();
    c.take(Source::Relay, 1, &totals(&[(1, 12_000_000)]));
    let first = draft(&c, &basis(&Applied::default(), 1_000)).unwrap();
    assert_eq!(first.counters[0].1, 5_000_000);
    let second = draft(&c, &basis(&as_applied(&first), 3_000)).unwrap();
    assert_eq!(second.counters[0].1, 12_000_000);
}

#[test]
fn sources_that_disagree_bill_the_lower_and_say_so() {
    for (plugin, relay, billed, degraded) in
        [(0, 100, 100, false), (96, 100, 100, false), (94, 100, 94, true), (200, 100, 100, true)]
    {
        let mut c = Counters::default();
        c.take(Source::Plugin, 1, &totals(&[(1, plugin)]));
        c.take(Source::Relay, 1, &totals(&[(1, relay)]));
        let r = draft(&c, &basis(&Applied::default(), 1_000)).unwrap();
        assert_eq!((r.counters[0].1, r.flags & FLAG_DEGRADED != 0), (billed, degraded), "{plugin} {relay}");
    }
}

#[test]
fn a_relay_that_starts_anew_adds_to_what_was() {
    let mut c = Counters::default();
    c.take(Source::Relay, c.next_relay_generation(), &totals(&[(1, 70)]));
    c.take(Source::Relay, c.next_relay_generation(), &totals(&[(1, 30)]));
    assert_eq!((c.read(1).total, c.was_reset()), (100, false));
}

#[test]
fn a_fall_without_a_generation_adds_nothing_and_is_marked() {
    let mut c = Counters::default();
    c.take(Source::Plugin, 3, &totals(&[(4, 70)]));
    c.take(Source::Plugin, 3, &totals(&[(4, 10)]));
    let mut b_last = Applied::default();
    let mut b = basis(&b_last, 5_000);
    b.is_final = true;
    let r = draft(&c, &b).unwrap();
    assert_eq!((r.counters[1].1, r.flags), (70, FLAG_RESET | FLAG_FINAL));
    b_last.t_end_ms = 5_000;
    assert_eq!(draft(&c, &basis(&b_last, 5_000)), Err(DraftError::TimeStands { now_ms: 5_000, last_ms: 5_000 }));
}

proptest! {
    /// What the chain checks of every step (market.md §8) holds for any counters.
    #[test]
    fn each_draft_passes_the_chains_checks(
        steps in prop::collection::vec((0u64..3, 0u64..u64::MAX, 0u64..u64::MAX, 0u64..100_000, 0u64..200_000), 1..30),
        ceiling in prop::option::of((0u64..u64::MAX, 0u64..u64::MAX)),
    ) {
        let mut c = Counters::default();
        let (mut last, mut now, mut up) = (Applied::default(), 0u64, 0u64);
        let ceiling = ceiling.map(|(a, b)| [a, b]);
        for (generation, bytes, fuel, dt, dup) in steps {
            c.take(Source::Relay, generation, &totals(&[(1, bytes)]));
            c.take(Source::Plugin, generation, &totals(&[(1, bytes / 2), (4, fuel)]));
            now += dt;
            up += dup;
            let mut b = basis(&last, now);
            b.up_ms = up;
            b.ceiling = ceiling.as_ref().map(|c| &c[..]);
            let Ok(r) = draft(&c, &b) else { continue };
            let elapsed = r.t_end_ms - last.t_end_ms;
            prop_assert!(elapsed > 0 && r.seq == last.seq + 1);
            prop_assert!(r.up_ms >= last.up_ms && r.up_ms - last.up_ms <= elapsed);
            for (i, (kind, total)) in r.counters.iter().enumerate() {
                let before = last.totals.get(i).copied().unwrap_or(0);
                prop_assert_eq!(*kind, TERMS[i].kind);
                prop_assert!(*total >= before);
                prop_assert!(u128::from(total - before) * 1_000 <= u128::from(TERMS[i].cap_per_s) * u128::from(elapsed));
            }
            let sum: u128 = r.counters.iter().zip(TERMS)
                .map(|((_, t), m)| u128::from(*t) * u128::from(m.num) / u128::from(m.den)).sum();
            prop_assert_eq!(u128::from(r.amount.get()), sum);
            last = as_applied(&r);
        }
    }

    #[test]
    fn sample_records_survive_the_journal(
        list in prop::collection::vec((0u64..4, 0u32..80, 0u64..u64::MAX), 0..90), up: u64, mark: Option<u64>,
    ) {
        let mut record = SampleRecord { lease: Some(LeaseId([3; 32])), epoch: 9, up_ms: up, up_mark_ms: mark, ..SampleRecord::default() };
        for (generation, kind, total) in list {
            record.counters.take(Source::Plugin, generation, &totals(&[(kind % 60, total)]));
        }
        prop_assert_eq!(SampleRecord::from_cbor(&record.to_cbor(), 1 << 16), Ok(record));
    }
}
