//! Countersigning (market.md §8): the edge signs what its own counts bear out, else it says what they are.
//!
//! 1. The receipt is the host's own, of the epoch the chain is at, and its totals don't fall below those signed before.
//! 2. Bytes and requests are at most own count · 1.02, bytes + 64 KiB. Kinds that an edge does not count pass: the chain
//!    holds them to the terms' cap.
//! 3. Own counts and the body are on disk before the signature; a number is signed with one body only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use nupeer_primitives::market::{METER_EGRESS_BYTES, METER_REQUESTS};
use nupeer_primitives::receipt::Role;
use nupeer_primitives::{MeterReceipt, SignedReceipt, VerificationKey, sign};
use tracing::warn;

use super::Edge;
use crate::core::Held;
use crate::journal::record::{Body, Record};
use crate::journal::{Journal, JournalError};
use crate::meter::{Counters, SampleRecord, Source};
use crate::ports::Chain;
use crate::tunnel::count::Counts;
use crate::tunnel::wire::Answer;

/// Bytes that both counts may differ by whatever their size.
pub const SLACK_BYTES: u64 = 64 << 10;
/// Requests likewise: those that were cut off in the tunnel.
pub const SLACK_REQUESTS: u64 = 8;

/// The most that is signed for an own count.
#[must_use]
pub fn admitted(kind: u8, own: (u64, u64)) -> u64 {
    let with_slack = |own: u64, slack: u64| {
        let scaled = u128::from(own).saturating_mul(102).div_euclid(100);
        u64::try_from(scaled).unwrap_or(u64::MAX).saturating_add(slack)
    };
    match kind {
        METER_EGRESS_BYTES => with_slack(own.0, SLACK_BYTES),
        METER_REQUESTS => with_slack(own.1, SLACK_REQUESTS),
        _ => u64::MAX,
    }
}

/// The edge's own journal: counts and what was signed.
#[derive(Debug)]
pub struct Ledger {
    /// `None` after the edge stopped.
    journal: Mutex<Option<Journal>>,
}

