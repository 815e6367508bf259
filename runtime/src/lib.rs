//! The ledger's state machine: every rule of the chain, and nothing that touches the world.
//!
//! # The way of a block (ledger.md §7)
//! 1. begin: certificates, cursor, epoch boundary; 2. tick prologue (governance); 3. Cardano inherents (none yet);
//! 4. market batch; 5. transactions in body order; 6. fee split, header state, event digest, root.
//!
//! Steps 1-4 and 6 cannot fail: an error there is a [`Bug`](nupeer_primitives::state::Bug), the node halts and changes
//! nothing.
//!
//! # Invariants
//! I1, I2, I5-I11, I13, I18, I19 of ledger.md §14, as far as their modules exist; [`invariants::check`] tests them.
//!
//! # What it deliberately does not do
//! No clock, no I/O, no randomness: the same block over the same state gives the same root on every machine.
#![no_std]
extern crate alloc;

pub mod apply;
pub mod context;
pub mod core;
pub mod credentials;
pub mod epoch;
pub mod error;
pub mod execute;
pub mod fee;
pub mod finality;
pub mod first_state;
pub mod governance;
pub mod grant;
#[cfg(test)]
mod ground;
pub mod invariants;
pub mod market;
pub mod mempool_rules;
pub mod params;
pub mod paused;
pub mod preset;
pub mod query;
pub mod slashing;
pub mod system;
pub mod tick;
pub mod tokens;
pub mod treasury;
pub mod validity;

pub use apply::{Applied, apply_block};
pub use context::{Actor, BlockContext, Session};
pub use error::{InvalidBlock, Rejected};
