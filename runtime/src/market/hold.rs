//! A lease in hand: loaded, brought up to now, changed, and written back with everything that follows from it.
//!
//! The pure machine returns effects; here they become balances, bonds, lots, books, timers and events. Nothing else
//! writes a lease.

use super::bond::{self, Forfeit};
use super::book;
use super::error::MarketError;
use super::lease::{Effect, Event as LeaseEvent, Lease, LeaseState};
use super::state::{AskEntry, BidEntry, Book, Deal, Host, Order, Provider, RuleState, TimerKind, instrument, key};
use crate::params;
use alloc::vec::Vec;
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::event::Event;
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, Amount, HostId, LeaseId, VerificationKey};
use nupeer_tokens::bank;

/// Closed leases are kept that long: 90 days.
const KEPT_MS: u64 = 90 * 24 * 3_600_000;
/// A top-up rule rests that long after each try, so that none fires without end.
const RULE_REST_MS: u64 = 10_000;
/// Class of the platform fee of plain leases, for the tokens module.
const FEE_CLASS_IAAS: u8 = 1;
/// Whole as parts per million.
const PPM: u64 = 1_000_000;

/// A loaded lease.
#[derive(Debug)]
pub struct InHand {
    /// Its id.
    pub id: LeaseId,
    /// The machine.
    pub lease: Lease,
    /// What it is about.
    pub deal: Deal,
    /// Whether its bid stands in the book.
    booked: bool,
    /// Edge that witnessed what is being settled.
    pub witness: Option<AccountId>,
}

impl InHand {
    /// Loads a lease and fires what is due.
    pub fn touch(work: &mut Work<'_>, now_ms: u64, id: &LeaseId) -> Result<Self, Abort> {
        let unknown = MarketError::LeaseUnknown { lease: *id };
        let lease: Lease = work.get(&key::lease(id))?.ok_or(unknown)?;
        let deal: Deal = work.expect(&key::deal(id), "deal of a lease")?;
        let booked = lease.state == LeaseState::Queued;
        let mut hand = Self { id: *id, lease, deal, booked, witness: None };
        hand.advance(work, now_ms)?;
        Ok(hand)
    }

    /// A new lease of an accepted bid; its bid is in no book yet.
    #[must_use]
    pub const fn fresh(id: LeaseId, lease: Lease, deal: Deal) -> Self {
        Self { id, lease, deal, booked: false, witness: None }
    }

    /// Fires timers of the lease and of its top-up rule, each as of its due time.
    fn advance(&mut self, work: &mut Work<'_>, now_ms: u64) -> Result<(), Abort> {
        loop {
            let machine = self.lease.next_timer(&self.deal.terms).map(|(due_ms, _)| due_ms);
            let rule: Option<RuleState> = work.get(&key::rule(&self.id))?;
            let rule_due = rule.as_ref().and_then(|rule| self.rule_due(rule)).filter(|due| *due <= now_ms);
            match (machine.filter(|due| *due <= now_ms), rule_due, rule) {
                (machine, Some(due), Some(rule)) if machine.is_none_or(|machine| due < machine) => {
                    self.fire_rule(work, due, rule)?;
                }
                (Some(due), _, _) => {
                    let effects = self.lease.advance(&self.deal.terms, due);
                    self.carry_out(work, due, &effects)?;
                }
                (None, _, _) => return Ok(()),
            }
        }
    }

    /// When the top-up rule fires: once the runway is below its threshold.
    fn rule_due(&self, rule: &RuleState) -> Option<u64> {
        let funded_until_ms = self.lease.funded_until_ms.filter(|_| self.deal.terms.term_ms.is_none())?;
        Some(funded_until_ms.saturating_sub(rule.rule.below_ms).max(rule.rest_until_ms))
    }

    /// Tops up by the rule, as of `at_ms`. A payer without money, or a period that is used up, changes nothing.
    fn fire_rule(&mut self, work: &mut Work<'_>, at_ms: u64, mut state: RuleState) -> Result<(), Abort> {
        let rule = state.rule;
        if at_ms >= state.period_from_ms.saturating_add(rule.period_ms) {
            state.period_from_ms = at_ms;
            state.spent = Amount::ZERO;
        }
        state.rest_until_ms = at_ms.saturating_add(RULE_REST_MS);
        let spent = state.spent.checked_add(rule.amount).filter(|spent| *spent <= rule.cap);
        let free = bank::balance(work, &rule.from, self.deal.asset)?.free;
        // A timer must not be refused: what the escrow could not count is not tried.
        let fits = self.lease.totals.deposited.checked_add(rule.amount.get()).is_some();
        if let Some(spent) = spent.filter(|_| fits && rule.amount <= free) {
            state.spent = spent;
            self.top_up(work, at_ms, &rule.from, rule.amount)?;
        }
        work.put(key::rule(&self.id), &state);
        Ok(())
    }

