//! `nupeer-testnet sim`: seeds of the detailed simulator, of the crowd, and a night of both.

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use nupeer_runtime::preset::Preset;
use nupeer_testnet::{crowd, regressions, sim};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Slots with faults of a detailed seed.
const SIM_SLOTS: u64 = 150;
/// A day and ten minutes, so that the end of an epoch lies inside.
const CROWD_SLOTS: u64 = 87_000;
const CROWD_NODES: usize = 200;
/// Seeds of a night.
const NIGHT_SEEDS: u64 = 1_000;

/// Whose constants a crowd lives by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Kind {
    Mainnet,
    Devnet,
}

#[derive(Args)]
pub struct SimArguments {
    /// First seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds [default: 1, a night: 1000]
    #[arg(long)]
    seeds: Option<u64>,
    /// Nodes, 4-20 [default: 5 to 7 by seed]; of a crowd 4-1000 [default: 200]
    #[arg(long)]
    nodes: Option<usize>,
    /// Slots with faults [default: 150]; of a crowd all slots [default: 87000, a day and ten minutes]
    #[arg(long)]
    slots: Option<u64>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// A crowd around the world: the consensus core alone, hundreds of nodes, days
    #[arg(long)]
    crowd: bool,
    /// Constants of a crowd
    #[arg(long, value_enum, default_value = "mainnet", requires = "crowd")]
    preset: Kind,
    /// To transfer and run a body in a crowd, ms
    #[arg(long, default_value_t = 200, requires = "crowd")]
    block_ms: u64,
    /// Of 100 seeds of a crowd, how many run with real keys, proofs and signatures
    #[arg(long, default_value_t = 0, value_name = "PERCENT", value_parser = clap::value_parser!(u64).range(0..=100))]
    real_crypto: u64,
    /// Neighbouring committees of a crowd share no member
    #[arg(long, requires = "crowd")]
    disjoint: bool,
    /// Partitions, loss and silent nodes in a crowd
    #[arg(long, requires = "crowd")]
    fire: bool,
    /// A night: 1,000 seeds of both kinds; failing ones are added to the list that tests replay
    #[arg(long, conflicts_with_all = ["crowd", "nodes", "slots"])]
    nightly: bool,
    /// The list of failing seeds
    #[arg(long, value_name = "FILE", default_value = regressions::FILE)]
    regressions: PathBuf,
}

/// Does what the arguments say.
pub fn run(arguments: &SimArguments) -> Result<()> {
    let seeds = arguments.seeds.unwrap_or(if arguments.nightly { NIGHT_SEEDS } else { 1 });
    let mut run = Run { arguments, totals: BTreeMap::new(), bad: Vec::new() };
    for seed in arguments.seed..arguments.seed.saturating_add(seeds) {
        if arguments.crowd {
            run.crowd(seed)?;
        } else if arguments.nightly {
            run.detailed(seed)?;
            run.small_crowd(seed)?;
        } else {
            run.detailed(seed)?;
        }
    }
    run.end(seeds)
}

struct Run<'a> {
    arguments: &'a SimArguments,
    totals: BTreeMap<String, u64>,
    bad: Vec<String>,
}

impl Run<'_> {
    fn detailed(&mut self, seed: u64) -> Result<()> {
        let nodes = self.arguments.nodes.unwrap_or_else(|| sim::nodes_of(seed));
        if !(4..=20).contains(&nodes) {
            bail!("{nodes} nodes: 4 to 20 are possible");
        }
        let report = sim::run(sim::Options { seed, nodes, slots: self.arguments.slots.unwrap_or(SIM_SLOTS) })?;
        sim::Report::add(&mut self.totals, &report);
        if self.arguments.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            println!(
                "seed {seed}: height {} final {} txs {} hash {}",
                report.height, report.final_height, report.txs, report.hash
            );
        }
        self.note(seed, &report.violations, &report.replay)
    }

    /// Whether a seed is among those with real cryptography: spread evenly over the seeds.
    fn is_real(&self, seed: u64) -> bool {
        let share = |seed: u64| seed.saturating_mul(self.arguments.real_crypto) / 100;
        share(seed.saturating_add(1)) > share(seed)
    }

    fn crowd(&mut self, seed: u64) -> Result<()> {
        let arguments = self.arguments;
        let figures = crowd::run(crowd::Options {
            seed,
            nodes: arguments.nodes.unwrap_or(CROWD_NODES),
            slots: arguments.slots.unwrap_or(CROWD_SLOTS),
            preset: if arguments.preset == Kind::Mainnet { Preset::Mainnet } else { Preset::Devnet },
            block_ms: arguments.block_ms,
            real_crypto: self.is_real(seed),
            disjoint: arguments.disjoint,
            fire: arguments.fire,
        })?;
        self.crowded(&figures, !arguments.json)
    }

    /// The crowd of a nightly seed: everything that can go wrong with it, in seconds.
    fn small_crowd(&mut self, seed: u64) -> Result<()> {
        let real_crypto = self.is_real(seed) || seed.is_multiple_of(50);
        let figures = crowd::run(crowd::Options { real_crypto, ..crowd::Options::small(seed) })?;
        self.crowded(&figures, false)
    }

    fn crowded(&mut self, figures: &crowd::Figures, as_text: bool) -> Result<()> {
        for (name, count) in &figures.counters {
            let total = self.totals.entry(name.clone()).or_default();
            *total = total.saturating_add(*count);
        }
        if as_text {
            print!("{}", figures.to_text());
        } else {
            println!("{}", serde_json::to_string(&figures)?);
        }
        self.note(figures.seed, &figures.violations, &figures.replay)
    }

    fn note(&mut self, seed: u64, violations: &[String], replay: &str) -> Result<()> {
        if violations.is_empty() {
            return Ok(());
        }
        eprintln!("seed {seed} broke a promise:\n  {}\nreplay: {replay}", violations.join("\n  "));
        if self.arguments.nightly {
            let list = &self.arguments.regressions;
            regressions::add(list, replay).with_context(|| format!("adding to {}", list.display()))?;
        }
        self.bad.push(replay.to_string());
        Ok(())
    }

    fn end(self, seeds: u64) -> Result<()> {
        if seeds > 1 && !self.arguments.json {
            println!("{seeds} seeds, counters: {}", serde_json::to_string(&self.totals)?);
        }
        let all = match (self.arguments.nightly, self.arguments.crowd) {
            (true, _) => [&sim::Report::FAULTS[..], &crowd::REACHED[..]].concat(),
            (false, false) => sim::Report::FAULTS.to_vec(),
            (false, true) => Vec::new(),
        };
        let missing = |name: &&str| self.totals.get(*name).copied().unwrap_or(0) == 0;
        let silent: Vec<&str> = all.into_iter().filter(missing).collect();
        if seeds >= 10 && !silent.is_empty() {
            bail!("these faults never happened: {}", silent.join(", "));
        }
        if self.bad.is_empty() { Ok(()) } else { bail!("{} of {seeds} seeds broke a promise", self.bad.len()) }
    }
}
