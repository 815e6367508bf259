//! What all tests of the house share: the test vectors and their runner, and the explorer of the finality overlay.

use std::path::PathBuf;

pub mod explore;
pub mod ispo_table;
pub mod vectors;

/// This crate's folder in the checkout being tested. Cargo tells it at run time; what stood there when this was
/// compiled is the fallback alone, as two checkouts that share a target folder share compiled tests.
#[must_use]
pub fn own_crate() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}
