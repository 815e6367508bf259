//! The lazy sum against the plain list of everything that was ever added.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use proptest::prelude::*;

/// (epoch of the operation, epoch from whose start it counts, amount)
fn naive_at_start(changes: &[(u32, i128)], epoch: u32) -> i128 {
    changes.iter().filter(|(from, _)| *from <= epoch).map(|(_, x)| x).sum()
}

proptest! {
    #[test]
    fn it_equals_the_list_of_all_changes(ops in prop::collection::vec((0u32..3, 0u32..8, -1_000i64..1_000), 0..120)) {
        let (mut sum, mut changes, mut epoch) = (EpochSum::default(), Vec::new(), 0);
        for (step, ahead, x) in ops {
            epoch += step;
            sum.advance(epoch).unwrap();
            let x = i128::from(x);
            sum.sched(epoch + ahead, x).unwrap();
            // A change of now shows from the next start on.
            changes.push((epoch + ahead.max(1), x));
            prop_assert_eq!(EpochSum::from_cbor(&sum.to_cbor(), usize::MAX).unwrap(), sum.clone());
            prop_assert!(sum.history().len() <= HISTORY_MAX);
            let oldest = sum.history().first().unwrap().0;
            for past in oldest..=epoch {
                prop_assert_eq!(sum.at_start(past), naive_at_start(&changes, past));
            }
        }
        sum.advance(epoch + 9).unwrap();
        prop_assert_eq!(sum.value(), changes.iter().map(|(_, x)| x).sum::<i128>());
        prop_assert_eq!(sum.pending(), 0);
    }

    #[test]
    fn merging_parts_gives_the_whole(parts in prop::collection::vec((0u32..5, 1i64..1_000), 1..20), epoch in 1u32..9) {
        let mut whole = EpochSum::at(0);
        for (ahead, x) in &parts {
            let mut part = EpochSum::at(0);
            part.sched(*ahead, i128::from(*x)).unwrap();
            whole.merge(&part, Merge::Add).unwrap();
        }
        whole.advance(epoch).unwrap();
        let expected: i64 = parts.iter().filter(|(ahead, _)| *ahead <= epoch).map(|(_, x)| x).sum();
        prop_assert_eq!(whole.value(), i128::from(expected));
        for (ahead, x) in &parts {
            let mut part = EpochSum::at(0);
            part.sched(*ahead, i128::from(*x)).unwrap();
            part.advance(epoch).unwrap();
            whole.merge(&part, Merge::Subtract).unwrap();
        }
        prop_assert!(whole.is_zero());
    }

    #[test]
    fn wide_values_have_one_encoding(x: i128) {
        let sum = EpochSum::from_genesis(x);
        prop_assert_eq!(EpochSum::from_cbor(&sum.to_cbor(), usize::MAX).unwrap(), sum);
    }
}

#[test]
fn only_the_newest_starts_are_remembered() {
    let mut sum = EpochSum::default();
    for epoch in 1..=60 {
        sum.now(1).unwrap();
        sum.advance(epoch).unwrap();
    }
    assert_eq!(sum.history().len(), HISTORY_MAX);
    assert_eq!((sum.at_start(12), sum.at_start(13), sum.at_start(60), sum.at_start(u32::MAX)), (0, 13, 60, 60));
    sum.sched(u32::MAX, 5).unwrap();
    sum.advance(u32::MAX).unwrap();
    assert_eq!((sum.value(), sum.pending()), (65, 0));
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut sum = EpochSum::from_genesis(i128::MAX);
    assert_eq!(sum.now(1), Err(OUT_OF_RANGE));
    assert!(EpochSum::from_cbor(&[0x80], usize::MAX).is_err());
}
