//! What can be typed after `nupeer pool`.

use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// `nupeer pool`
#[derive(Debug, Subcommand)]
pub enum Pool {
    /// Make a pool's keys: the cold one on a machine without network, the hot ones on the node's.
    #[command(subcommand)]
    Keygen(Keygen),
    /// Pool id and public keys, as they go into a registration.
    #[command(after_help = "\
Examples:
  nupeer pool id --cold cold.json                     needs no password
  nupeer pool id --cold cold.json --keys-dir keys --json")]
    Id {
        /// Cold key file.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        cold: Option<PathBuf>,
        /// A node's key folder.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        keys_dir: Option<PathBuf>,
    },
    /// Operational certificates: the cold key vouches for a KES key.
    #[command(subcommand)]
    Opcert(Opcert),
    /// KES keys, which sign blocks and wear out.
    #[command(subcommand)]
    Kes(Kes),
    /// BLS keys, which sign finality votes.
    #[command(subcommand)]
    Bls(Bls),
    /// Slots that the pool leads in this epoch, and in the next one as soon as its nonce is fixed.
    #[command(after_help = "\
Examples:
  nupeer pool schedule --keys-dir keys
  nupeer pool schedule --keys-dir keys --from-now --json
Whoever knows a schedule knows when to attack the node: keep it to yourself.")]
    Schedule {
        /// The node's key folder, with vrf.json and opcert.json.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        keys_dir: PathBuf,
        /// Leave out slots that are over.
        #[arg(long)]
        from_now: bool,
    },
    /// Stake of a pool, and its weight in this epoch and the next.
    #[command(after_help = "Examples:\n  nupeer pool stake\n  nupeer pool stake POOL --json")]
    Stake(PoolId),
    /// Blocks that a pool made, against what its weight led one to expect.
    #[command(after_help = "Examples:\n  nupeer pool performance\n  nupeer pool performance POOL --json")]
    Performance(PoolId),
}

/// Which pool.
#[derive(Debug, Args)]
pub struct PoolId {
    /// Pool id, 56 hex digits [default: the pool of the node that is asked].
    pub pool: Option<String>,
}

/// `nupeer pool keygen`
#[derive(Debug, Subcommand)]
pub enum Keygen {
    /// The cold key, sealed with a password, and its counter file beside it. Nothing is sent anywhere.
    #[command(after_help = "\
Examples:
  nupeer pool keygen cold cold.json
Make it on a machine without network and keep two copies of both files there. Who has it owns the pool.")]
    Cold {
        /// New file; FILE.counter is made beside it.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// VRF, KES and BLS key in a node's key folder.
    #[command(after_help = "\
Examples:
  nupeer pool keygen hot keys
Next: `nupeer pool opcert issue` where the cold key is, with the KES key that this prints.")]
    Hot {
        /// Folder, made if it isn't there.
        #[arg(value_hint = ValueHint::DirPath)]
        keys_dir: PathBuf,
    },
}

/// `nupeer pool opcert`
#[derive(Debug, Subcommand)]
pub enum Opcert {
    /// Sign a certificate for a KES key. Works without network; the counter is on disk before the certificate exists.
    #[command(after_help = "\
Examples:
  nupeer pool opcert issue --cold cold.json --genesis genesis.json --kes-key HEX --out opcert.json
  nupeer pool opcert issue --cold cold.json --genesis genesis.json --kes-key HEX --out opcert.json --start 12
A certificate that never made a block may be replaced with --again: the chain refuses counters that skip one.")]
    Issue {
        /// Cold key file.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        cold: PathBuf,
        /// Genesis file of the network.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        genesis: PathBuf,
        /// KES key, 64 hex digits, as `keygen hot` or `kes rotate` printed it.
        #[arg(long, value_name = "HEX")]
        kes_key: String,
        /// New file for the certificate; it is public.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: PathBuf,
        /// First KES period [default: the one of this machine's clock].
        #[arg(long, value_name = "PERIOD")]
        start: Option<u64>,
        /// Use the last counter once more.
        #[arg(long)]
        again: bool,
    },
    /// Check a certificate against a node's keys and give it to the node, which takes it without a restart.
    #[command(
        after_help = "Examples:\n  nupeer pool opcert install opcert.json --keys-dir keys --genesis genesis.json"
    )]
    Install {
        /// The certificate.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The node's key folder.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        keys_dir: PathBuf,
        /// Genesis file of the network.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        genesis: PathBuf,
    },
}

/// `nupeer pool bls`
#[derive(Debug, Subcommand)]
pub enum Bls {
    /// Make the next BLS key beside the one in use, with the proof that its registration on chain needs.
    #[command(after_help = "\
Examples:
  nupeer pool bls rotate --keys-dir keys
Both keys sign until no committee holds the old one; then the node erases it.")]
    Rotate {
        /// The node's key folder.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        keys_dir: PathBuf,
    },
}

/// `nupeer pool kes`
#[derive(Debug, Subcommand)]
pub enum Kes {
    /// Make the next KES key beside the one in use; it waits for its certificate.
    #[command(after_help = "\
Examples:
  nupeer pool kes rotate --keys-dir keys
Then `nupeer pool opcert issue` where the cold key is, and `nupeer pool opcert install` here.")]
    Rotate {
        /// The node's key folder.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        keys_dir: PathBuf,
    },
    /// How long the key in use lasts.
    #[command(after_help = "Examples:\n  nupeer pool kes status --keys-dir keys")]
    Status {
        /// The node's key folder.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        keys_dir: PathBuf,
    },
}
