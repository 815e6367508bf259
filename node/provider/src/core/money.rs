//! Receipts of one lease: draft, sign once, offer, collect witnesses, settle (market.md §8, spec/provider.md §2 step 5).
//!
//! 1. A draft follows `receipt_every` of market time, at once on Grace and Closing (there the FINAL one).
//! 2. At most one draft is being signed; the next waits. A body once drafted for a seq is never drafted again: after a
//!    failed write the same body goes to the journal again.
//! 3. Witnesses of the last few bodies are taken, since both sides answer late.
//! 4. The best witnessed body settles every `settle_every`, when half the exposure is used, and at once on Grace or
//!    Closing. Without a witness for `max_unacked` the last body becomes a claim.
//! 5. Nothing is drafted while the journal is not healthy or the clock is off.

use std::collections::BTreeMap;

use nupeer_primitives::cbor::Writer;
use nupeer_primitives::hash::blake2b_256;
use nupeer_primitives::receipt::Role;
use nupeer_primitives::{Cbor, GenesisHash, Hash, MeterReceipt, Signature, SignedReceipt, VerificationKey, sign};

use super::{AUDIT_GENESIS, Chainmark, Effect, Holder, JournalHealth, Note, State, Workload};
use crate::meter::receipt::{Basis, as_applied, draft};
use crate::meter::{Counters, SampleRecord, Source, Totals};
use crate::ports::{Applied, ChainRules, ChainView, LeaseState, LeaseView};

/// Bodies whose witnesses are still taken.
pub const OFFERED_MAX: usize = 8;
/// Heads at which Closing must have been seen before the FINAL receipt, so that a short fork does not end the billing.
pub const CLOSING_HEADS: u32 = 2;
/// Items of one settlement (market.md §8).
pub const SETTLE_ITEMS_MAX: usize = nupeer_primitives::action::SETTLE_ITEMS_MAX;

/// A signature under an offered receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Countersign {
    /// Which receipt.
    pub seq: u64,
    /// As what.
    pub role: Role,
    /// With which key.
    pub key: VerificationKey,
    /// Over the digest.
    pub signature: Signature,
    /// Market time when it came.
    pub market_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Offered {
    receipt: MeterReceipt,
    provider: Option<(VerificationKey, Signature)>,
    witnesses: BTreeMap<Role, (VerificationKey, Signature)>,
}

impl Offered {
    fn to_signed(&self) -> SignedReceipt {
        let provider = self.provider.iter().map(|(key, signature)| (Role::Provider, *key, *signature));
        let witnesses = self.witnesses.iter().map(|(role, (key, signature))| (*role, *key, *signature));
        SignedReceipt { receipt: self.receipt.clone(), signatures: provider.chain(witnesses).collect() }
    }
}

/// Everything about the money of one lease epoch.
#[derive(Debug, Clone, Default)]
pub struct Money {
    counters: Counters,
    up_ms: u64,
    up_mark_ms: Option<u64>,
    /// A break since `up_mark_ms`: the time between does not count as up.
    broken: bool,
    last: Option<Applied>,
    applied: Applied,
    offered: BTreeMap<u64, Offered>,
    /// The body at the journal, with what it was built from.
    signing: Option<(SampleRecord, MeterReceipt)>,
    retry_signing: bool,
    drafted: bool,
    /// The sample behind the bodies of [`Self::restored`].
    restored_from: Option<SampleRecord>,
    ceiling: Option<Vec<u64>>,
    settle_sent: bool,
    settled_at_ms: u64,
    /// After any attempt, so that a refused item is not sent again at once.
    settle_not_before_ms: u64,
    witnessed_at_ms: u64,
    closing_heads: u32,
    final_seq: Option<u64>,
    audit_head: Option<Hash>,
}

impl Money {
    /// As the journal remembers it: the last sample, the receipts after the settled one, their witnesses.
    #[must_use]
    pub fn restored(
        sample: Option<SampleRecord>,
        receipts: Vec<MeterReceipt>,
        witnesses: &[(u64, Role, VerificationKey, Signature)],
        audit_head: Option<Hash>,
    ) -> Self {
        let sample = sample.unwrap_or_default();
        let mut money = Self {
            counters: sample.counters.clone(),
            up_ms: sample.up_ms,
            up_mark_ms: sample.up_mark_ms,
            last: receipts.last().map(as_applied),
            final_seq: receipts.iter().find(|r| r.is_final()).map(|r| r.seq),
            restored_from: receipts.last().map(|_| sample),
            audit_head,
            ..Self::default()
        };
        for receipt in receipts {
            let mut offered = Offered { receipt, provider: None, witnesses: BTreeMap::new() };
            for (_, role, key, signature) in witnesses.iter().filter(|w| w.0 == offered.receipt.seq) {
                offered.witnesses.insert(*role, (*key, *signature));
            }
            money.offered.insert(offered.receipt.seq, offered);
        }
        money.trim();
        money
    }

