//! Cardano's own vectors through our code: VRF, KES, leader schedule, and whole Praos headers through the rule functions.
//!
//! Data comes from `NUPEER_TEST_DATA`, else `../shared/data` beside the repository. Where the folder is missing a test
//! says so and is skipped; with `CI` set it fails.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod data;
mod kes;
mod layout;
mod real_headers;
mod schedule;
mod spoilt_headers;
mod vrf;
