//! The deterministic simulator: N nodes run the real engine (consensus, ledger, mempool, storage) with a virtual clock,
//! network and disk. One seed, one history (consensus.md §16).
//!
//! # Faults
//! of the network (`network.rs`), of disks, processes and clocks (`faults.rs`), of dishonest pools (`adversary.rs`) and
//! of dishonest answers (`lies.rs`). Each kind has a counter; a run of seeds that leaves one at 0 has not tested it.
//!
//! # Checked after every step
//! common prefix of final blocks · one root per block id · ledger invariants of every executed block (the engine's
//! audit) · no honest double signature · queue bounds · at the end, after the network healed: one chain.
//!
//! # What it deliberately does not do
//! It does not run tokio, libp2p or RocksDB: the local network does.

mod adversary;
mod check;
mod dice;
mod disk;
mod faults;
mod lies;
mod network;
mod node;
mod report;
mod traffic;
mod world;

pub use dice::Dice;
pub use report::Report;
pub use world::{Options, run};

/// Nodes of a seed where nobody says: 5 to 7.
#[must_use]
pub fn nodes_of(seed: u64) -> usize {
    5usize.saturating_add(usize::try_from(seed % 3).unwrap_or(0))
}
