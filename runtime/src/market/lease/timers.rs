//! What happens by itself: each thing as of its due time, in the order claim, money, deadline (market.md §7).

use super::{Effect, Former, Lease, LeaseState};
use crate::market::escrow::mul_div_floor;
use crate::market::price::B;
use crate::market::terms::Terms;
use alloc::vec::Vec;

/// Kinds of timers, in the order in which they fire at the same ms.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timer {
    /// The window of a waiting receipt ends.
    Claim,
    /// The money runs out.
    Money,
    /// The state's own deadline.
    Deadline,
    /// A former host's time to wipe ends.
    FormerWipe,
}

impl Lease {
    /// What fires next, and when it is due.
    #[must_use]
    pub fn next_timer(&self, terms: &Terms) -> Option<(u64, Timer)> {
        let claim = self.pending.as_ref().map(|claim| (claim.due_ms, Timer::Claim));
        let money = self.funded_until_ms.filter(|_| terms.term_ms.is_none()).map(|due| (due, Timer::Money));
        // A claim that is still open keeps Closing from ending (row 22).
        let waits = self.state == LeaseState::Closing && self.pending.is_some();
        let deadline = self.deadline_ms.filter(|_| !waits).map(|due| (due, Timer::Deadline));
        let former = self.former.iter().map(|former| (former.wipe_due_ms, Timer::FormerWipe)).min();
        [claim, money, deadline, former].into_iter().flatten().min()
    }

    /// Fires everything due up to `now_ms`.
    pub fn advance(&mut self, terms: &Terms, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut clock_ms = 0;
        while let Some((due_ms, timer)) = self.next_timer(terms).filter(|(due_ms, _)| *due_ms <= now_ms) {
            // A deadline held up by a claim takes effect when the claim is gone, not before.
            clock_ms = due_ms.max(clock_ms);
            match timer {
                Timer::Claim => self.claim_due(terms, clock_ms, &mut effects),
                Timer::Money => self.money_gone(terms, clock_ms, &mut effects),
                Timer::Deadline => self.deadline_due(terms, clock_ms, &mut effects),
                Timer::FormerWipe => self.former_wipe_due(terms, &mut effects),
            }
        }
        effects
    }

    fn claim_due(&mut self, terms: &Terms, at_ms: u64, effects: &mut Vec<Effect>) {
        let Some(claim) = self.pending.take() else { return };
        let (epoch, seq) = (self.epoch, claim.reading.seq);
        let step = self.apply_reading(terms, claim.reading, None);
        effects.push(Effect::ReceiptApplied { epoch, seq, step });
        self.settle_metered(terms, at_ms, effects);
    }

    /// Row 9.
    fn money_gone(&mut self, terms: &Terms, at_ms: u64, effects: &mut Vec<Effect>) {
        let stopped_ms = at_ms.saturating_add(terms.windows.stop_ms);
        self.bill_to(stopped_ms);
        self.settle_protected(terms, effects);
        self.grace_from_ms = stopped_ms;
        self.enter(LeaseState::Grace, at_ms, Some(stopped_ms.saturating_add(terms.windows.grace_ms)), effects);
    }

    fn deadline_due(&mut self, terms: &Terms, at_ms: u64, effects: &mut Vec<Effect>) {
        match self.state {
            LeaseState::Queued => self.close_refunded(at_ms, effects), // row 3
            LeaseState::Matched => self.match_failed(terms, at_ms, true, effects), // row 5
            LeaseState::Provisioning => self.never_started(terms, at_ms, effects), // rows 7, 8
            LeaseState::Active | LeaseState::Reclaiming => self.close_running(terms, at_ms, at_ms, effects), // rows 14, 16
            LeaseState::Grace => self.close_grace(terms, at_ms, effects),                                    // row 11
            LeaseState::Failover => self.back_to_book(terms, at_ms, effects),                                // row 19
            LeaseState::Closing => self.purge(terms, at_ms, effects),                                        // row 22
            LeaseState::Purging => self.wipe_missed(terms, at_ms, effects),                                  // row 24
            LeaseState::Closed => self.deadline_ms = None,
        }
    }

    /// Rows 7 and 8: the host accepted and never answered.
    fn never_started(&mut self, terms: &Terms, at_ms: u64, effects: &mut Vec<Effect>) {
        let owed = terms.res(self.price, terms.windows.no_show_ms);
        let at_fault = self.holder.is_some_and(|holder| holder.wrapped);
        if let Some(holder) = self.holder.as_mut().filter(|holder| holder.wrapped) {
            let tenant = holder.pay(owed);
            effects.push(Effect::BondPaid { host: holder.host, tenant, insurance: 0 });
        }
        if self.resuming {
            self.strike(at_fault, effects);
            self.fail_over(terms, at_ms, effects);
        } else {
            self.match_failed(terms, at_ms, at_fault, effects);
        }
    }

