//! What happens from outside. Every pair of state and event that no row of market.md §7 lists is `WrongState`.

use super::{Effect, Former, Holder, Lease, LeaseState};
use crate::market::error::MarketError;
use crate::market::receipt::{self, Against, Claim, ClaimKind, Reading, Signers, Verdict};
use crate::market::terms::Terms;
use alloc::vec::Vec;
use nupeer_primitives::HostId;
use nupeer_primitives::receipt::MeterReceipt;

/// Reports of an outage that count (row 17).
pub const DOWN_EDGES_MIN: u32 = 2;

/// The host that a lease goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Takeover {
    /// Which.
    pub host: HostId,
    /// Price per lot-hour.
    pub price: u64,
    /// Bond that it locks.
    pub bond: u64,
    /// Whether an edge serves the lease.
    pub has_edge: bool,
    /// Whether the bundle key is sealed to it already.
    pub wrapped: bool,
}

/// An event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The auction found a host.
    Match(Takeover),
    /// The tenant takes the bid back.
    Cancel,
    /// The host takes the lease.
    Accept,
    /// The host refuses it.
    Decline,
    /// The bundle key was sealed to the host.
    Wrap,
    /// The workload answers; `standby` when another host takes over.
    Ready {
        /// The standby.
        standby: Option<Takeover>,
    },
    /// A signed reading.
    Receipt {
        /// The reading.
        receipt: MeterReceipt,
        /// Roles whose signatures hold.
        signers: Signers,
        /// Market time of the anchor block, if known.
        anchor_ms: Option<u64>,
    },
    /// Money comes in.
    TopUp {
        /// How much.
        amount: u64,
    },
    /// The tenant takes money out.
    Withdraw {
        /// How much.
        amount: u64,
    },
    /// The tenant ends the lease, or another took over from it.
    Close,
    /// The provider gives notice.
    Reclaim,
    /// Edges report an outage.
    Down {
        /// Edges of the lease that agree.
        edges: u32,
        /// Since when.
        from_ms: u64,
    },
    /// The spot price changed.
    Reprice {
        /// New price per lot-hour.
        price: u64,
    },
    /// The provider signed two bodies for one reading.
    Equivocation,
    /// Nothing is left on the host.
    Wiped {
        /// Which host.
        host: HostId,
    },
}

impl Former {
    /// That it wiped.
    #[must_use]
    pub const fn wiped(&self) -> Event {
        Event::Wiped { host: self.holder.host }
    }
}

impl Lease {
    /// Takes one event of `now_ms`, after [`Lease::advance`] to it. A refused event changes nothing.
    pub fn apply(&mut self, terms: &Terms, now_ms: u64, event: Event) -> Result<Vec<Effect>, MarketError> {
        let mut next = self.clone();
        let mut effects = Vec::new();
        next.take(terms, now_ms, event, &mut effects)?;
        *self = next;
        Ok(effects)
    }

    fn take(&mut self, terms: &Terms, now_ms: u64, event: Event, effects: &mut Vec<Effect>) -> Result<(), MarketError> {
        match event {
            Event::Match(takeover) => self.matched(terms, now_ms, takeover, effects),
            Event::Cancel => self.cancel(now_ms, effects),
            Event::Accept => self.accept(terms, now_ms, effects),
            Event::Decline => self.decline(terms, now_ms, effects),
            Event::Wrap => self.wrap(),
            Event::Ready { standby } => self.ready(terms, now_ms, standby, effects),
            Event::Receipt { receipt, signers, anchor_ms } => {
                self.receipt(terms, now_ms, &receipt, signers, anchor_ms, effects)
            }
            Event::TopUp { amount } => self.top_up(terms, now_ms, amount, effects),
            Event::Withdraw { amount } => self.withdraw(terms, now_ms, amount, effects),
            Event::Close => self.close(terms, now_ms, effects),
            Event::Reclaim => self.reclaim(terms, now_ms, effects),
            Event::Down { edges, from_ms } => self.down(terms, now_ms, edges, from_ms, effects),
            Event::Reprice { price } => self.spot(terms, now_ms, price, effects),
            Event::Equivocation => self.equivocation(terms, now_ms, effects),
            Event::Wiped { host } => self.wiped(now_ms, host, effects),
        }
    }

