//! What the tenant says about a lease: 0506 LeaseWithdraw, 0507 Close.

use super::require_tenant;
use crate::context::Actor;
use crate::market::error::MarketError;
use crate::market::hold::InHand;
use crate::market::lease::Event as LeaseEvent;
use nupeer_primitives::state::{Abort, Work};
use nupeer_primitives::{Amount, LeaseId};

/// Action 0506.
pub fn withdraw(work: &mut Work<'_>, now_ms: u64, actor: &Actor, lease: &LeaseId, amount: Amount) -> Result<(), Abort> {
    if amount == Amount::ZERO {
        return Err(MarketError::AmountOutOfRange { amount: 0 }.into());
    }
    let mut hand = InHand::touch(work, now_ms, lease)?;
    require_tenant(&hand, actor)?;
    hand.apply(work, now_ms, LeaseEvent::Withdraw { amount: amount.get() })?;
    hand.save(work, now_ms)
}

/// Action 0507.
pub fn close(work: &mut Work<'_>, now_ms: u64, actor: &Actor, lease: &LeaseId) -> Result<(), Abort> {
    let mut hand = InHand::touch(work, now_ms, lease)?;
    require_tenant(&hand, actor)?;
    hand.apply(work, now_ms, LeaseEvent::Close)?;
    hand.save(work, now_ms)
}
