//! JSON shapes of the node's API, `/v1/...`. The node serves these types, the CLI, the daemon and the console read them.

use nupeer_primitives::Amount;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

pub mod chain;
pub mod dao;
pub mod exchange;
pub mod finality;
pub mod pool;
pub mod stake;

pub use chain::*;
pub use dao::*;
pub use exchange::*;
pub use finality::*;
pub use pool::*;
pub use stake::*;

/// Money in smallest units, as a JSON string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, example = "12500000"))]
pub struct Micro(pub u64);

impl Serialize for Micro {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Micro {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| D::Error::custom(format!("`{text}` is not a number of smallest units")))
    }
}

impl From<Amount> for Micro {
    fn from(amount: Amount) -> Self {
        Self(amount.get())
    }
}

impl From<Micro> for Amount {
    fn from(micro: Micro) -> Self {
        Self::new(micro.0)
    }
}

impl std::fmt::Display for Micro {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Amount::new(self.0).fmt(f)
    }
}

/// Body of every answer that is not a success.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiError {
    /// `module.Variant`, stable.
    pub error: String,
    /// Sentence with the values.
    pub detail: String,
    /// Stable number of the rule, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<u16>,
}
