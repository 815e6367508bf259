//! The sweeper: what is due is cleared away a few items a block, deposits go back (governance.md §10). Sweeping late
//! changes no outcome: nothing asks whether it has been done.

use super::fund;
use super::record::{Due, key, proposal};
use crate::governance::{Now, state};
use crate::params::get;
use alloc::vec::Vec;
use nupeer_governance::clock::Tick;
use nupeer_governance::resubmit::is_locked;
use nupeer_governance::vote::{VoteRecord, Weight};
use nupeer_primitives::governance::ProposalId;
use nupeer_primitives::state::{Abort, Bug, Key, Work};

/// Puts something into the sweeper's queue.
pub fn queue(work: &mut Work<'_>, tick: Tick, kind: Due, id: &[u8]) {
    work.put(key::due(tick, kind, id), &1u8);
}

/// Clears at most `prop.sweep_items` records in this block.
pub fn sweep(work: &mut Work<'_>, now: &Now) -> Result<(), Abort> {
    let mut rest = get(work, "prop.sweep_items")?;
    let limit = usize::try_from(rest).unwrap_or(usize::MAX);
    for (at, _) in work.scan::<u8>(&key::queue(), &[], limit)? {
        if rest == 0 || due_tick(&at)? > now.tick {
            break;
        }
        let (kind, id) = parts(&at)?;
        let (done, used) = clear(work, now, kind, id, rest)?;
        rest = rest.saturating_sub(used.max(1));
        if done {
            work.remove(key::due(due_tick(&at)?, kind, id));
        }
    }
    Ok(())
}

fn due_tick(at: &[u8]) -> Result<Tick, Bug> {
    let bytes = at.get(2..10).and_then(|b| <[u8; 8]>::try_from(b).ok());
    bytes.map(u64::from_be_bytes).ok_or(Bug::Corrupt { prefix: 0x1D })
}

fn parts(at: &[u8]) -> Result<(Due, &[u8]), Bug> {
    let corrupt = Bug::Corrupt { prefix: 0x1D };
    let (code, id) = at.get(10).zip(at.get(11..)).ok_or(corrupt.clone())?;
    Due::ALL.iter().copied().find(|kind| kind.code() == *code).map(|kind| (kind, id)).ok_or(corrupt)
}

/// Whether all of it is gone, and how many records were touched.
fn clear(work: &mut Work<'_>, now: &Now, kind: Due, id: &[u8], rest: u64) -> Result<(bool, u64), Abort> {
    let limit = usize::try_from(rest).unwrap_or(usize::MAX);
    match kind {
        Due::Lock => {
            // Blocked once more meanwhile, it stays.
            let at = Key::new(0x1D).u8(0x0C).bytes(id);
            let ticks = get(work, "prop.resubmit_lock")?;
            if work.get::<Tick>(&at)?.is_some_and(|blocked| !is_locked(blocked, now.tick, ticks)) {
                work.remove(at);
            }
            Ok((true, 1))
        }
        Due::Lapse => {
            fund::lapse(work, now, number(id)?)?;
            Ok((true, 1))
        }
        Due::Deposit => {
            let Some(mut p) = proposal(work, number(id)?)? else { return Ok((true, 1)) };
            let used = fund::settle(work, &mut p)?;
            work.put(key::proposal(p.id), &p);
            Ok((true, used))
        }
        Due::Votes => {
            let votes = keys(work.scan::<VoteRecord>(&state::key::votes(number(id)?), &[], limit)?);
            let overs = keys(work.scan::<Weight>(&state::key::overrides(number(id)?), &[], limit)?);
            Ok(remove(work, votes.into_iter().chain(overs).take(limit).collect(), limit))
        }
        Due::Sponsors => {
            let sponsors = keys(work.scan::<u8>(&key::sponsors(number(id)?), &[], limit)?);
            Ok(remove(work, sponsors, limit))
        }
    }
}

fn keys<T>(rows: Vec<(Vec<u8>, T)>) -> Vec<Vec<u8>> {
    rows.into_iter().map(|(at, _)| at).collect()
}

fn remove(work: &mut Work<'_>, rows: Vec<Vec<u8>>, limit: usize) -> (bool, u64) {
    let count = rows.len();
    for at in rows {
        let (prefix, rest) = at.split_first().map_or((0, [].as_slice()), |(prefix, rest)| (*prefix, rest));
        work.remove(Key::new(prefix).bytes(rest));
    }
    (count < limit, count as u64)
}

fn number(id: &[u8]) -> Result<ProposalId, Bug> {
    super::record::number_of(id).map(ProposalId)
}
