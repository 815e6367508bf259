//! `nupeer-node`: runs a node of the chain.

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use nupeer_node::config::{Config, LogConfig};
use std::path::PathBuf;
use std::process::ExitCode;

/// A block makes and drops some hundred thousand small values; this allocator takes a fifth off replaying it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser)]
#[command(
    name = "nupeer-node",
    version,
    about = "A node of NuPeerStack: consensus, ledger, peers, API",
    after_help = "\
Examples:
  nupeer-node run --config node.toml     start; Ctrl-C stops it gracefully
  nupeer-node check --config node.toml   read the configuration and the genesis file, start nothing
  nupeer-node signing-state export --keys-dir keys > state.json     before a pool moves to another machine
  nupeer-node signing-state import --keys-dir keys state.json       there; it never lowers a mark
  nupeer-node fee-key --config node.toml              the account that pays for evidence; send it some ada
  RUST_LOG=debug nupeer-node run --config node.toml

Exit codes: 0 stopped as told, 1 failed (the log says why), 2 wrong usage, 74 the disk failed"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the node
    Run {
        /// Configuration file (TOML)
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Make the key of the account that pays for evidence, unless there is one, and print the account
    FeeKey {
        /// Configuration file (TOML) of a node with a pool
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// What a pool has signed: moves with its keys, so that nothing is ever signed twice
    #[command(subcommand)]
    SigningState(SigningStateCommand),
    /// Check configuration and genesis
    Check {
        /// Configuration file (TOML)
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

#[derive(Subcommand)]
enum SigningStateCommand {
    /// Print the state as JSON; the node must be stopped
    Export {
        /// The node's key folder
        #[arg(long, value_name = "DIR")]
        keys_dir: PathBuf,
    },
    /// Take over an export; refused as a whole if it would lower a mark
    Import {
        /// The node's key folder, with the pool's opcert.json
        #[arg(long, value_name = "DIR")]
        keys_dir: PathBuf,
        /// The export
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nupeer-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Run { config } => {
            let config = Config::load(&config)?;
            start_log(&config.log);
            tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(nupeer_node::node::run(config))
        }
        Command::FeeKey { config } => {
            println!("{}", nupeer_node::node::fee_account(&Config::load(&config)?)?);
            Ok(())
        }
        Command::SigningState(SigningStateCommand::Export { keys_dir }) => {
            let bytes = nupeer_node::engine::agent::signing_state::export(&keys_dir)?;
            println!("{}", String::from_utf8_lossy(&bytes));
            Ok(())
        }
        Command::SigningState(SigningStateCommand::Import { keys_dir, file }) => {
            let bytes = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
            nupeer_node::engine::agent::signing_state::import(&keys_dir, &bytes)?;
            println!("signing state of {} is up to date", keys_dir.display());
            Ok(())
        }
        Command::Check { config } => {
            let config = Config::load(&config)?;
            let text = std::fs::read_to_string(&config.genesis)
                .with_context(|| format!("reading {}", config.genesis.display()))?;
            let genesis = nupeer_client::genesis_json::from_json(&text)?;
            nupeer_runtime::first_state::first_state(&genesis)?;
            println!("configuration and genesis are good: network {}, genesis {}", genesis.name, genesis.hash().0);
            Ok(())
        }
    }
}

fn start_log(log: &LogConfig) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(&log.level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if log.json { builder.json().init() } else { builder.init() }
}
