//! `Malformed`: what bytes alone can be blamed for (ledger.md §8). The sending peer is at fault.

use thiserror::Error;

/// Structural and semantic faults. Stable codes below 4096.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum Malformed {
    #[error("unexpected shape at byte {at}")]
    Shape { at: usize },
    #[error("{count} items where {permitted} are permitted")]
    TooMany { count: u64, permitted: u64 },
    #[error("{length} bytes where {permitted} are permitted")]
    TooLong { length: u64, permitted: u64 },
    #[error("bytes left over at {at}")]
    TrailingBytes { at: usize },
    #[error("encoding is not canonical")]
    NotCanonical,
    #[error("unknown action code {code:#06x}")]
    UnknownAction { code: u16 },
    #[error("unknown format version {version}")]
    UnknownVersion { version: u64 },
    #[error("cosigners are not strictly ascending or contain the payer")]
    CosignerOrder,
    #[error("actor {actor} is not one of {cosigners} cosigners")]
    UnknownActor { actor: u8, cosigners: u8 },
    #[error("valid until slot {until} is before from slot {from}")]
    EmptyInterval { from: u64, until: u64 },
    #[error("signature of witness {witness} does not verify")]
    BadSignature { witness: u8 },
    #[error("witness {witness} authorises nothing")]
    UselessWitness { witness: u8 },
    #[error("witness {witness} is not a valid COSE signature: {why}")]
    BadCose { witness: u8, why: &'static str },
    #[error("native script of witness {witness} is invalid: {why}")]
    BadScript { witness: u8, why: &'static str },
    #[error("amount is zero")]
    ZeroAmount,
    #[error("value {value} is outside {min}..={max}")]
    OutOfRange { value: u64, min: u64, max: u64 },
}

impl Malformed {
    /// The number that receipts and the API carry.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::Shape { .. } => 0,
            Self::TooMany { .. } => 1,
            Self::TooLong { .. } => 2,
            Self::TrailingBytes { .. } => 3,
            Self::NotCanonical => 4,
            Self::UnknownAction { .. } => 5,
            Self::UnknownVersion { .. } => 6,
            Self::CosignerOrder => 7,
            Self::UnknownActor { .. } => 8,
            Self::EmptyInterval { .. } => 9,
            Self::BadSignature { .. } => 10,
            Self::UselessWitness { .. } => 11,
            Self::BadCose { .. } => 12,
            Self::BadScript { .. } => 13,
            Self::ZeroAmount => 14,
            Self::OutOfRange { .. } => 15,
        }
    }

    /// `malformed.Shape` and the like.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Shape { .. } => "malformed.Shape",
            Self::TooMany { .. } => "malformed.TooMany",
            Self::TooLong { .. } => "malformed.TooLong",
            Self::TrailingBytes { .. } => "malformed.TrailingBytes",
            Self::NotCanonical => "malformed.NotCanonical",
            Self::UnknownAction { .. } => "malformed.UnknownAction",
            Self::UnknownVersion { .. } => "malformed.UnknownVersion",
            Self::CosignerOrder => "malformed.CosignerOrder",
            Self::UnknownActor { .. } => "malformed.UnknownActor",
            Self::EmptyInterval { .. } => "malformed.EmptyInterval",
            Self::BadSignature { .. } => "malformed.BadSignature",
            Self::UselessWitness { .. } => "malformed.UselessWitness",
            Self::BadCose { .. } => "malformed.BadCose",
            Self::BadScript { .. } => "malformed.BadScript",
            Self::ZeroAmount => "malformed.ZeroAmount",
            Self::OutOfRange { .. } => "malformed.OutOfRange",
        }
    }
}
