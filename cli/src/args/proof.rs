//! `nupeer prove` and `nupeer verify`.

use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// `nupeer prove`
#[derive(Debug, Subcommand)]
pub enum Prove {
    /// What an account owns, or that it owns nothing of an asset.
    #[command(after_help = "Examples:\n  nupeer prove account --asset ada --trusted checkpoint.json > proof.json")]
    Account {
        /// bech32 or hex [default: your own].
        id: Option<String>,
        /// Ticker or number of the asset.
        #[arg(long, default_value = "ada")]
        asset: String,
        /// From where on to prove.
        #[command(flatten)]
        from: From,
    },
    /// A lease as the chain has it.
    #[command(after_help = "Examples:\n  nupeer prove lease 3f0a... --trusted checkpoint.json > proof.json")]
    Lease {
        /// Id, hex.
        id: String,
        /// From where on to prove.
        #[command(flatten)]
        from: From,
    },
    /// Any leaf of the state, by its key.
    #[command(after_help = "Examples:\n  nupeer prove state 0002 --trusted checkpoint.json > proof.json")]
    State {
        /// Key, hex.
        key: String,
        /// From where on to prove.
        #[command(flatten)]
        from: From,
    },
    /// That something happened: an event of a block.
    #[command(
        after_help = "Examples:\n  nupeer prove event 120 0 --trusted checkpoint.json > proof.json\n  nupeer tx show <id> --json      shows height and index of a transaction's events"
    )]
    Event {
        /// Height of the block.
        height: u64,
        /// Position in the block.
        index: u32,
        /// From where on to prove.
        #[command(flatten)]
        from: From,
    },
}

/// Where a proof begins.
#[derive(Clone, Debug, Args)]
pub struct From {
    /// Checkpoint of who will verify [default: the epoch before the block's].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub trusted: Option<PathBuf>,
}

/// `nupeer verify`
#[derive(Clone, Debug, Args)]
pub struct Verify {
    /// The proof; `-` reads standard input.
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Committees that you trust, as `nupeer node checkpoint` wrote them.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub trusted: PathBuf,
}
