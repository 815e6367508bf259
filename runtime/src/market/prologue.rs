//! The exchange's part of a block before its transactions (market.md §18, ledger.md §7 step 4).
//!
//! 1. clock and anchor;
//! 2. at most `timers` due timers by (due, kind, id);
//! 3. pairs;
//! 4. instruments from a cursor while the rest of `auction_checks` suffices; one always fits, the next block goes on
//!    where this one stopped.
//!
//! Nothing here can be refused: a rule that fails is a bug.

use super::batch::{self, Session};
use super::book;
use super::hold::InHand;
use super::pairs;
use super::state::{Anchor, Clock, TimerKind, batch_seed, key, order_of};
use crate::context::BlockContext;
use crate::params;
use alloc::vec::Vec;
use nupeer_primitives::market::Pair;
use nupeer_primitives::proposal::Module;
use nupeer_primitives::state::{Abort, Bug, Key, Work};
use nupeer_primitives::{InstrumentId, LeaseId};

/// Anchors that a block may forget; one is written, so the set never grows beyond its window.
const ANCHORS_FORGOTTEN_MAX: usize = 4;
/// Pairs of the exchange.
const PAIRS_MAX: usize = 64;

/// Runs the market batch of a block.
pub fn run(work: &mut Work<'_>, ctx: &BlockContext) -> Result<(), Abort> {
    let clock = tick(work, ctx)?;
    fire_timers(work, clock.now_ms)?;
    if crate::paused::is_paused(work, Module::Market)? {
        // Books stand still; leases, receipts and timers go on.
        return Ok(());
    }
    let seed = batch_seed(&ctx.genesis, &ctx.vrf_out);
    let session = Session { genesis: &ctx.genesis, seed: &seed, now_ms: clock.now_ms };
    for (at, _) in work.scan::<Pair>(&Key::new(0x25), &[], PAIRS_MAX)? {
        let id = at.get(1..3).and_then(|b| <[u8; 2]>::try_from(b).ok()).map(u16::from_be_bytes);
        pairs::run(work, &session, id.ok_or(Bug::Corrupt { prefix: 0x25 })?)?;
    }
    run_instruments(work, &session, clock)
}

/// `now += min(Δslots, clock_gap_max)·slot_ms`; the parent becomes an anchor at its own market time.
fn tick(work: &mut Work<'_>, ctx: &BlockContext) -> Result<Clock, Bug> {
    let mut clock: Clock = work.expect(&key::clock(), "market clock")?;
    let parent_height = ctx.height.0.saturating_sub(1);
    let mut hash = [0; 8];
    hash.copy_from_slice(ctx.parent.0.first_chunk::<8>().ok_or(Bug::Missing { what: "parent id" })?);
    work.put(key::anchor(parent_height), &Anchor { hash, at_ms: clock.now_ms });
    let gap_max = params::get(work, "market.clock_gap_max_slots")?;
    let slots = ctx.slot.0.saturating_sub(ctx.parent_slot.0).min(gap_max);
    clock.now_ms = clock.now_ms.saturating_add(slots.saturating_mul(ctx.constants.slot_ms));
    work.put(key::clock(), &clock);
    let age_ms = params::get(work, "market.anchor_age_ms")?;
    for (at, anchor) in work.scan::<Anchor>(&Key::new(0x39), &[], ANCHORS_FORGOTTEN_MAX)? {
        if anchor.at_ms.saturating_add(age_ms) < clock.now_ms {
            work.remove(key::anchor(order_of(&at)?.0));
        }
    }
    Ok(clock)
}

fn fire_timers(work: &mut Work<'_>, now_ms: u64) -> Result<(), Abort> {
    let limit = usize::try_from(params::get(work, "market.timers")?).unwrap_or(usize::MAX);
    let due: Vec<Vec<u8>> = work
        .scan::<u8>(&key::queue(), &[], limit)?
        .into_iter()
        .map(|(at, _)| at)
        .take_while(|at| due_ms(at) <= now_ms)
        .collect();
    let corrupt = || Bug::Corrupt { prefix: 0x70 };
    for at in due {
        // An earlier timer of this block may have moved a later one.
        if work.get_raw(&at).is_none() {
            continue;
        }
        let (kind, id) = at.get(10).zip(at.get(11..)).ok_or_else(corrupt)?;
        if *kind == TimerKind::Lease.code() {
            let lease = LeaseId(id.try_into().map_err(|_| corrupt())?);
            InHand::touch(work, now_ms, &lease)?.save(work, now_ms)?;
        } else {
            let pair = id.get(..2).and_then(|b| <[u8; 2]>::try_from(b).ok()).map(u16::from_be_bytes);
            pairs::close(work, pair.ok_or_else(corrupt)?, order_of(id)?)?;
        }
    }
    Ok(())
}

fn due_ms(at: &[u8]) -> u64 {
    at.get(2..10).and_then(|b| <[u8; 8]>::try_from(b).ok()).map_or(0, u64::from_be_bytes)
}

fn run_instruments(work: &mut Work<'_>, session: &Session<'_>, mut clock: Clock) -> Result<(), Abort> {
    let listed: Vec<InstrumentId> = work.expect(&key::listed(), "list of instruments")?;
    let factor = params::get(work, "market.auction_candidates")?.saturating_add(3);
    let mut rest = params::get(work, "market.auction_checks")?;
    let start = listed.partition_point(|id| *id < clock.cursor);
    let (before, after) = listed.split_at(start.min(listed.len()));
    let mut is_first = true;
    let before_cursor = clock.cursor;
    for id in after.iter().chain(before) {
        batch::end_periods(work, *id, session.now_ms)?;
        let board = book::board(work, *id)?;
        if board.bids == 0 {
            continue;
        }
        let checks = board.bids.saturating_mul(board.asks).saturating_mul(factor);
        if checks > rest && !is_first {
            clock.cursor = *id;
            break;
        }
        is_first = false;
        rest = rest.saturating_sub(checks);
        batch::run(work, session, *id)?;
    }
    if clock.cursor != before_cursor {
        work.put(key::clock(), &clock);
    }
    Ok(())
}
