//! Rules 4-7: where a header stands in the chain and in time. Rule 3, the known parent, is having a [`Parent`] at all.

use super::{HeaderError, Rules};
use nupeer_primitives::{BlockId, Header, Height, McRef, Slot};

/// What a header needs of its parent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parent {
    /// Its id.
    pub id: BlockId,
    /// Its height; genesis is 0.
    pub height: Height,
    /// Its slot; genesis has none.
    pub slot: Option<Slot>,
    /// Its Cardano reference.
    pub mc: McRef,
}

/// The time, in milliseconds since slot 0 began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// Now.
    pub now_ms: u64,
    /// P:skew: how far the other clock may be ahead of ours.
    pub skew_ms: u64,
}

/// Where the header's chain leaves ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fork {
    /// Height of the last block shared with our chain.
    pub at: Height,
    /// Height of the last final block.
    pub last_final: Height,
    /// Our height.
    pub tip: Height,
    /// While syncing, density decides about deeper forks (§9), not this rule.
    pub density_decides: bool,
}

/// Rules 4-7.
pub fn place(rules: &Rules, header: &Header, parent: &Parent, clock: &Clock, fork: &Fork) -> Result<(), HeaderError> {
    let body = &header.body;
    if body.parent != parent.id {
        return Err(HeaderError::UnknownParent { parent: body.parent });
    }
    if parent.height.0.checked_add(1) != Some(body.height.0) {
        return Err(HeaderError::BadHeight { height: body.height, parent: parent.height });
    }
    if let Some(slot) = parent.slot.filter(|slot| body.slot <= *slot) {
        return Err(HeaderError::BadSlot { slot: body.slot, parent: slot });
    }
    not_early(body.slot, rules.constants.slot_ms, clock)?;
    if fork.at < fork.last_final {
        return Err(HeaderError::BelowFinal { height: body.height, last: fork.last_final });
    }
    let depth = fork.tip.0.saturating_sub(fork.at.0);
    if depth > rules.constants.k && !fork.density_decides {
        return Err(HeaderError::TooDeep { depth, permitted: rules.constants.k });
    }
    Ok(())
}

/// Rule 6: slot start <= now + skew.
fn not_early(slot: Slot, slot_ms: u64, clock: &Clock) -> Result<(), HeaderError> {
    let start_ms = u128::from(slot.0).saturating_mul(u128::from(slot_ms));
    let due_ms = u128::from(clock.now_ms).saturating_add(u128::from(clock.skew_ms));
    match start_ms.checked_sub(due_ms) {
        None | Some(0) => Ok(()),
        Some(wait) => Err(HeaderError::Early { slot, wait_ms: u64::try_from(wait).unwrap_or(u64::MAX) }),
    }
}
