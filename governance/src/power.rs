//! Voting power: sums over epochs, accounts, areas (governance.md §2).
//!
//! # How power stays right without timers
//! An account's bonded stake counts while it holds a level 1 credential and has signed something within `liveness`
//! epochs. Both ends are known when it signs, so its whole future goes into the sums at once: what is bonded enters at
//! activation, and all of it leaves at `expiry`. Every operation takes that future out (detach), changes the account,
//! and puts the new future in (attach). A silent account leaves every sum by itself; its next signature brings it back.
//!
//! # Invariants
//! - Per token, the votable total equals the sum of account powers, now and at every remembered epoch start; so do
//!   support and inbound sums over their givers (§13, 1 and 2).
//! - No operand reaches 2^256: shares < 2^20, amounts < 2^64, so a numerator stays below 2^214.
//!
//! # What it deliberately does not do
//! It holds no stake: what is bonded, matured or pending lives in the positions of `tokens`.

pub mod account;
pub mod area;
pub mod electorate;
pub mod spike;
pub mod sums;

#[cfg(test)]
mod tests;

pub use account::{GovAccount, PowerRules, Stake};
pub use electorate::{Electorate, Maturity};
pub use sums::TokenSums;

/// Amounts of $IaaS, $PaaS, $SaaS.
pub type Amounts = [u64; 3];
/// Weights of $IaaS, $PaaS, $SaaS in ppm.
pub type Weights = [u32; 3];
/// A whole in ppm.
pub const PPM: u64 = 1_000_000;