    /// Moves money of `from` into the escrow.
    pub fn top_up(&mut self, work: &mut Work<'_>, at_ms: u64, from: &AccountId, amount: Amount) -> Result<(), Abort> {
        let asset = self.deal.asset;
        bank::take_free(work, from, asset, amount)?;
        bank::give_free(work, &self.deal.owner, asset, amount)?;
        bank::lock(work, &self.deal.owner, asset, amount)?;
        work.emit(Event::ToppedUp { lease: self.id, from: *from, amount });
        self.apply(work, at_ms, LeaseEvent::TopUp { amount: amount.get() })
    }

    /// Gives an event to the machine and carries out what follows.
    pub fn apply(&mut self, work: &mut Work<'_>, now_ms: u64, event: LeaseEvent) -> Result<(), Abort> {
        let effects = self.lease.apply(&self.deal.terms, now_ms, event)?;
        self.carry_out(work, now_ms, &effects)
    }

    /// Gives a receipt to the machine; a receipt that it refuses changes nothing.
    pub fn receipt(
        &mut self,
        work: &mut Work<'_>,
        now_ms: u64,
        event: LeaseEvent,
    ) -> Result<Result<(), MarketError>, Abort> {
        match self.lease.apply(&self.deal.terms, now_ms, event) {
            Ok(effects) => self.carry_out(work, now_ms, &effects).map(Ok),
            Err(rule) => Ok(Err(rule)),
        }
    }

    fn carry_out(&mut self, work: &mut Work<'_>, now_ms: u64, effects: &[Effect]) -> Result<(), Abort> {
        for effect in effects {
            match effect {
                Effect::Moved { state, at_ms } => {
                    work.emit(Event::LeaseMoved { lease: self.id, state: state.code(), at_ms: *at_ms });
                    if *state == LeaseState::Grace {
                        work.emit(Event::RunwayNotice { lease: self.id, hours: 0 });
                    }
                }
                Effect::Paid { .. } => self.pay(work, effect)?,
                Effect::Refunded { amount } => {
                    let amount = Amount::new(*amount);
                    bank::unlock(work, &self.deal.owner, self.deal.asset, amount)?;
                    work.emit(Event::Refunded { lease: self.id, amount });
                }
                Effect::BondPaid { host, tenant, insurance } => {
                    let provider = provider_of(work, *host)?;
                    let forfeit = Forfeit { tenant: *tenant, insurance: *insurance };
                    bond::pay(work, &provider, self.deal.asset, &self.deal.owner, forfeit)?;
                    let (tenant, insurance) = (Amount::new(*tenant), Amount::new(*insurance));
                    work.emit(Event::BondPaid { lease: self.id, host: *host, tenant, insurance });
                }
                Effect::Strike { host } => strike(work, now_ms, *host, &self.deal.owner, &self.id)?,
                Effect::Released { host, bond_left } => self.release(work, now_ms, *host, *bond_left)?,
                Effect::ReceiptApplied { epoch, seq, step } => {
                    let step = Amount::new(*step);
                    work.emit(Event::ReceiptApplied { lease: self.id, epoch: *epoch, seq: *seq, step });
                }
                Effect::ReceiptWaits { seq, until_ms } => {
                    let epoch = self.lease.epoch;
                    work.emit(Event::ReceiptPending { lease: self.id, epoch, seq: *seq, until_ms: *until_ms });
                }
            }
        }
        Ok(())
    }

