//! 0504 TopUp: anyone adds to an escrow. 0505 SetTopUpRule: the payer of a rule sets or removes it.

use crate::context::Actor;
use crate::grant;
use crate::market::error::MarketError;
use crate::market::hold::InHand;
use crate::market::state::{RuleState, key};
use nupeer_primitives::market::TopUpRule;
use nupeer_primitives::state::{Abort, Work};
use nupeer_primitives::{Amount, LeaseId};

/// Action 0504.
pub fn top_up(work: &mut Work<'_>, now_ms: u64, actor: &Actor, lease: &LeaseId, amount: Amount) -> Result<(), Abort> {
    if amount == Amount::ZERO {
        return Err(MarketError::AmountOutOfRange { amount: 0 }.into());
    }
    let mut hand = InHand::touch(work, now_ms, lease)?;
    grant::spend(work, actor, hand.deal.asset, amount)?;
    hand.top_up(work, now_ms, &actor.account, amount)?;
    hand.save(work, now_ms)
}

/// Action 0505. A lease has one rule; its tenant may drop a sponsor's, nobody may replace it unasked.
pub fn rule(
    work: &mut Work<'_>,
    now_ms: u64,
    actor: &Actor,
    lease: &LeaseId,
    rule: Option<&TopUpRule>,
) -> Result<(), Abort> {
    let hand = InHand::touch(work, now_ms, lease)?;
    let present: Option<RuleState> = work.get(&key::rule(lease))?;
    let is_tenant = hand.deal.owner == actor.account;
    if let Some(account) = present.map(|state| state.rule.from).filter(|from| *from != actor.account && !is_tenant) {
        return Err(MarketError::RuleNotYours { account }.into());
    }
    match rule {
        Some(rule) if rule.from != actor.account => {
            return Err(MarketError::RuleNotYours { account: rule.from }.into());
        }
        Some(rule) if rule.amount == Amount::ZERO || rule.amount > rule.cap || rule.period_ms == 0 => {
            return Err(MarketError::AmountOutOfRange { amount: rule.amount.get() }.into());
        }
        Some(_) if hand.lease.state.is_ending() => {
            return Err(MarketError::LeaseEnding { state: hand.lease.state }.into());
        }
        Some(rule) => {
            let state = RuleState { rule: *rule, period_from_ms: now_ms, spent: Amount::ZERO, rest_until_ms: now_ms };
            work.put(key::rule(lease), &state);
        }
        None => work.remove(key::rule(lease)),
    }
    hand.save(work, now_ms)
}
