//! `nupeer dao`.

use clap::{Args, Subcommand};

/// Areas of proposals, in the order of the protocol.
pub const AREAS: [&str; 7] = ["general", "finance", "legal", "technical", "infra", "platform", "apps"];
/// Modules that a pause can stop.
const MODULES: [&str; 6] = ["BridgeIn", "BridgeOut", "Market", "Treasury", "Registration", "Upgrade"];
/// Classes of proposals.
const CLASSES: [&str; 8] = [
    "OPERATIONAL",
    "FINANCIAL",
    "LEGAL_SETTLEMENT",
    "TECHNICAL",
    "COMMUNITY",
    "TREASURY_LARGE",
    "UPGRADE",
    "CONSTITUTION",
];

/// `nupeer dao`
#[derive(Debug, Subcommand)]
pub enum Dao {
    /// The clock, the areas, the seats: where the DAO stands.
    #[command(after_help = "Examples:\n  nupeer dao status")]
    Status,
    /// Who holds each seat, by what support, and what would end it.
    #[command(after_help = "Examples:\n  nupeer dao seats\n  nupeer dao seats --json")]
    Seats,
    /// Who stands for a role.
    #[command(after_help = "Examples:\n  nupeer dao candidates CTO")]
    Candidates {
        /// Role, like CTO.
        role: String,
    },
    /// Your voice: power, whom you support, when it falls silent, and what you must do before.
    #[command(after_help = "Examples:\n  nupeer dao voice\n  nupeer dao voice nup_test1... --json")]
    Voice {
        /// bech32 or hex [default: your own].
        id: Option<String>,
    },
    /// What you must do, before when, and what follows otherwise; most urgent first.
    #[command(after_help = "Examples:\n  nupeer dao agenda\n  nupeer dao agenda nup_test1... --json")]
    Agenda {
        /// bech32 or hex [default: your own].
        id: Option<String>,
    },
    /// Stand for a role, with a role bond. Needs a level 2 credential.
    #[command(after_help = "Examples:\n  nupeer dao stand CTO --bond 100 --uri https://example.org/programme")]
    Stand {
        /// Role, like CTO.
        role: String,
        /// Bond in the role's token, decimal.
        #[arg(long)]
        bond: String,
        /// Where the programme is published.
        #[arg(long, default_value = "")]
        uri: String,
    },
    /// End a candidacy.
    #[command(after_help = "Examples:\n  nupeer dao withdraw CTO")]
    Withdraw {
        /// Role, like CTO.
        role: String,
    },
    /// Put all your power behind a candidate, or behind none.
    #[command(after_help = "Examples:\n  nupeer dao support CTO 3\n  nupeer dao support CTO none")]
    Support {
        /// Role, like CTO.
        role: String,
        /// Candidate number, or `none`.
        candidate: String,
    },
    /// Leave your seat.
    #[command(after_help = "Examples:\n  nupeer dao resign CTO")]
    Resign {
        /// Role, like CTO.
        role: String,
    },
    /// Lend your vote on proposals of an area, or take it back.
    #[command(after_help = "Examples:\n  nupeer dao lend technical nup_test1...\n  nupeer dao lend technical none")]
    Lend {
        /// Area of the proposals.
        #[arg(value_parser = AREAS, ignore_case = true)]
        area: String,
        /// To whom, bech32 or hex, or `none`.
        to: String,
    },
    /// Say that you are alive: a silent account loses its voice.
    #[command(after_help = "Examples:\n  nupeer dao ping")]
    Ping,
    /// Proposals, newest first.
    #[command(after_help = "Examples:\n  nupeer dao proposals\n  nupeer dao proposals --json")]
    Proposals,
    /// A proposal: what would happen if it closed now, why, and what must happen by when.
    #[command(after_help = "Examples:\n  nupeer dao proposal 3")]
    Proposal {
        /// Number.
        id: u64,
    },
    /// Bring a proposal. Its class follows from what it does.
    #[command(after_help = "\
Examples:
  nupeer dao propose --text programme.md --deposit 10
  nupeer dao propose --spend usd:nup_test1...:250 --deposit 10
  nupeer dao propose --set fee_base=1200@9 --deposit 10 --uri https://example.org/why")]
    Propose {
        /// What it does.
        #[command(flatten)]
        terms: Propose,
    },
    /// Pay into a proposal's deposit.
    #[command(after_help = "Examples:\n  nupeer dao deposit 3 5")]
    Deposit {
        /// Proposal.
        id: u64,
        /// Ada, decimal.
        amount: String,
    },
    /// Back a proposal of the community with your power.
    #[command(after_help = "Examples:\n  nupeer dao sponsor 3")]
    Sponsor {
        /// Proposal.
        id: u64,
    },
    /// Vote. A later vote replaces an earlier one while voting is open.
    #[command(after_help = "Examples:\n  nupeer dao vote 3 against\n  nupeer dao vote 3 for --json")]
    Vote {
        /// Proposal.
        id: u64,
        /// For, against or abstain.
        #[arg(value_parser = ["for", "against", "abstain"])]
        option: String,
    },
    /// Say as an executive what you think of another's proposal.
    #[command(after_help = "Examples:\n  nupeer dao stance 3 endorse\n  nupeer dao stance 3 none")]
    Stance {
        /// Proposal.
        id: u64,
        /// Endorse, object, or none: take it back.
        #[arg(value_parser = ["endorse", "object", "none"])]
        stance: String,
    },
    /// Take your proposal back.
    #[command(after_help = "Examples:\n  nupeer dao cancel 3")]
    Cancel {
        /// Proposal.
        id: u64,
    },
    /// Take over a proposal whose executive is gone.
    #[command(after_help = "Examples:\n  nupeer dao adopt 3")]
    Adopt {
        /// Proposal.
        id: u64,
    },
    /// Execute a queued proposal in a tick that had no attempt.
    #[command(after_help = "Examples:\n  nupeer dao execute 3")]
    Execute {
        /// Proposal.
        id: u64,
    },
    /// Stop a module for some ticks, as an executive who may, once enough others agree. Lifting it is voted by its number.
    #[command(after_help = "Examples:\n  nupeer dao pause Market 2\n  nupeer dao status")]
    Pause {
        /// What stops.
        #[arg(value_parser = MODULES, ignore_case = true)]
        module: String,
        /// For how many ticks.
        ticks: u64,
    },
    /// Take what has vested of a stream to you.
    #[command(after_help = "Examples:\n  nupeer dao claim-stream 4")]
    ClaimStream {
        /// Number, as in `nupeer dao treasury`.
        id: u64,
    },
    /// Take what a tenure of a seat earned, also afterwards.
    #[command(after_help = "Examples:\n  nupeer dao claim-salary CTO 2")]
    ClaimSalary {
        /// Role, like CTO.
        role: String,
        /// Number of the tenure, as in `nupeer dao seats`.
        tenure: u64,
    },
    /// What the treasury holds, promises and pays over time.
    #[command(after_help = "Examples:\n  nupeer dao treasury")]
    Treasury,
    /// An account's credential.
    #[command(after_help = "Examples:\n  nupeer dao credential\n  nupeer dao credential nup_test1...")]
    Credential {
        /// bech32 or hex [default: your own].
        id: Option<String>,
    },
    /// Certify somebody, as an issuer that the DAO has named.
    #[command(after_help = "\
Examples:
  nupeer dao certify nup_test1... --level 1 --until 60 --nullifier 64hex
  nupeer dao certify nup_test1... --level 2 --until 60 --nullifier 64hex --issuer-key issuer.key")]
    Certify {
        /// bech32 or hex.
        holder: String,
        /// 1 votes, 2 may stand, 3 is a business.
        #[arg(long)]
        level: u8,
        /// First epoch in which it no longer holds.
        #[arg(long, value_name = "EPOCH")]
        until: u64,
        /// Hash of the person's secret, hex: one holder per person.
        #[arg(long)]
        nullifier: String,
        /// Key file of the issuer, 64 hex digits [default: the account of the keystore is the issuer].
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        issuer_key: Option<std::path::PathBuf>,
    },
}

