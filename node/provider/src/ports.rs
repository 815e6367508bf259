//! What the daemon needs from the rest of the world, in its own words (spec/provider.md §2).
//!
//! The core reads views of the chain and never asks; the shell gets them by [`Chain`], the one port with more than
//! one implementor (a node's API, and the fakes of the tests). A [`ChainView`] is what a node
//! says: enough to serve and to stop. What destroys is a [`LeaseFact`], which no node can make up.

use std::collections::{BTreeMap, BTreeSet};

use nupeer_primitives::market::{Family, MarketMs};
use nupeer_primitives::{
    AccountId, Action, Amount, BlockId, Height, HostId, InstrumentId, LeaseId, TxId, VerificationKey,
};

/// Where a lease stands (market.md §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeaseState {
    /// In the book.
    Queued,
    /// A host was found and has not answered.
    Matched,
    /// The host prepares.
    Provisioning,
    /// Billed.
    Active,
    /// Notice was given; still billed.
    Reclaiming,
    /// Out of money: stopped, data kept.
    Grace,
    /// The host is gone.
    Failover,
    /// Being settled.
    Closing,
    /// To be wiped.
    Purging,
    /// Over.
    Closed,
}

impl LeaseState {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Matched,
        Self::Provisioning,
        Self::Active,
        Self::Reclaiming,
        Self::Grace,
        Self::Failover,
        Self::Closing,
        Self::Purging,
        Self::Closed,
    ];

    /// The label of metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Matched => "matched",
            Self::Provisioning => "provisioning",
            Self::Active => "active",
            Self::Reclaiming => "reclaiming",
            Self::Grace => "grace",
            Self::Failover => "failover",
            Self::Closing => "closing",
            Self::Purging => "purging",
            Self::Closed => "closed",
        }
    }

    /// Whether receipts of the current epoch are accepted (market.md §8).
    #[must_use]
    pub const fn is_billing(self) -> bool {
        match self {
            Self::Active | Self::Reclaiming | Self::Grace | Self::Closing => true,
            Self::Queued | Self::Matched | Self::Provisioning | Self::Failover | Self::Purging | Self::Closed => false,
        }
    }

    /// Whether the workload should answer requests.
    #[must_use]
    pub const fn is_served(self) -> bool {
        match self {
            Self::Active | Self::Reclaiming => true,
            Self::Queued
            | Self::Matched
            | Self::Provisioning
            | Self::Grace
            | Self::Failover
            | Self::Closing
            | Self::Purging
            | Self::Closed => false,
        }
    }
}

/// A meter that the lease bills, with the cap of all its lots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeterTerm {
    /// Kind (market.md §2).
    pub kind: u8,
    /// Numerator of the price.
    pub num: u64,
    /// Denominator of the price, at least 1.
    pub den: u64,
    /// Most that the whole lease may count in a second.
    pub cap_per_s: u64,
}

/// The last receipt that the chain applied in an epoch; zeros and the start of billing before the first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// Its number.
    pub seq: u64,
    /// Market time up to which it counted.
    pub t_end_ms: MarketMs,
    /// Time up.
    pub up_ms: u64,
    /// Totals in the order of the terms.
    pub totals: Vec<u64>,
    /// What it was worth.
    pub amount: Amount,
}

/// A lease as proven at one head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseView {
    /// Rises with every later match and failover.
    pub epoch: u32,
    /// Who holds it now.
    pub host: Option<HostId>,
    /// Where it stands.
    pub state: LeaseState,
    /// Provisioning again after Grace, when Decline is not permitted (market.md §7 row 5).
    pub resuming: bool,
    /// Who pays.
    pub tenant: AccountId,
    /// Keys that may sign for the tenant beside the account's own.
    pub tenant_keys: BTreeSet<VerificationKey>,
    /// Edges of the lease.
    pub edges: BTreeSet<VerificationKey>,
    /// Market it was bought in.
    pub instrument: InstrumentId,
    /// What a lot is.
    pub family: Family,
    /// How many.
    pub lots: u32,
    /// Hash of the normalised manifest.
    pub manifest_hash: [u8; 32],
    /// The bundle key sealed to this host.
    pub wrap: Option<Vec<u8>>,
    /// What is billed, in order.
    pub meters: Vec<MeterTerm>,
    /// What metered use may run up unsettled.
    pub exposure: Amount,
    /// Market time at which billing of this epoch began.
    pub active_since_ms: MarketMs,
    /// Market time of the last co-signature that the chain saw in this epoch, or of the start.
    pub cosigned_ms: MarketMs,
    /// Last receipt applied in this epoch.
    pub applied: Applied,
    /// A receipt that waits for its window.
    pub pending_seq: Option<u64>,
    /// When the money runs out.
    pub funded_until_ms: MarketMs,
}

