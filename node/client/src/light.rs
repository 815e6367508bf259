//! Trusting the chain without running a node (consensus.md §10, ledger.md §6, §9).
//!
//! # The protocol
//! 1. Trust starts at the committees of two neighbouring epochs: those of genesis, or of a checkpoint that somebody
//!    whom the user trusts wrote down.
//! 2. A block is final when a carried link leads to it or to a descendant, and another carried link leads from there
//!    into the next round ([`FinalityProof`]). Whoever signed the first link had checked that its source is justified
//!    (F7), and more than one third of any two thirds is honest.
//! 3. A final block of epoch `e` proves, by its state root, the table that will finalise epoch `e+1` ([`Trust::advance`]).
//! 4. Any leaf is proven against a final block's state root ([`StateClaim`]); an event by the digest that each block
//!    chains into the state ([`EventClaim`]).
//!
//! # Invariants
//! - Nothing a node says is believed: every function here takes bytes and gives facts or the reason why not.
//! - Trust moves forward only, one epoch at a time, never past a table that was not proven.
//!
//! # What it deliberately does not do
//! It reads no clock, so it does not know whether a final block is the newest: a node can hide news, not invent it.
//! Offences inside a committee are the chain's to punish, not the client's to find.

mod claim;
mod file;
mod finality;
#[cfg(test)]
mod tests;
mod trust;

pub use claim::{ClaimError, EventClaim, EventPath, ROOTS_MAX, StateClaim};
pub use file::{Checkpoint, EventRow, FileError, MemberRow, ProofFile, Proven, StateRow, Step, finality_from_hex};
pub use finality::{FinalBlock, FinalityError, FinalityProof, HEADERS_MAX};
pub use trust::{Trust, TrustError, committee_key};
