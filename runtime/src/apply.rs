//! Applying and building blocks (ledger.md §7). Both run the same steps, so what a leader builds is what others accept.

use crate::context::BlockContext;
use crate::error::{InvalidBlock, Rejected};
use crate::execute::{self, Ran};
use crate::finality::{self, Refusal};
use crate::governance::proposals::upgrade;
use crate::system::{self, Cursor};
use crate::validity::{Chain, CheckedBody, CheckedTx, Unseen};
use crate::{epoch, fee, market, params, tick, tokens};
use alloc::vec::Vec;
use nupeer_primitives::cbor::{Bytes, Cbor};
use nupeer_primitives::event::{BlockRecord, Event};
use nupeer_primitives::hash::{blake2b_256_of, merkle_root};
use nupeer_primitives::imt::{self, TreeUpdate, TreeView};
use nupeer_primitives::state::{Abort, Bug, Diff, View, Work};
use nupeer_primitives::{AccountId, Block, BlockBody, Certificate, Hash, HeaderBody, SealedBody};
use nupeer_tokens::stake;

/// Most bytes of the nonce state that consensus hands over.
pub const NONCE_BYTES_MAX: usize = 1_024;

/// What a block does to the state.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Net changes of keys.
    pub diff: Diff,
    /// Net changes of the tree, with what undoes them.
    pub tree: TreeUpdate,
    /// State root after the block.
    pub root: Hash,
    /// Events and transaction receipts.
    pub record: BlockRecord,
}

impl BlockContext {
    /// The context of a block with this header on the given parent slot.
    #[must_use]
    pub fn of(chain: &Chain, header: &HeaderBody, parent_slot: nupeer_primitives::Slot) -> Self {
        Self {
            genesis: chain.genesis,
            constants: chain.constants,
            height: header.height,
            slot: header.slot,
            parent: header.parent,
            parent_slot,
            vrf_out: header.vrf.0,
            issuer: header.pool(),
            opcert_counter: header.opcert.counter,
        }
    }
}

/// Applies a block whose header is valid. `nonce` is the nonce state that consensus holds after this header.
pub fn apply_block(
    chain: &Chain,
    view: &dyn View,
    tree: &dyn TreeView,
    block: &Block,
    nonce: &[u8],
) -> Result<Applied, InvalidBlock> {
    let header = &block.header.body;
    let body = SealedBody::new(block.body.clone());
    check_digest(header, body.size(), body.hash())?;
    let body =
        CheckedBody::new(chain, &body, &Unseen).map_err(|(index, error)| InvalidBlock::Malformed { index, error })?;
    apply_checked(chain, view, tree, header, &body, nonce)
}

fn check_digest(header: &HeaderBody, size: u64, hash: Hash) -> Result<(), InvalidBlock> {
    if size != u64::from(header.body_size) || hash != header.body_hash {
        return Err(InvalidBlock::BodyMismatch { size, hash });
    }
    Ok(())
}

/// [`apply_block`] for a body whose transactions are checked already.
pub fn apply_checked(
    chain: &Chain,
    view: &dyn View,
    tree: &dyn TreeView,
    header: &HeaderBody,
    body: &CheckedBody,
    nonce: &[u8],
) -> Result<Applied, InvalidBlock> {
    check_digest(header, body.size(), body.hash())?;
    let mut work = Work::new(view);
    let ctx = BlockContext::of(chain, header, system::cursor(&work)?.slot);
    finality::apply(&mut work, &ctx, body.certs()).map_err(|refusal| match refusal {
        Refusal::Bad(why) => InvalidBlock::BadCertificate(why),
        Refusal::Bug(bug) => InvalidBlock::Bug(bug),
    })?;
    prologue(&mut work, &ctx)?;
    let mut room = Room::new(&work, body.size())?;
    let mut receipts = Vec::with_capacity(body.txs().len());
    for (index, tx) in body.txs().iter().enumerate() {
        let ran = room.take(tx).map_err(Abort::from).and_then(|()| execute::run(&mut work, chain, &ctx, tx));
        match ran.map_err(execute::split) {
            Ok(ran) => receipts.push(ran.receipt),
            Err(Ok((name, detail))) => return Err(InvalidBlock::Rejected { index, name, detail }),
            Err(Err(bug)) => return Err(bug.into()),
        }
    }
    let applied = end(work, tree, &ctx, receipts, nonce)?;
    if applied.root != header.state_root {
        return Err(InvalidBlock::BadStateRoot { claimed: header.state_root, computed: applied.root });
    }
    Ok(applied)
}

/// A block's body as its leader makes it.
#[derive(Clone, Debug)]
pub struct Built {
    /// The body.
    pub body: BlockBody,
    /// What it does to the state.
    pub applied: Applied,
    /// Candidates that were refused for good on this state; the mempool drops them.
    pub refused: Vec<(nupeer_primitives::TxId, Abort)>,
}

/// Bytes of a body around its transactions.
const BODY_FRAME_BYTES: u64 = 16;

