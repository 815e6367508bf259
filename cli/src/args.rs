//! What can be typed. Examples and exit codes are part of the interface.

use crate::pool_args::Pool;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use nupeer_primitives::market::Family;
use std::path::PathBuf;

pub mod dao;
mod lease;
pub mod proof;
pub mod stake;

pub use lease::{DelegateScope, Lease, LeaseId};

const EXIT_CODES: &str = "\
Exit codes:
  0 done   1 other failure   2 wrong input   3 not found   4 refused by the chain (the rule's name is shown)
  5 node or gateway unreachable   6 timed out   7 keystore or password
  8 in a block, but not final in time (--timeout; --wait included|none waits less)

First steps:
  nupeer keys generate                       make 24 words and an encrypted keystore
  nupeer keys address                        your account, to be given to who pays you
  nupeer account                             what you own
  nupeer deploy app.yaml                     run an app on somebody's machine
  nupeer lease list                          what runs, and until when it is funded
  nupeer stake bond 1000 --token iaas        stake, to earn and to vote
  nupeer dao agenda                          what the DAO wants of you, and by when
  nupeer completions bash                    a script that completes commands in your shell";

/// The exchange for compute, from the command line.
#[derive(Debug, Parser)]
#[command(name = "nupeer", version, about, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Flags of every command")]
pub struct Globals {
    /// Node to talk to.
    #[arg(long, global = true, env = "NUPEER_NODE", default_value = "http://127.0.0.1:8090", value_name = "URL")]
    pub node: String,
    /// Gateway that carries bundles, artifacts, logs and app traffic.
    #[arg(long, global = true, env = "NUPEER_GATEWAY", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub gateway: String,
    /// Print one JSON value on stdout, and errors as JSON on stderr.
    #[arg(long, global = true)]
    pub json: bool,
    /// Encrypted keystore [default: ~/.nupeer/keystore.json].
    #[arg(long, global = true, env = "NUPEER_KEYSTORE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub keystore: Option<PathBuf>,
    /// Number of the account in the keystore.
    #[arg(long, global = true, default_value_t = 0, value_name = "N")]
    pub account: u32,
    /// File with the password; else NUPEER_PASSWORD, else asked for.
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
    /// Sign the readable text (CIP-8) instead of the transaction id.
    #[arg(long, global = true)]
    pub sign_text: bool,
    /// How far to follow a transaction.
    #[arg(long, global = true, env = "NUPEER_WAIT", value_enum, default_value_t = Wait::Final)]
    pub wait: Wait,
    /// Seconds to wait at most.
    #[arg(long, global = true, default_value_t = 120, value_name = "SECONDS")]
    pub timeout: u64,
}

/// How far a command follows its transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Wait {
    /// Not at all.
    None,
    /// Until a block has it; the block may still be replaced.
    Included,
    /// Until nothing can revert it.
    Final,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Words, keys, addresses, session keys.
    #[command(subcommand)]
    Keys(Keys),
    /// What an account owns and may do.
    #[command(after_help = "Examples:\n  nupeer account\n  nupeer account nup_test1... --json")]
    Account {
        /// bech32 or hex [default: your own].
        id: Option<String>,
    },
    /// Pay somebody.
    #[command(
        after_help = "Examples:\n  nupeer send nup_test1... 12.5\n  nupeer send nup_test1... 3 --asset usd --wait included"
    )]
    Send {
        /// Receiver, bech32 or hex.
        to: String,
        /// Decimal amount, like 12.5.
        amount: String,
        /// Ticker or number of the asset.
        #[arg(long, default_value = "ada")]
        asset: String,
    },
    /// Offer machines.
    #[command(subcommand)]
    Provider(Provider),
    /// Run a stake pool: keys, certificates, schedule, performance.
    #[command(subcommand)]
    Pool(Pool),
    /// Look at prices and orders.
    #[command(subcommand)]
    Market(Market),
    /// Order what a manifest describes, seal its bundle, and wait until it runs.
    #[command(after_help = "\
Examples:
  nupeer deploy app.yaml
  nupeer deploy app.yaml --artifact target/app.wasm --secret API_TOKEN=@token.txt
  nupeer deploy app.yaml --dry-run            what it would order and cost, without signing