    /// Rows 5 and 7: back into the book, or out of it after too many tries.
    pub(super) fn match_failed(&mut self, terms: &Terms, at_ms: u64, at_fault: bool, effects: &mut Vec<Effect>) {
        self.strike(at_fault, effects);
        self.release_holder(effects);
        self.price = terms.price;
        self.failures = self.failures.saturating_add(1);
        if self.failures > terms.max_rematch {
            self.close_refunded(at_ms, effects);
        } else {
            self.enter(LeaseState::Queued, at_ms, Some(self.expiry_ms), effects);
        }
    }

    fn strike(&self, at_fault: bool, effects: &mut Vec<Effect>) {
        if let Some(holder) = self.holder.filter(|_| at_fault) {
            effects.push(Effect::Strike { host: holder.host });
        }
    }

    /// Row 19: the bid is back in the book for `grace_ms`.
    fn back_to_book(&mut self, terms: &Terms, at_ms: u64, effects: &mut Vec<Effect>) {
        self.expiry_ms = at_ms.saturating_add(terms.windows.grace_ms);
        self.price = terms.price;
        self.enter(LeaseState::Queued, at_ms, Some(self.expiry_ms), effects);
    }

    /// Rows 8, 17, 20: the host is lost, the epoch ends, a standby may take over.
    pub(super) fn fail_over(&mut self, terms: &Terms, at_ms: u64, effects: &mut Vec<Effect>) {
        if let Some(holder) = self.holder.take() {
            let wipe_due_ms = at_ms.saturating_add(terms.windows.wipe_ms);
            self.former.push(Former { holder, wipe_due_ms });
        }
        self.next_epoch();
        self.resuming = false;
        let until_ms = at_ms.saturating_add(terms.windows.failover_ms);
        self.enter(LeaseState::Failover, at_ms, Some(until_ms), effects);
    }

    /// Rows 14-16: billed to `billed_ms`, last receipts may come.
    pub(super) fn close_running(&mut self, terms: &Terms, at_ms: u64, billed_ms: u64, effects: &mut Vec<Effect>) {
        self.bill_to(billed_ms);
        self.settle(terms, 0, effects);
        self.enter(LeaseState::Closing, at_ms, Some(at_ms.saturating_add(terms.windows.settle_ms)), effects);
    }

    /// Row 11.
    pub(super) fn close_grace(&mut self, terms: &Terms, at_ms: u64, effects: &mut Vec<Effect>) {
        self.bill_retention(at_ms);
        self.settle(terms, 0, effects);
        self.enter(LeaseState::Closing, at_ms, Some(at_ms.saturating_add(terms.windows.settle_ms)), effects);
    }

    /// Rows 20-22: the rest goes back, the host wipes.
    pub(super) fn purge(&mut self, terms: &Terms, at_ms: u64, effects: &mut Vec<Effect>) {
        self.pending = None;
        self.refund(effects);
        self.enter(LeaseState::Purging, at_ms, Some(at_ms.saturating_add(terms.windows.wipe_ms)), effects);
    }

    /// Row 3, and row 5 after too many tries.
    pub(super) fn close_refunded(&mut self, at_ms: u64, effects: &mut Vec<Effect>) {
        self.refund(effects);
        self.enter(LeaseState::Closed, at_ms, None, effects);
    }

    /// Row 24.
    fn wipe_missed(&mut self, terms: &Terms, at_ms: u64, effects: &mut Vec<Effect>) {
        if let Some(holder) = self.holder.as_mut() {
            let tenant = holder.pay(mul_div_floor(holder.bond, terms.wipe_slash_bps, B));
            effects.push(Effect::BondPaid { host: holder.host, tenant, insurance: 0 });
            effects.push(Effect::Strike { host: holder.host });
        }
        self.release_holder(effects);
        self.enter(LeaseState::Closed, at_ms, None, effects);
    }

    /// Row 24 for a host that lost the lease earlier.
    fn former_wipe_due(&mut self, terms: &Terms, effects: &mut Vec<Effect>) {
        let first = self.former.iter().enumerate().min_by_key(|(at, former)| (former.wipe_due_ms, *at));
        let Some((at, _)) = first else { return };
        let mut holder = self.former.remove(at).holder;
        let tenant = holder.pay(mul_div_floor(holder.bond, terms.wipe_slash_bps, B));
        effects.push(Effect::BondPaid { host: holder.host, tenant, insurance: 0 });
        effects.push(Effect::Strike { host: holder.host });
        effects.push(Effect::Released { host: holder.host, bond_left: holder.bond_left });
    }

    /// Lots and the rest of the bond are free.
    pub(super) fn release_holder(&mut self, effects: &mut Vec<Effect>) {
        if let Some(holder) = self.holder.take() {
            effects.push(Effect::Released { host: holder.host, bond_left: holder.bond_left });
        }
    }

    /// Changes state; only a running lease has a money timer.
    pub(super) fn enter(&mut self, state: LeaseState, at_ms: u64, deadline_ms: Option<u64>, effects: &mut Vec<Effect>) {
        self.state = state;
        self.deadline_ms = deadline_ms;
        if !state.is_running() {
            self.funded_until_ms = None;
        }
        effects.push(Effect::Moved { state, at_ms });
    }
}