impl Ledger {
    /// Opens or creates it.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .map_err(|source| JournalError::Io { path: PathBuf::from(parent), source })?;
        }
        Ok(Self { journal: Mutex::new(Some(Journal::open(path)?)) })
    }

    /// Gives the file and its lock back; nothing is signed any more.
    pub fn close(&self) {
        drop(self.journal.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Counts as last stored.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Held, Arc<Counts>> {
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(journal) = journal.as_ref() else { return BTreeMap::new() };
        let stored = journal.book().entries.iter().filter_map(|(held, entry)| {
            let counters = &entry.sample.as_ref()?.counters;
            let total = |kind| counters.read(kind).total;
            Some((*held, Arc::new(Counts::from(total(METER_EGRESS_BYTES), total(METER_REQUESTS)))))
        });
        stored.collect()
    }

    /// Stores counts that changed; a full disk costs at most what was counted since.
    pub fn store(&self, counts: &[(Held, Arc<Counts>)]) {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(journal) = journal.as_mut() else { return };
        let wall_ms = crate::clock::wall_ms();
        let changed = counts.iter().filter_map(|(held, counts)| {
            let sample = sample_of(*held, counts);
            let stored = journal.book().entries.get(held).and_then(|entry| entry.sample.as_ref());
            (stored != Some(&sample)).then_some(Record { wall_ms, held: *held, body: Body::Sample(sample) })
        });
        let changed: Vec<Record> = changed.collect();
        if let Err(error) = journal.append(&changed) {
            warn!(%error, "edge counts not stored");
        }
        if let Err(error) = journal.prune(wall_ms) {
            warn!(%error, "edge journal not pruned");
        }
    }
}

fn sample_of(held: Held, counts: &Counts) -> SampleRecord {
    let mut counters = Counters::default();
    counters.take(Source::Relay, 0, &counts.totals());
    SampleRecord { lease: Some(held.lease), epoch: held.epoch, counters, up_ms: 0, up_mark_ms: None }
}

impl<C: Chain> Edge<C> {
    /// Answers a host that wants a receipt signed.
    pub(crate) async fn countersign(&self, host: VerificationKey, receipt: SignedReceipt) -> Answer {
        let answer = match self.judge(host, &receipt).await {
            Ok(()) => self.sign(receipt.receipt),
            Err(answer) => answer,
        };
        match &answer {
            Answer::Signed { .. } => self.counters.witnessed.fetch_add(1, Ordering::Relaxed),
            Answer::Nack { .. } | Answer::Refused(_) => self.counters.nacks.fetch_add(1, Ordering::Relaxed),
            Answer::Routes(_) => 0,
        };
        answer
    }

    async fn judge(&self, host: VerificationKey, signed: &SignedReceipt) -> Result<(), Answer> {
        let refuse = |why: &str| Err(Answer::Refused(why.to_owned()));
        let receipt = &signed.receipt;
        let digest = receipt.digest(&self.genesis);
        let by_host = signed.signatures.iter().any(|(role, key, signature)| {
            *role == Role::Provider && *key == host && sign::verify(key, digest.as_bytes(), signature)
        });
        if !by_host {
            return refuse("the receipt is not signed by this host");
        }
        match self.chain.lease(receipt.lease).await {
            Ok(Some(lease)) if lease.epoch != receipt.epoch => return refuse("EpochStale"),
            Ok(Some(lease)) if lease.session_key != Some(host) => return refuse("another host holds this lease"),
            Ok(Some(lease)) if !lease.state.is_billing() => return refuse("LeaseNotBilling"),
            Ok(Some(_)) => {}
            Ok(None) => return refuse("the chain knows no such lease"),
            Err(error) => return Err(Answer::Refused(error.to_string())),
        }
        let held = Held { lease: receipt.lease, epoch: receipt.epoch };
        if self.falls_back(held, receipt) {
            return refuse("totals fall below those signed before");
        }
        let own = self.routes.counts_of(held).map_or((0, 0), |counts| counts.get());
        if receipt.counters.iter().all(|(kind, total)| *total <= admitted(*kind, own)) {
            return Ok(());
        }
        let totals = receipt.counters.iter().map(|(kind, total)| match *kind {
            METER_EGRESS_BYTES => own.0.min(*total),
            METER_REQUESTS => own.1.min(*total),
            _ => *total,
        });
        Err(Answer::Nack { key: self.key.public(), totals: totals.collect() })
    }

    fn falls_back(&self, held: Held, receipt: &MeterReceipt) -> bool {
        let journal = self.ledger.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = journal.as_ref().and_then(|journal| journal.book().entries.get(&held));
        let last = entry.and_then(|entry| entry.receipts.values().next_back());
        last.is_some_and(|last| {
            last.counters.len() != receipt.counters.len()
                || last.counters.iter().zip(&receipt.counters).any(|(old, new)| old.0 != new.0 || new.1 < old.1)
        })
    }

    fn sign(&self, receipt: MeterReceipt) -> Answer {
        let held = Held { lease: receipt.lease, epoch: receipt.epoch };
        let sample = self.routes.counts_of(held).map_or_else(SampleRecord::default, |c| sample_of(held, &c));
        let mut journal = self.ledger.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(journal) = journal.as_mut() else { return Answer::Refused("the edge is stopping".to_owned()) };
        let wall_ms = crate::clock::wall_ms();
        let drafts = vec![(sample, receipt)];
        let signed = tokio::task::block_in_place(|| journal.sign(wall_ms, &self.genesis, &self.key, drafts));
        match signed.map(|mut signed| signed.pop()) {
            Ok(Some(Ok((_, signature)))) => Answer::Signed { key: self.key.public(), signature },
            Ok(Some(Err(error))) | Err(error) => Answer::Refused(error.to_string()),
            Ok(None) => Answer::Refused("nothing was signed".to_owned()),
        }
    }
}
