//! What the API needs from the node, in its own words. The node implements [`Chain`] over its storage, mempool and
//! driver; tests implement it in memory.

use futures::future::BoxFuture;
use nupeer_client::light::Step;
use nupeer_primitives::error::Malformed;
use nupeer_primitives::event::BlockRecord;
use nupeer_primitives::genesis::Genesis;
use nupeer_primitives::imt::TreeView;
use nupeer_primitives::state::{Abort, View};
use nupeer_primitives::{Amount, BlockId, Certificate, Epoch, Hash, Height, PoolId, Slot, TxId};
use nupeer_runtime::validity::Chain as Rules;
use thiserror::Error;

/// A place on the selected chain; the genesis hash stands for the block at height 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Height.
    pub height: Height,
    /// Slot.
    pub slot: Slot,
    /// Block.
    pub id: BlockId,
}

/// What the node is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Behind its peers: it answers what it has and takes no transactions.
    Syncing,
    /// At the tip.
    Following,
    /// No room on the disk: it answers what it has, signs nothing and takes no transactions until there is room.
    DiskFull,
    /// On its way out.
    Stopping,
}

/// Where the node stands.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// What it is doing.
    pub mode: Mode,
    /// Newest committed block.
    pub tip: Place,
    /// Newest block that is never reverted.
    pub final_place: Place,
    /// Slot by its own clock.
    pub slot_now: Slot,
    /// Connected peers.
    pub peers: u32,
    /// Transactions waiting.
    pub mempool_txs: u64,
    /// Their bytes.
    pub mempool_bytes: u64,
    /// The pool that it makes blocks for.
    pub pool: Option<PoolId>,
}

/// The state after one block, frozen while it is read.
#[derive(Clone, Copy)]
pub struct Snapshot<'a> {
    /// That block.
    pub place: Place,
    /// As values.
    pub view: &'a dyn View,
    /// As the tree that its root comes from.
    pub tree: &'a dyn TreeView,
}

/// Which block of the selected chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockAt {
    /// At this height.
    Height(Height),
    /// With this id.
    Id(BlockId),
}

/// A committed block.
#[derive(Clone, Debug)]
pub struct CommittedBlock {
    /// Its id.
    pub id: BlockId,
    /// Canonical header.
    pub header: Vec<u8>,
    /// Canonical body.
    pub body: Vec<u8>,
    /// Events and receipts.
    pub record: BlockRecord,
}

/// A final checkpoint and what shows it.
#[derive(Clone, Debug)]
pub struct Finality {
    /// Its round.
    pub round: u64,
    /// Its block.
    pub place: Place,
    /// Certificates of the link to it and of the one from it to the next round.
    pub certificates: Vec<Certificate>,
}

/// Where a transaction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TxPlace {
    /// In the mempool.
    Waiting,
    /// In a committed block, at this position of it.
    Included {
        /// The block's height.
        height: Height,
        /// Position among its transactions.
        index: u32,
    },
}

/// Why a transaction is not taken.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Refusal {
    /// The bytes are to blame.
    #[error("{0}")]
    Malformed(Malformed),
    /// The ledger would not include it, or it would fail. A [`Abort::Bug`] is the node's own fault.
    #[error("{0}")]
    Ledger(Abort),
    /// The mempool does not carry it.
    #[error("{detail}")]
    Mempool {
        /// `mempool.Variant`.
        name: &'static str,
        /// Sentence with the values.
        detail: String,
    },
    /// The node can't judge transactions yet.
    #[error("the node is catching up with its peers; send the transaction again when `mode` is `following`")]
    Syncing,
    /// The disk is full.
    #[error("the node's disk is full; send the transaction to another node, or again when `mode` is `following`")]
    DiskFull,
    /// More transactions come in than can be checked.
    #[error("too many transactions wait to be checked; send the transaction again in a moment")]
    Busy,
    /// The node is going away.
    #[error("the node is stopping; send the transaction to another one")]
    Stopping,
}

/// The chain as this node has it. Calls without a future may read the disk; the API makes them off the async threads.
pub trait Chain: Send + Sync + 'static {
    /// What never changes.
    fn rules(&self) -> &Rules;

    /// The genesis record.
    fn genesis(&self) -> &Genesis;

    /// Where the node stands.
    fn standing(&self) -> Standing;

    /// Calls `query` once with the state after the newest committed block.
    fn read(&self, query: &mut dyn FnMut(&Snapshot<'_>));

    /// The block of the selected chain at a height, without its contents; genesis is at 0.
    fn place(&self, height: Height) -> Option<Place>;

    /// Slot and pool of the block of the selected chain at a height; none for genesis.
    fn maker(&self, height: Height) -> Option<(Slot, PoolId)>;

    /// A block of the selected chain; none for genesis, nor off the selected chain.
    fn block(&self, at: BlockAt) -> Option<CommittedBlock>;

    /// The newest proof that a block is final; none before the first.
    fn finality(&self) -> Option<Finality>;

    /// What proves the committee after `epoch`, once a block of the epoch is final.
    fn epoch_step(&self, epoch: Epoch) -> Option<Step>;

    /// The digest of all events after the block at a height, as far back as states can be undone.
    fn event_digest(&self, height: Height) -> Option<Hash>;

    /// Where a transaction is; none if this node has never seen it, or dropped it.
    fn tx(&self, id: &TxId) -> Option<TxPlace>;

    /// Checks an encoded transaction and offers it to mempool and gossip; its id, and the fee that it pays on the present
    /// state.
    fn submit(&self, tx: Vec<u8>) -> BoxFuture<'_, Result<(TxId, Amount), Refusal>>;

    /// Resolves as soon as the newest committed block is another one than `seen`, or the newest final one another than
    /// `last`.
    fn moved(&self, seen: BlockId, last: BlockId) -> BoxFuture<'_, ()>;
}
