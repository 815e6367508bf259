//! Epoch boundary, step 2 (ledger.md §7): due slashes are executed, what is too old is forgotten.

use super::PER_BOUNDARY_MAX;
use super::accept::{OffenderWeight, record_key, records_key, weights_key};
use super::evidence;
use super::pending::{self, Pending, key};
use crate::governance::Now;
use crate::params;
use alloc::vec::Vec;
use nupeer_primitives::event::Event;
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, Epoch};
use nupeer_tokens::bank;
use nupeer_tokens::slashing::{MILLION, OffenceKind, SlashRecord, SplitRules, equivocation_ppm};
use nupeer_tokens::stake::{self, stake_key};
use nupeer_tokens::supply::{self, Part};

/// Epochs for which records outlive the last evidence against them: longer than any delay.
const RECORDS_KEPT: u64 = 64;
/// Old records forgotten at one boundary.
const FORGOTTEN_MAX: usize = 512;

/// Executes what is due in the epoch that begins. What is taken is taken from the last moment of the epoch that ends, so
/// that the stake, votes and snapshot of the new epoch's start are without it.
pub fn run(work: &mut Work<'_>, ending: &Now) -> Result<(), Abort> {
    let epoch = Epoch(ending.consensus_epoch().0.saturating_add(1));
    for id in due(work, epoch)? {
        let pending: Pending = work.expect(&key::slash(id), "pending slash of the queue")?;
        pending::pop(work, id, &pending)?;
        execute(work, ending, id, &pending)?;
    }
    forget(work, epoch).map_err(Abort::from)
}

fn due(work: &Work<'_>, epoch: Epoch) -> Result<Vec<u64>, Bug> {
    let mut out = Vec::new();
    for (at, _) in work.scan::<u8>(&key::queue(), &[], PER_BOUNDARY_MAX)? {
        let executes = at.get(2..10).and_then(|b| <[u8; 8]>::try_from(b).ok()).map(u64::from_be_bytes);
        let id = at.get(10..18).and_then(|b| <[u8; 8]>::try_from(b).ok()).map(u64::from_be_bytes);
        match executes.zip(id).ok_or(Bug::Corrupt { prefix: 0x0E })? {
            (executes, id) if executes <= epoch.0 => out.push(id),
            (_, _) => break,
        }
    }
    Ok(out)
}

fn execute(work: &mut Work<'_>, now: &Now, id: u64, pending: &Pending) -> Result<(), Abort> {
    let ppm = match pending.ppm {
        Some(ppm) => ppm,
        None => measured_ppm(work, pending.kind, pending.offence)?,
    };
    for token in &pending.tokens {
        let at = record_key(pending.offence, &pending.offender, *token);
        let left = pending.offender.total(work, *token)?;
        let mut record = work.get(&at)?.unwrap_or_else(|| SlashRecord::new(left));
        let newly = record.slash(pending.kind, ppm, left);
        work.put(at, &record);
        let taken = pending.offender.take(work, now, *token, newly)?;
        if taken != newly {
            return Err(Bug::Arithmetic { what: "slash above the bond" }.into());
        }
        pay_out(work, id, pending, *token, taken)?;
    }
    Ok(())
}

/// Kinds 1-3: all offenders of the kind in that epoch, as far as they are known now, against the whole weight.
fn measured_ppm(work: &Work<'_>, kind: OffenceKind, offence: Epoch) -> Result<u64, Bug> {
    let offenders = work.scan::<OffenderWeight>(&weights_key(kind, offence), &[], stake::POOLS_MAX)?;
    let offending = offenders.iter().fold(0u128, |sum, (_, own)| sum.saturating_add(own.weight));
    let total = offenders.iter().map(|(_, own)| own.total).max();
    let floor = match kind {
        OffenceKind::TwoHeaders => params::get(work, "slash.header_floor")?,
        OffenceKind::DoubleVote | OffenceKind::SurroundVote => params::get(work, "slash.finality_floor")?,
        OffenceKind::BridgeContradiction
        | OffenceKind::Metering
        | OffenceKind::Misconduct
        | OffenceKind::CredentialFraud
        | OffenceKind::Breach => return Ok(MILLION),
    };
    // Weights are gone only after a delay longer than records are kept: the floor is what is certain then.
    Ok(total.map_or(floor, |total| equivocation_ppm(offending, total, floor)))
}

/// From account `slashed` to reporter and victim; the rest is burned.
fn pay_out(work: &mut Work<'_>, id: u64, pending: &Pending, token: AssetId, amount: Amount) -> Result<(), Abort> {
    if amount == Amount::ZERO {
        return Ok(());
    }
    let rules = SplitRules {
        reporter_ppm: params::get(work, "slash.reporter")?,
        reporter_max: Amount::new(params::get(work, "slash.reporter_max")?),
        victim_ppm: params::get(work, "slash.victim")?,
    };
    let parts = rules.split(amount, pending.reporter.is_some(), pending.victim.is_some());
    let slashed = AccountId::system(SystemAccount::Slashed);
    for (to, part) in [(pending.reporter, parts.reporter), (pending.victim, parts.victim)] {
        if let Some(to) = to.filter(|_| part > Amount::ZERO) {
            bank::take_free(work, &slashed, token, part)?;
            bank::give_free(work, &to, token, part)?;
        }
    }
    if parts.burned > Amount::ZERO {
        supply::burn(work, token, &slashed, Part::Free, parts.burned)?;
    }
    let (reporter, victim, burned) = (parts.reporter, parts.victim, parts.burned);
    work.emit(Event::SlashExecuted { slash: id, token, amount, reporter, victim, burned });
    Ok(())
}

/// Evidence keys that are too old to be met again, and records that nothing can be added to.
fn forget(work: &mut Work<'_>, epoch: Epoch) -> Result<(), Bug> {
    let reach = params::get(work, "evidence_epochs")?;
    evidence::forget(work, epoch.0.saturating_sub(reach), FORGOTTEN_MAX)?;
    let oldest = epoch.0.saturating_sub(reach.saturating_add(RECORDS_KEPT));
    for (prefix, values) in [(records_key(), true), (stake_key(0x43), false)] {
        let old: Vec<Vec<u8>> = if values {
            keys(work.scan::<SlashRecord>(&prefix, &[], FORGOTTEN_MAX)?)
        } else {
            keys(work.scan::<OffenderWeight>(&prefix, &[], FORGOTTEN_MAX)?)
        };
        for at in old.into_iter().take_while(|at| epoch_in(at) < oldest) {
            work.remove(Key::new(0x0E).bytes(at.get(1..).unwrap_or_default()));
        }
    }
    Ok(())
}

fn keys<T>(rows: Vec<(Vec<u8>, T)>) -> Vec<Vec<u8>> {
    rows.into_iter().map(|(at, _)| at).collect()
}

fn epoch_in(at: &[u8]) -> u64 {
    at.get(2..10).and_then(|b| <[u8; 8]>::try_from(b).ok()).map_or(u64::MAX, u64::from_be_bytes)
}
