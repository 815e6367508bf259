//! Slashes that wait: what stands in the queue, and what a proposal may do to one.

use super::bonds::Offender;
use crate::governance::Now;
use alloc::vec::Vec;
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::ProposalId;
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, AssetId, Epoch, record};
use nupeer_tokens::slashing::{OffenceKind, SlashingError};
use nupeer_tokens::stake::stake_key;

record! {
    /// A slash between acceptance and execution.
    pub struct Pending {
        /// Whose bond.
        pub offender: Offender,
        /// Tokens in which the bond is held for it.
        pub tokens: Vec<AssetId>,
        /// Why.
        pub kind: OffenceKind,
        /// Epoch of the offence: the record's.
        pub offence: Epoch,
        /// Parts per million of the base; kinds 1-3 are measured when it executes.
        pub ppm: Option<u64>,
        /// Epoch at whose start it executes; never, while it is delayed.
        pub executes: Epoch,
        /// The proposal that delayed it, if one did, and the epoch at whose start it would have executed.
        pub delayed_by: Option<(ProposalId, Epoch)>,
        /// Who reported it, if that is not the owner.
        pub reporter: Option<AccountId>,
        /// Who suffered from it.
        pub victim: Option<AccountId>,
    }
}

/// Stands for an epoch that never comes.
const NEVER: Epoch = Epoch(u64::MAX);

/// Keys of pending slashes.
#[allow(missing_docs)]
pub mod key {
    use super::*;

    pub fn all() -> Key {
        stake_key(0x44)
    }
    pub fn slash(id: u64) -> Key {
        all().u64(id)
    }
    pub fn queue() -> Key {
        stake_key(0x45)
    }
    pub fn due(executes: Epoch, id: u64) -> Key {
        queue().u64(executes.0).u64(id)
    }
    pub fn next() -> Key {
        stake_key(0x46)
    }
}

/// A pending slash.
pub fn load(work: &Work<'_>, id: u64) -> Result<Option<Pending>, Bug> {
    work.get(&key::slash(id))
}

/// Queues a slash: its bond is held from now on.
pub fn push(work: &mut Work<'_>, pending: &Pending) -> Result<u64, Bug> {
    let id: u64 = work.get(&key::next())?.unwrap_or(1);
    work.put(key::next(), &id.checked_add(1).ok_or(Bug::Arithmetic { what: "slash ids" })?);
    for token in &pending.tokens {
        pending.offender.set_held(work, *token, true)?;
    }
    work.put(key::slash(id), pending);
    work.put(key::due(pending.executes, id), &1u8);
    Ok(id)
}

/// Takes a slash out of the queue: its bond is held no more.
pub fn pop(work: &mut Work<'_>, id: u64, pending: &Pending) -> Result<(), Bug> {
    for token in &pending.tokens {
        pending.offender.set_held(work, *token, false)?;
    }
    work.remove(key::slash(id));
    work.remove(key::due(pending.executes, id));
    Ok(())
}

fn requeue(work: &mut Work<'_>, id: u64, pending: Pending, executes: Epoch) {
    work.remove(key::due(pending.executes, id));
    work.put(key::due(executes, id), &1u8);
    work.put(key::slash(id), &Pending { executes, ..pending });
}

/// A StrikeSlash proposal got past Funding: the slash waits until the proposal is final. Once only.
pub fn delay(work: &mut Work<'_>, id: u64, by: ProposalId) -> Result<(), Abort> {
    let pending = load(work, id)?.ok_or(SlashingError::SlashUnknown { id })?;
    if pending.delayed_by.is_some() {
        return Err(SlashingError::SlashFinal { id }.into());
    }
    let delayed_by = Some((by, pending.executes));
    requeue(work, id, Pending { delayed_by, ..pending }, NEVER);
    Ok(())
}

/// A StrikeSlash proposal is final and did not execute: the slash that it delayed is due when it would have been, at the
/// next epoch start at the earliest. What another one delayed goes on waiting, or whoever files and drops a proposal
/// would end the delay.
pub fn resume(work: &mut Work<'_>, now: &Now, id: u64, by: ProposalId) -> Result<(), Abort> {
    let pending = load(work, id)?.ok_or(SlashingError::SlashUnknown { id })?;
    match pending.delayed_by {
        Some((delayer, due)) if delayer == by && pending.executes == NEVER => {
            let next = Epoch(now.consensus_epoch().0.saturating_add(1));
            requeue(work, id, pending, due.max(next));
        }
        Some(_) | None => {}
    }
    Ok(())
}

/// Cancels a pending slash (StrikeSlash). An offender of whom no other offence of the kind stands no longer counts
/// against others of the same epoch.
pub fn strike(work: &mut Work<'_>, id: u64) -> Result<(), Abort> {
    let pending = load(work, id)?.ok_or(SlashingError::SlashUnknown { id })?;
    pop(work, id, &pending)?;
    if let Offender::Pool(pool) = pending.offender {
        super::accept::acquit(work, pending.kind, pending.offence, &pool)?;
    }
    work.emit(Event::SlashStruck { slash: id });
    Ok(())
}