    /// Escrow pays provider, surcharge and fee: locked of the tenant to free of each.
    fn pay(&mut self, work: &mut Work<'_>, effect: &Effect) -> Result<(), Abort> {
        let Effect::Paid { host, pay, sur, fee, split } = effect else { return Ok(()) };
        let (owner, asset) = (self.deal.owner, self.deal.asset);
        let provider = provider_of(work, *host)?;
        let treasury = AccountId::system(SystemAccount::Treasury);
        let edge = match self.witness {
            Some(edge) => edge,
            None => edges(work, &self.id)?.first().map_or(treasury, |(account, _)| *account),
        };
        let parts = [
            (provider, *pay),
            (treasury, sur.saturating_add(split.treasury)),
            (edge, split.edge),
            (AccountId::system(SystemAccount::Audit), split.auditor),
            (AccountId::system(SystemAccount::Insurance), split.insurance),
        ];
        for (to, amount) in parts.into_iter().filter(|(_, amount)| *amount > 0) {
            bank::settle(work, &owner, &to, asset, Amount::new(amount))?;
        }
        let (pay, fee) = (Amount::new(*pay), Amount::new(*fee));
        work.emit(Event::Settled { lease: self.id, provider, pay, fee });
        if fee > Amount::ZERO {
            let billed_ms = self.lease.sums.segment_ms.max(1);
            let up_ppm = super::escrow::mul_div_floor(self.lease.applied.up_ms, PPM, billed_ms).min(PPM);
            let up_ppm = u32::try_from(up_ppm).unwrap_or(0);
            let class = FEE_CLASS_IAAS;
            let (lease, treasury) = (self.id, Amount::new(split.treasury));
            work.emit(Event::FeePaid { lease, class, provider, publisher: None, fee, up_ppm, asset, treasury });
        }
        Ok(())
    }

    /// Lots and bond of a host are free again: back into the ask if it still stands and its bond suffices.
    fn release(&mut self, work: &mut Work<'_>, now_ms: u64, host_id: HostId, bond_left: u64) -> Result<(), Abort> {
        let mut host: Host = work.expect(&key::host(host_id), "host of a lease")?;
        bond::free(work, &host.provider, self.deal.asset, bond_left)?;
        let lots = self.deal.terms.lots;
        if !self.return_to_ask(work, host_id, lots)? {
            host = work.expect(&key::host(host_id), "host of a lease")?;
            host.release(self.deal.family, lots)?;
            work.put(key::host(host_id), &host);
        }
        work.remove(key::lease_on(host_id, &self.id));
        work.remove(key::wrap(&self.id, host_id));
        let mut provider: Provider = work.expect(&key::provider(&host.provider), "provider of a host")?;
        let until_ms = now_ms.saturating_add(self.deal.terms.windows.challenge_ms);
        provider.bond_until_ms = provider.bond_until_ms.max(until_ms);
        work.put(key::provider(&host.provider), &provider);
        Ok(())
    }

    fn return_to_ask(&self, work: &mut Work<'_>, host: HostId, lots: u64) -> Result<bool, Abort> {
        let Some(order) = self.deal.ask else { return Ok(false) };
        let id = self.deal.bid.instrument;
        let Some(mut entry) = work.get::<AskEntry>(&key::ask(id, order))?.filter(|entry| entry.host == host) else {
            return Ok(false);
        };
        let listed = instrument(work, id)?.ok_or(Bug::Missing { what: "instrument of an ask" })?;
        let price = u64::from(entry.tick).saturating_mul(listed.tick_size);
        let held = bond::needed(entry.lots.saturating_add(lots), price, self.deal.mult_bps);
        let more = held.saturating_sub(entry.held.get());
        match bond::hold(work, &entry.provider, self.deal.asset, more) {
            Ok(()) => {}
            Err(Abort::Rule { .. }) => return Ok(false),
            Err(bug @ Abort::Bug(_)) => return Err(bug),
        }
        entry.held = entry.held.checked_add(Amount::new(more)).ok_or(Bug::Arithmetic { what: "bond of an ask" })?;
        entry.lots = entry.lots.saturating_add(lots);
        work.put(key::ask(id, order), &entry);
        Ok(true)
    }

    /// Writes the lease back: book, timer, indices.
    pub fn save(mut self, work: &mut Work<'_>, now_ms: u64) -> Result<(), Abort> {
        self.sync_book(work)?;
        if self.is_forgotten(now_ms) {
            return self.forget(work);
        }
        if self.lease.is_over() && self.deal.over_ms.is_none() {
            self.retire(work, now_ms)?;
        }
        self.set_timer(work)?;
        work.put(key::lease(&self.id), &self.lease);
        work.put(key::deal(&self.id), &self.deal);
        Ok(())
    }

    fn sync_book(&mut self, work: &mut Work<'_>) -> Result<(), Abort> {
        let Deal { owner, order, ref bid, .. } = self.deal;
        let queued = self.lease.state == LeaseState::Queued;
        if self.booked && !queued {
            book::drop_bid(work, &owner, bid.instrument, order)?;
        }
        if queued {
            let entry = BidEntry { lease: self.id, owner, bid: bid.clone(), expiry_ms: self.lease.expiry_ms };
            if self.booked {
                work.put(key::bid(bid.instrument, order), &entry);
            } else {
                book::put_bid(work, order, &entry)?;
                work.put(key::order(order), &Order { owner, book: Book::Bid(bid.instrument, self.id) });
            }
        }
        self.booked = queued;
        Ok(())
    }

