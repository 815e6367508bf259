//! A short version of `nupeer-testnet sim --seeds 200`.
#![allow(clippy::unwrap_used)]

use nupeer_testnet::sim::{Options, Report, run};
use std::collections::BTreeMap;

#[test]
fn one_seed_gives_one_history() {
    let options = Options { seed: 3, nodes: 5, slots: 80 };
    let (first, second) = (run(options).unwrap(), run(options).unwrap());
    assert_eq!(first.hash, second.hash);
    let other = run(Options { seed: 4, ..options }).unwrap();
    assert_ne!(first.hash, other.hash);
}

#[test]
fn seeds_pass_and_every_fault_happens() {
    let mut totals = BTreeMap::new();
    for seed in 1..=10 {
        let nodes = 5 + usize::try_from(seed % 3).unwrap();
        let report = run(Options { seed, nodes, slots: 120 }).unwrap();
        assert!(report.violations.is_empty(), "{:?}\nreplay: {}", report.violations, report.replay);
        assert!(report.height > 50 && report.txs > 0, "the chain hardly moved: {report:?}");
        Report::add(&mut totals, &report);
    }
    for fault in Report::FAULTS {
        assert!(totals[fault] > 0, "{fault} never happened");
    }
}
