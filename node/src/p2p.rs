//! The node's side of the network (consensus.md §14): who is connected, what is gossiped, who asks what.
//!
//! # Protocol
//! 1. Transports: QUIC, and TCP with noise and yamux. The peer key lies in its own file and signs nothing of the chain.
//! 2. Gossip: [`Topic`]s named after the genesis hash; messages are unsigned, named `H(topic ‖ data)[..20]`, relayed only
//!    after [`Handle::judge`] says so. Own messages go to every peer of the topic at once.
//! 3. Transactions travel in batches: 16 KiB or 50 ms, whichever comes first.
//! 4. Questions: [`Protocol`]s with a byte limit each way, 10 s, 16 at a time and a peer, and 4 MiB/s of answers a peer.
//!    An empty answer is a refusal. `peers/1` is asked and answered in here.
//! 5. At most 12 connections out and 100 in, at most two out into one /16, at most 4 in from one address and 16 from one
//!    /16 (loopback and private nets excepted on development networks). A third of a full set out is replaced each hour.
//! 6. Peers are found by `identify`, `kad` (routing only), `peers/1`, and an address book on disk. The two that served
//!    longest are dialled first after a restart.
//! 7. Bans outlive a restart.
//!
//! # Invariants
//! - Every queue has a limit. What is lost when one is full can be asked for again: gossip and questions, never the
//!   coming and going of peers.
//! - No message of a peer makes it panic or allocate more than the message's limit.
//! - A peer is banned in here only for a message longer than its protocol permits; all other faults are judged by the
//!   caller.
//!
//! # What it deliberately does not do
//! It decodes no chain object and keeps no opinion about blocks. No relaying for peers behind a NAT and no hole punching
//! yet: nodes need an address that others reach.

mod address_book;
mod bans;
mod batch;
mod behaviour;
mod bucket;
mod codec;
mod dialer;
mod handle;
mod key;
mod names;
mod net_limits;
mod protocol;
mod task;

pub use handle::{Event, Events, Handle, Network, Responder, Stats};
pub use key::load_or_create as load_or_create_key;
pub use libp2p::{Multiaddr, PeerId};
pub use nupeer_consensus::effect::Judgement;
pub use nupeer_consensus::input::{MsgId, NetErr, Peer};
pub use protocol::{Protocol, Topic};

use nupeer_primitives::{GenesisHash, blake2b_256};
use std::path::PathBuf;
use thiserror::Error;

/// What the operator sets.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of the peer key and the address book.
    pub folder: PathBuf,
    /// Names the network.
    pub genesis: GenesisHash,
    /// Where to listen, as `/ip4/0.0.0.0/tcp/3001` or `/ip4/0.0.0.0/udp/3001/quic-v1`; port 0 takes a free one.
    pub listen: Vec<Multiaddr>,
    /// Peers to begin with, numbered or named (`/dns4/...`), with or without `/p2p/<peer id>`.
    pub bootstrap: Vec<Multiaddr>,
    /// Addresses under which others reach this node, when they differ from `listen`.
    pub external: Vec<Multiaddr>,
    /// Connections that this node opens; 12 unless the operator says otherwise.
    pub outbound_max: u32,
    /// Connections that this node accepts; 100 unless the operator says otherwise.
    pub inbound_max: u32,
    /// Whether loopback and private addresses of peers are dialled: development networks only.
    pub private_addresses: bool,
}

impl Config {
    /// The limits of consensus.md §14.
    #[must_use]
    pub fn new(folder: PathBuf, genesis: GenesisHash) -> Self {
        Self {
            folder,
            genesis,
            listen: Vec::new(),
            bootstrap: Vec::new(),
            external: Vec::new(),
            outbound_max: 12,
            inbound_max: 100,
            private_addresses: false,
        }
    }
}

/// Why the network can't start.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// The peer key can't be read or made.
    #[error("peer key {path}: {why}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing listens on this address.
    #[error("can't listen on {address}: {why}")]
    Listen {
        /// As configured.
        address: Multiaddr,
        /// In the words of the transport.
        why: String,
    },
    /// The transports can't be built.
    #[error("network can't be built: {why}")]
    Build {
        /// In the words of libp2p.
        why: String,
    },
}

/// The name under which consensus knows a peer.
#[must_use]
pub fn peer_of(id: &PeerId) -> Peer {
    Peer(blake2b_256(&id.to_bytes()).0)
}

#[cfg(test)]
mod tests;