If a host is found but the bundle key isn't posted yet (this program was stopped), run `nupeer lease wrap LEASE`.")]
    Deploy(Deploy),
    /// Leases: what runs for you.
    #[command(subcommand)]
    Lease(Lease),
    /// Transactions.
    #[command(subcommand)]
    Tx(Tx),
    /// A block: a height, an id, `tip` or `final`.
    #[command(after_help = "Examples:\n  nupeer block\n  nupeer block 120 --json")]
    Block {
        /// Which.
        #[arg(default_value = "tip")]
        at: String,
    },
    /// Stake: bond, delegate, earn.
    #[command(subcommand)]
    Stake(stake::Stake),
    /// The DAO: seats, support, proposals, votes, the treasury.
    #[command(subcommand)]
    Dao(dao::Dao),
    /// Gather what shows a fact of the chain, as a file that needs no node to be verified.
    #[command(subcommand)]
    Prove(proof::Prove),
    /// Verify a proof without asking anybody.
    #[command(
        after_help = "Examples:\n  nupeer verify proof.json --trusted checkpoint.json\n  nupeer prove account --trusted checkpoint.json | nupeer verify - --trusted checkpoint.json --json"
    )]
    Verify(proof::Verify),
    /// The node that answers.
    #[command(subcommand)]
    Node(Node),
    /// A script that completes commands in your shell.
    #[command(after_help = "Examples:\n  nupeer completions bash > ~/.local/share/bash-completion/completions/nupeer")]
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// `nupeer keys`
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make 24 new words and seal them into the keystore. Write the words down: they are shown once.
    #[command(
        after_help = "Examples:\n  nupeer keys generate\n  NUPEER_PASSWORD=... nupeer keys generate --keystore demo.json --json"
    )]
    Generate,
    /// Seal words that you have already.
    #[command(after_help = "Examples:\n  nupeer keys import\n  nupeer keys import --words-file words.txt")]
    Import {
        /// File with the words; else they are asked for.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        words_file: Option<PathBuf>,
    },
    /// Accounts of the keystore; needs no password.
    #[command(after_help = "Examples:\n  nupeer keys list --json")]
    List,
    /// Addresses of the account; --cardano needs the password.
    #[command(after_help = "Examples:\n  nupeer keys address\n  nupeer keys address --network mainnet --cardano")]
    Address {
        /// Network of the texts.
        #[arg(long, value_enum, default_value_t = NetworkArg::Testnet)]
        network: NetworkArg,
        /// Also the Cardano base address.
        #[arg(long)]
        cardano: bool,
    },
    /// Keys for daemons, which act in a scope and never pay out.
    #[command(subcommand)]
    SessionKey(SessionKeyCommand),
}

/// Cardano's two kinds of network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[allow(missing_docs)]
pub enum NetworkArg {
    Mainnet,
    Testnet,
}

/// `nupeer keys session-key`
#[derive(Debug, Subcommand)]
pub enum SessionKeyCommand {
    /// Write a new key to a file of mode 0600.
    #[command(after_help = "Examples:\n  nupeer keys session-key create session.key")]
    Create {
        /// New file.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// The public part of a key file.
    #[command(after_help = "Examples:\n  nupeer keys session-key show session.key")]
    Show {
        /// Key file.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Let a key act for your account.
    #[command(
        after_help = "Examples:\n  nupeer keys session-key grant KEY --scopes orders,top-up --slots 86400 --limit 5:usd"
    )]
    Grant {
        /// Public key, 64 hex digits.
        key: String,
        /// What it may do.
        #[arg(long, value_delimiter = ',', required = true)]
        scopes: Vec<Scope>,
        /// Most it may move, AMOUNT:ASSET; may be repeated.
        #[arg(long, value_name = "AMOUNT:ASSET")]
        limit: Vec<String>,
        /// Slots from now until it ends.
        #[arg(long, default_value_t = 86_400)]
        slots: u64,
    },
    /// End a grant.
    #[command(after_help = "Examples:\n  nupeer keys session-key revoke KEY")]
    Revoke {
        /// Public key, 64 hex digits.
        key: String,
    },
}

/// Scopes of a session key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[allow(missing_docs)]
pub enum Scope {
    Orders,
    Receipts,
    TopUp,
    Votes,
    Names,
}

