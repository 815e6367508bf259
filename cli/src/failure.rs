//! How a command fails: an exit code that scripts can rely on, a stable name, and a sentence that says what to do next.

use crate::wallet::cold_key::ColdKeyError;
use crate::wallet::keystore::KeystoreError;
use crate::wallet::secret_file::SecretFileError;
use crate::wallet::session_key::SessionKeyError;
use crate::wallet::words::WordsError;
use nupeer_client::ClientError;
use nupeer_client::bundle::BundleError;

/// Exit codes of `nupeer`; their numbers are part of the interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Anything else.
    Other,
    /// The input is wrong.
    Usage,
    /// The chain has no such thing.
    NotFound,
    /// A rule of the chain refused.
    Refused,
    /// Node or gateway don't answer.
    Unreachable,
    /// It took too long.
    TimedOut,
    /// Keystore or password.
    Keystore,
    /// In a block, but not final in time.
    NotFinal,
}

impl Exit {
    /// The process's exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Refused => 4,
            Self::Unreachable => 5,
            Self::TimedOut => 6,
            Self::Keystore => 7,
            Self::NotFinal => 8,
        }
    }
}

/// A failed command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Exit code.
    pub exit: Exit,
    /// Stable name, `module.Variant` where the chain gave one.
    pub name: String,
    /// What happened, with values.
    pub detail: String,
    /// What to do next.
    pub next: Option<String>,
}

impl Failure {
    /// A failure with its own name.
    pub fn new(exit: Exit, name: &str, detail: impl Into<String>) -> Self {
        Self { exit, name: name.into(), detail: detail.into(), next: None }
    }

    /// Wrong input.
    pub fn usage(detail: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "cli.Usage", detail)
    }

    /// Adds what to do next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// A rule of the chain that refused, with advice where we have some.
    pub fn refused(name: &str, detail: impl Into<String>) -> Self {
        let failure = Self::new(Exit::Refused, name, detail);
        match advice(name) {
            Some(next) => failure.next(next),
            None => failure,
        }
    }
}

/// What helps against a rule.
fn advice(name: &str) -> Option<&'static str> {
    let advice = match name.split_once('.').map_or(name, |(_, variant)| variant) {
        "FeeUnpaid" => {
            "the payer needs free ada for the fee: see `nupeer account`, ask for ada, or choose another --account"
        }
        "Insufficient" => "see `nupeer account` for what is free; locked value is held by orders, leases and bonds",
        "SequenceUsed" | "SequenceTooHigh" => "another transaction of this account came first: run the command again",
        "Expired" | "NotYetValid" => "the node's clock or tip moved on: run the command again",
        "DepositTooSmall" => "raise budget.deposit in the manifest, or add lots of money by `nupeer lease topup`",
        "TickOutOfRange" => "the price is outside the market's band: see `nupeer market instruments`",
        "BookFull" => "the market's book is full: offer a better price or try later",
        "BondTooSmall" if name.starts_with("governance.") => "offer the role bond that the message names with --bond",
        "BondTooSmall" => "add bond with `nupeer provider bond add AMOUNT`",
        "CapacityDoubleSold" => "the host has fewer free lots: see `nupeer provider hosts`",
        "WrongState" => "the lease is in another state: see `nupeer lease show LEASE`",
        "WithdrawTooLarge" => "leave enough for the minimum run: see `nupeer lease bill LEASE`",
        "TermIsFixed" => "a bought term runs to its end",
        "NotPaymentAsset" => "pay in ada or a stablecoin: staking tokens never pay",
        "SessionScope" | "SessionExpired" | "Unauthorised" => {
            "sign with the account's own keystore, or grant the key anew"
        }
        "NoPower" => {
            "see `nupeer dao voice`: stake votes with a level 1 credential, from the epoch after next, on proposals that \
             open later"
        }
        "CredentialMissing" | "CredentialExpired" | "CredentialLevel" => {
            "ask an issuer to certify you (level 1 votes, level 2 stands for a seat): see `nupeer dao credential`"
        }
        "UnknownCandidate" => "see `nupeer dao candidates ROLE` for their numbers",
        "UnknownProposal" => "see `nupeer dao proposals` for their numbers",
        "NotVoting" | "VotingClosed" | "NotFunding" | "NotOrphaned" => {
            "see `nupeer dao proposal NUMBER` for what comes next"
        }
        "InsufficientActive" => "see `nupeer stake show` for what counts; a new bond can leave once it counts",
        "NothingToClaim" => "see `nupeer stake show` for what is due; stake is first paid four epochs after its bond",
        "ClassTooWeak" | "MixedClasses" => "ask for a stronger class with --class, or split the proposal",
        "RoleMayNotPropose" => "see `nupeer dao seats`; who holds no seat proposes with sponsors, --class COMMUNITY",
        "Recused" => "whoever brings a proposal, or is its subject, takes no stance",
        _ => return None,
    };
    Some(advice)
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.exit {
            Exit::Refused => write!(f, "refused by the chain: {}: {}", self.name, self.detail)?,
            Exit::Other
            | Exit::Usage
            | Exit::NotFound
            | Exit::Unreachable
            | Exit::TimedOut
            | Exit::Keystore
            | Exit::NotFinal => f.write_str(&self.detail)?,
        }
        match &self.next {
            Some(next) => write!(f, "\n{next}"),
            None => Ok(()),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let text = error.to_string();
        match error {
            ClientError::Unreachable { .. } => Self::new(Exit::Unreachable, "cli.Unreachable", text),
            ClientError::NotFound { .. } => Self::new(Exit::NotFound, "cli.NotFound", text),
            ClientError::Refused { name, detail } => Self::refused(&name, detail),
            ClientError::TimedOut { .. } => Self::new(Exit::TimedOut, "cli.TimedOut", text),
            ClientError::Unexpected { .. } => Self::new(Exit::Other, "cli.Unexpected", text),
            ClientError::Garbled { .. } => Self::new(Exit::Other, "cli.Garbled", text),
        }
    }
}

macro_rules! keystore_failure {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(Exit::Keystore, "cli.Keystore", error.to_string())
            }
        }
    )*};
}
keystore_failure!(ColdKeyError, KeystoreError, SecretFileError, SessionKeyError, WordsError);

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Self {
        Self::usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_error_has_its_exit_code() {
        let url = "http://127.0.0.1:1".to_string();
        let cases = [
            (ClientError::Unreachable { url, why: "refused".into() }, 5),
            (ClientError::NotFound { what: "block 7".into() }, 3),
            (ClientError::Refused { name: "ledger.FeeUnpaid".into(), detail: "payer has 0".into() }, 4),
            (ClientError::TimedOut { seconds: 1, waiting_for: "x".into() }, 6),
            (ClientError::Unexpected { status: 500, detail: String::new() }, 1),
        ];
        for (error, code) in cases {
            assert_eq!(Failure::from(error).exit.code(), code);
        }
    }

    #[test]
    fn a_refusal_names_its_rule_and_the_way_out() {
        let text = Failure::refused("ledger.FeeUnpaid", "payer has 0.000000 ada free").to_string();
        assert!(text.starts_with("refused by the chain: ledger.FeeUnpaid: payer has"), "{text}");
        assert!(text.contains("nupeer account"), "{text}");
        let bond = |name| Failure::refused(name, "").next.unwrap_or_default();
        assert!(bond("governance.BondTooSmall").contains("--bond"));
        assert!(bond("market.BondTooSmall").contains("nupeer provider bond"));
    }
}
