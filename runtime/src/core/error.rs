//! Errors of accounts and session keys; codes from 8192.

use nupeer_primitives::state::Rule;
use nupeer_primitives::{Amount, AssetId, Slot, VerificationKey};
use thiserror::Error;

/// Why a core action fails.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum CoreError {
    #[error("scopes {scopes:#x} are empty or unknown")]
    ScopeUnknown { scopes: u32 },
    #[error("grant ends at slot {until}, now is {slot}")]
    GrantInPast { until: Slot, slot: Slot },
    #[error("an account has at most {permitted} session keys")]
    TooManyGrants { permitted: u32 },
    #[error("no session key {key}")]
    GrantUnknown { key: VerificationKey },
    #[error("session key may spend {permitted} of asset {asset}, not {amount}")]
    SessionLimit { asset: AssetId, amount: Amount, permitted: Amount },
    #[error("system accounts receive no transfers")]
    SystemAccount,
}

impl Rule for CoreError {
    fn code(&self) -> u16 {
        8_192
            + match self {
                Self::ScopeUnknown { .. } => 0,
                Self::GrantInPast { .. } => 1,
                Self::TooManyGrants { .. } => 2,
                Self::GrantUnknown { .. } => 3,
                Self::SessionLimit { .. } => 4,
                Self::SystemAccount => 5,
            }
    }
    fn name(&self) -> &'static str {
        match self {
            Self::ScopeUnknown { .. } => "core.ScopeUnknown",
            Self::GrantInPast { .. } => "core.GrantInPast",
            Self::TooManyGrants { .. } => "core.TooManyGrants",
            Self::GrantUnknown { .. } => "core.GrantUnknown",
            Self::SessionLimit { .. } => "core.SessionLimit",
            Self::SystemAccount => "core.SystemAccount",
        }
    }
}
