//! 020B Evidence: two signed objects that contradict each other (consensus.md §10). Shapes and signatures are judged by
//! `nupeer_primitives::finality`, which consensus uses, too; here they meet the committees, the age and what is known.

use super::accept;
use crate::context::BlockContext;
use crate::governance::Now;
use crate::params;
use alloc::vec::Vec;
use nupeer_primitives::block::{HEADER_BYTES_MAX, Header};
use nupeer_primitives::cbor::Cbor;
use nupeer_primitives::finality::{Committee, Evidence, EvidenceError, Offence, Rounds, Vote, evidence::Court};
use nupeer_primitives::hash::blake2b_256;
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{AccountId, Epoch, Hash};
use nupeer_tokens::committee;
use nupeer_tokens::slashing::{EvidenceChecks, SlashingError};
use nupeer_tokens::stake::stake_key;

pub(super) fn known_key(key: &Hash) -> Key {
    stake_key(0x40).bytes(&key.0)
}

fn by_epoch_key() -> Key {
    stake_key(0x41)
}

/// Judges and accepts. Of several offences in two certificates those that are new are accepted; none new is refused.
pub fn evidence(
    work: &mut Work<'_>,
    ctx: &BlockContext,
    now: &Now,
    by: &AccountId,
    evidence: &Evidence,
) -> Result<(), Abort> {
    let offences = judge(work, ctx, evidence)?;
    let evidence_epochs = params::get(work, "evidence_epochs")?;
    let mut refused = None;
    let mut accepted = false;
    for offence in &offences {
        let key = offence.key();
        // Subject, conflict and signatures were judged above, in this order.
        let checks = EvidenceChecks {
            same_subject: true,
            same_value: false,
            sig_a: true,
            sig_b: true,
            offence: offence.epoch,
            now: now.consensus_epoch(),
            evidence_epochs,
            key,
            is_known: work.has(&known_key(&key)),
        };
        if let Err(error) = checks.run() {
            refused = Some(error);
            continue;
        }
        work.put(known_key(&key), &offence.epoch);
        work.put(by_epoch_key().u64(offence.epoch.0).bytes(&key.0), &1u8);
        let keys = keys_of(work, evidence, offence)?;
        accept::proven(work, ctx, now, offence, &keys, *by)?;
        accepted = true;
    }
    match refused {
        Some(error) if !accepted => Err(error.into()),
        Some(_) | None => Ok(()),
    }
}

/// [`evidence`] as an action of a block.
pub fn report(work: &mut Work<'_>, ctx: &BlockContext, by: &AccountId, found: &Evidence) -> Result<(), Abort> {
    let now = Now::of(work, ctx)?;
    evidence(work, ctx, &now, by, found)
}

/// Who is guilty of what, by the committees that the state holds.
pub(super) fn judge(work: &Work<'_>, ctx: &BlockContext, evidence: &Evidence) -> Result<Vec<Offence>, Abort> {
    let (slots, lag) = (params::get(work, "round_slots")?, params::get(work, "lag_slots")?);
    let rounds = Rounds::new(slots, lag, &ctx.constants).ok_or(Bug::Missing { what: "rounds that divide epochs" })?;
    let table = |epoch: Epoch| {
        let members = committee::members(work, epoch).ok().filter(|members| !members.is_empty())?;
        Some(Committee::new(epoch, members))
    };
    let court = Court { genesis: ctx.genesis, constants: ctx.constants, rounds, committee: &table };
    evidence.judge(&court).map_err(|error| match error {
        EvidenceError::Malformed(_) => SlashingError::EvidenceMalformed { what: "objects of its kind" }.into(),
        EvidenceError::SubjectMismatch => SlashingError::SubjectMismatch {}.into(),
        EvidenceError::NotConflicting => SlashingError::NotConflicting {}.into(),
        EvidenceError::CommitteeUnknown(_) => {
            SlashingError::EvidenceMalformed { what: "votes of a committee that is known here" }.into()
        }
        EvidenceError::BadSignature => SlashingError::BadSignature {}.into(),
    })
}

/// Hashes of the keys that signed: both hot keys of two headers, the member's key of votes.
fn keys_of(work: &Work<'_>, evidence: &Evidence, offence: &Offence) -> Result<Vec<Hash>, Bug> {
    let mut keys = Vec::new();
    for object in [evidence.a.as_slice(), evidence.b.as_slice()] {
        if let Ok(header) = Header::from_cbor(object, HEADER_BYTES_MAX) {
            keys.push(blake2b_256(&header.body.opcert.hot_key));
        }
        if let Ok(vote) = Vote::decode(object) {
            let members = committee::members(work, vote.committee)?;
            let own = members.iter().filter(|member| member.pool == offence.pool);
            keys.extend(own.map(|member| blake2b_256(&member.key.0)));
        }
    }
    keys.dedup();
    Ok(keys)
}

/// Forgets keys of offences before `oldest`, at most `limit` of them: evidence of them is too old by then.
pub fn forget(work: &mut Work<'_>, oldest: u64, limit: usize) -> Result<(), Bug> {
    for (at, _) in work.scan::<u8>(&by_epoch_key(), &[], limit)? {
        let corrupt = Bug::Corrupt { prefix: 0x0E };
        let epoch = at.get(2..10).and_then(|b| <[u8; 8]>::try_from(b).ok()).map(u64::from_be_bytes);
        let key = at.get(10..).and_then(|b| <[u8; 32]>::try_from(b).ok());
        let (epoch, key) = epoch.zip(key).ok_or(corrupt)?;
        if epoch >= oldest {
            break;
        }
        work.remove(known_key(&Hash(key)));
        work.remove(by_epoch_key().u64(epoch).bytes(&key));
    }
    Ok(())
}
