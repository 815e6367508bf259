//! The checks of a usage receipt, in order; the first failure wins (market.md §8).
//!
//! Signatures are judged before: what arrives here is the set of roles whose signature holds.

use super::error::MarketError;
use super::escrow::{meter_pay_wide, metered};
use super::lease::LeaseState;
use super::terms::Terms;
use alloc::vec::Vec;
use nupeer_primitives::receipt::{MeterReceipt, Role};
use nupeer_primitives::{code_enum, record};

/// Roles whose signature over a receipt holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Signers {
    /// The provider's session key.
    pub provider: bool,
    /// The tenant or a delegate with scope `sign`.
    pub tenant: bool,
    /// An edge of the lease.
    pub edge: bool,
}

impl Signers {
    /// Adds a role.
    pub const fn add(&mut self, role: Role) {
        match role {
            Role::Provider => self.provider = true,
            Role::Tenant => self.tenant = true,
            Role::Edge => self.edge = true,
        }
    }
    fn count(self) -> u8 {
        [self.provider, self.tenant, self.edge].into_iter().map(u8::from).fold(0, u8::saturating_add)
    }
    const fn provider_alone(self) -> bool {
        self.provider && !self.tenant && !self.edge
    }
}

record! {
    /// What the last applied receipt of an epoch left behind.
    #[derive(Default)]
    pub struct Applied {
        /// Sequence number.
        pub seq: u64,
        /// Market time of the reading; the start of billing before the first.
        pub t_end_ms: u64,
        /// Uptime.
        pub up_ms: u64,
        /// Totals in the order of the terms.
        pub counters: Vec<u64>,
        /// Last co-signature.
        pub witnessed_ms: u64,
    }
}

code_enum! {
    /// Who stands behind a receipt that is not final.
    pub enum ClaimKind {
        /// Provider and edge.
        ProviderEdge = 0,
        /// Tenant and edge.
        TenantEdge = 1,
        /// The provider alone.
        Provider = 2,
    }
}

record! {
    /// A receipt that waits for its window.
    pub struct Claim {
        /// Who signed.
        pub kind: ClaimKind,
        /// When it applies.
        pub due_ms: u64,
        /// The reading.
        pub reading: Reading,
    }
}

record! {
    /// What a receipt says, without who said it.
    pub struct Reading {
        /// Sequence number.
        pub seq: u64,
        /// Market time of the reading.
        pub t_end_ms: u64,
        /// Uptime.
        pub up_ms: u64,
        /// Totals in the order of the terms.
        pub counters: Vec<u64>,
    }
}

impl Reading {
    /// Of a receipt.
    #[must_use]
    pub fn of(receipt: &MeterReceipt) -> Self {
        Self {
            seq: receipt.seq,
            t_end_ms: receipt.t_end_ms,
            up_ms: receipt.up_ms,
            counters: receipt.counters.iter().map(|(_, total)| *total).collect(),
        }
    }
}

/// The lease that a receipt is judged against.
#[derive(Clone, Copy, Debug)]
pub struct Against<'a> {
    /// Its terms.
    pub terms: &'a Terms,
    /// Its state.
    pub state: LeaseState,
    /// Its epoch.
    pub epoch: u32,
    /// Last applied receipt of the epoch.
    pub applied: &'a Applied,
    /// Receipt that waits.
    pub pending: Option<&'a Claim>,
    /// Market time.
    pub now_ms: u64,
    /// Market time of the anchor block, if this chain has it.
    pub anchor_ms: Option<u64>,
}

/// What becomes of a good receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Applies now.
    Final,
    /// Applies when its window has passed.
    Waits(ClaimKind),
}

/// Judges a receipt. With the verdict comes the net metered pay since the last applied receipt.
pub fn check(against: &Against<'_>, receipt: &MeterReceipt, signers: Signers) -> Result<(Verdict, u64), MarketError> {
    check_standing(against, receipt, signers)?;
    check_time(against, receipt)?;
    let expected = check_counters(against, receipt)?;
    let verdict = check_claim(against, signers)?;
    let before = metered(&against.terms.meters, &against.applied.counters).pay;
    Ok((verdict, expected.saturating_sub(before)))
}

/// State, epoch, sequence, signers.
fn check_standing(against: &Against<'_>, receipt: &MeterReceipt, signers: Signers) -> Result<(), MarketError> {
    if !against.state.is_billing() {
        return Err(MarketError::LeaseNotBilling { state: against.state });
    }
    if receipt.epoch != against.epoch {
        return Err(MarketError::EpochStale { receipt: receipt.epoch, lease: against.epoch });
    }
    if receipt.seq <= against.applied.seq {
        return Err(MarketError::SequenceNotIncreasing { seq: receipt.seq, last: against.applied.seq });
    }
    if signers.count() < 2 && !signers.provider_alone() {
        return Err(MarketError::SignersTooFew { signers: signers.count() });
    }
    Ok(())
}

