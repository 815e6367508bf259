//! 0511 Delegates: who else may act for the tenant of a lease.

use super::require_tenant;
use crate::context::Actor;
use crate::market::error::MarketError;
use crate::market::hold::InHand;
use crate::market::state::key;
use nupeer_primitives::LeaseId;
use nupeer_primitives::VerificationKey;
use nupeer_primitives::market::{Delegate, delegate_scope};
use nupeer_primitives::state::{Abort, Bug, Work};

/// Action 0511: replaces the whole list.
pub fn delegates(
    work: &mut Work<'_>,
    now_ms: u64,
    actor: &Actor,
    lease: &LeaseId,
    delegates: &[Delegate],
) -> Result<(), Abort> {
    let hand = InHand::touch(work, now_ms, lease)?;
    require_tenant(&hand, actor)?;
    if hand.lease.state.is_ending() {
        return Err(MarketError::LeaseEnding { state: hand.lease.state }.into());
    }
    if delegates.iter().any(|delegate| delegate.scopes == 0 || delegate.scopes & !delegate_scope::ALL != 0) {
        return Err(MarketError::TermsOutOfRange { field: "delegate scopes" }.into());
    }
    if delegates.is_empty() {
        work.remove(key::delegates(lease));
    } else {
        work.put(key::delegates(lease), &delegates.to_vec());
    }
    hand.save(work, now_ms)
}

/// Whether `signer` holds `scope` of a lease now.
pub fn holds(
    work: &Work<'_>,
    now_ms: u64,
    lease: &LeaseId,
    scope: u32,
    is_signer: impl Fn(&VerificationKey) -> bool,
) -> Result<bool, Bug> {
    let list: alloc::vec::Vec<Delegate> = work.get(&key::delegates(lease))?.unwrap_or_default();
    Ok(list.iter().any(|d| d.scopes & scope != 0 && d.expiry_ms > now_ms && is_signer(&d.key)))
}
