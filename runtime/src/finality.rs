//! Step 1 of a block: certificates (consensus.md §7, §10; ledger.md §7). What the chain itself says about finality is
//! state, so clients can prove it and every node agrees on which certificates a body may hold.
//!
//! ```text
//! L1  A body holds at most P:certs_max certificates, each due (t*R <= slot), of a committee that its link needs, the
//!     first for its (round, committee), above the final round.
//! L2  Source: a checkpoint that this chain's certificates justified, or the recovery source (F14). Target: a block of
//!     this chain. Both together: F2.
//! L3  The signature is the committee's and weighs more than two thirds (F3).
//! L4  All committees of a link: its target is justified. Rounds s -> s+1: the source is final (F5).
//! ```
//! | Prefix 00 | Key -> value |
//! |---|---|
//! | 10 | [`Head`] |
//! | 11 | height -> (block, slot), from the final block up, three epochs at most |
//! | 12 | epoch -> its last block or the last before it, four epochs |
//! | 13 | round -> justified checkpoint, from the final one up |
//! | 14 | (round, committee epoch) -> digest of the link that was certified, above the final round |

use crate::context::BlockContext;
use crate::params;
use alloc::vec::Vec;
use nupeer_primitives::finality::{CertificateError, Committee, LinkError, Place, Rounds};
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{BlockId, Certificate, Checkpoint, Epoch, Hash, Height, Link, Slot, record};
use nupeer_tokens::committee;
use thiserror::Error;

/// Rows pruned per block and table: a block adds one.
const PRUNED_MAX: usize = 16;
/// Epochs for which blocks are remembered without finality: a target is one epoch old at most, its source one more.
const EPOCHS_KEPT: u64 = 3;
/// Epochs whose last block is remembered.
const ENDS_KEPT: u64 = 4;

record! {
    /// Where finality stands on this chain.
    #[derive(Copy)]
    pub struct Head {
        /// The newest final checkpoint.
        pub last: Checkpoint,
        /// The justified checkpoint of highest round.
        pub best: Checkpoint,
        /// Highest target round of any certificate (F14).
        pub certified: Option<u64>,
    }
}

/// Why a body may not hold a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum BadCertificate {
    #[error("{count} certificates, {permitted} are permitted")]
    TooMany { count: usize, permitted: u64 },
    #[error("round {round} begins at slot {due}, the block is of slot {slot}")]
    NotDue { round: u64, due: u64, slot: Slot },
    #[error("round {round} is not above the final round {last}")]
    Old { round: u64, last: u64 },
    #[error("the committee of epoch {committee} does not carry links into round {round}")]
    CommitteeNotNeeded { committee: Epoch, round: u64 },
    #[error("round {round} is certified by the committee of epoch {committee} already")]
    Known { round: u64, committee: Epoch },
    #[error("source ({round}, {block}) is not justified on this chain")]
    SourceUnknown { round: u64, block: BlockId },
    #[error("target {block} is not on this chain")]
    TargetUnknown { block: BlockId },
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("the chain has no valid round length")]
    NoRounds,
}

/// A bad certificate, or our own fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The block is invalid.
    Bad(BadCertificate),
    /// The node halts.
    Bug(Bug),
}

impl From<Bug> for Refusal {
    fn from(bug: Bug) -> Self {
        Self::Bug(bug)
    }
}
impl<E: Into<BadCertificate>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Bad(error.into())
    }
}

fn head_key() -> Key {
    Key::new(0x00).u8(0x10)
}
fn block_key(height: Height) -> Key {
    Key::new(0x00).u8(0x11).u64(height.0)
}
fn end_key(epoch: u64) -> Key {
    Key::new(0x00).u8(0x12).u64(epoch)
}
fn justified_key(round: u64) -> Key {
    Key::new(0x00).u8(0x13).u64(round)
}
fn certified_key(round: u64, committee: Epoch) -> Key {
    Key::new(0x00).u8(0x14).u64(round).u64(committee.0)
}

/// Where finality stands; `None` before the first block.
pub fn head(work: &Work<'_>) -> Result<Option<Head>, Bug> {
    work.get(&head_key())
}

