//! What a host says about a lease: 0501 Accept, 0502 Decline, 0508 Reclaim, 0510 WipeReceipt.

use super::present_host;
use crate::context::Actor;
use crate::market::error::MarketError;
use crate::market::hold::{InHand, provider_of};
use crate::market::lease::Event as LeaseEvent;
use nupeer_primitives::LeaseId;
use nupeer_primitives::state::{Abort, Work};

/// An event that the present host alone may cause.
pub fn by_host(
    work: &mut Work<'_>,
    now_ms: u64,
    actor: &Actor,
    lease: &LeaseId,
    event: LeaseEvent,
) -> Result<(), Abort> {
    let mut hand = InHand::touch(work, now_ms, lease)?;
    present_host(&hand, actor)?;
    hand.apply(work, now_ms, event)?;
    hand.save(work, now_ms)
}

/// Action 0510, by the present host or one that lost the lease.
pub fn wiped(work: &mut Work<'_>, now_ms: u64, actor: &Actor, lease: &LeaseId) -> Result<(), Abort> {
    let mut hand = InHand::touch(work, now_ms, lease)?;
    let former = hand.lease.former.iter().map(|former| former.holder.host);
    let owing: alloc::vec::Vec<_> = former.chain(hand.lease.holder.map(|holder| holder.host)).collect();
    for host in owing {
        if actor.reaches_host(host) && provider_of(work, host)? == actor.account {
            hand.apply(work, now_ms, LeaseEvent::Wiped { host })?;
            return hand.save(work, now_ms);
        }
    }
    Err(MarketError::NotAuthorised { account: actor.account }.into())
}
