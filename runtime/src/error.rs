//! Blocks and transactions that are refused (ledger.md §8).

use nupeer_primitives::error::Malformed;
use nupeer_primitives::proposal::Module;
use nupeer_primitives::state::{Bug, Rule};
use nupeer_primitives::{AccountId, Amount, Hash, Slot};
use thiserror::Error;

/// Contextual refusal: the transaction may be valid elsewhere or later, so nobody is at fault. Codes from 4096.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum Rejected {
    #[error("valid from slot {from}, now is {slot}")]
    NotYetValid { from: Slot, slot: Slot },
    #[error("was valid until slot {until}, now is {slot}")]
    Expired { until: Slot, slot: Slot },
    #[error("validity of {slots} slots exceeds {permitted}")]
    IntervalTooLong { slots: u64, permitted: u64 },
    #[error("sequence number {seq} was already used")]
    SequenceUsed { seq: u64 },
    #[error("sequence number {seq} is above {permitted}, the end of the window")]
    SequenceTooHigh { seq: u64, permitted: u64 },
    #[error("account {account} has not authorised the transaction")]
    Unauthorised { account: AccountId },
    #[error("session key of {account} may not do {action}")]
    SessionScope { account: AccountId, action: &'static str },
    #[error("session key ended at slot {until}, now is {slot}")]
    SessionExpired { until: Slot, slot: Slot },
    #[error("the signed text of {account} is not the text of this transaction")]
    TextDiffers { account: AccountId },
    #[error("fee {fee} is above the maximum {maximum} that the payer gives")]
    FeeAboveMaximum { fee: Amount, maximum: Amount },
    #[error("payer has {available} ada free, the fee is {fee}")]
    FeeUnpaid { fee: Amount, available: Amount },
    #[error("{module:?} is paused until tick {until}")]
    Paused { module: Module, until: u64 },
    #[error("block is full: {used} of {permitted} {what} used, {needed} more needed")]
    BlockFull { what: &'static str, used: u64, needed: u64, permitted: u64 },
}

impl Rule for Rejected {
    fn code(&self) -> u16 {
        4_096
            + match self {
                Self::NotYetValid { .. } => 0,
                Self::Expired { .. } => 1,
                Self::IntervalTooLong { .. } => 2,
                Self::SequenceUsed { .. } => 3,
                Self::SequenceTooHigh { .. } => 4,
                Self::Unauthorised { .. } => 5,
                Self::SessionScope { .. } => 6,
                Self::SessionExpired { .. } => 7,
                Self::TextDiffers { .. } => 8,
                Self::FeeAboveMaximum { .. } => 9,
                Self::FeeUnpaid { .. } => 10,
                Self::BlockFull { .. } => 11,
                Self::Paused { .. } => 12,
            }
    }
    fn name(&self) -> &'static str {
        match self {
            Self::NotYetValid { .. } => "ledger.NotYetValid",
            Self::Expired { .. } => "ledger.Expired",
            Self::IntervalTooLong { .. } => "ledger.IntervalTooLong",
            Self::SequenceUsed { .. } => "ledger.SequenceUsed",
            Self::SequenceTooHigh { .. } => "ledger.SequenceTooHigh",
            Self::Unauthorised { .. } => "ledger.Unauthorised",
            Self::SessionScope { .. } => "ledger.SessionScope",
            Self::SessionExpired { .. } => "ledger.SessionExpired",
            Self::TextDiffers { .. } => "ledger.TextDiffers",
            Self::FeeAboveMaximum { .. } => "ledger.FeeAboveMaximum",
            Self::FeeUnpaid { .. } => "ledger.FeeUnpaid",
            Self::BlockFull { .. } => "ledger.BlockFull",
            Self::Paused { .. } => "ledger.Paused",
        }
    }
}

/// Why a block cannot be applied.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum InvalidBlock {
    #[error("body of {size} bytes and hash {hash} does not match its header")]
    BodyMismatch { size: u64, hash: Hash },
    #[error("transaction {index}: {error}")]
    Malformed { index: usize, error: Malformed },
    #[error("transaction {index}: {name}: {detail}")]
    Rejected { index: usize, name: &'static str, detail: alloc::string::String },
    #[error("certificate: {0}")]
    BadCertificate(crate::finality::BadCertificate),
    #[error("state root {claimed} claimed, {computed} computed")]
    BadStateRoot { claimed: Hash, computed: Hash },
    #[error("bug: {0}")]
    Bug(Bug),
}

impl InvalidBlock {
    /// Whether our own code is at fault: the node halts instead of refusing the block.
    #[must_use]
    pub const fn is_bug(&self) -> bool {
        matches!(self, Self::Bug(_))
    }
    /// Whether the peer that sent this body is at fault by its bytes alone.
    #[must_use]
    pub const fn is_peer_fault(&self) -> bool {
        matches!(self, Self::BodyMismatch { .. })
    }
}

impl From<Bug> for InvalidBlock {
    fn from(bug: Bug) -> Self {
        Self::Bug(bug)
    }
}
