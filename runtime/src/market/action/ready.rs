//! 0503 Ready: the workload answers and billing starts (row 6). With ingress an edge of the lease has checked it.

use super::present_host;
use crate::context::{Actor, BlockContext};
use crate::market::error::MarketError;
use crate::market::hold::{self, InHand};
use crate::market::lease::Event as LeaseEvent;
use nupeer_primitives::event::Event;
use nupeer_primitives::market::ready_digest;
use nupeer_primitives::state::{Abort, Work};
use nupeer_primitives::{LeaseId, Signature, VerificationKey, sign};

/// Action 0503. Whether a workload has ingress stands in its manifest, off chain; so the edge's signature may be left
/// out, but a given one must hold.
pub fn ready(
    work: &mut Work<'_>,
    ctx: &BlockContext,
    now_ms: u64,
    actor: &Actor,
    lease: &LeaseId,
    endpoint_hash: [u8; 32],
    edge: Option<&(VerificationKey, Signature)>,
) -> Result<(), Abort> {
    let mut hand = InHand::touch(work, now_ms, lease)?;
    present_host(&hand, actor)?;
    if let Some((edge_key, signature)) = edge {
        let digest = ready_digest(&ctx.genesis, lease, hand.lease.epoch, &endpoint_hash);
        let is_ours = hold::edges(work, lease)?.iter().any(|(_, known)| known == edge_key);
        if !is_ours || !sign::verify(edge_key, &digest.0, signature) {
            return Err(MarketError::SignatureInvalid {}.into());
        }
    }
    hand.apply(work, now_ms, LeaseEvent::Ready { standby: None })?;
    hand.deal.endpoint_hash = Some(endpoint_hash);
    work.emit(Event::LeaseReady { lease: *lease, epoch: hand.lease.epoch, endpoint_hash });
    hand.save(work, now_ms)
}
