//! What the API asks: slashes that wait. What a node asks before it pays for evidence: what the state makes of it.

use super::accept::weight_key;
use super::evidence::{judge, known_key};
use super::pending::{Pending, key};
use crate::context::BlockContext;
use crate::params;
use alloc::vec::Vec;
use nupeer_primitives::Epoch;
use nupeer_primitives::finality::{Evidence, Offence};
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_tokens::slashing::OffenceKind;
use nupeer_tokens::stake::pool_key;

/// Pending slashes from an id on, in order.
pub fn pending(work: &Work<'_>, from: u64, limit: usize) -> Result<Vec<(u64, Pending)>, Bug> {
    let rows = work.scan::<Pending>(&key::all(), key::slash(from).as_slice(), limit)?;
    rows.into_iter()
        .map(|(at, pending)| {
            let id = at.get(2..).and_then(|b| <[u8; 8]>::try_from(b).ok()).map(u64::from_be_bytes);
            Ok((id.ok_or(Bug::Corrupt { prefix: 0x0E })?, pending))
        })
        .collect()
}

/// What a state makes of an offence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Evidence of it would be accepted, and would change something.
    New,
    /// It is accepted already; or one of the same kind, pool and epoch is, and the slash of both is one (tokens.md §7).
    Accepted,
    /// Its epoch has not begun here.
    Early,
    /// Too old, or of a pool that does not exist: never accepted.
    Void,
}

/// The offences that evidence proves.
pub fn offences(work: &Work<'_>, ctx: &BlockContext, evidence: &Evidence) -> Result<Vec<Offence>, Abort> {
    judge(work, ctx, evidence)
}

/// How an offence stands in a state of epoch `now`.
pub fn standing(work: &Work<'_>, now: Epoch, offence: &Offence) -> Result<Standing, Bug> {
    let kind = OffenceKind::of(offence.kind.code()).ok_or(Bug::Missing { what: "kind of an offence" })?;
    let oldest = now.0.saturating_sub(params::get(work, "evidence_epochs")?);
    let accepted = work.has(&known_key(&offence.key())) || work.has(&weight_key(kind, offence.epoch, &offence.pool));
    Ok(if offence.epoch.0 < oldest || !work.has(&pool_key(&offence.pool)) {
        Standing::Void
    } else if accepted {
        Standing::Accepted
    } else if offence.epoch > now {
        Standing::Early
    } else {
        Standing::New
    })
}
