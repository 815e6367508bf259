//! Checks over the whole house: arrows between crates, tidiness, and what only whole processes can show.
#![allow(clippy::unwrap_used, clippy::panic)]

mod an_executive_rules_only_while_supported;
mod arrows;
mod source;
mod tidy;
mod vectors_give_the_expected_results;
