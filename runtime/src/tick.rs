//! Governance time and what is due when a tick begins (governance.md §1, §10; ledger.md §7, step 2).
//!
//! After the epoch boundary and before transactions: seats, then what proposals have due. A block crosses at most one
//! tick boundary, as no gap of slots counts for more than a tick.

use crate::context::BlockContext;
use crate::governance::{Now, proposals, seats, state};
use crate::{params, treasury};
use nupeer_primitives::event::Event;
use nupeer_primitives::state::{Abort, Work};

/// Moves the governance clock to this block and does the work of a tick that begins with it.
pub fn prologue(work: &mut Work<'_>, ctx: &BlockContext) -> Result<(), Abort> {
    let before = Now::of(work, ctx)?;
    let slots = ctx.slot.0.saturating_sub(ctx.parent_slot.0);
    let clock = state::clock(work)?.advanced(slots, params::get(work, "time.clock_cap")?);
    work.put(state::key::clock(), &clock);
    let now = Now::of(work, ctx)?;
    if now.tick == before.tick {
        return proposals::sweep::sweep(work, &now);
    }
    work.emit(Event::TickBegan { tick: now.tick, gt: now.gt });
    seats::tick(work, &now)?;
    treasury::tick(work)?;
    proposals::tick(work, &now, ctx)?;
    proposals::sweep::sweep(work, &now)
}