/// Last block at or before the end of each remembered epoch.
pub fn epoch_ends(work: &Work<'_>) -> Result<Vec<(Epoch, BlockId)>, Bug> {
    let rows = work.scan::<BlockId>(&Key::new(0x00).u8(0x12), &[], usize::MAX)?;
    rows.into_iter().map(|(key, block)| tail(&key).map(|epoch| (Epoch(epoch), block))).collect()
}

/// The number at the end of a key.
fn tail(key: &[u8]) -> Result<u64, Bug> {
    let bytes = key.last_chunk::<8>().ok_or(Bug::Corrupt { prefix: 0 })?;
    Ok(u64::from_be_bytes(*bytes))
}

/// R, LAG and E of this chain.
pub fn rounds(work: &Work<'_>, ctx: &BlockContext) -> Result<Option<Rounds>, Bug> {
    let (slots, lag) = (params::get(work, "round_slots")?, params::get(work, "lag_slots")?);
    Ok(Rounds::new(slots, lag, &ctx.constants))
}

/// Remembers the parent and forgets what no certificate can name any more.
pub fn begin(work: &mut Work<'_>, ctx: &BlockContext) -> Result<Head, Bug> {
    let genesis = Checkpoint { round: 0, block: BlockId(ctx.genesis.0.0), height: Height(0) };
    let head = head(work)?.unwrap_or(Head { last: genesis, best: genesis, certified: None });
    let parent_height = Height(ctx.height.0.saturating_sub(1));
    work.put(block_key(parent_height), &(ctx.parent, ctx.parent_slot));
    let parent_epoch = ctx.constants.epoch(ctx.parent_slot.0);
    for epoch in parent_epoch..ctx.epoch().0 {
        work.put(end_key(epoch), &ctx.parent);
        if let Some(old) = epoch.checked_sub(ENDS_KEPT) {
            work.remove(end_key(old));
        }
    }
    let oldest = ctx.epoch().0.saturating_sub(EPOCHS_KEPT);
    for (key, (_, slot)) in work.scan::<(BlockId, Slot)>(&Key::new(0x00).u8(0x11), &[], PRUNED_MAX)? {
        let height = Height(tail(&key)?);
        if height < head.last.height || ctx.constants.epoch(slot.0) < oldest {
            work.remove(block_key(height));
        }
    }
    for (_, checkpoint) in work.scan::<Checkpoint>(&Key::new(0x00).u8(0x13), &[], PRUNED_MAX)? {
        if checkpoint.round < head.last.round {
            work.remove(justified_key(checkpoint.round));
        }
    }
    for (key, _) in work.scan::<Hash>(&Key::new(0x00).u8(0x14), &[], PRUNED_MAX)? {
        let round = key.get(..10).map_or(Ok(0), tail)?;
        if round <= head.last.round {
            work.remove(certified_key(round, Epoch(tail(&key)?)));
        }
    }
    work.put(head_key(), &head);
    Ok(head)
}

/// Puts every certificate of a body into state, or names the first that may not be there.
pub fn apply(work: &mut Work<'_>, ctx: &BlockContext, certificates: &[Certificate]) -> Result<(), Refusal> {
    let permitted = params::get(work, "certs_max")?;
    if u64::try_from(certificates.len()).map_or(true, |count| count > permitted) {
        return Err(BadCertificate::TooMany { count: certificates.len(), permitted }.into());
    }
    let mut head = begin(work, ctx)?;
    for certificate in certificates {
        judge(work, ctx, &head, certificate)?;
        head = include(work, ctx, head, certificate)?;
    }
    Ok(())
}

/// Takes those of `offered` that a body on this state may hold, in order, and puts them into state.
pub fn choose(work: &mut Work<'_>, ctx: &BlockContext, offered: &[Certificate]) -> Result<Vec<Certificate>, Bug> {
    let permitted = usize::try_from(params::get(work, "certs_max")?).unwrap_or(usize::MAX);
    let mut head = begin(work, ctx)?;
    let mut chosen = Vec::new();
    for certificate in offered {
        if chosen.len() >= permitted {
            break;
        }
        match judge(work, ctx, &head, certificate) {
            Ok(()) => {
                head = include(work, ctx, head, certificate)?;
                chosen.push(certificate.clone());
            }
            Err(Refusal::Bad(_)) => {}
            Err(Refusal::Bug(bug)) => return Err(bug),
        }
    }
    Ok(chosen)
}

