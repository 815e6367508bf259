//! From the journal back to what was here (spec/provider.md §1 Recovery): the first steps, before any plugin is asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use tracing::error;

use crate::config::Config;
use crate::core::money::Money;
use crate::core::{Held, Workload};
use crate::journal::book::Book;
use crate::journal::record::HandleRecord;
use crate::journal::{Journal, JournalError};

/// Where the journal of a state directory is.
#[must_use]
pub fn journal_path(state_dir: &Path) -> PathBuf {
    state_dir.join("journal")
}

/// The journal, or none when it is damaged, and what it says as far as it can be read.
pub fn open_journal(config: &Config) -> Result<(Option<Journal>, Book)> {
    let path = journal_path(&config.state_dir);
    match Journal::open(&path) {
        Ok(journal) => {
            let book = journal.book().clone();
            Ok((Some(journal), book))
        }
        Err(error @ JournalError::Corrupt { .. }) => {
            error!(%error, "nothing is signed until a person decides");
            Ok((None, Journal::salvage(&path)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Workloads as the journal remembers them, and the handles of those that may be here.
#[must_use]
pub fn remembered(book: &Book) -> (Vec<Workload>, BTreeMap<Held, HandleRecord>) {
    let mut workloads: BTreeMap<_, Workload> = BTreeMap::new();
    let mut handles = BTreeMap::new();
    for (held, entry) in &book.entries {
        let settled = entry.settled.map_or(0, |(seq, _)| seq);
        let unsettled: Vec<_> = entry.receipts.values().filter(|r| r.seq > settled).cloned().collect();
        if entry.wiped_ms.is_some() && unsettled.is_empty() && entry.handles.is_empty() {
            continue;
        }
        let receipts = if unsettled.is_empty() {
            entry.receipts.values().next_back().cloned().into_iter().collect()
        } else {
            unsettled
        };
        let witnesses: Vec<_> = entry.witnesses.iter().map(|((seq, role), (key, s))| (*seq, *role, *key, *s)).collect();
        let money = Money::restored(entry.sample.clone(), receipts, &witnesses, entry.audit_head);
        if let Some(handle) = entry.handles.values().next_back() {
            handles.insert(*held, handle.clone());
        }
        // Only one epoch of a lease can be here; a later one means that the earlier was torn down or never began.
        workloads.insert(held.lease, Workload::recovered(*held, entry.wiped_ms.is_some(), money));
    }
    (workloads.into_values().collect(), handles)
}

/// `check`: what a start would find, without changing anything.
pub fn check(config_path: &Path) -> Result<String> {
    let config = Config::read(config_path)?;
    let path = journal_path(&config.state_dir);
    let book = Journal::read(&path)?;
    let (workloads, handles) = remembered(&book);
    let mut out = format!("config {} is good\njournal {} is whole\n", config_path.display(), path.display());
    for w in &workloads {
        let handle = handles.get(&w.held);
        let phase = handle.map_or("receipts only".to_owned(), |h| format!("{:?} by {}", h.phase, h.plugin));
        let last = w.money.last().map_or(0, |last| last.seq);
        let entry = book.entries.get(&w.held);
        let settled = entry.and_then(|entry| entry.settled).map_or(0, |(seq, _)| seq);
        // Writing to a String cannot fail.
        let _ =
            writeln!(out, "lease {} epoch {}: {phase}, receipt {last}, settled {settled}", w.held.lease, w.held.epoch);
    }
    let _ = writeln!(out, "{} leases", workloads.len());
    Ok(out)
}