/// Anchor and reading time.
fn check_time(against: &Against<'_>, receipt: &MeterReceipt) -> Result<(), MarketError> {
    let windows = &against.terms.windows;
    let anchor_ms = against.anchor_ms.ok_or(MarketError::AnchorUnknown { height: receipt.anchor_height.0 })?;
    let age_ms = against.now_ms.saturating_sub(anchor_ms);
    if age_ms > windows.anchor_age_ms {
        return Err(MarketError::AnchorTooOld { age_ms, permitted_ms: windows.anchor_age_ms });
    }
    let last_ms = against.applied.t_end_ms;
    if receipt.t_end_ms <= last_ms {
        return Err(MarketError::TimeNotIncreasing { t_end_ms: receipt.t_end_ms, last_ms });
    }
    let permitted_ms = against.now_ms.saturating_add(windows.skew_ms);
    if receipt.t_end_ms > permitted_ms {
        return Err(MarketError::TimeInFuture { t_end_ms: receipt.t_end_ms, permitted_ms });
    }
    Ok(())
}

/// Kinds, totals, caps, uptime, amount; gives the net pay of the totals.
fn check_counters(against: &Against<'_>, receipt: &MeterReceipt) -> Result<u64, MarketError> {
    let (meters, last) = (&against.terms.meters, against.applied);
    let mut kinds = meters.iter().map(|meter| meter.kind);
    for (kind, _) in &receipt.counters {
        if kinds.next() != Some(*kind) {
            return Err(MarketError::MeterUnknown { kind: *kind });
        }
    }
    if let Some(kind) = kinds.next() {
        return Err(MarketError::MeterUnknown { kind });
    }
    let last_totals = last.counters.iter().copied().chain(core::iter::repeat(0));
    let readings = || receipt.counters.iter().map(|(_, total)| *total).zip(last_totals.clone());
    if let Some((total, last)) = readings().find(|(total, last)| total < last) {
        return Err(MarketError::CounterDecreased { total, last });
    }
    let span_ms = receipt.t_end_ms.saturating_sub(last.t_end_ms);
    for ((total, before), meter) in readings().zip(meters) {
        let step = total.saturating_sub(before);
        let capacity = u128::from(meter.cap_per_s).saturating_mul(u128::from(span_ms));
        if u128::from(step).saturating_mul(1_000) > capacity {
            let permitted = u64::try_from(capacity.checked_div(1_000).unwrap_or(0)).unwrap_or(u64::MAX);
            return Err(MarketError::CapExceeded { step, permitted });
        }
    }
    let (least_ms, most_ms) = (last.up_ms, last.up_ms.saturating_add(span_ms));
    if !(least_ms..=most_ms).contains(&receipt.up_ms) {
        return Err(MarketError::UptimeImpossible { up_ms: receipt.up_ms, least_ms, most_ms });
    }
    let pays = receipt.counters.iter().zip(meters).map(|((_, total), meter)| meter_pay_wide(meter, *total));
    let expected = pays.fold(0, u128::saturating_add);
    // Exact: no amount that fits u64 stands for a sum that does not.
    if u128::from(receipt.amount.get()) != expected {
        let expected = u64::try_from(expected).unwrap_or(u64::MAX);
        return Err(MarketError::AmountMismatch { amount: receipt.amount.get(), expected });
    }
    Ok(receipt.amount.get())
}

/// Who signed decides what becomes of it.
fn check_claim(against: &Against<'_>, signers: Signers) -> Result<Verdict, MarketError> {
    let windows = &against.terms.windows;
    if signers.provider_alone() {
        let permitted_ms = against.applied.witnessed_ms.saturating_add(windows.max_unacked_ms);
        if against.now_ms < permitted_ms {
            return Err(MarketError::ClaimTooEarly { now_ms: against.now_ms, permitted_ms });
        }
    }
    let verdict = match signers {
        Signers { provider: true, tenant: true, .. } => return Ok(Verdict::Final),
        Signers { provider: true, edge: true, .. } if against.terms.edge_final => return Ok(Verdict::Final),
        Signers { provider: true, edge: true, .. } => ClaimKind::ProviderEdge,
        Signers { provider: true, .. } => ClaimKind::Provider,
        Signers { .. } => ClaimKind::TenantEdge,
    };
    match against.pending {
        // What tenant and edge posted is void once the provider claims for itself.
        Some(Claim { kind: ClaimKind::TenantEdge, .. }) if verdict == ClaimKind::Provider => {
            Ok(Verdict::Waits(verdict))
        }
        Some(claim) => Err(MarketError::ClaimAlreadyPending { until_ms: claim.due_ms }),
        None => Ok(Verdict::Waits(verdict)),
    }
}

impl ClaimKind {
    /// How long the other side may object.
    #[must_use]
    pub const fn window_ms(self, terms: &Terms) -> u64 {
        match self {
            Self::ProviderEdge | Self::TenantEdge => terms.windows.edge_window_ms,
            Self::Provider => terms.windows.challenge_ms,
        }
    }
}