    const fn wrong_state(&self) -> MarketError {
        MarketError::WrongState { state: self.state }
    }

    fn require(&self, states: &[LeaseState]) -> Result<(), MarketError> {
        if states.contains(&self.state) { Ok(()) } else { Err(self.wrong_state()) }
    }

    /// Row 2.
    fn matched(
        &mut self,
        terms: &Terms,
        now_ms: u64,
        to: Takeover,
        effects: &mut Vec<Effect>,
    ) -> Result<(), MarketError> {
        self.require(&[LeaseState::Queued])?;
        if to.price > terms.price {
            return Err(MarketError::PriceAboveBid { price: to.price, limit: terms.price });
        }
        if self.matched {
            self.next_epoch();
        }
        self.matched = true;
        self.hold(to);
        self.enter(LeaseState::Matched, now_ms, Some(now_ms.saturating_add(terms.windows.accept_ms)), effects);
        Ok(())
    }

    fn hold(&mut self, to: Takeover) {
        let Takeover { host, price, bond, has_edge, wrapped } = to;
        self.holder = Some(Holder { host, bond, bond_left: bond, wrapped, ran: false });
        self.price = price;
        self.has_edge = has_edge;
    }

    /// Row 3.
    fn cancel(&mut self, now_ms: u64, effects: &mut Vec<Effect>) -> Result<(), MarketError> {
        self.require(&[LeaseState::Queued, LeaseState::Matched])?;
        self.release_holder(effects);
        self.close_refunded(now_ms, effects);
        Ok(())
    }

    /// Row 4.
    fn accept(&mut self, terms: &Terms, now_ms: u64, effects: &mut Vec<Effect>) -> Result<(), MarketError> {
        self.require(&[LeaseState::Matched])?;
        self.enter(LeaseState::Provisioning, now_ms, Some(now_ms.saturating_add(terms.windows.provision_ms)), effects);
        Ok(())
    }

    /// Row 5.
    fn decline(&mut self, terms: &Terms, now_ms: u64, effects: &mut Vec<Effect>) -> Result<(), MarketError> {
        self.require(&[LeaseState::Matched, LeaseState::Provisioning])?;
        if self.resuming {
            return Err(self.wrong_state());
        }
        self.match_failed(terms, now_ms, true, effects);
        Ok(())
    }

    fn wrap(&mut self) -> Result<(), MarketError> {
        let error = self.wrong_state();
        let holder = self.holder.as_mut().ok_or(error)?;
        holder.wrapped = true;
        Ok(())
    }

    /// Rows 6 and 18.
    fn ready(
        &mut self,
        terms: &Terms,
        now_ms: u64,
        standby: Option<Takeover>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), MarketError> {
        match (self.state, standby) {
            (LeaseState::Provisioning, None) => {}
            (LeaseState::Failover, Some(to)) if to.price > terms.price => {
                return Err(MarketError::PriceAboveBid { price: to.price, limit: terms.price });
            }
            (LeaseState::Failover, Some(to)) => self.hold(to),
            (LeaseState::Failover, None) => return Err(MarketError::StandbyUnknown {}),
            (_, _) => return Err(self.wrong_state()),
        }
        if let Some(holder) = self.holder.as_mut() {
            holder.ran = true;
        }
        if self.resuming {
            // What was billed ahead of a stop is not billed twice after a quick resume.
            self.billed_to_ms = self.billed_to_ms.max(now_ms);
        } else {
            self.billed_to_ms = now_ms;
            self.applied.t_end_ms = now_ms;
            self.applied.witnessed_ms = now_ms;
        }
        self.resuming = false;
        let term_end_ms = terms.term_ms.map(|_| now_ms.saturating_add(self.remaining_ms(terms)));
        self.enter(LeaseState::Active, now_ms, term_end_ms, effects);
        self.set_runway(terms, now_ms);
        Ok(())
    }

