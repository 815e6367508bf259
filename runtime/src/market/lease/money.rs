//! Billing and settling: the only functions that move a lease's balance.

use super::{Effect, Holder, Lease, LeaseState, Sums};
use crate::market::escrow::{Due, Pay, Reserves, metered};
use crate::market::receipt::{Applied, Reading};
use crate::market::terms::Terms;
use alloc::vec::Vec;

impl Lease {
    /// The four reserves now.
    #[must_use]
    pub fn reserves(&self, terms: &Terms) -> Reserves {
        terms.reserves(self.price, self.remaining_ms(terms))
    }

    /// Cumulative dues of the epoch.
    #[must_use]
    pub fn due(&self, terms: &Terms) -> Due {
        let running = self.sums.res_closed.saturating_add(terms.res(self.price, self.sums.segment_ms));
        let counted = metered(&terms.meters, &self.applied.counters);
        terms.due(Pay::reserved(running).plus(counted).plus(Pay::kept(terms.ret(self.sums.ret_ms))))
    }

    /// What is due and could not be paid; written off when the epoch or the lease ends.
    #[must_use]
    pub fn arrears(&self, terms: &Terms) -> u64 {
        match self.state {
            LeaseState::Purging | LeaseState::Closed => 0,
            LeaseState::Queued
            | LeaseState::Matched
            | LeaseState::Provisioning
            | LeaseState::Active
            | LeaseState::Reclaiming
            | LeaseState::Grace
            | LeaseState::Failover
            | LeaseState::Closing => self.unpaid(terms).total(),
        }
    }

    fn unpaid(&self, terms: &Terms) -> Due {
        let due = self.due(terms);
        Due {
            pay: due.pay.saturating_sub(self.sums.paid_pay),
            sur: due.sur.saturating_sub(self.sums.paid_sur),
            fee: due.fee.saturating_sub(self.sums.paid_fee),
        }
    }

    /// What is not reserved: `max(0, balance − arrears − the four)`.
    #[must_use]
    pub fn free(&self, terms: &Terms) -> u64 {
        self.reserves(terms).free(self.balance, self.arrears(terms))
    }

    /// Counts running time up to `to_ms`, never back behind what was billed.
    pub(super) fn bill_to(&mut self, to_ms: u64) {
        if self.state.is_running() {
            let ms = to_ms.saturating_sub(self.billed_to_ms);
            self.sums.segment_ms = self.sums.segment_ms.saturating_add(ms);
            self.served_ms = self.served_ms.saturating_add(ms);
            self.billed_to_ms = self.billed_to_ms.max(to_ms);
        }
    }

    /// Counts the time for which data was kept.
    pub(super) fn bill_retention(&mut self, to_ms: u64) {
        let kept_ms = to_ms.saturating_sub(self.grace_from_ms);
        self.sums.ret_ms = self.sums.ret_ms.saturating_add(kept_ms);
    }

    /// A new price starts a new segment.
    pub(super) fn reprice(&mut self, terms: &Terms, price: u64) {
        let closed = terms.res(self.price, self.sums.segment_ms);
        self.sums.res_closed = self.sums.res_closed.saturating_add(closed);
        self.sums.segment_ms = 0;
        self.price = price;
    }

    /// Pays what is due in the order pay, surcharge, fee, and leaves `protect` alone.
    pub(super) fn settle(&mut self, terms: &Terms, protect: u64, effects: &mut Vec<Effect>) {
        let unpaid = self.unpaid(terms);
        let mut available = self.balance.saturating_sub(protect);
        let mut take = |wanted: u64| {
            let taken = wanted.min(available);
            available = available.saturating_sub(taken);
            taken
        };
        let paid = Due { pay: take(unpaid.pay), sur: take(unpaid.sur), fee: take(unpaid.fee) };
        let Some(host) = self.holder.map(|holder| holder.host) else { return };
        if paid.total() == 0 {
            return;
        }
        self.balance = self.balance.saturating_sub(paid.total());
        self.sums.paid_pay = self.sums.paid_pay.saturating_add(paid.pay);
        self.sums.paid_sur = self.sums.paid_sur.saturating_add(paid.sur);
        self.sums.paid_fee = self.sums.paid_fee.saturating_add(paid.fee);
        self.totals.paid = self.totals.paid.saturating_add(paid.total());
        let Due { pay, sur, fee } = paid;
        effects.push(Effect::Paid { host, pay, sur, fee, split: terms.split_fee(fee, self.has_edge) });
    }

