//! Cryptography that Praos adds to hashes and signatures (consensus.md §3, §4).
//!
//! # Invariants
//! - Verification is a pure function of its arguments and never panics, whatever the bytes.
//! - Secret keys live only in types that erase themselves when dropped and do not print themselves.

pub mod fixed;
pub mod kes;
pub mod leader;
pub mod opcert;
pub mod vrf;

mod elligator;
