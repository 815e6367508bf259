//! `nupeer`: the command line and the wallet behind it.
//!
//! # Map
//! [`args`] what can be typed · [`commands`] one file per command · [`context`] node, wallet, transactions ·
//! [`manifest`] YAML · [`plan`] manifest to bids · [`pool_args`] what an operator can type · [`deployment`] bundle keys that a
//! tenant keeps · [`witness`] whether a receipt is signed for the tenant · [`wallet`] keys.
//!
//! # Invariants
//! - Secrets leave the process only sealed, or signed with.
//! - stdout holds the result alone, and with `--json` one JSON value; progress and errors go to stderr.
//! - Whatever the chain answers is shown with its name and what to do next; exit codes are part of the interface.
//!
//! # What it deliberately does not do
//! It keeps no state but keystore, session keys, bundle keys and notes of signed receipts, runs no node, and trusts no node with a key.

pub mod args;
pub mod commands;
pub mod context;
pub mod deployment;
pub mod failure;
pub mod manifest;
pub mod plan;
pub mod pool_args;
#[macro_use]
pub mod report;
pub mod wallet;
pub mod witness;