/// `nupeer provider`
#[derive(Debug, Subcommand)]
pub enum Provider {
    /// Register your account as provider, with a market bond.
    #[command(after_help = "Examples:\n  nupeer provider register --bond 100 --asset usd")]
    Register {
        /// Decimal amount of the bond.
        #[arg(long)]
        bond: String,
        /// Asset of the bond: the one that your markets quote.
        #[arg(long, default_value = "usd")]
        asset: String,
        /// File that describes you; its hash goes on chain.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        meta: Option<PathBuf>,
    },
    /// Add to the bond, or take unused bond back.
    #[command(after_help = "Examples:\n  nupeer provider bond add 50\n  nupeer provider bond out 10")]
    Bond {
        /// Which way.
        #[arg(value_enum)]
        change: BondWay,
        /// Decimal amount.
        amount: String,
        /// Asset of the bond.
        #[arg(long, default_value = "usd")]
        asset: String,
    },
    /// List a machine. Its session and seal key are made on it, by the daemon; here go their public parts.
    #[command(
        after_help = "Examples:\n  nupeer provider host --site SK/Bratislava --session-key HEX --seal-key HEX --lots W=8,S=4"
    )]
    Host(HostArgs),
    /// Change a listed machine; what isn't given stays.
    #[command(
        after_help = "Examples:\n  nupeer provider host-set 3 --lots W=16\n  nupeer provider host-set 3 --state draining"
    )]
    HostSet {
        /// Host number.
        host: u32,
        /// New lots, like W=8,S=4.
        #[arg(long, value_delimiter = ',', value_parser = family_lots)]
        lots: Option<Vec<(Family, u32)>>,
        /// New session key, hex.
        #[arg(long)]
        session_key: Option<String>,
        /// New seal key, hex.
        #[arg(long)]
        seal_key: Option<String>,
        /// Whether it takes leases.
        #[arg(long, value_enum)]
        state: Option<HostStateArg>,
    },
    /// Offer lots of a machine.
    #[command(after_help = "Examples:\n  nupeer provider ask 3 --instrument W.EU.D.ROLL --price-min 0.0012 --lots 8")]
    Ask {
        /// Host number.
        host: u32,
        /// Name or number of the market.
        #[arg(long)]
        instrument: String,
        /// Least price per lot-hour, net, decimal; rounded up to a tick.
        #[arg(long)]
        price_min: String,
        /// How many lots.
        #[arg(long)]
        lots: u32,
        /// Price of standing by, in hundredths of a percent; 0 = never.
        #[arg(long, default_value_t = 0)]
        standby_bps: u16,
    },
    /// Take an order back.
    #[command(after_help = "Examples:\n  nupeer provider cancel 41")]
    Cancel {
        /// Order number.
        order: u64,
    },
    /// Your machines, or all with --all.
    #[command(after_help = "Examples:\n  nupeer provider hosts\n  nupeer provider hosts --all --json")]
    Hosts {
        /// Everybody's.
        #[arg(long)]
        all: bool,
    },
    /// Register an edge with a bond.
    #[command(after_help = "Examples:\n  nupeer provider edge --key HEX --address 127.0.0.1:8443 --bond 5")]
    Edge {
        /// Edge key, hex.
        #[arg(long)]
        key: String,
        /// Address that clients reach; their hash goes on chain.
        #[arg(long, required = true)]
        address: Vec<String>,
        /// Network number (AS); may be repeated.
        #[arg(long)]
        network: Vec<u32>,
        /// Decimal amount of the bond.
        #[arg(long)]
        bond: String,
        /// Asset of the bond.
        #[arg(long, default_value = "usd")]
        asset: String,
    },
    /// Bond, machines, their leases and earnings.
    #[command(after_help = "Examples:\n  nupeer provider status")]
    Status,
}

/// A machine to list.
#[derive(Debug, Args)]
pub struct HostArgs {
    /// Zone name of the site.
    #[arg(long)]
    pub site: String,
    /// Grade: A, B, C or D.
    #[arg(long, default_value = "D")]
    pub grade: String,
    /// Session key, 64 hex digits.
    #[arg(long)]
    pub session_key: String,
    /// Seal key, 64 hex digits.
    #[arg(long)]
    pub seal_key: String,
    /// Lots by family, like W=8,S=4.
    #[arg(long, value_delimiter = ',', value_parser = family_lots, required = true)]
    pub lots: Vec<(Family, u32)>,
    /// Traits by name, like ecc,ipv6.
    #[arg(long, value_delimiter = ',')]
    pub traits: Vec<String>,
}

