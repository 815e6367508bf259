//! Checks over the whole house: arrows between crates, tidiness, and what only whole processes can show.
#![allow(clippy::unwrap_used, clippy::panic)]

mod a_daily_key_does_what_its_role_is_for;
mod an_executive_rules_only_while_supported;
mod arrows;
mod devnet;
mod finality_holds_in_every_schedule;
mod source;
mod the_lawsuit_of_the_chief_legal_officer;
mod tidy;
mod vectors_give_the_expected_results;
