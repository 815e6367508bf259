//! The life of a proposal, from its deposit to its execution (governance.md §6). [windows, lifecycle]
//!
//! # Parts
//! [`life`]: statuses, windows and every transition, without knowing what a vote or a seat is. What the transitions
//! need (decision, agreement, seat, outcome of an attempt) comes in as values.
//!
//! # Invariants
//! - A final status never changes again.
//! - A proposal that a seat stands behind executes only while that instance is ACTIVE (§13, 7).
//! - Status is a function of the record and the ticks that passed: looking later changes no outcome.

pub mod life;

pub use life::{Bound, Change, Life, LifeRules, Status, Windows};
