//! Everything that consensus can want (consensus.md §11). The driver carries effects out in order.

use crate::finality::voter::{VoteRequest, Voted};
use crate::header::{CryptoJob, HeaderError};
use crate::input::{Ban, BlockRule, Job, MsgId, Peer, Point, Req};
use crate::nonce::Nonce;
use alloc::boxed::Box;
use alloc::vec::Vec;
use nupeer_primitives::{BlockId, Certificate, Checkpoint, Epoch, Hash, HeaderBody, McRef, PoolId, Slot};

/// Gossip topics that consensus reads and writes (consensus.md §14).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Topic {
    /// `head/1`: headers.
    Head,
    /// `vote/1`: finality votes.
    Vote,
    /// `cert/1`: certificates.
    Certificate,
    /// `evid/1`: evidence.
    Evidence,
}

/// What must be durable before any later effect is carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// A header that passed rules 1-19: goes into the header index.
    Header {
        /// Its id, the key.
        id: BlockId,
        /// Its encoding.
        bytes: Vec<u8>,
    },
    /// These headers are no longer wanted in the index (dead or below the final block).
    Forgotten(Vec<BlockId>),
    /// The root of the tree moved one up: no block below it is ever reverted. Replaces point and nonce, upserts one counter.
    Final {
        /// The block.
        point: Point,
        /// Its Cardano reference.
        mc: McRef,
        /// Nonce state after it.
        nonce: Box<Nonce>,
        /// Who issued it.
        pool: PoolId,
        /// Its operational certificate counter.
        counter: u64,
    },
    /// This slot is signed: no other block of ours may ever carry it.
    Signed {
        /// The slot.
        slot: Slot,
        /// The block.
        id: BlockId,
    },
    /// A peer is banned.
    Ban(Ban),
    /// A certificate was taken in. Kept by (round, committee) until a `Finalized` of its round or a later one.
    Certificate {
        /// Target round.
        round: u64,
        /// Epoch of the committee.
        committee: Epoch,
        /// Its encoding.
        bytes: Vec<u8>,
    },
    /// A checkpoint is final. Replaces the one before.
    Finalized {
        /// Its round.
        round: u64,
        /// Its block.
        point: Point,
        /// What proves it.
        proof: Vec<Certificate>,
    },
    /// We vote in this round: no other vote of ours may ever be cast in it. Replaces the one before.
    Voted(Voted),
}

/// What gossip does with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// Relay it.
    Accept,
    /// Do not relay, blame nobody.
    Ignore,
    /// Do not relay, lower the sender's score.
    Reject,
}

/// A fault that the attached bytes prove.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// Not a canonical header, or too long.
    Malformed,
    /// A header rule that counts as the peer's fault.
    Header(HeaderError),
    /// A body that does not match the header it was sent for.
    BodyMismatch,
    /// A third header of one issuer for one slot.
    TooManyHeaders,
    /// A vote whose signature is not its member's.
    BadVote,
    /// A certificate without its quorum or signature.
    BadCertificate,
    /// Evidence that proves nothing.
    BadEvidence,
}

/// Why a connection ends without blame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum DropReason {
    /// Claimed more than it delivered within the time limit.
    NotDelivering,
    /// Its chain lost the density comparison.
    Sparser,
    /// Its chain does not contain our final block.
    OtherChain,
    /// It follows a block that is invalid here.
    InvalidChain,
    /// Still banned.
    Banned,
    /// No room.
    TooManyPeers,
}

/// What the key agent is asked to sign. It derives slot and id from the header body itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignReq {
    /// Slot of the block.
    pub slot: u64,
    /// Block id, the signed value.
    pub id: BlockId,
    /// What the id is the digest of.
    pub header: Box<HeaderBody>,
}

