//! Accepting an offence: its record, its weight against others, the hold, and for pools the jail.

use super::bonds::Offender;
use super::pending::{self, Pending};
use crate::context::BlockContext;
use crate::governance::Now;
use crate::params;
use alloc::vec::Vec;
use nupeer_primitives::event::Event;
use nupeer_primitives::finality::Offence;
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, Epoch, Hash, PoolId, record};
use nupeer_tokens::slashing::{MILLION, OffenceKind, SlashRecord, SlashingError};
use nupeer_tokens::stake::{self, pool, stake_key};
use nupeer_tokens::supply::NATIVE;
use nupeer_tokens::work_ledger;

/// Key of the record of an offender's bond in a token.
#[must_use]
pub fn record_key(offence: Epoch, offender: &Offender, token: AssetId) -> Key {
    offender.key(records_key().u64(offence.0)).u16(token.0)
}

/// Key before all records.
#[must_use]
pub fn records_key() -> Key {
    stake_key(0x42)
}

/// Key of an offender's weight.
#[must_use]
pub fn weight_key(kind: OffenceKind, offence: Epoch, pool: &PoolId) -> Key {
    weights_key(kind, offence).pool(pool)
}

/// Key before the weights of all offenders of a kind in an epoch.
#[must_use]
pub fn weights_key(kind: OffenceKind, offence: Epoch) -> Key {
    stake_key(0x43).u64(offence.0).u8(kind.code())
}

/// Key of how often a provider has ever been convicted of kind 5.
#[must_use]
pub fn offences_key(provider: &AccountId) -> Key {
    stake_key(0x47).account(provider)
}

record! {
    /// An offender in the snapshot of its offence. The whole stands here, too: a delayed slash may outlive the snapshot.
    #[derive(Copy)]
    pub struct OffenderWeight {
        /// The offender's weight.
        pub weight: u128,
        /// Everybody's.
        pub total: u128,
        /// Accepted offences of the kind that no proposal struck.
        pub offences: u32,
    }
}

/// One offence of a pool is struck: with the last of its kind the pool no longer counts as an offender.
pub fn acquit(work: &mut Work<'_>, kind: OffenceKind, offence: Epoch, pool: &PoolId) -> Result<(), Bug> {
    let at = weight_key(kind, offence, pool);
    let Some(known) = work.get::<OffenderWeight>(&at)? else { return Ok(()) };
    match known.offences.saturating_sub(1) {
        0 => work.remove(at),
        offences => work.put(at, &OffenderWeight { offences, ..known }),
    }
    Ok(())
}

/// Who else has a part in a slash.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Parties {
    /// Who reported it.
    pub reporter: Option<AccountId>,
    /// Who suffered from it.
    pub victim: Option<AccountId>,
}

/// What is accepted.
#[derive(Clone, Copy, Debug)]
struct Charge<'t> {
    offender: Offender,
    tokens: &'t [AssetId],
    kind: OffenceKind,
    offence: Epoch,
    ppm: Option<u64>,
    parties: Parties,
}

/// Fixes the bases, holds the bond and queues the slash. A bond of nothing leaves nothing to wait for.
fn accept(work: &mut Work<'_>, now: &Now, charge: &Charge<'_>) -> Result<Option<u64>, Abort> {
    let Charge { offender, kind, offence, ppm, parties, .. } = *charge;
    let mut tokens = Vec::new();
    let mut owner = None;
    for token in charge.tokens {
        let total = offender.total(work, *token)?;
        let at = record_key(offence, &offender, *token);
        if total == Amount::ZERO {
            continue;
        }
        if !work.has(&at) {
            work.put(at, &SlashRecord::new(total));
        }
        owner = offender.owner(work, *token)?;
        tokens.push(*token);
    }
    if tokens.is_empty() {
        return Ok(None);
    }
    let executes = Epoch(now.consensus_epoch().0.saturating_add(params::get(work, "slash.delay")?));
    let reporter = parties.reporter.filter(|reporter| Some(*reporter) != owner);
    let victim = parties.victim.filter(|victim| Some(*victim) != owner);
    let pending = Pending { offender, tokens, kind, offence, ppm, executes, delayed_by: None, reporter, victim };
    let id = pending::push(work, &pending)?;
    work.emit(Event::OffenceAccepted { slash: id, offender: offender.id(), kind: kind.code(), executes });
    Ok(Some(id))
}

