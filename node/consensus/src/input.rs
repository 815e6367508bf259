//! Everything that can happen to a node's consensus (consensus.md §11), and the handles that tie answers to questions.
//!
//! The list is closed: what is not here cannot move the state. Time comes from [`Input::Clock`] alone. Bytes of block
//! bodies never enter: the driver keeps them by their `body_hash` and reports a [`BodyDigest`].

use crate::effect::Topic;
use crate::finality::overlay::KeptFinality;
use crate::finality::voter::VoteRequest;
use crate::header::HeaderError;
use crate::nonce::Nonce;
use crate::view::LedgerView;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use nupeer_primitives::{BlockId, BlsSignature, Certificate, Hash, Height, McRef, OpCert, PoolId, Slot};

/// An authenticated peer: `H` of its libp2p peer id, so that a ban outlives the connection and a restart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Peer(pub [u8; 32]);

/// A gossip message: `H(topic ‖ data)[..20]`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct MsgId(pub [u8; 20]);

/// A question to a peer. Numbers are never reused within one life of the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Req(pub u64);

/// A question to the crypto workers. Numbers are never reused within one life of the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Job(pub u64);

nupeer_primitives::record! {
    /// A place on a chain.
    #[derive(Copy)]
    pub struct Point {
        /// The block.
        pub id: BlockId,
        /// Its height.
        pub height: Height,
        /// Its slot.
        pub slot: Slot,
    }
}

/// What a peer says about itself (`status/1`). Genesis and version were compared by the driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// Tip of its selected chain.
    pub tip: Point,
}

/// Why a question has no answer. Never a provable fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NetErr {
    /// The connection ended.
    Gone,
    /// The transport's own timer ran out.
    TimedOut,
    /// The peer answered "I don't have it" or refused.
    Refused,
    /// The answer broke the transport's limits or framing.
    Garbled,
}

/// What the driver measured on body bytes that it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BodyDigest {
    /// Bytes of the encoding.
    pub size: u32,
    /// `body_hash` of consensus.md §6; `None` when the bytes are not a canonical body.
    pub hash: Option<Hash>,
}

/// What the crypto workers found out about a header (rules 16-19).
pub type Verdict = Result<(), HeaderError>;

/// The ledger's answer to `Effect::Execute`.
#[derive(Clone, Debug)]
pub enum Exec {
    /// Every rule holds.
    Valid {
        /// State root after the block.
        root: Hash,
        /// What later headers are checked against. Shared between blocks while nothing in it changes.
        view: Arc<LedgerView>,
        /// Certificates of its body, which the ledger checked.
        certificates: Vec<Certificate>,
    },
    /// A rule is broken: the block and all that follows it are dead.
    Invalid(BlockRule),
}

/// Body rules of consensus.md §7, as far as they have no peer to blame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockRule {
    /// The state root differs from the header's.
    BadStateRoot,
    /// A Cardano reference that this chain cannot have yet.
    BadInherents,
    /// Any rule of the ledger; the number is the ledger's error code.
    Ledger(u16),
}

/// A won slot: what the key agent puts into the header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaderClaim {
    /// VRF output and proof.
    pub vrf: ([u8; 64], [u8; 80]),
    /// The operational certificate that the signature will be made under.
    pub opcert: OpCert,
}

/// Why there is no body to sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForgeError {
    /// The parent's state is gone.
    UnknownParent,
    /// The builder ran out of its time.
    TooSlow,
}

/// The state that headers carry at the newest final block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Root {
    /// The final block; (genesis hash, 0, 0) on a new chain.
    pub point: Point,
    /// Its Cardano reference.
    pub mc: McRef,
    /// Nonce state after it.
    pub nonce: Nonce,
    /// Highest operational certificate counter of each pool, up to and including it.
    pub counters: Vec<(PoolId, u64)>,
}

nupeer_primitives::record! {
    /// A banned peer.
    #[derive(Copy)]
    pub struct Ban {
        /// Who.
        pub peer: [u8; 32],
        /// First slot at which it may come back.
        pub until: Slot,
        /// Bans so far; each doubles the next.
        pub strikes: u8,
    }
}

/// What survived on disk: the sum of all `Effect::Persist` records, and where the ledger stands.
#[derive(Clone, Debug)]
pub struct Persisted {
    /// From the last `Record::Final` (and its counters), or genesis.
    pub root: Root,
    /// Every `Record::Header` not forgotten since, parents first.
    pub headers: Vec<Vec<u8>>,
    /// The block whose state the ledger holds; the root or a descendant of it.
    pub tip: BlockId,
    /// Views of the root and of the tip at least; views of blocks between them are welcome.
    pub views: Vec<(BlockId, Arc<LedgerView>)>,
    /// The last `Record::Signed`.
    pub signed: Option<(Slot, BlockId)>,
    /// The last `Record::Ban` of each peer.
    pub bans: Vec<Ban>,
    /// What the overlay made durable.
    pub finality: KeptFinality,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The process started. First, and once.
    Boot(Box<Persisted>),
    /// The wall clock, at least once a slot.
    Clock {
        /// Slot that now lies in.
        slot: u64,
        /// Milliseconds since the slot began.
        ms: u16,
    },
    /// A peer of the same genesis and a known version connected.
    PeerUp(Peer, Status),
    /// It told us its status again.
    PeerStatus(Peer, Status),
    /// It is gone; its open questions are answered with [`NetErr::Gone`] or not at all.
    PeerDown(Peer),
    /// A gossip message.
    Gossip {
        /// Who sent it to us.
        from: Peer,
        /// To be judged.
        id: MsgId,
        /// On which topic.
        topic: Topic,
        /// A header, vote, certificate or evidence.
        bytes: Vec<u8>,
    },
    /// Answer to `GetHeaders`: encoded headers, parents first.
    Headers(Req, Result<Vec<Vec<u8>>, NetErr>),
    /// Answer to `GetBodies`: position n answers the n-th id; `None` where the peer has none.
    Bodies(Req, Result<Vec<Option<BodyDigest>>, NetErr>),
    /// Answer to `GetCerts`: encoded certificates, ascending by round.
    Certs(Req, Result<Vec<Vec<u8>>, NetErr>),
    /// Answer to `Verify`.
    Verified(Job, Verdict),
    /// Answer to `Execute`.
    Executed(BlockId, Exec),
    /// Answer to `AskLeader`.
    LeaderProof {
        /// As asked.
        slot: u64,
        /// As asked.
        eta: Hash,
        /// `None`: not the leader, or the agent refuses.
        claim: Option<Box<LeaderClaim>>,
    },
    /// Answer to `Forge`: the body stands in the driver's store.
    Forged {
        /// As asked.
        slot: u64,
        /// As asked.
        parent: BlockId,
        /// Size and hash.
        body: BodyDigest,
        /// State root after it.
        root: Hash,
    },
    /// Other answer to `Forge`.
    ForgeFailed {
        /// As asked.
        slot: u64,
        /// Reason.
        why: ForgeError,
    },
    /// Answer to `Sign`; `None` when the agent refuses.
    Signed {
        /// As asked.
        slot: u64,
        /// As asked.
        id: BlockId,
        /// KES signature over the id.
        signature: Option<Box<[u8; 448]>>,
    },
    /// Answer to `SignVote`; `None` when the agent refuses.
    VoteSigned(VoteRequest, Option<BlsSignature>),
}
