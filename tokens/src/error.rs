//! Errors of the token rules; codes from 8192 + 0x100.

use nupeer_primitives::state::Rule;
use nupeer_primitives::{Amount, AssetId};
use thiserror::Error;

/// Why value does not move.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum TokensError {
    #[error("asset {asset} is not a payment asset")]
    NotPaymentAsset { asset: AssetId },
    #[error("asset {asset} is not in the asset table")]
    AssetUnknown { asset: AssetId },
    #[error("asset {asset} is switched off")]
    AssetOff { asset: AssetId },
    #[error("{needed} of asset {asset} needed, {available} free")]
    Insufficient { asset: AssetId, needed: Amount, available: Amount },
    #[error("amount is zero")]
    ZeroAmount,
    #[error("amount of asset {asset} would exceed 64 bits")]
    Overflow { asset: AssetId },
}

impl Rule for TokensError {
    fn code(&self) -> u16 {
        8_448
            + match self {
                Self::NotPaymentAsset { .. } => 0,
                Self::AssetUnknown { .. } => 1,
                Self::AssetOff { .. } => 2,
                Self::Insufficient { .. } => 3,
                Self::ZeroAmount => 4,
                Self::Overflow { .. } => 5,
            }
    }
    fn name(&self) -> &'static str {
        match self {
            Self::NotPaymentAsset { .. } => "tokens.NotPaymentAsset",
            Self::AssetUnknown { .. } => "tokens.AssetUnknown",
            Self::AssetOff { .. } => "tokens.AssetOff",
            Self::Insufficient { .. } => "tokens.Insufficient",
            Self::ZeroAmount => "tokens.ZeroAmount",
            Self::Overflow { .. } => "tokens.Overflow",
        }
    }
}