    fn receipt(
        &mut self,
        terms: &Terms,
        now_ms: u64,
        receipt: &MeterReceipt,
        signers: Signers,
        anchor_ms: Option<u64>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), MarketError> {
        let against = Against {
            terms,
            state: self.state,
            epoch: self.epoch,
            applied: &self.applied,
            pending: self.pending.as_ref(),
            now_ms,
            anchor_ms,
        };
        let (verdict, step) = receipt::check(&against, receipt, signers)?;
        let reading = Reading::of(receipt);
        match verdict {
            Verdict::Final => {
                self.drop_claim(now_ms);
                self.apply_reading(terms, reading, Some(receipt.t_end_ms));
                effects.push(Effect::ReceiptApplied { epoch: receipt.epoch, seq: receipt.seq, step });
                self.settle_metered(terms, now_ms, effects);
                if self.state == LeaseState::Closing && receipt.is_final() {
                    self.purge(terms, now_ms, effects); // row 22
                }
            }
            Verdict::Waits(kind) => {
                let due_ms = now_ms.saturating_add(kind.window_ms(terms));
                if kind != ClaimKind::Provider {
                    self.applied.witnessed_ms = self.applied.witnessed_ms.max(receipt.t_end_ms);
                }
                effects.push(Effect::ReceiptWaits { seq: receipt.seq, until_ms: due_ms });
                self.pending = Some(Claim { kind, due_ms, reading });
            }
        }
        Ok(())
    }

    /// A claim that is replaced no longer holds up the end of Closing.
    fn drop_claim(&mut self, now_ms: u64) {
        if self.pending.take().is_some() && self.state == LeaseState::Closing {
            self.deadline_ms = self.deadline_ms.map(|due_ms| due_ms.max(now_ms));
        }
    }

