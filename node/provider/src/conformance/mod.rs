//! The conformance kit (spec/provider.md section 1): what every plugin has to stand before it is listed.
//!
//! Each case starts plugins of its own on state of its own and says what it saw. Run it as
//! `nupeer-provider conformance <plugin>`. Not here: the slow disk of C5.
//!
//! The subject is a workload that tries, on request, what limits and isolation are there to stop. For binaries it is
//! the process plugin's own `fixture`; for components `node/plugins/wasm/fixture`, given as the artifact.

mod bench;
mod disk;
mod epochs;
mod handshake;
mod kills;
mod limits;
mod meters;
mod pressure;
mod reach;
mod repeats;
mod traces;
mod wiping;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

pub use bench::{Bench, Subject};

/// A case of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    /// Handshake faults.
    C1,
    /// kill -9 of daemon and plugin at every step.
    C2,
    /// Recover after a reboot.
    C3,
    /// Counter reset, clock jumps, generations.
    C4,
    /// Full disk.
    C5,
    /// Idempotence of every call.
    C6,
    /// A wipe leaves nothing.
    C7,
    /// Limits enforced.
    C8,
    /// Reach.
    C9,
    /// Start–stop cycles leave nothing.
    C10,
    /// Readers that stand still.
    C11,
    /// A stale epoch is refused.
    C12,
}

impl Case {
    /// All that exist.
    pub const ALL: [Self; 12] = [
        Self::C1,
        Self::C2,
        Self::C3,
        Self::C4,
        Self::C5,
        Self::C6,
        Self::C7,
        Self::C8,
        Self::C9,
        Self::C10,
        Self::C11,
        Self::C12,
    ];

    /// Reads `C1` or `c1`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|case| format!("{case:?}").eq_ignore_ascii_case(text))
    }

    /// What it is about.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::C1 => "handshake faults",
            Self::C2 => "kill -9 of daemon and plugin at every step, workload unharmed",
            Self::C3 => "recover after reboot",
            Self::C4 => "counter reset, clock jumps, generation fold",
            Self::C5 => "a full disk stops nothing that runs",
            Self::C6 => "idempotence of every call",
            Self::C7 => "a wipe leaves no plaintext of a planted marker",
            Self::C8 => "limits enforced",
            Self::C9 => "nothing out of reach is reached",
            Self::C10 => "start-stop cycles leave nothing",
            Self::C11 => "log and exec back-pressure",
            Self::C12 => "stale epoch refused",
        }
    }
}

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As required.
    Passed,
    /// Not as required; what was seen.
    Failed(String),
}

/// One case's report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseReport {
    /// Which.
    pub case: Case,
    /// How it went.
    pub outcome: Outcome,
    /// What was checked, in order; what does not apply to this runtime says so.
    pub steps: Vec<String>,
    /// How long it took.
    pub took_ms: u64,
}

impl CaseReport {
    /// Whether the plugin stood it.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.outcome == Outcome::Passed
    }
}

impl fmt::Display for CaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_passed() { "ok    " } else { "FAILED" };
        write!(f, "{word} {:?} {} ({} ms)", self.case, self.case.title(), self.took_ms)?;
        for step in &self.steps {
            write!(f, "\n         {step}")?;
        }
        if let Outcome::Failed(why) = &self.outcome {
            write!(f, "\n       - {why}")?;
        }
        Ok(())
    }
}

/// What is tested, and how hard.
#[derive(Debug, Clone)]
pub struct Kit {
    /// The plugin's program.
    pub plugin: PathBuf,
    /// The subject's artifact; without one, a plugin for binaries is its own subject.
    pub artifact: Option<PathBuf>,
    /// Cycles of C10; the specification wants 1 000 for a listing.
    pub cycles: u32,
    /// `Configure.json`.
    pub config_json: String,
}

impl Kit {
    /// A kit with a cycle count fit for continuous integration.
    #[must_use]
    pub fn new(plugin: &Path) -> Self {
        Self { plugin: plugin.to_owned(), artifact: None, cycles: 20, config_json: String::new() }
    }

    /// Runs cases one after the other.
    pub async fn run(&self, only: Option<&[Case]>) -> Vec<CaseReport> {
        let mut reports = Vec::new();
        for case in Case::ALL.into_iter().filter(|case| only.is_none_or(|only| only.contains(case))) {
            let start = Instant::now();
            let mut steps = Steps::default();
            let outcome = match self.case(case, &mut steps).await {
                Ok(()) => Outcome::Passed,
                Err(error) => Outcome::Failed(format!("{error:#}")),
            };
            let took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            reports.push(CaseReport { case, outcome, steps: steps.0, took_ms });
        }
        reports
    }

    async fn case(&self, case: Case, steps: &mut Steps) -> anyhow::Result<()> {
        let mut bench = match case {
            Case::C5 => Bench::on_small_disk(self, disk::DISK_MIB).await?,
            Case::C1 | Case::C2 | Case::C3 | Case::C4 | Case::C6 | Case::C7 | Case::C8 => Bench::new(self).await?,
            Case::C9 | Case::C10 | Case::C11 | Case::C12 => Bench::new(self).await?,
        };
        let result = match case {
            Case::C1 => handshake::run(&mut bench, steps).await,
            Case::C2 => kills::run(&mut bench, steps).await,
            Case::C3 => meters::reboot(&mut bench, steps).await,
            Case::C4 => meters::fold(&mut bench, steps).await,
            Case::C5 => disk::run(&mut bench, steps).await,
            Case::C6 => repeats::run(&mut bench, steps).await,
            Case::C7 => wiping::run(&mut bench, steps).await,
            Case::C8 => limits::run(&mut bench, steps).await,
            Case::C9 => reach::run(&mut bench, steps).await,
            Case::C10 => traces::run(&mut bench, steps, self.cycles).await,
            Case::C11 => pressure::run(&mut bench, steps).await,
            Case::C12 => epochs::run(&mut bench, steps).await,
        };
        bench.clear().await;
        result
    }
}

/// Runs the kit on a plugin that is its own subject.
pub async fn run(plugin: &Path, only: Option<&[Case]>) -> Vec<CaseReport> {
    Kit::new(plugin).run(only).await
}

/// What a case has checked so far.
#[derive(Debug, Default)]
pub struct Steps(Vec<String>);

impl Steps {
    fn done(&mut self, text: impl Into<String>) {
        self.0.push(text.into());
    }
}
