//! 050F Equivocation: one key signed two readings for one number (market.md §9, tokens.md §7 kind 5).
//!
//! The lease bond is forfeited and what is unsettled is void (row 20 of market.md §7), the key is revoked, and the
//! provider's own position in the area's token is slashed: a fifth, then half, then everything, by offences ever.
//!
//! # Deviation
//! Only a host that still holds the lease in that epoch is judged: once it lost the lease, its bond is bound to the wipe
//! and nothing of it is unsettled.

use crate::context::{Actor, BlockContext};
use crate::governance::Now;
use crate::market::error::MarketError;
use crate::market::hold::InHand;
use crate::market::lease::Event as LeaseEvent;
use crate::market::state::{Host, key};
use crate::{grant, slashing};
use nupeer_primitives::receipt::{MeterReceipt, Role, SignedReceipt};
use nupeer_primitives::sign;
use nupeer_primitives::state::{Abort, Work};
use nupeer_primitives::{Signature, VerificationKey};
use nupeer_tokens::slashing::SlashingError;

/// Anybody may prove it.
pub fn prove(
    work: &mut Work<'_>,
    ctx: &BlockContext,
    now_ms: u64,
    actor: &Actor,
    r1: &SignedReceipt,
    r2: &SignedReceipt,
) -> Result<(), Abort> {
    let signer = check(ctx, r1, r2)?;
    let reading = &r1.receipt;
    let mut hand = InHand::touch(work, now_ms, &reading.lease)?;
    let holder = hand.lease.holder.ok_or(MarketError::WrongState { state: hand.lease.state })?;
    if hand.lease.epoch != reading.epoch {
        return Err(MarketError::EpochStale { receipt: reading.epoch, lease: hand.lease.epoch }.into());
    }
    let host: Host = work.expect(&key::host(holder.host), "host of a lease")?;
    if host.session_key != signer {
        return Err(MarketError::SignatureInvalid {}.into());
    }
    let tenant = hand.deal.owner;
    hand.apply(work, now_ms, LeaseEvent::Equivocation)?;
    hand.save(work, now_ms)?;
    grant::remove(work, &host.provider, &signer)?;
    slashing::metering(work, &Now::of(work, ctx)?, &host.provider, actor.account, tenant).map(|_| ())
}

/// Two different readings of one number, both signed by the key that it gives.
fn check(ctx: &BlockContext, r1: &SignedReceipt, r2: &SignedReceipt) -> Result<VerificationKey, Abort> {
    let of = |reading: &MeterReceipt| (reading.lease, reading.epoch, reading.seq);
    if of(&r1.receipt) != of(&r2.receipt) {
        return Err(SlashingError::SubjectMismatch {}.into());
    }
    if r1.receipt == r2.receipt {
        return Err(SlashingError::NotConflicting {}.into());
    }
    let (one, first) = by_host(r1)?;
    let (other, second) = by_host(r2)?;
    if one != other {
        return Err(SlashingError::SubjectMismatch {}.into());
    }
    let holds = |receipt: &MeterReceipt, signature| sign::verify(&one, &receipt.digest(&ctx.genesis).0, signature);
    if holds(&r1.receipt, &first) && holds(&r2.receipt, &second) {
        Ok(one)
    } else {
        Err(SlashingError::BadSignature {}.into())
    }
}

fn by_host(item: &SignedReceipt) -> Result<(VerificationKey, Signature), SlashingError> {
    let found = item.signatures.iter().find(|(role, ..)| *role == Role::Provider);
    found.map(|(_, key, signature)| (*key, *signature)).ok_or(SlashingError::BadSignature {})
}
