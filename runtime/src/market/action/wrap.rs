//! 0512 Wrap: the bundle key, sealed to the host of a lease by the tenant or a delegate with scope `wrap`.

use super::{delegates, require_tenant};
use crate::context::Actor;
use crate::market::error::MarketError;
use crate::market::hold::InHand;
use crate::market::lease::Event as LeaseEvent;
use crate::market::state::key;
use nupeer_primitives::action::WRAP_BYTES_MAX;
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::event::Event;
use nupeer_primitives::market::delegate_scope;
use nupeer_primitives::state::{Abort, Work};
use nupeer_primitives::{HostId, LeaseId};

/// Action 0512.
pub fn wrap(
    work: &mut Work<'_>,
    now_ms: u64,
    actor: &Actor,
    lease: &LeaseId,
    host: HostId,
    wrap: &Bytes<WRAP_BYTES_MAX>,
) -> Result<(), Abort> {
    let mut hand = InHand::touch(work, now_ms, lease)?;
    let own_key = |key: &nupeer_primitives::VerificationKey| key.account() == actor.account;
    if !delegates::holds(work, now_ms, lease, delegate_scope::WRAP, own_key)? {
        require_tenant(&hand, actor)?;
    }
    let length = wrap.as_slice().len();
    if length != WRAP_BYTES_MAX {
        return Err(MarketError::WrapTooShort { length: length as u64, needed: WRAP_BYTES_MAX as u64 }.into());
    }
    if hand.lease.holder.is_none_or(|holder| holder.host != host) {
        return Err(MarketError::HostUnknown { host }.into());
    }
    hand.apply(work, now_ms, LeaseEvent::Wrap)?;
    work.put(key::wrap(lease, host), wrap);
    work.emit(Event::Wrapped { lease: *lease, host });
    hand.save(work, now_ms)
}
