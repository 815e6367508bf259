//! `nupeer-testnet bench`: how fast the parts are, beside what this machine could do at best.
//!
//! Each row is measured in the same run as the machine's limit (batched ed25519, hash, one synced RocksDB batch a block,
//! no ledger), so that a ratio means the same on any machine. Ratios and goals are those of issue 2. Slowness is shown,
//! never an error: this is no test.
//!
//! Parts are measured in rounds, and the best round counts, for the limit as for the rest.
//!
//! # What it deliberately does not do
//! No network between machines and no parallel load: one block, one node, one core at a time.

mod chain;
mod dao;
mod engine;
mod finality;
mod headers;
mod http;
mod orders;
mod processes;
mod receipts;
mod report;
mod transfers;
mod tree;

use anyhow::{Result, bail};
use report::{Row, Table};
use std::time::{Duration, Instant};

/// What to measure, and how to print it.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Options {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Measure each part once, not three times with the best one kept.
    #[arg(long)]
    pub quick: bool,
    /// Measure one part only.
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,
}

/// A part and what measures it. Rows of parts after the first may be ratios of its limit.
type Part = (&'static str, fn(&Limit) -> Result<Vec<Row>>);

const PARTS: [Part; 10] = [
    ("transfers", transfers::measure),
    ("engine", engine::measure),
    ("http", http::measure),
    ("receipts", receipts::measure),
    ("orders", orders::measure),
    ("tree", tree::measure),
    ("headers", headers::measure),
    ("dao", dao::measure),
    ("finality", finality::measure),
    ("processes", processes::measure),
];

/// The machine's own limit, transactions a second.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Signatures checked, bytes hashed and written, without a ledger.
    pub per_second: f64,
    /// How often each part is measured.
    pub rounds: usize,
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
    let only = options.only.as_deref();
    if let Some(unknown) = only.filter(|only| !names.contains(only)) {
        bail!("no part `{unknown}`; there are: {}", names.join(", "));
    }
    let mut table = Table::default();
    let (limit, row) = transfers::limit(if options.quick { 1 } else { ROUNDS })?;
    table.push(row);
    for (name, measure) in PARTS.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        eprintln!("measuring {name} ...");
        measure(&limit)?.into_iter().for_each(|row| table.push(row));
    }
    if options.json {
        println!("{}", table.to_json())
    } else {
        print!("{}", table.to_text())
    }
    Ok(())
}

/// Rounds of each part. The best one counts: whatever else the machine does only ever slows a round down.
const ROUNDS: usize = 3;

/// The shortest of some rounds.
fn best(rounds: usize, mut round: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..rounds.max(1) {
        best = best.min(round()?);
    }
    Ok(best)
}

/// Runs something and says how long it took.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let start = Instant::now();
    let done = work()?;
    Ok((done, start.elapsed()))
}

/// Things a second. Counts stay far below 2^52.
#[allow(clippy::cast_precision_loss, reason = "counts of a bench are small")]
fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(1e-9)
}
