//! Assets and balances: where every unit of every asset is, and the only functions that move it (ledger.md §1,
//! tokens.md §1); stake weights and their snapshots (consensus.md §2).
//!
//! # Invariants
//! - I1: per asset, the sum of free and locked over all accounts equals what was issued.
//! - I13: staking tokens never pay: every paying operation refuses assets 1-3.
//! - Nothing underflows: a balance that is too small refuses the operation and changes nothing.
//!
//! # What it deliberately does not do
//! No emission, bonding, slashing, credentials or role NFTs yet: stake is what genesis gave.
#![no_std]
extern crate alloc;

pub mod asset;
pub mod bank;
pub mod credential;
pub mod epoch_sum;
pub mod error;
pub mod params;
pub mod slashing;
pub mod stake;
pub mod weight;

pub use epoch_sum::EpochSum;
pub use error::TokensError;
