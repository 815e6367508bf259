//! A short version of `nupeer-testnet kill`: every kind of blow once, on real processes.
//!
//! Needs the programs (`cargo build --workspace --bins`) and `NUPEER_TEST_COMPONENT`, the guest book as
//! `testnet/apps/build` leaves it, its manifest beside it; skipped loudly where that is not set.
#![allow(clippy::unwrap_used)]

use nupeer_testnet::kill::{Options, blow::Blow, run};
use std::path::Path;

#[test]
fn killed_processes_lose_nothing() {
    let Ok(component) = std::env::var("NUPEER_TEST_COMPONENT") else {
        eprintln!("SKIPPED: NUPEER_TEST_COMPONENT is not set");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let report = run(&Options {
        seed: 1,
        rounds: u64::try_from(Blow::ALL.len()).unwrap(),
        state: folder.path().into(),
        apps: Path::new(&component).parent().unwrap().into(),
    })
    .unwrap();
    assert!(report.violations.is_empty(), "{:#?}", report);
    assert_eq!(report.blows.len(), Blow::ALL.len());
}
