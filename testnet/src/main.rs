//! `nupeer-testnet`: a whole network on one machine, the simulator, the benches.

mod sim_command;

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use nupeer_testnet::{bench, economy, kill, up};
use std::path::PathBuf;
use std::process::ExitCode;

/// The node's own, so that benches measure what nodes do.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser)]
#[command(
    name = "nupeer-testnet",
    version,
    about = "A whole NuPeerStack network on this machine",
    after_help = "\
Examples:
  nupeer-testnet up                                  start, deploy, use, pay, stay (Ctrl-C ends all)
  nupeer-testnet up --once --fresh                   the whole life, then a JSON report
  nupeer-testnet up --tour dao                       executives and proposals, told while they live (7 minutes)
  nupeer-testnet sim --seed 7 --nodes 6 --slots 200  one simulated history
  nupeer-testnet sim --seeds 200 --json              many, one line each
  nupeer-testnet sim --crowd                         200 nodes around the world, one day
  nupeer-testnet sim --nightly                       1,000 seeds of both kinds
  nupeer-testnet kill --rounds 100 --seed 7          kill -9 of real processes while an app is used
  nupeer-testnet economy --seed 7                    attacks on tokens and the DAO, with profit and loss
  nupeer-testnet bench

Exit codes: 0 good, 1 failed (the reason is on standard error), 2 wrong usage"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a network and do the main job
    Up(UpArguments),
    /// Simulate the engine under faults
    Sim(sim_command::SimArguments),
    /// Kill processes of a real network while its app is used, then compare everything
    Kill(KillArguments),
    /// Play the attacks on tokens and the DAO, and print what each attacker gains and loses
    Economy(EconomyArguments),
    /// Measure speed beside the machine's own limit
    Bench(bench::Options),
}

#[derive(Args)]
struct UpArguments {
    /// Folder of the network
    #[arg(long, env = "NUPEER_TESTNET", value_name = "DIR")]
    state: Option<PathBuf>,
    /// Throw an old network away first
    #[arg(long)]
    fresh: bool,
    /// Run the whole life, print a JSON report, end
    #[arg(long)]
    once: bool,
    /// Play a story on a new network instead of the main job
    #[arg(long, value_name = "STORY", value_enum)]
    tour: Option<TourArgument>,
    /// Folder of the built demo apps
    #[arg(long, value_name = "DIR")]
    apps: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TourArgument {
    /// The life of executives and of proposals
    Dao,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  nupeer-testnet economy --seed 7                          every attack once: profit and loss, promise, verdict
  nupeer-testnet economy --seed 7 --only wash-trading      one attack
  nupeer-testnet economy --seeds 20 --json                 twenty seeds, one JSON object a line

Amounts are differences of everything an agent owns, free and locked. The same seed gives the same output.
Exit code 1 if a promise of the specifications was broken; the command that plays it again is printed.")]
struct EconomyArguments {
    /// First seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// One attack: wash-trading, quorum-griefing, flash-bonding, deposit-spam, bribed-delegate, split-wallets,
    /// dormant-keys, sham-challenger, slash-evasion, self-reporting
    #[arg(long, value_name = "ATTACK")]
    only: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct KillArguments {
    /// Chooses blows and moments
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many blows; seven kinds take turns, a blow takes about 8 s
    #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    rounds: u64,
    /// Folder of the network, thrown away before and kept after [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Folder of the built demo apps
    #[arg(long, value_name = "DIR")]
    apps: Option<PathBuf>,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Up(arguments) => up(arguments),
        Command::Sim(arguments) => sim_command::run(&arguments),
        Command::Kill(arguments) => kill_processes(arguments),
        Command::Economy(arguments) => play_economy(&arguments),
        Command::Bench(options) => bench::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nupeer-testnet: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn cache() -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("."), PathBuf::from);
    std::env::var_os("NUPEER_CACHE").map_or_else(|| home.join(".cache/nupeer"), PathBuf::from)
}

fn up(arguments: UpArguments) -> Result<()> {
    let tour = arguments.tour.map(|TourArgument::Dao| up::Story::Dao);
    // The tour's own folder is anew each time; a folder that somebody named is emptied only when told so.
    let fresh = arguments.fresh || (tour.is_some() && arguments.state.is_none());
    let folder = if tour.is_some() { "testnet-dao" } else { "testnet" };
    up::run(&up::Options {
        state: arguments.state.unwrap_or_else(|| cache().join(folder)),
        fresh,
        once: arguments.once,
        apps: arguments.apps.unwrap_or_else(|| cache().join("apps")),
        tour,
    })
}

fn kill_processes(arguments: KillArguments) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let report = kill::run(&kill::Options {
        seed: arguments.seed,
        rounds: arguments.rounds,
        state: arguments.state.unwrap_or_else(|| folder.path().into()),
        apps: arguments.apps.unwrap_or_else(|| cache().join("apps")),
    })?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    if report.violations.is_empty() { Ok(()) } else { bail!("broken: {}", report.violations.join("; ")) }
}

fn play_economy(arguments: &EconomyArguments) -> Result<()> {
    let mut broken = Vec::new();
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        let report = economy::run(seed, arguments.only.as_deref())?;
        if arguments.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            println!("seed {seed}\n");
            report.stories.iter().for_each(|story| println!("{}", story.to_text()));
        }
        broken.extend(report.broken());
    }
    if broken.is_empty() { Ok(()) } else { bail!("broken promises:\n  {}", broken.join("\n  ")) }
}