    /// Bodies of the journal, whose signatures are made again from what is stored: ed25519 is deterministic.
    pub fn stored(&self) -> impl Iterator<Item = (SampleRecord, MeterReceipt)> + '_ {
        let sample = self.restored_from.clone().unwrap_or_default();
        self.offered.values().filter(|o| o.provider.is_none()).map(move |o| (sample.clone(), o.receipt.clone()))
    }

    /// Folded counters.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Last body drafted or applied.
    #[must_use]
    pub const fn last(&self) -> Option<&Applied> {
        self.last.as_ref()
    }

    /// Whether a body of this epoch was ever drafted here.
    #[must_use]
    pub const fn has_drafted(&self) -> bool {
        self.drafted || self.restored_from.is_some()
    }

    /// Last body that the chain applied.
    #[must_use]
    pub const fn applied(&self) -> &Applied {
        &self.applied
    }

    /// The offered receipt of `seq`, or the newest.
    #[must_use]
    pub fn offered(&self, seq: Option<u64>) -> Option<SignedReceipt> {
        let found = match seq {
            Some(seq) => self.offered.get(&seq),
            None => self.offered.values().next_back(),
        };
        found.filter(|o| o.provider.is_some()).map(Offered::to_signed)
    }

    /// Market time since which no witness signed.
    #[must_use]
    pub const fn witnessed_at_ms(&self) -> u64 {
        self.witnessed_at_ms
    }

    /// Chains an audit entry; its head is in each receipt.
    pub fn audited(&mut self, head: Hash) {
        self.audit_head = Some(head);
    }

    /// Whether a signed body has not been applied.
    #[must_use]
    pub fn has_unsettled(&self) -> bool {
        self.offered.values().any(|o| o.provider.is_some() && o.receipt.seq > self.applied.seq)
    }

    pub(super) fn sample(&mut self, source: Source, generation: u64, totals: &Totals) {
        self.counters.take(source, generation, totals);
    }

    pub(super) const fn interrupted(&mut self) {
        self.broken = true;
    }

    /// Takes the chain's word; gives the seq that the journal may note as settled.
    pub(super) fn observe(&mut self, view: &ChainView, lease: &LeaseView, running: Option<bool>) -> Option<u64> {
        self.count_up(view.market_ms, lease, running);
        self.closing_heads = if lease.state == LeaseState::Closing { self.closing_heads.saturating_add(1) } else { 0 };
        self.witnessed_at_ms = self.witnessed_at_ms.max(lease.cosigned_ms);
        self.settled_at_ms = self.settled_at_ms.max(lease.active_since_ms);
        let advanced = lease.applied.seq > self.applied.seq;
        self.applied = lease.applied.clone();
        if self.last.as_ref().is_none_or(|last| last.seq < lease.applied.seq) {
            self.last = Some(lease.applied.clone());
        }
        if advanced {
            self.offered.retain(|seq, _| *seq > lease.applied.seq);
        }
        advanced.then_some(lease.applied.seq)
    }

    /// Adds the time since the last view if the workload ran through it. While nobody knows, the mark stays, so that
    /// the plugin's answer settles the whole stretch.
    fn count_up(&mut self, now_ms: u64, lease: &LeaseView, running: Option<bool>) {
        let Some(running) = running else { return };
        if lease.state.is_served() && running && !self.broken {
            let from = self.up_mark_ms.unwrap_or(lease.active_since_ms).max(lease.active_since_ms);
            self.up_ms = self.up_ms.saturating_add(now_ms.saturating_sub(from));
        }
        self.broken = false;
        self.up_mark_ms = Some(self.up_mark_ms.unwrap_or(0).max(now_ms));
    }

    fn trim(&mut self) {
        while self.offered.len() > OFFERED_MAX {
            // The best witnessed one must survive, it is what settles next.
            let keep = self.best().map(|o| o.receipt.seq);
            let Some(oldest) = self.offered.keys().copied().find(|seq| Some(*seq) != keep) else { return };
            self.offered.remove(&oldest);
        }
    }

    fn best(&self) -> Option<&Offered> {
        self.offered.values().rev().find(|o| !o.witnesses.is_empty())
    }

    pub(super) fn signed(
        &mut self,
        receipt: MeterReceipt,
        key: VerificationKey,
        signature: Signature,
    ) -> Option<SignedReceipt> {
        if self.signing.as_ref().is_some_and(|(_, body)| *body == receipt) {
            self.signing = None;
            self.retry_signing = false;
        } else if self.offered.get(&receipt.seq).is_none_or(|offered| offered.receipt != receipt) {
            return None;
        }
        if receipt.is_final() {
            self.final_seq = Some(receipt.seq);
        }
        let seq = receipt.seq;
        let offered =
            self.offered.entry(seq).or_insert(Offered { receipt, provider: None, witnesses: BTreeMap::new() });
        offered.provider = Some((key, signature));
        let signed = offered.to_signed();
        self.trim();
        Some(signed)
    }

    pub(super) const fn not_signed(&mut self) {
        self.retry_signing = self.signing.is_some();
    }

    pub(super) fn countersigned(&mut self, genesis: &GenesisHash, w: Countersign) -> Result<(), &'static str> {
        let Some(offered) = self.offered.get_mut(&w.seq) else { return Err("seq") };
        let digest = offered.receipt.digest(genesis);
        if !sign::verify(&w.key, digest.as_bytes(), &w.signature) {
            return Err("signature");
        }
        offered.witnesses.insert(w.role, (w.key, w.signature));
        self.witnessed_at_ms = self.witnessed_at_ms.max(w.market_ms);
        self.ceiling = None;
        Ok(())
    }

    /// A witness counted less than `seq` claims: the next body claims no more than they admit.
    pub(super) fn refused(&mut self, seq: u64, totals: Vec<u64>) -> bool {
        let Some(offered) = self.offered.get(&seq) else { return false };
        if totals.len() != offered.receipt.counters.len() {
            return false;
        }
        self.ceiling = Some(totals);
        true
    }

    pub(super) const fn settle_ended(&mut self, included: bool, market_ms: u64, pause_ms: u64) {
        if self.settle_sent {
            self.settle_sent = false;
            self.settle_not_before_ms = market_ms.saturating_add(pause_ms);
            if included {
                self.settled_at_ms = market_ms;
            }
        }
    }

    fn draft_is_due(&self, lease: &LeaseView, mark: &Chainmark, rules: &ChainRules) -> bool {
        if self.signing.is_some() || self.final_seq.is_some() || lease.meters.is_empty() {
            return false;
        }
        let last_ms = self.last_end(lease);
        let elapsed_ms = mark.market_ms.saturating_sub(last_ms);
        match lease.state {
            LeaseState::Active | LeaseState::Reclaiming => elapsed_ms >= rules.receipt_every_ms,
            // One more after the last served moment, then FINAL once Closing is no passing fork.
            LeaseState::Closing => elapsed_ms > 0 && self.closing_heads >= CLOSING_HEADS,
            LeaseState::Grace => elapsed_ms >= rules.receipt_every_ms && self.has_more_than(lease),
            LeaseState::Queued
            | LeaseState::Matched
            | LeaseState::Provisioning
            | LeaseState::Failover
            | LeaseState::Purging
            | LeaseState::Closed => false,
        }
    }

    fn has_more_than(&self, lease: &LeaseView) -> bool {
        let last = self.last.as_ref().map_or(&[][..], |last| &last.totals);
        let more = |(place, term): (usize, &crate::ports::MeterTerm)| {
            self.counters.read(term.kind).total > last.get(place).copied().unwrap_or(0)
        };
        lease.meters.iter().enumerate().any(more)
    }

    fn last_end(&self, lease: &LeaseView) -> u64 {
        self.last.as_ref().map_or(0, |last| last.t_end_ms).max(lease.active_since_ms)
    }

    fn draft(
        &mut self,
        held: super::Held,
        lease: &LeaseView,
        mark: &Chainmark,
    ) -> Option<(SampleRecord, MeterReceipt)> {
        let sample = SampleRecord {
            lease: Some(held.lease),
            epoch: held.epoch,
            counters: self.counters.clone(),
            up_ms: self.up_ms,
            up_mark_ms: self.up_mark_ms,
        };
        let mut last = self.last.clone().unwrap_or_else(|| lease.applied.clone());
        last.t_end_ms = self.last_end(lease);
        let basis = Basis {
            lease: held.lease,
            epoch: held.epoch,
            terms: &lease.meters,
            last: &last,
            ceiling: self.ceiling.as_deref(),
            now_ms: mark.market_ms,
            up_ms: self.up_ms,
            anchor: mark.anchor,
            detail_root: detail_root(&sample, self.audit_head),
            is_final: lease.state == LeaseState::Closing,
        };
        let receipt = draft(&self.counters, &basis).ok()?;
        self.last = Some(as_applied(&receipt));
        self.signing = Some((sample.clone(), receipt.clone()));
        self.drafted = true;
        Some((sample, receipt))
    }

    /// The item that settles now, if one is due.
    fn item(&self, lease: &LeaseView, mark: &Chainmark, rules: &ChainRules) -> Option<SignedReceipt> {
        let best = self.best().filter(|o| o.receipt.seq > self.applied.seq)?;
        let by_tenant = best.witnesses.contains_key(&Role::Tenant);
        if lease.pending_seq.is_some_and(|pending| !by_tenant || best.receipt.seq <= pending) {
            return None;
        }
        let unsettled = best.receipt.amount.saturating_sub(self.applied.amount);
        let half = lease.exposure.get().div_euclid(2).max(1);
        let due = match lease.state {
            LeaseState::Grace | LeaseState::Closing => true,
            LeaseState::Active | LeaseState::Reclaiming => {
                mark.market_ms.saturating_sub(self.settled_at_ms) >= rules.settle_every_ms || unsettled.get() >= half
            }
            LeaseState::Queued
            | LeaseState::Matched
            | LeaseState::Provisioning
            | LeaseState::Failover
            | LeaseState::Purging
            | LeaseState::Closed => false,
        };
        due.then(|| best.to_signed())
    }

    fn claim(&self, lease: &LeaseView, mark: &Chainmark, rules: &ChainRules) -> Option<SignedReceipt> {
        let alone = self
            .offered
            .values()
            .next_back()
            .filter(|o| o.witnesses.is_empty() && o.provider.is_some() && o.receipt.seq > self.applied.seq)?;
        let silent_ms = mark.market_ms.saturating_sub(self.witnessed_at_ms.max(lease.active_since_ms));
        let worth = alone.receipt.amount > self.applied.amount || alone.receipt.is_final();
        (lease.pending_seq.is_none() && lease.state.is_billing() && worth && silent_ms > rules.max_unacked_ms)
            .then(|| alone.to_signed())
    }
}

