//! What a run saw.

use serde::Serialize;
use std::collections::BTreeMap;

/// The outcome of one seed.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Nodes of the run.
    pub nodes: usize,
    /// Slots of the run.
    pub slots: u64,
    /// Hash of the whole history: the same seed gives the same hash.
    pub hash: String,
    /// Greatest height reached.
    pub height: u64,
    /// Greatest final height.
    pub final_height: u64,
    /// From a checkpoint's slot to its finality, mean over all nodes, ms.
    pub final_after_ms: u64,
    /// Transactions included.
    pub txs: u64,
    /// How often each fault and event happened.
    pub counters: BTreeMap<String, u64>,
    /// Broken promises; none in a good run.
    pub violations: Vec<String>,
    /// The command that replays this run.
    pub replay: String,
}

impl Report {
    /// Fault kinds that a run of seeds must all have seen.
    pub const FAULTS: [&'static str; 38] = [
        "lost",
        "delayed",
        "reordered",
        "duplicated",
        "partitions",
        "partitioned",
        "isolated",
        "one_way",
        "slow_link",
        "flapped",
        "crash_before_write",
        "crash_after_write",
        "crash_at_epoch",
        "disk_full",
        "disk_mended",
        "disk_lost",
        "key_refused",
        "paused",
        "mass_restart",
        "clock_skewed",
        "clock_stepped",
        "equivocated",
        "withheld",
        "double_vote",
        "surround_vote",
        "vote_withheld",
        "late_certificate",
        "early_header",
        "junk",
        "oversized",
        "replayed",
        "header_spoiled",
        "stalled",
        "body_withheld",
        "answer_cut",
        "wrong_body",
        "lied_status",
        "tx_spam",
    ];

    /// Adds the counters of another run.
    pub fn add(totals: &mut BTreeMap<String, u64>, report: &Self) {
        for (name, count) in &report.counters {
            let total = totals.entry(name.clone()).or_default();
            *total = total.saturating_add(*count);
        }
    }
}
