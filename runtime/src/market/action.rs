//! Actions 04xx and 05xx (ledger.md §5): a file each, checks above, writes below.

pub mod ask;
pub mod bid;
pub mod cancel;
pub mod delegates;
pub mod edge;
pub mod equivocation;
pub mod host;
pub mod host_set;
pub mod hosting;
pub mod pair_order;
pub mod provider;
pub mod ready;
pub mod settle;
pub mod tenancy;
pub mod top_up;
pub mod wrap;

use crate::context::{Actor, BlockContext};
use crate::market::error::MarketError;
use crate::market::hold::InHand;
use crate::market::lease::Event as LeaseEvent;
use crate::market::state::now_ms;
use nupeer_primitives::HostId;
use nupeer_primitives::action::Action;
use nupeer_primitives::state::{Abort, Bug, Work};

/// Runs an action of the exchange.
#[expect(clippy::wildcard_enum_match_arm, reason = "the dispatcher sends no other action here")]
pub fn execute(work: &mut Work<'_>, ctx: &BlockContext, actor: &Actor, action: &Action) -> Result<(), Abort> {
    let now_ms = now_ms(work)?;
    match action {
        Action::Provider { meta_hash, asset, bond } => provider::provider(work, actor, *meta_hash, *asset, *bond),
        Action::ProviderBond { asset, change, amount } => {
            provider::provider_bond(work, now_ms, actor, *asset, *change, *amount)
        }
        Action::Host { .. } => host::host(work, actor, action),
        Action::HostSet { .. } => host_set::host_set(work, actor, action),
        Action::Bid { bid } => bid::bid(work, ctx, now_ms, actor, bid),
        Action::Ask { ask } => ask::ask(work, now_ms, actor, ask),
        Action::PairOrder { .. } => pair_order::pair_order(work, now_ms, actor, action),
        Action::Cancel { order } => cancel::cancel(work, now_ms, actor, *order),
        Action::Edge { .. } => edge::edge(work, actor, action),
        Action::Accept { lease } => hosting::by_host(work, now_ms, actor, lease, LeaseEvent::Accept),
        Action::Decline { lease } => hosting::by_host(work, now_ms, actor, lease, LeaseEvent::Decline),
        Action::Reclaim { lease } => hosting::by_host(work, now_ms, actor, lease, LeaseEvent::Reclaim),
        Action::WipeReceipt { lease, volumes: _, method: _ } => hosting::wiped(work, now_ms, actor, lease),
        Action::Ready { lease, endpoint_hash, edge } => {
            ready::ready(work, ctx, now_ms, actor, lease, *endpoint_hash, edge.as_ref())
        }
        Action::TopUp { lease, amount } => top_up::top_up(work, now_ms, actor, lease, *amount),
        Action::SetTopUpRule { lease, rule } => top_up::rule(work, now_ms, actor, lease, rule.as_ref()),
        Action::LeaseWithdraw { lease, amount } => tenancy::withdraw(work, now_ms, actor, lease, *amount),
        Action::Close { lease } => tenancy::close(work, now_ms, actor, lease),
        Action::SettleBatch { items } => settle::settle_batch(work, ctx, now_ms, actor, items),
        Action::Claim { receipt } => settle::claim(work, ctx, now_ms, actor, receipt),
        Action::Equivocation { r1, r2 } => equivocation::prove(work, ctx, now_ms, actor, r1, r2),
        Action::Delegates { lease, delegates } => delegates::delegates(work, now_ms, actor, lease, delegates),
        Action::Wrap { lease, host, wrap } => wrap::wrap(work, now_ms, actor, lease, *host, wrap),
        _ => Err(Bug::Missing { what: "handler of a market action" }.into()),
    }
}

/// The present host of a lease, if the actor reaches it.
fn present_host(hand: &InHand, actor: &Actor) -> Result<HostId, Abort> {
    let refused = MarketError::NotAuthorised { account: actor.account };
    let holder = hand.lease.holder.ok_or(MarketError::WrongState { state: hand.lease.state })?;
    if hand.deal.provider == Some(actor.account) && actor.reaches_host(holder.host) {
        Ok(holder.host)
    } else {
        Err(refused.into())
    }
}

/// Refuses everybody but the tenant.
fn require_tenant(hand: &InHand, actor: &Actor) -> Result<(), MarketError> {
    let is_host_key = actor.session.is_some_and(|session| session.host.is_some());
    if hand.deal.owner == actor.account && !is_host_key {
        Ok(())
    } else {
        Err(MarketError::NotAuthorised { account: actor.account })
    }
}