    /// Rows 10 and every other state that takes money.
    fn top_up(
        &mut self,
        terms: &Terms,
        now_ms: u64,
        amount: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<(), MarketError> {
        if self.state.is_ending() {
            return Err(MarketError::LeaseEnding { state: self.state });
        }
        let too_large = MarketError::AmountOutOfRange { amount };
        self.balance = self.balance.checked_add(amount).ok_or(too_large)?;
        self.totals.deposited = self.totals.deposited.checked_add(amount).ok_or(too_large)?;
        if self.state.is_running() {
            self.settle_running(terms, now_ms, effects);
        } else {
            self.settle_protected(terms, effects);
        }
        if self.state == LeaseState::Grace && self.free(terms) >= terms.min_run(self.price) {
            self.bill_retention(now_ms);
            self.settle(terms, 0, effects);
            self.resuming = true;
            let until_ms = now_ms.saturating_add(terms.windows.provision_ms);
            self.enter(LeaseState::Provisioning, now_ms, Some(until_ms), effects);
        }
        Ok(())
    }

    fn withdraw(
        &mut self,
        terms: &Terms,
        now_ms: u64,
        amount: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<(), MarketError> {
        if self.state.is_ending() {
            return Err(MarketError::LeaseEnding { state: self.state });
        }
        if self.state.is_running() {
            self.bill_to(now_ms);
            self.settle_protected(terms, effects);
        }
        let permitted = self.free(terms).saturating_sub(terms.min_run(self.price));
        if amount > permitted {
            return Err(MarketError::WithdrawTooLarge { amount, permitted });
        }
        self.give_back(amount, effects);
        if self.state.is_running() {
            self.set_runway(terms, now_ms);
        }
        Ok(())
    }

    /// Rows 11, 15, 21.
    fn close(&mut self, terms: &Terms, now_ms: u64, effects: &mut Vec<Effect>) -> Result<(), MarketError> {
        match self.state {
            LeaseState::Active | LeaseState::Reclaiming => {
                let billed_ms = match terms.term_ms {
                    Some(_) => self.billed_to_ms.saturating_add(self.remaining_ms(terms)),
                    None => now_ms.saturating_add(terms.windows.stop_ms),
                };
                self.close_running(terms, now_ms, billed_ms, effects);
            }
            LeaseState::Grace => self.close_grace(terms, now_ms, effects),
            LeaseState::Provisioning | LeaseState::Failover => self.purge(terms, now_ms, effects),
            LeaseState::Queued
            | LeaseState::Matched
            | LeaseState::Closing
            | LeaseState::Purging
            | LeaseState::Closed => return Err(self.wrong_state()),
        }
        Ok(())
    }

    /// Row 12.
    fn reclaim(&mut self, terms: &Terms, now_ms: u64, effects: &mut Vec<Effect>) -> Result<(), MarketError> {
        self.require(&[LeaseState::Active])?;
        if let Some(term_ms) = terms.term_ms {
            return Err(MarketError::TermIsFixed { term_ms });
        }
        self.enter(LeaseState::Reclaiming, now_ms, Some(now_ms.saturating_add(terms.windows.reclaim_ms)), effects);
        Ok(())
    }

    /// Row 17. Receipts with two signatures up to the outage apply, a lone claim lapses.
    fn down(
        &mut self,
        terms: &Terms,
        now_ms: u64,
        edges: u32,
        from_ms: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<(), MarketError> {
        self.require(&[LeaseState::Active, LeaseState::Reclaiming])?;
        if edges < DOWN_EDGES_MIN {
            return Err(MarketError::EdgesTooFew { edges, needed: DOWN_EDGES_MIN });
        }
        let (down_ms, needed_ms) = (now_ms.saturating_sub(from_ms), terms.windows.down_ms);
        if down_ms < needed_ms {
            return Err(MarketError::DownTooShort { down_ms, needed_ms });
        }
        let witnessed = self.pending.take().filter(|c| c.kind != ClaimKind::Provider && c.reading.t_end_ms <= from_ms);
        if let Some(claim) = witnessed {
            let (epoch, seq) = (self.epoch, claim.reading.seq);
            let step = self.apply_reading(terms, claim.reading, None);
            effects.push(Effect::ReceiptApplied { epoch, seq, step });
        }
        self.bill_to(from_ms);
        self.settle_protected(terms, effects);
        self.fail_over(terms, now_ms, effects);
        Ok(())
    }

    /// Row 13, and the spot timer below the limit.
    fn spot(&mut self, terms: &Terms, now_ms: u64, price: u64, effects: &mut Vec<Effect>) -> Result<(), MarketError> {
        self.require(&[LeaseState::Active])?;
        if price > terms.price {
            let until_ms = now_ms.saturating_add(terms.windows.spot_notice_ms);
            self.enter(LeaseState::Reclaiming, now_ms, Some(until_ms), effects);
        } else if price != self.price {
            self.bill_to(now_ms);
            self.settle_protected(terms, effects);
            self.reprice(terms, price);
            self.set_runway(terms, now_ms);
        }
        Ok(())
    }

    /// Row 20: half of the bond to the tenant, the rest to the insurance fund; nothing unsettled is paid any more.
    fn equivocation(&mut self, terms: &Terms, now_ms: u64, effects: &mut Vec<Effect>) -> Result<(), MarketError> {
        self.require(&[LeaseState::Active, LeaseState::Reclaiming, LeaseState::Grace, LeaseState::Closing])?;
        let error = self.wrong_state();
        let holder = self.holder.as_mut().ok_or(error)?;
        let forfeited = holder.pay(u64::MAX);
        let tenant = forfeited / 2;
        let insurance = forfeited.saturating_sub(tenant);
        effects.push(Effect::BondPaid { host: holder.host, tenant, insurance });
        self.pending = None;
        if self.state.is_running() {
            self.fail_over(terms, now_ms, effects);
        } else {
            self.purge(terms, now_ms, effects);
        }
        Ok(())
    }

    /// Row 23, and the wipe of a host that lost the lease earlier.
    fn wiped(&mut self, now_ms: u64, host: HostId, effects: &mut Vec<Effect>) -> Result<(), MarketError> {
        if let Some(at) = self.former.iter().position(|former| former.holder.host == host) {
            let holder = self.former.remove(at).holder;
            effects.push(Effect::Released { host, bond_left: holder.bond_left });
            if self.state == LeaseState::Purging && self.holder.is_none() && self.former.is_empty() {
                self.enter(LeaseState::Closed, now_ms, None, effects);
            }
            return Ok(());
        }
        let is_holder = self.holder.is_some_and(|holder| holder.host == host);
        if self.state != LeaseState::Purging || !is_holder {
            return Err(self.wrong_state());
        }
        self.release_holder(effects);
        self.enter(LeaseState::Closed, now_ms, None, effects);
        Ok(())
    }
}
