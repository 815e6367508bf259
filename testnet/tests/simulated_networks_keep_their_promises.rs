//! Short versions of `nupeer-testnet sim --seeds 200`, `sim --crowd` and `sim --nightly`.
#![allow(clippy::unwrap_used)]

use nupeer_runtime::preset::Preset;
use nupeer_testnet::sim::{Options, Report, run};
use nupeer_testnet::{crowd, regressions};
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

#[test]
fn a_crowd_has_one_history_and_everything_happens_to_it() {
    let small = crowd::Options { slots: 380, ..crowd::Options::small(1) };
    let (first, second) = (crowd::run(small).unwrap(), crowd::run(small).unwrap());
    assert_eq!(first.hash, second.hash);
    let real = crowd::Options { nodes: 7, slots: 260, real_crypto: true, ..crowd::Options::small(2) };
    let others = [real, crowd::Options { seed: 3, ..small }].map(|options| crowd::run(options).unwrap());
    for figures in others.iter().chain([&first]) {
        assert!(figures.violations.is_empty(), "{:?}\nreplay: {}", figures.violations, figures.replay);
        assert!(figures.final_height > 40, "hardly anything became final: {figures:?}");
    }
    for what in crowd::REACHED {
        assert!(others.iter().chain([&first]).any(|figures| figures.counters[what] > 0), "{what} never happened");
    }
}

/// A block is final after about a round and a half and the lag, also where messages travel around the world.
#[test]
fn a_quiet_crowd_around_the_world_is_final_in_time() {
    for preset in [Preset::Mainnet, Preset::Devnet] {
        let quiet = crowd::Options { nodes: 30, preset, disjoint: false, fire: false, ..crowd::Options::small(1) };
        let figures = crowd::run(quiet).unwrap();
        assert!(figures.violations.is_empty(), "{:?}\nreplay: {}", figures.violations, figures.replay);
        let most = figures.expected_ms + 2_000;
        assert!(figures.final_after.mean_ms < most, "{:?}, expected {} ms", figures.final_after, figures.expected_ms);
    }
}

#[test]
fn no_seed_that_failed_once_fails_again() {
    let list = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions.txt");
    for command in regressions::commands(&std::fs::read_to_string(list).unwrap()) {
        assert_eq!(regressions::replay(command).unwrap(), Vec::<String>::new(), "{command}");
    }
}