/// `nupeer dao propose`
#[derive(Clone, Debug, Args)]
pub struct Propose {
    /// Resolve the text of a file: its hash goes on the chain.
    #[arg(long, value_name = "FILE")]
    pub text: Option<std::path::PathBuf>,
    /// Pay out of the treasury: ticker:account:amount.
    #[arg(long, value_name = "TICKER:ACCOUNT:AMOUNT")]
    pub spend: Vec<String>,
    /// Settle a claim out of the treasury: ticker:account:amount.
    #[arg(long, value_name = "TICKER:ACCOUNT:AMOUNT")]
    pub settle: Vec<String>,
    /// Change a parameter at an epoch: name=value@epoch.
    #[arg(long, value_name = "NAME=VALUE@EPOCH")]
    pub set: Vec<String>,
    /// What a seat earns per tick: role:ticker:amount.
    #[arg(long, value_name = "ROLE:TICKER:AMOUNT")]
    pub salary: Vec<String>,
    /// Ask for a stronger class than needed.
    #[arg(long, value_parser = CLASSES, ignore_case = true)]
    pub class: Option<String>,
    /// Where the document is.
    #[arg(long, default_value = "")]
    pub uri: String,
    /// Close early if enough executives agree.
    #[arg(long)]
    pub expedited: bool,
    /// Deposit in ada, decimal.
    #[arg(long)]
    pub deposit: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use nupeer_primitives::proposal::{Class, Module};

    #[test]
    fn every_class_and_module_can_be_typed() {
        assert_eq!(Module::ALL.iter().map(|module| module.name()).collect::<Vec<_>>(), MODULES);
        let mut known: Vec<&str> = Class::ALL.iter().map(|class| class.text()).collect();
        let mut typed = CLASSES;
        known.sort_unstable();
        typed.sort_unstable();
        assert_eq!(known, typed);
    }
}