    /// Settles while the lease goes on: retention and committed stay untouched (invariant 11).
    pub(super) fn settle_protected(&mut self, terms: &Terms, effects: &mut Vec<Effect>) {
        let protect = self.reserves(terms).protected();
        self.settle(terms, protect, effects);
    }

    /// Bills and settles a running lease up to `at_ms` and computes its runway anew.
    pub(super) fn settle_running(&mut self, terms: &Terms, at_ms: u64, effects: &mut Vec<Effect>) {
        self.bill_to(at_ms);
        self.settle_protected(terms, effects);
        self.set_runway(terms, at_ms);
    }

    /// Recomputed only when balance or rate changes.
    pub(super) fn set_runway(&mut self, terms: &Terms, at_ms: u64) {
        let runway_ms = match terms.term_ms {
            Some(_) => self.remaining_ms(terms),
            None => terms.runway_ms(self.price, self.free(terms)),
        };
        self.funded_until_ms = Some(at_ms.saturating_add(runway_ms));
    }

    /// Takes over what a receipt says. The step it returns is the net metered pay since the last.
    pub(super) fn apply_reading(&mut self, terms: &Terms, reading: Reading, witnessed_ms: Option<u64>) -> u64 {
        let Reading { seq, t_end_ms, up_ms, counters } = reading;
        let before = metered(&terms.meters, &self.applied.counters).pay;
        let step = metered(&terms.meters, &counters).pay.saturating_sub(before);
        let witnessed_ms = witnessed_ms.unwrap_or(self.applied.witnessed_ms).max(self.applied.witnessed_ms);
        self.applied = Applied { seq, t_end_ms, up_ms, counters, witnessed_ms };
        step
    }

    /// Settles after a receipt, as its state permits.
    pub(super) fn settle_metered(&mut self, terms: &Terms, at_ms: u64, effects: &mut Vec<Effect>) {
        match self.state {
            LeaseState::Active | LeaseState::Reclaiming => self.settle_running(terms, at_ms, effects),
            LeaseState::Closing => self.settle(terms, 0, effects),
            LeaseState::Queued
            | LeaseState::Matched
            | LeaseState::Provisioning
            | LeaseState::Grace
            | LeaseState::Failover
            | LeaseState::Purging
            | LeaseState::Closed => self.settle_protected(terms, effects),
        }
    }

    /// Gives the rest of the escrow back.
    pub(super) fn refund(&mut self, effects: &mut Vec<Effect>) {
        self.give_back(self.balance, effects);
    }

    /// Gives a part back.
    pub(super) fn give_back(&mut self, amount: u64, effects: &mut Vec<Effect>) {
        let amount = amount.min(self.balance);
        if amount > 0 {
            self.balance = self.balance.saturating_sub(amount);
            self.totals.refunded = self.totals.refunded.saturating_add(amount);
            effects.push(Effect::Refunded { amount });
        }
    }

    /// Sums restart at 0 in the next epoch; what was not paid is written off.
    pub(super) fn next_epoch(&mut self) {
        self.epoch = self.epoch.saturating_add(1);
        self.sums = Sums::default();
        self.applied = Applied::default();
        self.pending = None;
    }
}

impl Holder {
    /// Pays from what is left of the bond: a bond never goes below zero.
    pub(super) fn pay(&mut self, wanted: u64) -> u64 {
        let paid = wanted.min(self.bond_left);
        self.bond_left = self.bond_left.saturating_sub(paid);
        paid
    }
}
