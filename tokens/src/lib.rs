//! Assets and balances: where every unit of every asset is, and the only functions that move it (ledger.md §1,
//! tokens.md §1); bonds, emission and rewards (tokens.md §2-§6); stake weights and their snapshots (consensus.md §2).
//!
//! # Invariants
//! - I1: per asset, the sum of free and locked over all accounts equals what was issued.
//! - I13: staking tokens never pay: every paying operation refuses assets 1-3.
//! - Nothing underflows: a balance that is too small refuses the operation and changes nothing.
//!
//! # What it deliberately does not do
//! No transactions and no clock: the runtime calls these rules with an epoch, and checks who asks.
#![no_std]
extern crate alloc;

pub mod asset;
pub mod bank;
pub mod bond;
pub mod committee;
pub mod credential;
pub mod emission;
pub mod epoch_sum;
pub mod error;
pub mod ispo;
pub mod ispo_ledger;
pub mod params;
pub mod pool_reward;
pub mod reward_round;
pub mod slashing;
pub mod stake;
pub mod supply;
pub mod weight;
pub mod wide;
pub mod work_ledger;
pub mod work_reward;

pub use epoch_sum::EpochSum;
pub use error::TokensError;
