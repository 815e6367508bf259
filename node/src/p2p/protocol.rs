//! Names and limits of everything that crosses the wire (consensus.md §14).

use super::MsgId;
use libp2p::StreamProtocol;
use libp2p::gossipsub::{IdentTopic, TopicHash};
use nupeer_primitives::GenesisHash;
use nupeer_primitives::finality::{CERTIFICATE_BYTES_MAX, VOTE_BYTES_MAX};
use nupeer_primitives::hash::blake2b_256_of;
use std::time::Duration;

/// Time for an answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// Questions of one peer, and to one peer, at a time.
pub const PARALLEL_MAX: usize = 16;
/// Addresses of one `peers/1` answer.
pub const PEERS_MAX: usize = 32;
/// Bytes of one signed address record: eight addresses and a signature.
pub const RECORD_BYTES_MAX: usize = 1_024;

const KIB: usize = 1_024;
const MIB: usize = 1_024 * KIB;

/// First 8 hex digits of the genesis hash, `g8`.
pub fn g8(genesis: &GenesisHash) -> String {
    genesis.0.to_hex().chars().take(8).collect()
}

/// What is gossiped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Topic {
    /// A header.
    Head,
    /// A batch of transactions.
    Tx,
    /// A finality vote.
    Vote,
    /// A finality certificate.
    Certificate,
    /// Evidence of a slashable act.
    Evidence,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 5] = [Self::Head, Self::Tx, Self::Vote, Self::Certificate, Self::Evidence];

    /// Bytes of a message.
    #[must_use]
    pub const fn bytes_max(self) -> usize {
        match self {
            Self::Head => 2_048,
            Self::Tx => 65_600,
            Self::Vote => VOTE_BYTES_MAX,
            Self::Certificate => CERTIFICATE_BYTES_MAX,
            Self::Evidence => 6_144,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Head => "head/1",
            Self::Tx => "tx/1",
            Self::Vote => "vote/1",
            Self::Certificate => "cert/1",
            Self::Evidence => "evid/1",
        }
    }

    pub(super) fn topic(self, genesis: &GenesisHash) -> IdentTopic {
        IdentTopic::new(format!("/nup/{}/{}", g8(genesis), self.name()))
    }

    pub(super) fn of(hash: &TopicHash, genesis: &GenesisHash) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.topic(genesis).hash() == *hash)
    }
}

/// `H(topic ‖ data)[..20]`.
pub fn message_id(topic: &TopicHash, data: &[u8]) -> MsgId {
    let digest = blake2b_256_of(&[topic.as_str().as_bytes(), data]).0;
    let mut id = [0; 20];
    for (to, from) in id.iter_mut().zip(digest) {
        *to = from;
    }
    MsgId(id)
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Protocol {
    /// Genesis, version, final block, tip, mode.
    Status,
    /// Locator -> headers.
    Headers,
    /// Block ids -> bodies.
    Blocks,
    /// Block ids -> short ids of their transactions.
    Compact,
    /// A block and short ids -> transactions of it.
    Txs,
    /// Round -> certificates from it on.
    Certificates,
    /// -> signed addresses.
    Peers,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 7] =
        [Self::Status, Self::Headers, Self::Blocks, Self::Compact, Self::Txs, Self::Certificates, Self::Peers];

    /// Bytes of a question: 64 ids of a locator or of blocks, 256 of transactions, with framing.
    #[must_use]
    pub const fn request_max(self) -> usize {
        match self {
            Self::Status => 512,
            Self::Headers | Self::Blocks | Self::Compact => 4 * KIB,
            Self::Txs => 10 * KIB,
            Self::Certificates | Self::Peers => 64,
        }
    }

    /// Bytes of an answer.
    #[must_use]
    pub const fn response_max(self) -> usize {
        match self {
            Self::Status => 512,
            Self::Headers => 11 * MIB / 10,
            Self::Blocks => 8 * MIB,
            // Four bodies of the most transactions that any parameter setting permits.
            Self::Compact => 4 * 160 * KIB,
            Self::Txs => 2 * MIB,
            Self::Certificates => 256 * KIB,
            Self::Peers => PEERS_MAX * RECORD_BYTES_MAX + KIB,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Status => "status/1",
            Self::Headers => "headers/1",
            Self::Blocks => "blocks/1",
            Self::Compact => "compact/1",
            Self::Txs => "txs/1",
            Self::Certificates => "certs/1",
            Self::Peers => "peers/1",
        }
    }

    pub(super) fn stream(self, genesis: &GenesisHash) -> StreamProtocol {
        named(format!("/nup/{}/{}", g8(genesis), self.name()))
    }
}

/// A protocol name of our own making, which always begins with a slash.
pub fn named(name: String) -> StreamProtocol {
    StreamProtocol::try_from_owned(name).unwrap_or(StreamProtocol::new("/nup/unnamed/1"))
}