/// Counters and gauges for the operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Metric {
    /// The persisted state does not fit together; nothing runs until the operator resyncs.
    BootRefused(BootError),
    /// Mode changed: true is `Following`.
    Following(bool),
    /// A header was refused by this rule.
    HeaderRefused(HeaderError),
    /// A block was refused by this rule.
    BlockRefused(BlockId, BlockRule),
    /// We lead this slot.
    Leader(u64),
    /// Our block is signed.
    OwnBlock(BlockId),
    /// We led this slot and made no block.
    SlotMissed(u64),
    /// Blocks undone by a switch.
    Rollback(u64),
    /// An epoch began without Cardano's contribution to its nonce.
    NonceWithoutCardano(u64),
    /// Something was pushed out of a full queue.
    QueueFull(Queue),
    /// A round of votes is over.
    RoundEnded {
        /// The round.
        round: u64,
        /// Rounds since the final one: `finality_lag`.
        finality_lag_rounds: u64,
        /// Weight of the votes that were seen and checked.
        seen: u128,
        /// Weight of the committee.
        total: u128,
        /// Members without a vote.
        absent: u16,
    },
    /// Certificates prove a checkpoint final that contradicts ours: a third or more of a committee lies. Someone must act.
    ForeignFinal(Checkpoint),
}

/// Why a boot record is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BootError {
    /// The tip is not among the headers.
    UnknownTip,
    /// The root or the tip has no view.
    MissingView,
    /// A second boot.
    AlreadyBooted,
}

/// The bounded queues.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Queue {
    /// Announced headers that wait for something.
    Waiting,
    /// Headers of sync that wait for the ledger.
    Backlog,
    /// The header tree.
    Tree,
    /// Bans.
    Bans,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Make durable before any later effect of this or a later step.
    Persist(Record),
    /// Publish.
    Gossip(Topic, Vec<u8>),
    /// Answer gossip about a message.
    Judge(MsgId, Judgement),
    /// A provable fault, with the bytes that prove it.
    Fault(Peer, FaultKind, Vec<u8>),
    /// End the connection.
    Drop(Peer, DropReason),
    /// Ask for at most [`crate::sync::HEADERS_PER_REQUEST_MAX`] headers after the first known id of the locator.
    GetHeaders(Req, Peer, Vec<BlockId>),
    /// Ask for bodies.
    GetBodies(Req, Peer, Vec<BlockId>),
    /// Ask for at most [`crate::finality::overlay::CERTIFICATES_PER_REQUEST_MAX`] certificates from a target round on.
    GetCerts(Req, Peer, u64),
    /// Check rules 16-19.
    Verify(Job, Box<CryptoJob>),
    /// Run a block on the state after its parent.
    Execute {
        /// The block.
        block: BlockId,
        /// Its parent, executed before.
        parent: BlockId,
        /// Where its body stands in the driver's store.
        body_hash: Hash,
    },
    /// The selected chain changed: undo down to `rollback_to`, then apply, in order, blocks already executed.
    Switch {
        /// Last common block.
        rollback_to: BlockId,
        /// New blocks, parents first.
        apply: Vec<BlockId>,
    },
    /// Ask the key agent whether it leads a slot.
    AskLeader {
        /// The slot.
        slot: u64,
        /// Nonce of its epoch.
        eta: Hash,
        /// Weight of our pool.
        weight: u128,
        /// Weight of all pools.
        total: u128,
    },
    /// Build a body on `parent`.
    Forge {
        /// The slot.
        slot: u64,
        /// The parent, our tip.
        parent: BlockId,
        /// VRF output, for a builder that draws from it.
        vrf_out: Box<[u8; 64]>,
        /// Certificates to put in, oldest first; the ledger takes those that its chain lacks, at most P:certs_max.
        certificates: Vec<Certificate>,
    },
    /// Have a block signed.
    Sign(Box<SignReq>),
    /// Have a vote signed.
    SignVote(VoteRequest),
    /// A checkpoint is justified.
    Justified {
        /// Round and block.
        checkpoint: Checkpoint,
        /// The certificates for links that end at it.
        certificates: Vec<Certificate>,
    },
    /// A block of the selected chain is final: it and its ancestors are never reverted.
    Finalized {
        /// Its round.
        round: u64,
        /// The block.
        point: Point,
        /// Certificates of the link that justifies it and of the one that makes it final.
        proof: Vec<Certificate>,
    },
    /// Evidence that was checked: to be published on `evid/1` and put into an own block.
    Evidence(Vec<u8>),
    /// Send a clock input at this time, too.
    WakeAt {
        /// Slot.
        slot: u64,
        /// Milliseconds into it.
        ms: u16,
    },
    /// For the operator.
    Note(Metric),
}
