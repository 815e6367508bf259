//! What is remembered of a lease.

use crate::market::error::MarketError;
use crate::market::receipt::{Applied, Claim};
use crate::market::terms::Terms;
use alloc::vec::Vec;
use nupeer_primitives::{HostId, code_enum, record};

code_enum! {
    /// Where a lease stands.
    pub enum LeaseState {
        /// A bid in the book.
        Queued = 0,
        /// A host was found.
        Matched = 1,
        /// The host prepares the workload.
        Provisioning = 2,
        /// Runs and is billed.
        Active = 3,
        /// Runs and is billed until its notice ends.
        Reclaiming = 4,
        /// Out of money: stopped, data kept.
        Grace = 5,
        /// Its host is lost.
        Failover = 6,
        /// Ended: last receipts come in.
        Closing = 7,
        /// Settled: data is being wiped.
        Purging = 8,
        /// Over.
        Closed = 9,
    }
}

impl LeaseState {
    /// Whether running time is billed.
    #[must_use]
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Active | Self::Reclaiming)
    }
    /// Whether receipts are taken.
    #[must_use]
    pub const fn is_billing(self) -> bool {
        matches!(self, Self::Active | Self::Reclaiming | Self::Grace | Self::Closing)
    }
    /// Whether nothing but receipts, wiping and refunds follows.
    #[must_use]
    pub const fn is_ending(self) -> bool {
        matches!(self, Self::Closing | Self::Purging | Self::Closed)
    }
}

record! {
    /// The host that has the lease.
    #[derive(Copy)]
    pub struct Holder {
        /// Which.
        pub host: HostId,
        /// What it locked.
        pub bond: u64,
        /// What is left of it.
        pub bond_left: u64,
        /// Whether the bundle key was sealed to it.
        pub wrapped: bool,
        /// Whether a workload ever ran on it.
        pub ran: bool,
    }
}

record! {
    /// A host that lost the lease by failover and owes a wipe.
    #[derive(Copy)]
    pub struct Former {
        /// The host.
        pub holder: Holder,
        /// By when.
        pub wipe_due_ms: u64,
    }
}

record! {
    /// Cumulative sums of one lease epoch.
    #[derive(Copy, Default)]
    pub struct Sums {
        /// Pay of closed price segments.
        pub res_closed: u64,
        /// Billed running time at the present price.
        pub segment_ms: u64,
        /// Billed time of keeping data.
        pub ret_ms: u64,
        /// Paid to providers.
        pub paid_pay: u64,
        /// Paid as surcharge.
        pub paid_sur: u64,
        /// Paid as platform fee.
        pub paid_fee: u64,
    }
}

record! {
    /// Sums over the lease's whole life; deposited = balance + refunded + paid.
    #[derive(Copy, Default)]
    pub struct Totals {
        /// Put in.
        pub deposited: u64,
        /// Given back to the tenant.
        pub refunded: u64,
        /// To providers, surcharge and fee.
        pub paid: u64,
    }
}

record! {
    /// A lease.
    pub struct Lease {
        /// Where it stands.
        pub state: LeaseState,
        /// Rises with each later match and each failover.
        pub epoch: u32,
        /// Escrow.
        pub balance: u64,
        /// Life-long sums.
        pub totals: Totals,
        /// When the state ends by itself.
        pub deadline_ms: Option<u64>,
        /// When the bid leaves the book.
        pub expiry_ms: u64,
        /// The present host.
        pub holder: Option<Holder>,
        /// Earlier hosts that owe a wipe.
        pub former: Vec<Former>,
        /// Whether a match was ever made.
        pub matched: bool,
        /// Matches that came to nothing.
        pub failures: u64,
        /// Whether Provisioning follows a Grace.
        pub resuming: bool,
        /// Whether an edge serves it and earns its share.
        pub has_edge: bool,
        /// Present price per lot-hour; the limit before a match.
        pub price: u64,
        /// Billed running time of all epochs.
        pub served_ms: u64,
        /// Running time is billed up to here.
        pub billed_to_ms: u64,
        /// Keeping data is billed from here.
        pub grace_from_ms: u64,
        /// When the money runs out.
        pub funded_until_ms: Option<u64>,
        /// Sums of the epoch.
        pub sums: Sums,
        /// Last applied receipt of the epoch.
        pub applied: Applied,
        /// Receipt that waits.
        pub pending: Option<Claim>,
    }
}

impl Lease {
    /// Row 1: a bid with its deposit.
    pub fn bid(terms: &Terms, now_ms: u64, deposit: u64, expiry_ms: u64) -> Result<Self, MarketError> {
        let minimum = terms.deposit_min();
        if deposit < minimum {
            return Err(MarketError::DepositTooSmall { deposit, minimum });
        }
        Ok(Self {
            state: LeaseState::Queued,
            epoch: 0,
            balance: deposit,
            totals: Totals { deposited: deposit, ..Totals::default() },
            deadline_ms: Some(expiry_ms),
            expiry_ms,
            holder: None,
            former: Vec::new(),
            matched: false,
            failures: 0,
            resuming: false,
            has_edge: false,
            price: terms.price,
            served_ms: 0,
            billed_to_ms: now_ms,
            grace_from_ms: 0,
            funded_until_ms: None,
            sums: Sums::default(),
            applied: Applied::default(),
            pending: None,
        })
    }

    /// Whether nothing can happen any more: closed, and every host wiped or paid for not wiping.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == LeaseState::Closed && self.former.is_empty()
    }

    /// Time of a bought term that is not billed yet; 0 without a term.
    #[must_use]
    pub fn remaining_ms(&self, terms: &Terms) -> u64 {
        terms.term_ms.unwrap_or(0).saturating_sub(self.served_ms)
    }
}

impl Lease {
    /// Splits a queued bid: a lease of its own with `share` of the deposit.
    #[must_use]
    pub fn split_off(&mut self, share: u64) -> Self {
        let share = share.min(self.balance);
        self.balance = self.balance.saturating_sub(share);
        self.totals.deposited = self.totals.deposited.saturating_sub(share);
        Self { balance: share, totals: Totals { deposited: share, ..Totals::default() }, ..self.clone() }
    }
}