/// Builds the best body from `candidates`, in their order, and from those of the `offered` certificates that its chain
/// lacks.
pub fn build_block<'c>(
    chain: &Chain,
    view: &dyn View,
    tree: &dyn TreeView,
    ctx: &BlockContext,
    offered: &[Certificate],
    candidates: impl Iterator<Item = &'c CheckedTx>,
    nonce: &[u8],
) -> Result<Built, Bug> {
    let mut work = Work::new(view);
    let certs = finality::choose(&mut work, ctx, offered)?;
    prologue(&mut work, ctx)?;
    let mut room = Room::new(&work, BODY_FRAME_BYTES.saturating_add(certs.to_cbor().len() as u64))?;
    let (mut txs, mut receipts, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for tx in candidates {
        if room.bytes.saturating_add(tx.size) > room.bytes_max || room.take(tx).is_err() {
            continue;
        }
        room.bytes = room.bytes.saturating_add(tx.size);
        match execute::run(&mut work, chain, ctx, tx) {
            Ok(Ran { receipt, .. }) => {
                txs.push(tx.tx.clone());
                receipts.push(receipt);
            }
            Err(Abort::Bug(bug)) => return Err(bug),
            Err(rule) => {
                room.give_back(tx);
                refused.push((tx.id, rule));
            }
        }
    }
    let applied = end(work, tree, ctx, receipts, nonce)?;
    Ok(Built { body: BlockBody { certs, txs }, applied, refused })
}

/// What is left of a block's byte and weight limits.
struct Room {
    bytes: u64,
    bytes_max: u64,
    weight: u64,
    weight_max: u64,
}

impl Room {
    fn new(work: &Work<'_>, bytes: u64) -> Result<Self, Bug> {
        let (bytes_max, weight_max) = (params::get(work, "body_max")?, params::get(work, "weight_max")?);
        Ok(Self { bytes, bytes_max, weight: 0, weight_max })
    }

    fn take(&mut self, tx: &CheckedTx) -> Result<(), Rejected> {
        if self.bytes > self.bytes_max {
            let (used, permitted) = (self.bytes, self.bytes_max);
            return Err(Rejected::BlockFull { what: "bytes", used, needed: 0, permitted });
        }
        let weight = self.weight.saturating_add(tx.weight);
        if weight > self.weight_max {
            let (used, permitted) = (self.weight, self.weight_max);
            return Err(Rejected::BlockFull { what: "weight", used, needed: tx.weight, permitted });
        }
        self.weight = weight;
        Ok(())
    }

    fn give_back(&mut self, tx: &CheckedTx) {
        self.weight = self.weight.saturating_sub(tx.weight);
        self.bytes = self.bytes.saturating_sub(tx.size);
    }
}

/// Steps 1-4: epoch boundary, ticks, market batch. A rule that refuses here is a bug.
fn prologue(work: &mut Work<'_>, ctx: &BlockContext) -> Result<(), Bug> {
    upgrade::begin(work, ctx.height)?;
    epoch::cross(work, ctx).map_err(never_refuses)?;
    epoch::every_block(work, ctx).map_err(never_refuses)?;
    tick::prologue(work, ctx).map_err(never_refuses)?;
    market::prologue(work, ctx).map_err(never_refuses)
}

fn never_refuses(abort: Abort) -> Bug {
    match abort {
        Abort::Bug(bug) => bug,
        Abort::Rule { name, detail, .. } => {
            Bug::Invariant { what: alloc::format!("prologue refused: {name}: {detail}") }
        }
    }
}

/// Step 6: fee split, header state, event digest, root.
fn end(
    mut work: Work<'_>,
    tree: &dyn TreeView,
    ctx: &BlockContext,
    receipts: Vec<nupeer_primitives::event::TxReceipt>,
    nonce: &[u8],
) -> Result<Applied, Bug> {
    tokens::work::count(&mut work, ctx).map_err(never_refuses)?;
    let producer = work.get::<stake::Pool>(&stake::pool_key(&ctx.issuer))?;
    let producer = producer.map(|pool| pool.reward_account(ctx.epoch()));
    let treasury = AccountId::system(nupeer_primitives::ids::SystemAccount::Treasury);
    fee::split_pot(&mut work, &producer.unwrap_or(treasury)).map_err(never_refuses)?;
    let nonce =
        Bytes::<NONCE_BYTES_MAX>::new(nonce.to_vec()).ok_or(Bug::Arithmetic { what: "nonce state above its limit" })?;
    work.put(system::nonce_key(), &nonce);
    work.put(system::opcert_counter_key(&ctx.issuer), &ctx.opcert_counter);
    let old = system::cursor(&work)?;
    let encoded: Vec<Vec<u8>> = work.events().iter().map(Event::to_cbor).collect();
    let events = blake2b_256_of(&[&old.events.0, &merkle_root(encoded.iter().map(Vec::as_slice)).0]);
    let cursor = Cursor { height: ctx.height, slot: ctx.slot, epoch: ctx.epoch(), version: old.version, events };
    work.put(system::cursor_key(), &cursor);
    let (diff, events) = work.finish();
    let tree =
        imt::apply(tree, &diff).map_err(|error| Bug::Invariant { what: alloc::format!("state tree: {error}") })?;
    let root = tree.root();
    Ok(Applied { diff, tree, root, record: BlockRecord { events, receipts } })
}
