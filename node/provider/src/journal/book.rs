//! What the journal says, folded: per lease epoch the last handle, the last sample, the receipts that still matter.

use std::collections::BTreeMap;

use nupeer_primitives::receipt::Role;
use nupeer_primitives::{Hash, MeterReceipt, Signature, VerificationKey};

use super::record::{Body, HandleRecord, Record};
use crate::core::Held;
use crate::meter::SampleRecord;

/// Settled receipts and wiped leases are kept this long (spec/provider.md §1).
pub const KEEP_MS: u64 = 90 * 24 * 3_600_000;

/// One lease epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Last handle of each service id.
    pub handles: BTreeMap<String, HandleRecord>,
    /// Last sample.
    pub sample: Option<SampleRecord>,
    /// Bodies by seq, settled ones included until pruned.
    pub receipts: BTreeMap<u64, MeterReceipt>,
    /// Co-signatures.
    pub witnesses: BTreeMap<(u64, Role), (VerificationKey, Signature)>,
    /// Last seq that the chain applied, and when that was noted.
    pub settled: Option<(u64, u64)>,
    /// Head of the audit chain.
    pub audit_head: Option<Hash>,
    /// When it was wiped.
    pub wiped_ms: Option<u64>,
    /// Highest seq ever written, so that pruning never opens a seq again.
    pub seq_max: u64,
    receipts_at_ms: BTreeMap<u64, u64>,
}

/// Everything in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    /// By lease and epoch.
    pub entries: BTreeMap<Held, Entry>,
}

impl Book {
    /// Folds one record in.
    pub fn take(&mut self, record: Record) {
        let Record { wall_ms, held, body } = record;
        let entry = self.entries.entry(held).or_default();
        match body {
            Body::Handle(handle) => {
                entry.wiped_ms = None;
                entry.handles.insert(handle.id.clone(), handle);
            }
            Body::Sample(sample) => entry.sample = Some(sample),
            Body::Receipt(receipt) => {
                entry.seq_max = entry.seq_max.max(receipt.seq);
                entry.receipts_at_ms.insert(receipt.seq, wall_ms);
                // The first body of a seq stands; a second is never written, and would not be believed.
                entry.receipts.entry(receipt.seq).or_insert(receipt);
            }
            Body::Witness { seq, role, key, signature } => {
                entry.witnesses.insert((seq, role), (key, signature));
            }
            Body::Settled { seq } => {
                if entry.settled.is_none_or(|(last, _)| last < seq) {
                    entry.settled = Some((seq, wall_ms));
                }
            }
            Body::Audit { head, .. } => entry.audit_head = Some(head),
            Body::Wipe { .. } => entry.wiped_ms = Some(wall_ms),
        }
    }

    /// Drops what was settled or wiped 90 days ago; true when anything went.
    pub fn prune(&mut self, now_ms: u64) -> bool {
        let old = |at: u64| now_ms.saturating_sub(at) > KEEP_MS;
        let before = self.size();
        for entry in self.entries.values_mut() {
            let settled = entry.settled.map_or(0, |(seq, _)| seq);
            let at = &entry.receipts_at_ms;
            // The last body stays: what follows is built upon it.
            let seq_max = entry.seq_max;
            let gone = |seq: u64| seq <= settled && seq < seq_max && at.get(&seq).is_none_or(|at| old(*at));
            entry.receipts.retain(|seq, _| !gone(*seq));
            entry.witnesses.retain(|(seq, _), _| !gone(*seq));
            let kept: Vec<u64> = entry.receipts.keys().copied().collect();
            entry.receipts_at_ms.retain(|seq, _| kept.contains(seq));
        }
        self.entries.retain(|_, entry| !entry.wiped_ms.is_some_and(old));
        self.size() != before
    }

    fn size(&self) -> usize {
        self.entries.values().map(|e| e.receipts.len().saturating_add(1)).sum()
    }

    /// The records that give this book again.
    #[must_use]
    pub fn to_records(&self) -> Vec<Record> {
        let mut out = Vec::new();
        for (held, entry) in &self.entries {
            let mut put = |wall_ms, body| out.push(Record { wall_ms, held: *held, body });
            for handle in entry.handles.values() {
                put(0, Body::Handle(handle.clone()));
            }
            if let Some(sample) = &entry.sample {
                put(0, Body::Sample(sample.clone()));
            }
            for (seq, receipt) in &entry.receipts {
                put(entry.receipts_at_ms.get(seq).copied().unwrap_or(0), Body::Receipt(receipt.clone()));
            }
            for ((seq, role), (key, signature)) in &entry.witnesses {
                put(0, Body::Witness { seq: *seq, role: *role, key: *key, signature: *signature });
            }
            if let Some((seq, at)) = entry.settled {
                put(at, Body::Settled { seq });
            }
            if let Some(head) = entry.audit_head {
                put(0, Body::Audit { head, text: String::new() });
            }
            if let Some(at) = entry.wiped_ms {
                put(at, Body::Wipe { volumes: Vec::new(), method: 0 });
            }
        }
        out
    }
}
