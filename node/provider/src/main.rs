//! `nupeer-provider`: the command line of the provider daemon.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use nupeer_client::bundle::SealKey;
use nupeer_provider::conformance::{Case, Kit};
use nupeer_provider::keys::{self, SessionKey};
use nupeer_provider::{config::Config, daemon, recovery};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt, reload};

/// Runs other people's workloads on this machine and gets paid for it; or lets clients in, as an edge.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  \
    nupeer-provider keygen /etc/nupeer/session.key\n  \
    nupeer-provider run --config /etc/nupeer/provider.toml\n  \
    nupeer-provider check --config /etc/nupeer/provider.toml\n  \
    nupeer-provider conformance /usr/lib/nupeer/nupeer-plugin-wasm --artifact fixture.wasm --case C4\n\n\
    SIGHUP reloads offers, policy and log level. SIGTERM leaves; workloads stay and are found again."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    #[command(after_help = "Example:\n  nupeer-provider run --config provider.toml")]
    Run {
        /// Configuration file.
        #[arg(long, env = "NUPEER_PROVIDER_CONFIG")]
        config: PathBuf,
        /// Log as JSON lines.
        #[arg(long)]
        log_json: bool,
    },
    /// Check the configuration and what the journal would bring back; changes nothing.
    #[command(after_help = "Example:\n  nupeer-provider check --config provider.toml")]
    Check {
        /// Configuration file.
        #[arg(long, env = "NUPEER_PROVIDER_CONFIG")]
        config: PathBuf,
    },
    /// Make a key file and print what goes on chain; an existing file is read, never replaced.
    #[command(after_help = "Examples:\n  nupeer-provider keygen session.key\n  nupeer-provider keygen --seal seal.key")]
    Keygen {
        /// The file, made with mode 0600.
        file: PathBuf,
        /// A seal key instead of a signing key.
        #[arg(long)]
        seal: bool,
    },
    /// Hold a plugin to the protocol.
    #[command(after_help = "Example:\n  nupeer-provider conformance ./nupeer-plugin-process --case C2 --case C6")]
    Conformance {
        /// The plugin's program.
        plugin: PathBuf,
        /// Only these cases, C1 to C12.
        #[arg(long = "case")]
        cases: Vec<String>,
        /// The subject, for plugins that do not run plain binaries.
        #[arg(long)]
        artifact: Option<PathBuf>,
        /// Start-stop cycles of C10.
        #[arg(long, default_value_t = 1_000)]
        cycles: u32,
        /// What Configure is given, as JSON.
        #[arg(long, default_value = "")]
        plugin_config: String,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("nupeer-provider: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        Command::Run { config, log_json } => {
            let log = Config::read(&config)?.log;
            let (filter, handle) = reload::Layer::new(EnvFilter::try_new(&log).context("config: log")?);
            let registry = tracing_subscriber::registry().with(filter);
            if log_json {
                registry.with(fmt::layer().json().with_writer(std::io::stderr)).init();
            } else {
                // Colours are for people, not for files.
                let colours = std::io::stderr().is_terminal();
                registry.with(fmt::layer().with_ansi(colours).with_writer(std::io::stderr)).init();
            }
            let set_log = move |log: &str| match EnvFilter::try_new(log) {
                Ok(filter) => drop(handle.reload(filter)),
                Err(error) => tracing::error!(%error, "log filter"),
            };
            runtime()?.block_on(daemon::run(config, set_log))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { config } => {
            print!("{}", recovery::check(&config)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Keygen { file, seal } => {
            let seed = keys::read_or_create_seed(&file)?;
            if seal {
                println!("{}", hex::encode(SealKey::from_bytes(*seed).public()));
            } else {
                println!("{}", SessionKey::from_seed(&seed).public());
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Conformance { plugin, cases, artifact, cycles, plugin_config } => {
            let parse = |text: &String| Case::parse(text).with_context(|| format!("`{text}` is no case of the kit"));
            let only: Vec<Case> = cases.iter().map(parse).collect::<Result<_>>()?;
            let kit = Kit { artifact, cycles, config_json: plugin_config, ..Kit::new(&plugin) };
            let reports = runtime()?.block_on(kit.run(if only.is_empty() { None } else { Some(&only) }));
            reports.iter().for_each(|report| println!("{report}"));
            let passed = reports.iter().all(|report| report.is_passed());
            Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    // Two threads carry a home connection; memory counts for more than the last request a second.
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4);
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    built.context("threads")
}
