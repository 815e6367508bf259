//! 050A SettleBatch and 050B Claim: receipts become money (market.md §8).
//!
//! The witness by a host's session key (or by the provider's own account) stands for the provider's signature. All
//! other signatures of a batch are verified together; a bad item is skipped and reported, the rest goes on.

use super::delegates;
use crate::context::{Actor, BlockContext};
use crate::market::error::MarketError;
use crate::market::hold::{self, InHand};
use crate::market::lease::Event as LeaseEvent;
use crate::market::receipt::Signers;
use crate::market::state::{Anchor, key};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use nupeer_primitives::event::Event;
use nupeer_primitives::market::delegate_scope;
use nupeer_primitives::receipt::{MeterReceipt, Role, SignedReceipt};
use nupeer_primitives::sign::{self, Signed};
use nupeer_primitives::state::{Abort, Bug, Rule, Work};
use nupeer_primitives::{AccountId, VerificationKey};

/// Action 050A.
pub fn settle_batch(
    work: &mut Work<'_>,
    ctx: &BlockContext,
    now_ms: u64,
    actor: &Actor,
    items: &[SignedReceipt],
) -> Result<(), Abort> {
    let forged = forged_items(ctx, items);
    for (at, item) in items.iter().enumerate() {
        let done = if forged.contains(&at) {
            Err(MarketError::SignatureInvalid {}.into())
        } else {
            settle(work, now_ms, actor, item)
        };
        match done {
            Ok(()) => {}
            Err(Refusal::Bug(bug)) => return Err(bug.into()),
            Err(Refusal::Rule(rule)) => refuse(work, now_ms, actor, &item.receipt, rule)?,
        }
    }
    Ok(())
}

/// Action 050B: one receipt by whoever may sign it; refused as a whole.
pub fn claim(
    work: &mut Work<'_>,
    ctx: &BlockContext,
    now_ms: u64,
    actor: &Actor,
    item: &SignedReceipt,
) -> Result<(), Abort> {
    if !forged_items(ctx, core::slice::from_ref(item)).is_empty() {
        return Err(MarketError::SignatureInvalid {}.into());
    }
    settle(work, now_ms, actor, item).map_err(|refusal| match refusal {
        Refusal::Rule(rule) => Abort::from(rule),
        Refusal::Bug(bug) => Abort::Bug(bug),
    })
}

/// Positions of items with a signature that does not verify.
fn forged_items(ctx: &BlockContext, items: &[SignedReceipt]) -> BTreeSet<usize> {
    let mut signed = Vec::new();
    let mut owners = Vec::new();
    for (at, item) in items.iter().enumerate().filter(|(_, item)| !item.signatures.is_empty()) {
        let digest = item.receipt.digest(&ctx.genesis).0;
        for (_, key, signature) in &item.signatures {
            signed.push(Signed { key: *key, digest, signature: *signature });
            owners.push(at);
        }
    }
    sign::find_bad(&signed).into_iter().filter_map(|bad| owners.get(bad).copied()).collect()
}

/// Why one receipt is not settled.
enum Refusal {
    Rule(MarketError),
    Bug(Bug),
}

impl From<MarketError> for Refusal {
    fn from(rule: MarketError) -> Self {
        Self::Rule(rule)
    }
}

impl From<Bug> for Refusal {
    fn from(bug: Bug) -> Self {
        Self::Bug(bug)
    }
}

/// A rule inside the carrying out of effects cannot refuse: the money that it moves is locked already.
impl From<Abort> for Refusal {
    fn from(abort: Abort) -> Self {
        match abort {
            Abort::Bug(bug) => Self::Bug(bug),
            Abort::Rule { name, detail, .. } => {
                Self::Bug(Bug::Invariant { what: alloc::format!("settlement refused: {name}: {detail}") })
            }
        }
    }
}

/// Timers that were due stay fired even if the receipt is refused: they would have fired anyway.
fn settle(work: &mut Work<'_>, now_ms: u64, actor: &Actor, item: &SignedReceipt) -> Result<(), Refusal> {
    let receipt = &item.receipt;
    if !work.has(&key::lease(&receipt.lease)) {
        return Err(MarketError::LeaseUnknown { lease: receipt.lease }.into());
    }
    let mut hand = InHand::touch(work, now_ms, &receipt.lease)?;
    let judged = roles(work, now_ms, actor, &hand, item)?;
    let done = match judged {
        Ok((signers, witness)) => {
            let event = LeaseEvent::Receipt { receipt: receipt.clone(), signers, anchor_ms: anchor(work, receipt)? };
            hand.witness = witness;
            hand.receipt(work, now_ms, event)?
        }
        Err(rule) => Err(rule),
    };
    hand.save(work, now_ms)?;
    done.map_err(Refusal::from)
}

/// Which roles stand behind a receipt whose signatures verify, and the account of the edge among them.
type Roles = Result<(Signers, Option<AccountId>), MarketError>;

fn roles(work: &Work<'_>, now_ms: u64, actor: &Actor, hand: &InHand, item: &SignedReceipt) -> Result<Roles, Bug> {
    let (mut signers, mut witness) = (Signers::default(), None);
    let lease = &item.receipt.lease;
    let host = hand.lease.holder.map(|holder| holder.host);
    if hand.deal.provider == Some(actor.account) && host.is_some_and(|host| actor.reaches_host(host)) {
        signers.add(Role::Provider);
    }
    let edges = hold::edges(work, lease)?;
    for (role, signer, _) in &item.signatures {
        let is_theirs = match role {
            Role::Provider => is_session_key(work, hand, signer)?,
            Role::Tenant => {
                signer.account() == hand.deal.owner
                    || delegates::holds(work, now_ms, lease, delegate_scope::SIGN, |key| key == signer)?
            }
            Role::Edge => {
                witness = edges.iter().find(|(_, key)| key == signer).map(|(account, _)| *account);
                witness.is_some()
            }
        };
        if !is_theirs {
            return Ok(Err(MarketError::SignatureInvalid {}));
        }
        signers.add(*role);
    }
    Ok(Ok((signers, witness)))
}

fn is_session_key(work: &Work<'_>, hand: &InHand, signer: &VerificationKey) -> Result<bool, Bug> {
    let Some(holder) = hand.lease.holder else { return Ok(false) };
    let host: crate::market::state::Host = work.expect(&key::host(holder.host), "host of a lease")?;
    Ok(host.session_key == *signer)
}

/// Market time of the anchor block, if this chain has it and still remembers it.
fn anchor(work: &Work<'_>, receipt: &MeterReceipt) -> Result<Option<u64>, Bug> {
    let known: Option<Anchor> = work.get(&key::anchor(receipt.anchor_height.0))?;
    Ok(known.filter(|anchor| anchor.hash == receipt.anchor_hash).map(|anchor| anchor.at_ms))
}

/// Reports a skipped item. A provider that posts falling or impossible counters earns a strike.
fn refuse(
    work: &mut Work<'_>,
    now_ms: u64,
    actor: &Actor,
    receipt: &MeterReceipt,
    rule: MarketError,
) -> Result<(), Abort> {
    let (lease, seq, code) = (receipt.lease, receipt.seq, rule.code());
    work.emit(Event::ReceiptRefused { lease, seq, code });
    if matches!(rule, MarketError::CounterDecreased { .. } | MarketError::CapExceeded { .. }) {
        let hand = InHand::touch(work, now_ms, &lease)?;
        if let Some(holder) = hand.lease.holder.filter(|_| hand.deal.provider == Some(actor.account)) {
            hold::strike(work, now_ms, holder.host, &hand.deal.owner, &lease)?;
        }
    }
    Ok(())
}