/// A proven offence of a pool (kinds 1-3): weight, jail, tombstones, hold.
pub fn proven(
    work: &mut Work<'_>,
    ctx: &BlockContext,
    now: &Now,
    offence: &Offence,
    keys: &[Hash],
    reporter: AccountId,
) -> Result<(), Abort> {
    let kind = OffenceKind::of(offence.kind.code()).ok_or(Bug::Missing { what: "kind of proven evidence" })?;
    let mut known: stake::Pool =
        work.get(&pool::pool_key(&offence.pool))?.ok_or(SlashingError::PoolUnknown { pool: offence.pool })?;
    let weights = stake::leading(work, offence.epoch)?;
    let weight = weights.iter().find(|(id, _)| *id == offence.pool).map_or(0, |(_, weight)| *weight);
    let total = weights.iter().fold(0u128, |sum, (_, weight)| sum.saturating_add(*weight));
    let at = weight_key(kind, offence.epoch, &offence.pool);
    let before = work.get::<OffenderWeight>(&at)?.map_or(0, |known| known.offences);
    work.put(at, &OffenderWeight { weight, total, offences: before.saturating_add(1) });

    let (from, until) = jail_term(work, ctx, now)?;
    known.put_in_jail(now.epoch, from, until);
    keys.iter().for_each(|key| known.bury(*key, from));
    work.put(pool::pool_key(&offence.pool), &known);
    work.emit(Event::PoolJailed { pool: offence.pool, until: Epoch(u64::from(until)) });

    let charge = Charge {
        offender: Offender::Pool(offence.pool),
        tokens: &NATIVE,
        kind,
        offence: offence.epoch,
        ppm: None,
        parties: Parties { reporter: Some(reporter), victim: None },
    };
    accept(work, now, &charge).map(|_| ())
}

/// First epoch in jail and the one in which it may end. Recorded in time, the next boundary acts on it; recorded within
/// 3k/f slots of it, the one after, so that the ledger view always reaches that far (consensus.md §2).
fn jail_term(work: &Work<'_>, ctx: &BlockContext, now: &Now) -> Result<(u32, u32), Bug> {
    let length = ctx.constants.epoch_slots;
    let slot = ctx.slot.0.checked_rem(length).unwrap_or(0);
    let in_time = slot < length.saturating_sub(ctx.constants.slots_for_k(3));
    let from = now.epoch.saturating_add(if in_time { 1 } else { 2 });
    let term = u32::try_from(params::get(work, "slash.jail")?).unwrap_or(u32::MAX);
    Ok((from, now.epoch.saturating_add(term)))
}

fn check_ppm(ppm: u64) -> Result<(), SlashingError> {
    if (1..=MILLION).contains(&ppm) { Ok(()) } else { Err(SlashingError::PpmOutOfRange { ppm }) }
}

/// A Discipline vote about a seat's holder (kind 6): `ppm` of the role bond.
pub fn misconduct(work: &mut Work<'_>, now: &Now, holder: &AccountId, ppm: u64) -> Result<Option<u64>, Abort> {
    check_ppm(ppm)?;
    role_bond(work, now, holder, OffenceKind::Misconduct, ppm)
}

/// A credential obtained by fraud (kind 7): the whole role bond, where there is one.
pub fn credential_fraud(work: &mut Work<'_>, now: &Now, holder: &AccountId) -> Result<Option<u64>, Abort> {
    role_bond(work, now, holder, OffenceKind::CredentialFraud, MILLION)
}

fn role_bond(
    work: &mut Work<'_>,
    now: &Now,
    holder: &AccountId,
    kind: OffenceKind,
    ppm: u64,
) -> Result<Option<u64>, Abort> {
    let charge = Charge {
        offender: Offender::RoleBond(*holder),
        tokens: &NATIVE,
        kind,
        offence: now.consensus_epoch(),
        ppm: Some(ppm),
        parties: Parties::default(),
    };
    accept(work, now, &charge)
}

/// Two readings for one number (kind 5): a fifth of the provider's position in $IaaS, then half, then everything, by
/// offences ever; what the provider earned in the running epoch is void.
pub fn metering(
    work: &mut Work<'_>,
    now: &Now,
    provider: &AccountId,
    reporter: AccountId,
    victim: AccountId,
) -> Result<Option<u64>, Abort> {
    let at = offences_key(provider);
    let before: u8 = work.get(&at)?.unwrap_or(0);
    work.put(at, &before.saturating_add(1));
    let ppm = match before {
        0 => 200_000,
        1 => 500_000,
        _ => MILLION,
    };
    let token = AssetId::IAAS;
    work_ledger::void(work, provider, token, now.epoch)?;
    let charge = Charge {
        offender: Offender::Position(*provider),
        tokens: &[token],
        kind: OffenceKind::Metering,
        offence: now.consensus_epoch(),
        ppm: Some(ppm),
        parties: Parties { reporter: Some(reporter), victim: Some(victim) },
    };
    accept(work, now, &charge)
}

/// A vote about a wipe, location, capacity or audit breach (kind 8, SlashRuling): `ppm` of the provider's bond. Kinds
/// with an automatic proof, and those with a vote of their own, are not ruled upon.
pub fn ruling(
    work: &mut Work<'_>,
    now: &Now,
    target: &AccountId,
    (kind, ppm): (u8, u64),
    victim: Option<AccountId>,
) -> Result<u64, Abort> {
    check_ppm(ppm)?;
    if OffenceKind::of(kind) != Some(OffenceKind::Breach) {
        return Err(SlashingError::KindNotRuled { kind }.into());
    }
    let offender = Offender::Position(*target);
    for token in NATIVE {
        if offender.total(work, token)? == Amount::ZERO {
            continue;
        }
        let charge = Charge {
            offender,
            tokens: &[token],
            kind: OffenceKind::Breach,
            offence: now.consensus_epoch(),
            ppm: Some(ppm),
            parties: Parties { reporter: None, victim },
        };
        if let Some(id) = accept(work, now, &charge)? {
            return Ok(id);
        }
    }
    Err(SlashingError::BondUnknown { account: *target }.into())
}
