//! Refusals: a gRPC status plus one `reason` of a closed set (spec/provider.md section 1).
//!
//! The reason travels as the metadata entry [`REASON_KEY`]; a status without it came from the transport, not from
//! the plugin's logic.

use std::fmt;

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// Metadata key of the reason.
pub const REASON_KEY: &str = "rpp-reason";

/// Why a plugin refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The spec breaks a rule of the protocol or of this runtime.
    SpecInvalid,
    /// The artifact's reference leads nowhere.
    ArtifactMissing,
    /// The artifact's bytes do not hash to the spec's digest.
    DigestMismatch,
    /// Not enough of something that may be free later.
    OutOfCapacity,
    /// A device is held by somebody else.
    DeviceBusy,
    /// The id exists with another spec or a newer epoch.
    AlreadyExists,
    /// Start before Prepare.
    NotPrepared,
    /// No such id.
    NotFound,
    /// The kernel cannot give the isolation that the runtime promises.
    Isolation,
    /// Not something this plugin does.
    Unsupported,
    /// The plugin's own failure.
    Internal,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::SpecInvalid,
        Self::ArtifactMissing,
        Self::DigestMismatch,
        Self::OutOfCapacity,
        Self::DeviceBusy,
        Self::AlreadyExists,
        Self::NotPrepared,
        Self::NotFound,
        Self::Isolation,
        Self::Unsupported,
        Self::Internal,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SpecInvalid => "SpecInvalid",
            Self::ArtifactMissing => "ArtifactMissing",
            Self::DigestMismatch => "DigestMismatch",
            Self::OutOfCapacity => "OutOfCapacity",
            Self::DeviceBusy => "DeviceBusy",
            Self::AlreadyExists => "AlreadyExists",
            Self::NotPrepared => "NotPrepared",
            Self::NotFound => "NotFound",
            Self::Isolation => "Isolation",
            Self::Unsupported => "Unsupported",
            Self::Internal => "Internal",
        }
    }

    /// Reads the name on the wire.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::OutOfCapacity | Self::DeviceBusy | Self::Internal => true,
            Self::SpecInvalid
            | Self::ArtifactMissing
            | Self::DigestMismatch
            | Self::AlreadyExists
            | Self::NotPrepared
            | Self::NotFound
            | Self::Isolation
            | Self::Unsupported => false,
        }
    }

    /// The gRPC code it travels under.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::SpecInvalid | Self::DigestMismatch => Code::InvalidArgument,
            Self::ArtifactMissing | Self::NotFound => Code::NotFound,
            Self::OutOfCapacity | Self::DeviceBusy => Code::ResourceExhausted,
            Self::AlreadyExists => Code::AlreadyExists,
            Self::NotPrepared | Self::Isolation => Code::FailedPrecondition,
            Self::Unsupported => Code::Unimplemented,
            Self::Internal => Code::Internal,
        }
    }
}

/// A reason with the values that explain it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Of the closed set.
    pub reason: Reason,
    /// For a person; lowercase, values included.
    pub text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.as_str(), self.text)
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// Pairs a reason with its text.
    #[must_use]
    pub fn new(reason: Reason, text: impl Into<String>) -> Self {
        Self { reason, text: text.into() }
    }

    /// For failures of the plugin's own making, e.g. I/O.
    #[must_use]
    pub fn internal(what: &str, error: impl fmt::Display) -> Self {
        Self::new(Reason::Internal, format!("{what}: {error}"))
    }

    /// Reads a refusal back from a status; `None` when the status came from the transport.
    #[must_use]
    pub fn from_status(status: &Status) -> Option<Self> {
        let reason = status.metadata().get(REASON_KEY)?.to_str().ok().and_then(Reason::parse)?;
        Some(Self { reason, text: status.message().to_owned() })
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut status = Self::new(refusal.reason.code(), refusal.text);
        status.metadata_mut().insert(REASON_KEY, MetadataValue::from_static(refusal.reason.as_str()));
        status
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_reason_survives_a_status() {
        for reason in Reason::ALL {
            let refusal = Refusal::new(reason, "because");
            assert_eq!(Refusal::from_status(&Status::from(refusal.clone())), Some(refusal));
        }
        assert_eq!(Refusal::from_status(&Status::unavailable("transport")), None);
    }

    #[test]
    fn only_three_reasons_are_worth_another_try() {
        let retryable: Vec<_> = Reason::ALL.into_iter().filter(|r| r.is_retryable()).collect();
        assert_eq!(retryable, [Reason::OutOfCapacity, Reason::DeviceBusy, Reason::Internal]);
    }
}
