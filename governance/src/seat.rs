//! Seats: who stands, who holds one, when it is lost (governance.md §3).
//!
//! An executive rules only while supported: support is continuous, and a seat is evaluated at every tick against what
//! it usually has (`ema`). The instance number is the authority of everything a seat does; it only grows.
//!
//! # Invariants
//! - One holder per instance; stances and proposals of an ended instance weigh nothing (§13, 8).
//! - A seat that is not ACTIVE has no weight.
//! - At steady `ema` no holder falls below K through support for others below 1.5 times its own (§13, 9).
//!
//! # What it deliberately does not do
//! It reads no state: supports come in, a transition goes out.

pub mod evaluate;
pub mod record;
pub mod role;

#[cfg(test)]
mod tests;

pub use evaluate::{Field, SeatRules, Transition};
pub use record::{Candidate, Seat, SeatState};
