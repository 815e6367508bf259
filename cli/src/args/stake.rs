//! `nupeer stake`.

use clap::Subcommand;

/// The staking tokens as people write them.
pub const TOKENS: [&str; 3] = ["iaas", "paas", "saas"];

/// `nupeer stake`
#[derive(Debug, Subcommand)]
pub enum Stake {
    /// What an account has bonded, what is on its way out, what is due.
    #[command(after_help = "Examples:\n  nupeer stake show\n  nupeer stake show nup_test1... --json")]
    Show {
        /// bech32 or hex [default: your own].
        id: Option<String>,
    },
    /// Bond a staking token: from the epoch after next it counts, earns, and with a credential votes.
    #[command(after_help = "Examples:\n  nupeer stake bond 1000 --token iaas")]
    Bond {
        /// Decimal amount.
        amount: String,
        /// iaas, paas or saas.
        #[arg(long, default_value = "iaas", value_parser = TOKENS, ignore_case = true)]
        token: String,
    },
    /// Start the way out: it counts no more at once, and can be released later.
    #[command(after_help = "Examples:\n  nupeer stake unbond 250 --token paas")]
    Unbond {
        /// Decimal amount.
        amount: String,
        /// iaas, paas or saas.
        #[arg(long, default_value = "iaas", value_parser = TOKENS, ignore_case = true)]
        token: String,
    },
    /// Take back what has waited long enough.
    #[command(after_help = "Examples:\n  nupeer stake release --token iaas")]
    Release {
        /// iaas, paas or saas.
        #[arg(long, default_value = "iaas", value_parser = TOKENS, ignore_case = true)]
        token: String,
    },
    /// Earn in a pool from the next epoch on. Delegated stake is never slashed.
    #[command(after_help = "Examples:\n  nupeer stake delegate 1f0c... --token iaas\n  nupeer stake delegate none")]
    Delegate {
        /// Pool id, hex, or `none`.
        pool: String,
        /// iaas, paas or saas.
        #[arg(long, default_value = "iaas", value_parser = TOKENS, ignore_case = true)]
        token: String,
    },
    /// Bond your own stake to your pool. It is slashed if the pool signs twice.
    #[command(after_help = "Examples:\n  nupeer stake pledge 1f0c... 25000 --token iaas")]
    Pledge {
        /// Pool id, hex.
        pool: String,
        /// Decimal amount.
        amount: String,
        /// iaas, paas or saas.
        #[arg(long, default_value = "iaas", value_parser = TOKENS, ignore_case = true)]
        token: String,
    },
    /// Take pledge back; slashable until released.
    #[command(after_help = "Examples:\n  nupeer stake unpledge 1f0c... 1000 --token iaas")]
    Unpledge {
        /// Pool id, hex.
        pool: String,
        /// Decimal amount.
        amount: String,
        /// iaas, paas or saas.
        #[arg(long, default_value = "iaas", value_parser = TOKENS, ignore_case = true)]
        token: String,
    },
    /// Pay out what pools and work earned.
    #[command(after_help = "Examples:\n  nupeer stake claim --token iaas")]
    Claim {
        /// iaas, paas or saas.
        #[arg(long, default_value = "iaas", value_parser = TOKENS, ignore_case = true)]
        token: String,
    },
    /// What your stake would earn at today's rates, an estimate.
    #[command(
        after_help = "Examples:\n  nupeer stake forecast\n  nupeer stake forecast --amount 1000 --token saas --pool 1f0c..."
    )]
    Forecast {
        /// Decimal amount, on top of what the pool has [default: what you have bonded].
        #[arg(long)]
        amount: Option<String>,
        /// Pool id, hex [default: the one that you earn in].
        #[arg(long)]
        pool: Option<String>,
        /// iaas, paas or saas.
        #[arg(long, default_value = "iaas", value_parser = TOKENS, ignore_case = true)]
        token: String,
    },
    /// What an account was paid, newest first.
    #[command(
        after_help = "Examples:\n  nupeer stake rewards\n  nupeer stake rewards nup_test1... --before 4000 --json"
    )]
    Rewards {
        /// bech32 or hex [default: your own].
        id: Option<String>,
        /// Only blocks below this height: where an earlier page ended.
        #[arg(long, value_name = "HEIGHT")]
        before: Option<u64>,
    },
    /// Supply, emission and bonded stake of the three tokens.
    #[command(after_help = "Examples:\n  nupeer stake supply --json")]
    Supply,
}
