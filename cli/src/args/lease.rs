//! `nupeer lease`: what can be typed about leases.

use clap::{Args, Subcommand, ValueEnum};

/// `nupeer lease`
#[derive(Debug, Subcommand)]
pub enum Lease {
    /// Your leases.
    #[command(after_help = "Examples:\n  nupeer lease list\n  nupeer lease list --all --json")]
    List {
        /// Closed ones too.
        #[arg(long)]
        all: bool,
    },
    /// Everything about a lease.
    #[command(after_help = "Examples:\n  nupeer lease show 3f2a")]
    Show(LeaseId),
    /// What the workload prints.
    #[command(after_help = "Examples:\n  nupeer lease logs 3f2a --follow")]
    Logs {
        /// Which lease.
        #[command(flatten)]
        lease: LeaseId,
        /// Go on as lines come.
        #[arg(long, short)]
        follow: bool,
        /// Only since this wall time, ms.
        #[arg(long, default_value_t = 0)]
        since_ms: u64,
    },
    /// Sign receipts for you as they come, so that they settle at once; ends when the lease is closed.
    #[command(after_help = "\
Examples:
  nupeer lease watch 3f2a
  nupeer lease watch 3f2a --limit 2.5        no receipt that brings the metered sum above 2.5
  nupeer lease watch 3f2a --once --json      the next receipt alone
With --json and without --once: one JSON value a line. Each receipt is checked against the chain, the lease's terms and what
you signed before; one that fails is named and left to the provider's claim, which has a window.")]
    Watch {
        /// Which lease.
        #[command(flatten)]
        lease: LeaseId,
        /// Sign one receipt, then end; waits up to --timeout.
        #[arg(long)]
        once: bool,
        /// Most net metered pay to sign for, decimal, of the lease's asset.
        #[arg(long, value_name = "AMOUNT")]
        limit: Option<String>,
    },
    /// What it has cost, and how long the money lasts.
    #[command(after_help = "Examples:\n  nupeer lease bill 3f2a\n  nupeer lease bill 3f2a --json")]
    Bill(LeaseId),
    /// Add money; anyone may.
    #[command(name = "topup", after_help = "Examples:\n  nupeer lease topup 3f2a 5")]
    TopUp {
        /// Which lease.
        #[command(flatten)]
        lease: LeaseId,
        /// Decimal amount of the lease's asset.
        amount: String,
    },
    /// Take unused money back.
    #[command(after_help = "Examples:\n  nupeer lease withdraw 3f2a 1.5")]
    Withdraw {
        /// Which lease.
        #[command(flatten)]
        lease: LeaseId,
        /// Decimal amount of the lease's asset.
        amount: String,
    },
    /// End a lease and get the rest back.
    #[command(after_help = "Examples:\n  nupeer lease close 3f2a --wait final")]
    Close(LeaseId),
    /// Who else may act for you; without --key all are shown, with --clear all end.
    #[command(
        after_help = "Examples:\n  nupeer lease delegates 3f2a\n  nupeer lease delegates 3f2a --key HEX --scopes sign,logs --hours 24"
    )]
    Delegates {
        /// Which lease.
        #[command(flatten)]
        lease: LeaseId,
        /// Delegate's key, hex; replaces a former setting of the same key.
        #[arg(long)]
        key: Option<String>,
        /// What it may do.
        #[arg(long, value_delimiter = ',', requires = "key")]
        scopes: Vec<DelegateScope>,
        /// Hours of market time until it ends.
        #[arg(long, default_value_t = 24)]
        hours: u64,
        /// Most it may top up, decimal.
        #[arg(long, default_value = "0")]
        spend_cap: String,
        /// End them all.
        #[arg(long, conflicts_with = "key")]
        clear: bool,
    },
    /// Seal the bundle key to the present host again.
    #[command(after_help = "Examples:\n  nupeer lease wrap 3f2a")]
    Wrap(LeaseId),
}

/// Which lease.
#[derive(Debug, Args)]
pub struct LeaseId {
    /// Lease id, or the beginning of one of yours.
    pub lease: String,
}

/// Scopes of a delegate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[allow(missing_docs)]
pub enum DelegateScope {
    Sign,
    Topup,
    Wrap,
    Logs,
    Exec,
    Restart,
    Update,
    Snapshot,
    Challenge,
}
