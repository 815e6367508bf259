//! Checks over the whole house: arrows between crates, tidiness, and what only whole processes can show.
#![allow(clippy::unwrap_used, clippy::panic)]

mod arrows;
mod source;
mod tidy;
mod vectors_give_the_expected_results;
