//! Praos for NuPeerStack, as pure functions (consensus.md §1-§9, §11-§16).
//!
//! Two halves. The lower one answers questions about single objects: weight, VRF, KES, leader check, nonce, header rules.
//! The upper one is one state machine, `step(&mut State, Input) -> Vec<Effect>`: which headers to trust, which bodies to
//! fetch, which chain to select, when to forge. See [`step`](mod@step) for its protocol and the driver's duties.
//!
//! # Invariants
//! - The same inputs give the same effects, on every platform: no clock, randomness, float, thread, I/O or hash map.
//! - No input makes it panic; the work of one call is bounded by the message's size and by constants.
//! - The selected chain always contains the final point, which never moves back; every block on it was executed valid.
//! - A slot is signed at most once, also across restarts: the record is durable before the signature is asked for.
//! - Nothing queues without a limit; each limit is a constant beside its reason.
//! - A round is voted in at most once, a final block never reverted.
//! - A peer is banned only for what its own bytes prove.
//!
//! # What it deliberately does not do
//! No networking, storage, keys or execution: those are drivers. No Cardano follower: the Cardano reference of every
//! header is zero. On a network without a finality overlay a block k deep stands for a final one.
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod bodies;
pub mod compact;
pub mod crypto;
pub mod density;
pub mod effect;
pub mod finality;
pub mod forge;
pub mod forging;
pub mod header;
pub mod input;
pub mod nonce;
pub mod peers;
pub mod select;
pub mod state;
pub mod step;
pub mod sync;
pub mod tree;
pub mod view;
