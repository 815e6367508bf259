//! `nupeer`: the command line and the wallet behind it.
//!
//! # Invariants
//! - Secrets leave the process only sealed, or signed with.
//! - Whatever the chain answers is shown with its name and what to do next; exit codes are part of the interface.
//!
//! # What it deliberately does not do
//! It holds no state but the keystore, runs no node, and trusts no node with a key.

pub mod wallet;
