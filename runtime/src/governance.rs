//! The DAO over state: voting power, support, seats, votes (governance.md §1-§3, §7).
//!
//! Rules without state are in the crate `nupeer-governance`; here they meet records, actions, events and ticks.
//!
//! # The way of a signature
//! Every stake, credential or governance action of an account runs inside [`power::reattach`]: its power leaves all sums,
//! the action changes what it changes, its power enters again. There is no other way into a sum.
//!
//! # Invariants
//! governance.md §13, 1, 2, 8, 12, checked by brute force in [`invariants`](mod@invariants); 3 and 18 by the tests.
//!
//! # What it deliberately does not do
//! Proposals are in their own module; it only weighs votes on them.

pub mod action;
pub mod candidacy;
pub mod delegation;
pub mod effects;
pub mod invariants;
pub mod now;
pub mod power;
pub mod proposals;
pub mod query;
pub mod role_bond;
pub mod roles;
pub mod seats;
pub mod standing;
pub mod state;
pub mod support;
#[cfg(test)]
mod tests;
pub mod vote;

pub use action::execute;
pub use invariants::{check as invariants, held};
pub use now::Now;