/// `H(cbor [sample root, audit head])`.
fn detail_root(sample: &SampleRecord, audit_head: Option<Hash>) -> Hash {
    let mut w = Writer::default();
    w.array(2).put(&blake2b_256(&sample.to_cbor())).put(&audit_head.unwrap_or(AUDIT_GENESIS));
    blake2b_256(&w.finish())
}

/// Drafts, settles and claims what is due over all leases.
pub(super) fn advance(state: &mut State, effects: &mut Vec<Effect>) {
    let (Some(mark), Some(rules), Some(us)) = (state.chain.clone(), state.rules, state.host_id()) else { return };
    let stopped = match state.journal {
        JournalHealth::Full => Some("journal_full"),
        JournalHealth::Corrupt => Some("journal_corrupt"),
        JournalHealth::Healthy => (mark.skew_ms > rules.skew_ms).then_some("clock_skew"),
    };
    if stopped != state.signing_stopped {
        state.signing_stopped = stopped;
        effects.extend(stopped.map(|why| Effect::Note(Note::SigningStopped { why })));
    }
    let mut items = Vec::new();
    let mut claim = None;
    for w in state.workloads.values_mut() {
        let Workload { held, view: Some(lease), fresh: true, money, holder, .. } = w else { continue };
        if lease.epoch != held.epoch || lease.host != Some(us) || !lease.state.is_billing() {
            continue;
        }
        if stopped.is_none() {
            if money.retry_signing {
                money.retry_signing = false;
                effects.extend(money.signing.clone().map(|(sample, receipt)| Effect::Sign { sample, receipt }));
            } else if *holder != Holder::Unrecovered && money.draft_is_due(lease, &mark, &rules) {
                effects
                    .extend(money.draft(*held, lease, &mark).map(|(sample, receipt)| Effect::Sign { sample, receipt }));
            }
        }
        if state.settling || money.settle_sent || mark.market_ms < money.settle_not_before_ms {
            continue;
        }
        if let Some(item) = money.item(lease, &mark, &rules).filter(|_| items.len() < SETTLE_ITEMS_MAX) {
            money.settle_sent = true;
            items.push(item);
        } else if claim.is_none()
            && let Some(receipt) = money.claim(lease, &mark, &rules)
        {
            claim = Some((*held, receipt));
        }
    }
    if !items.is_empty() {
        state.settling = true;
        effects.push(Effect::Settle { items });
    } else if let Some((held, receipt)) = claim {
        state.settling = true;
        if let Some(w) = state.workloads.get_mut(&held.lease) {
            w.money.settle_sent = true;
        }
        effects.push(Effect::Claim { receipt });
    }
}
