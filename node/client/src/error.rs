//! What can go wrong between a program and its node, and what to do about it.

use thiserror::Error;

/// Why a call gave no answer.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum ClientError {
    #[error("node {url} does not answer: {why}; is it running? try `nupeer node status --node {url}`")]
    Unreachable { url: String, why: String },
    #[error("the node has no {what}")]
    NotFound { what: String },
    #[error("refused by the chain: {name}: {detail}")]
    Refused { name: String, detail: String },
    #[error("the node answered {status}: {detail}")]
    Unexpected { status: u16, detail: String },
    #[error("the node's answer is not understood: {why}; does its version fit this program?")]
    Garbled { why: String },
    #[error("no answer within {seconds} s: {waiting_for}")]
    TimedOut { seconds: u64, waiting_for: String },
}

impl ClientError {
    /// Whether trying again may help.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::Unexpected { status, .. } => *status >= 500 || *status == 429,
            Self::NotFound { .. } | Self::Refused { .. } | Self::Garbled { .. } => false,
        }
    }
}