    fn set_timer(&mut self, work: &mut Work<'_>) -> Result<(), Abort> {
        let machine = self.lease.next_timer(&self.deal.terms).map(|(due_ms, _)| due_ms);
        let rule = work.get::<RuleState>(&key::rule(&self.id))?.and_then(|rule| self.rule_due(&rule));
        let forget = self.deal.over_ms.map(|over_ms| over_ms.saturating_add(KEPT_MS));
        let next = [machine, rule, forget].into_iter().flatten().min();
        if next != self.deal.queued_ms {
            if let Some(due_ms) = self.deal.queued_ms {
                work.remove(key::timer(due_ms, TimerKind::Lease, &self.id.0));
            }
            if let Some(due_ms) = next {
                work.put(key::timer(due_ms, TimerKind::Lease, &self.id.0), &1u8);
            }
            self.deal.queued_ms = next;
        }
        Ok(())
    }

    /// A lease that is over keeps its two records for a while and nothing else.
    fn retire(&mut self, work: &mut Work<'_>, now_ms: u64) -> Result<(), Abort> {
        self.deal.over_ms = Some(now_ms);
        work.remove(key::order(self.deal.order));
        work.remove(key::delegates(&self.id));
        work.remove(key::rule(&self.id));
        work.remove(key::edges(&self.id));
        let wraps =
            work.scan::<Bytes<{ nupeer_primitives::action::WRAP_BYTES_MAX }>>(&key::wraps(&self.id), &[], 64)?;
        for (at, _) in wraps {
            let host = at.get(33..37).and_then(|b| <[u8; 4]>::try_from(b).ok()).map(u32::from_be_bytes);
            work.remove(key::wrap(&self.id, HostId(host.ok_or(Bug::Corrupt { prefix: 0x31 })?)));
        }
        Ok(())
    }

    fn is_forgotten(&self, now_ms: u64) -> bool {
        self.deal.over_ms.is_some_and(|over_ms| over_ms.saturating_add(KEPT_MS) <= now_ms)
    }

    fn forget(self, work: &mut Work<'_>) -> Result<(), Abort> {
        if let Some(due_ms) = self.deal.queued_ms {
            work.remove(key::timer(due_ms, TimerKind::Lease, &self.id.0));
        }
        work.remove(key::lease(&self.id));
        work.remove(key::deal(&self.id));
        work.remove(key::lease_of(&self.deal.owner, &self.id));
        Ok(())
    }
}

/// Owner of a host.
pub fn provider_of(work: &Work<'_>, host: HostId) -> Result<AccountId, Bug> {
    Ok(work.expect::<Host>(&key::host(host), "host of a lease")?.provider)
}

/// Edges drawn for a lease.
pub fn edges(work: &Work<'_>, lease: &LeaseId) -> Result<Vec<(AccountId, VerificationKey)>, Bug> {
    Ok(work.get(&key::edges(lease))?.unwrap_or_default())
}

/// A strike; from enough different tenants in a day it suspends the host from matching for a day.
pub fn strike(
    work: &mut Work<'_>,
    now_ms: u64,
    host_id: HostId,
    tenant: &AccountId,
    lease: &LeaseId,
) -> Result<(), Abort> {
    let (day_ms, permitted) = (params::get(work, "market.day_ms")?, params::get(work, "market.strikes_day")?);
    let mut host: Host = work.expect(&key::host(host_id), "host that is struck")?;
    host.strikes.retain(|(other, at_ms)| other != tenant && at_ms.saturating_add(day_ms) > now_ms);
    host.strikes.push((*tenant, now_ms));
    work.emit(Event::Strike { host: host_id, lease: *lease });
    if host.strikes.len() as u64 >= permitted {
        host.strikes.clear();
        host.suspended_until_ms = now_ms.saturating_add(day_ms);
        for order in &host.asks {
            let Some(Order { book: Book::Ask(id), .. }) = work.get(&key::order(*order))? else { continue };
            let mut entry: AskEntry = work.expect(&key::ask(id, *order), "ask of an open order")?;
            entry.suspended_until_ms = host.suspended_until_ms;
            work.put(key::ask(id, *order), &entry);
        }
    }
    work.put(key::host(host_id), &host);
    Ok(())
}