/// A block the daemon knows by height and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeadRef {
    /// Its height.
    pub height: Height,
    /// Its id.
    pub id: BlockId,
}

/// What a lease's record says at a final block: shown by certificates and a proof, so that no fork takes it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseFact {
    /// The block.
    pub at: HeadRef,
    /// The lease's epoch.
    pub epoch: u32,
    /// Where it stands.
    pub state: LeaseState,
}

/// Everything the core learns of the chain at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainView {
    /// The head that the leases were proven at.
    pub head: HeadRef,
    /// Market time of that head.
    pub market_ms: MarketMs,
    /// |chain's wall time - own clock|, ms.
    pub clock_skew_ms: u64,
    /// A block that a receipt may anchor to: recent, yet unlikely to be reverted.
    pub anchor: HeadRef,
    /// Ids on the chain of `head` for the heights the core asked for; a height nobody answered is absent.
    pub ids: BTreeMap<Height, BlockId>,
    /// Leases of this host, and every lease asked for by id. One that was not proven, present or absent, is not here.
    pub leases: BTreeMap<LeaseId, LeaseView>,
    /// What is proven of the leases that were to be proven, ascending by height; the newest facts at least, and those
    /// given before may come again.
    pub facts: BTreeMap<LeaseId, Vec<LeaseFact>>,
}

/// Parameters of the chain that the daemon follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainRules {
    /// Blocks under which a block is buried deep enough to stop a workload, which is taken back if it must be.
    pub depth_final: u64,
    /// Blocks between two heads that count as separate proofs, at least one finality round.
    pub round_blocks: u64,
    /// `market.receipt_every`.
    pub receipt_every_ms: u64,
    /// `market.max_unacked`.
    pub max_unacked_ms: u64,
    /// `market.settle_every`.
    pub settle_every_ms: u64,
    /// `market.settle`.
    pub settle_ms: u64,
    /// `market.stop`.
    pub stop_ms: u64,
    /// `market.provision`.
    pub provision_ms: u64,
    /// `market.skew`.
    pub skew_ms: u64,
}

/// Own machine as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostView {
    /// Its id.
    pub id: HostId,
    /// Key that signs receipts and lease actions.
    pub session_key: VerificationKey,
    /// Key that bundle keys are sealed to.
    pub seal_key: [u8; 32],
    /// Lots by family.
    pub lots: BTreeMap<Family, u32>,
}

/// Why the chain could not be asked or told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No node answered.
    #[error("no node answers: {why}; check `nodes` in the config, workloads go on meanwhile")]
    NodeUnreachable {
        /// The transport's words.
        why: String,
    },
    /// An answer does not match the proven root.
    #[error("node {node} sent a proof that does not verify: {why}; use another node")]
    ProofInvalid {
        /// Which node.
        node: String,
        /// What failed.
        why: String,
    },
    /// A transaction was refused.
    #[error("transaction refused: {code}")]
    Refused {
        /// The chain's error, as `module.Variant`.
        code: String,
    },
}

impl ChainError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::NodeUnreachable { .. } => true,
            Self::ProofInvalid { .. } | Self::Refused { .. } => false,
        }
    }
}

/// What the core wants to see in the next view.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Leases held here whatever the chain says of this host.
    pub leases: BTreeSet<LeaseId>,
    /// Heights whose ids settle whether a sighting was buried or reverted.
    pub heights: BTreeSet<Height>,
    /// Leases that look stopped or over: to be proven.
    pub prove: BTreeSet<LeaseId>,
}

/// The chain as the daemon sees it. No method changes anything here; `submit` is the one that changes something there.
pub trait Chain: Send + Sync + 'static {
    /// A proven view at the node's head.
    fn view(&self, wanted: Wanted) -> impl Future<Output = Result<ChainView, ChainError>> + Send;
    /// Own machines under the account.
    fn hosts(&self) -> impl Future<Output = Result<Vec<HostView>, ChainError>> + Send;
    /// Parameters.
    fn rules(&self) -> impl Future<Output = Result<ChainRules, ChainError>> + Send;
    /// One lease, for an edge: state, host and epoch, and the host's session key.
    fn lease(&self, lease: LeaseId) -> impl Future<Output = Result<Option<LeaseRoute>, ChainError>> + Send;
    /// Signs the actions with the session key and waits until a block has them.
    fn submit(&self, actions: Vec<Action>) -> impl Future<Output = Result<TxId, ChainError>> + Send;
}

/// What an edge asks before it routes: who may serve a lease now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRoute {
    /// Current epoch.
    pub epoch: u32,
    /// Where it stands.
    pub state: LeaseState,
    /// Session key of the host that holds it.
    pub session_key: Option<VerificationKey>,
    /// Who pays, for capabilities.
    pub tenant: AccountId,
}