/// The justified checkpoint that a link starts at; `None` for the recovery source.
fn source(work: &Work<'_>, head: &Head, rounds: &Rounds, link: &Link) -> Result<Option<Checkpoint>, Refusal> {
    if link.starts_at(&head.last) {
        return Ok(Some(head.last));
    }
    let justified = work.get::<Checkpoint>(&justified_key(link.src_round))?;
    if let Some(checkpoint) = justified.filter(|checkpoint| link.starts_at(checkpoint)) {
        return Ok(Some(checkpoint));
    }
    let e = rounds.epoch(link.round);
    if link.src_round == rounds.first_of(e)
        && let Some(epoch) = rounds.recovery_epoch(e, head.certified)
        && work.get::<BlockId>(&end_key(epoch))? == Some(link.src_hash)
    {
        return Ok(None);
    }
    Err(BadCertificate::SourceUnknown { round: link.src_round, block: link.src_hash }.into())
}

/// L1-L3.
fn judge(work: &Work<'_>, ctx: &BlockContext, head: &Head, certificate: &Certificate) -> Result<(), Refusal> {
    let rounds = rounds(work, ctx)?.ok_or(BadCertificate::NoRounds)?;
    let (link, committee) = (&certificate.link, certificate.committee);
    let (round, due) = (link.round, rounds.first_slot(link.round));
    if due > ctx.slot.0 {
        return Err(BadCertificate::NotDue { round, due, slot: ctx.slot }.into());
    }
    if round <= head.last.round {
        return Err(BadCertificate::Old { round, last: head.last.round }.into());
    }
    if !rounds.committees(link).any(|epoch| epoch == committee) {
        return Err(BadCertificate::CommitteeNotNeeded { committee, round }.into());
    }
    if work.has(&certified_key(round, committee)) {
        return Err(BadCertificate::Known { round, committee }.into());
    }
    let from = source(work, head, &rounds, link)?;
    let target = work.get::<(BlockId, Slot)>(&block_key(link.dst_height))?.filter(|(id, _)| *id == link.dst_hash);
    let (id, slot) = target.ok_or(BadCertificate::TargetUnknown { block: link.dst_hash })?;
    rounds.check(link, &Place { id, height: link.dst_height, slot })?;
    if from.is_some_and(|from| from.height > link.dst_height) {
        return Err(LinkError::NotAncestor.into());
    }
    let table = Committee::new(committee, committee::members(work, committee)?);
    table.verify(certificate, &ctx.genesis)?;
    Ok(())
}

/// L4.
fn include(work: &mut Work<'_>, ctx: &BlockContext, head: Head, certificate: &Certificate) -> Result<Head, Bug> {
    let link = &certificate.link;
    let mut head = Head { certified: Some(head.certified.map_or(link.round, |old| old.max(link.round))), ..head };
    // Any epoch does: the digest only tells links of one round apart.
    let digest = link.digest(Epoch(0), &ctx.genesis);
    work.put(certified_key(link.round, certificate.committee), &digest);
    let mut carried = true;
    if let Some(rounds) = rounds(work, ctx)? {
        for epoch in rounds.committees(link) {
            carried &= work.get::<Hash>(&certified_key(link.round, epoch))? == Some(digest);
        }
    }
    if carried {
        let target = link.target();
        let from = work.get::<Checkpoint>(&justified_key(link.src_round))?;
        if !work.has(&justified_key(link.round)) {
            work.put(justified_key(link.round), &target);
        }
        if target.round > head.best.round {
            head.best = target;
        }
        let adjacent = link.src_round.checked_add(1) == Some(link.round);
        if let Some(from) = from.filter(|from| adjacent && link.starts_at(from) && from.round > head.last.round) {
            head.last = from;
        }
    }
    work.put(head_key(), &head);
    Ok(head)
}

#[cfg(test)]
mod tests;
