//! The node: consensus, ledger, storage, peers and API of one machine, wired by `node.rs`.
//!
//! # Rooms
//! `engine` moves the pure cores, `storage` keeps them, `p2p` talks to other nodes, `api` to people, `mempool` holds
//! what waits, `node` is the one file that wires them.
//!
//! # What it deliberately does not do
//! No rule of the chain: those are in `nupeer-runtime` and `nupeer-consensus`. No workloads: those run beside it, in
//! `nupeer-provider`, which meets the node over its API only.

pub mod api;
pub mod chain_port;
pub mod checked;
pub mod config;
pub mod core_thread;
pub mod door;
pub mod driver;
pub mod engine;
pub mod mempool;
pub mod node;
pub mod p2p;
mod recent;
pub mod storage;
pub mod wire;