/// Direction of a bond change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[allow(missing_docs)]
pub enum BondWay {
    Add,
    Out,
}

/// State of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[allow(missing_docs)]
pub enum HostStateArg {
    Open,
    Draining,
}

/// `nupeer market`
#[derive(Debug, Subcommand)]
pub enum Market {
    /// Listed markets with their prices and bands.
    #[command(after_help = "Examples:\n  nupeer market instruments")]
    Instruments,
    /// Orders of a market.
    #[command(after_help = "Examples:\n  nupeer market book W.EU.D.ROLL\n  nupeer market book 1 --json")]
    Book {
        /// Name or number.
        instrument: String,
    },
    /// Past days of a market.
    #[command(after_help = "Examples:\n  nupeer market prices W.EU.D.ROLL")]
    Prices {
        /// Name or number.
        instrument: String,
    },
    /// Open orders of an account.
    #[command(after_help = "Examples:\n  nupeer market orders\n  nupeer market orders nup_test1...")]
    Orders {
        /// bech32 or hex [default: your own].
        id: Option<String>,
    },
    /// Take an order back.
    #[command(after_help = "Examples:\n  nupeer market cancel 41")]
    Cancel {
        /// Order number.
        order: u64,
    },
}

/// `nupeer deploy`
#[derive(Debug, Args)]
pub struct Deploy {
    /// Manifest, YAML.
    #[arg(value_hint = ValueHint::FilePath)]
    pub manifest: PathBuf,
    /// Component or binary of a service; may be repeated [default: FILE.wasm beside FILE.yaml, if it fits].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub artifact: Vec<PathBuf>,
    /// Value of a secret, or @file with it; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub secret: Vec<String>,
    /// Show what would be ordered, sign nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Leave after ordering; post the key later with `nupeer lease wrap`.
    #[arg(long)]
    pub detach: bool,
}

/// `nupeer tx`
#[derive(Debug, Subcommand)]
pub enum Tx {
    /// Where a transaction is and how it ended.
    #[command(after_help = "Examples:\n  nupeer tx show ID")]
    Show {
        /// Id, hex.
        id: String,
    },
    /// Send a signed transaction from a file: CBOR, or hex of it.
    #[command(after_help = "Examples:\n  nupeer tx submit signed.cbor\n  nupeer tx submit signed.hex --wait none")]
    Submit {
        /// File.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// The readable text of a transaction file, as a wallet shows it.
    #[command(after_help = "Examples:\n  nupeer tx text signed.cbor")]
    Text {
        /// File: CBOR of a transaction, or hex of it.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
}

/// `nupeer node`
#[derive(Debug, Subcommand)]
pub enum Node {
    /// Where the node stands.
    #[command(after_help = "Examples:\n  nupeer node status --node http://127.0.0.1:8090")]
    Status,
    /// The finality committees of now and next, for who wants to verify without a node.
    #[command(after_help = "Examples:\n  nupeer node checkpoint > checkpoint.json")]
    Checkpoint,
    /// Stake pools and their shares.
    #[command(after_help = "Examples:\n  nupeer node pools")]
    Pools,
    /// Parameters of the chain.
    #[command(after_help = "Examples:\n  nupeer node parameters --json")]
    Parameters,
}

fn family_lots(text: &str) -> Result<(Family, u32), String> {
    let wrong = || format!("`{text}` is not like W=8");
    let (family, lots) = text.split_once('=').ok_or_else(wrong)?;
    let family = Family::ALL.iter().find(|known| known.name() == family).ok_or_else(wrong)?;
    Ok((*family, lots.parse().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_interface_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        fn visit(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let mut leaf = true;
            for inner in command.get_subcommands() {
                leaf = false;
                visit(inner, &path);
            }
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(!leaf || help.contains("Examples:\n  nupeer "), "{path} has no example");
        }
        visit(&Cli::command(), "");
    }

    #[test]
    fn lots_are_read_by_family() {
        assert_eq!(family_lots("W=8"), Ok((Family::W, 8)));
        for wrong in ["W", "w=8", "W=-1", "W=", "=8", "X=1"] {
            assert!(family_lots(wrong).is_err(), "{wrong}");
        }
    }
}
