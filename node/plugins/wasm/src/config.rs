//! `[[plugin]] config` of the wasm plugin. Unknown keys are errors.

use std::time::Duration;

use nupeer_plugin_protocol::Refusal;
use nupeer_plugin_protocol::plugin::config::{entries, invalid, unknown};
use nupeer_plugin_protocol::v1::Spec;
use serde_json::{Value, json};

/// The plugin's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Most fuel a request may burn; a spec may ask for less.
    pub fuel_per_request_max: u64,
    /// Longest a request may take, waiting included.
    pub request_within: Duration,
    /// Requests served at once per workload; more wait for their turn.
    pub requests_at_once: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { fuel_per_request_max: 10_000_000_000, request_within: Duration::from_secs(60), requests_at_once: 64 }
    }
}

impl Config {
    /// Reads the JSON of Configure; empty means all defaults.
    ///
    /// # Errors
    /// `SpecInvalid` naming the key.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut config = Self::default();
        for (key, value) in entries(text)? {
            let number = value.as_u64().filter(|n| *n > 0);
            let number = number.ok_or_else(|| invalid(format!("{key} is not a positive number")))?;
            match key.as_str() {
                "fuel_per_request_max" => config.fuel_per_request_max = number,
                "request_ms_max" if number <= 3_600_000 => config.request_within = Duration::from_millis(number),
                "requests_at_once" if number <= 1_024 => {
                    config.requests_at_once = usize::try_from(number).unwrap_or(1_024);
                }
                "request_ms_max" | "requests_at_once" => {
                    return Err(invalid(format!("{key} = {number} is too large")));
                }
                _ => return Err(unknown(&key)),
            }
        }
        Ok(config)
    }

    /// The fuel that one request of this workload may burn.
    #[must_use]
    pub fn fuel(&self, spec: &Spec) -> u64 {
        if spec.fuel_per_request == 0 { self.fuel_per_request_max } else { spec.fuel_per_request }
    }

    /// The schema that the descriptor carries.
    #[must_use]
    pub fn schema() -> Value {
        let positive = |most: u64| json!({"type": "integer", "minimum": 1, "maximum": most});
        json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "fuel_per_request_max": positive(u64::MAX),
                "request_ms_max": positive(3_600_000),
                "requests_at_once": positive(1_024),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use nupeer_plugin_protocol::Reason;

    #[test]
    fn known_keys_are_taken_and_others_refused() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
        assert_eq!(Config::parse(r#"{"fuel_per_request_max": 7}"#).unwrap().fuel_per_request_max, 7);
        for bad in ["[]", "{", r#"{"fuel": 1}"#, r#"{"request_ms_max": 0}"#, r#"{"requests_at_once": 5000}"#] {
            assert_eq!(Config::parse(bad).unwrap_err().reason, Reason::SpecInvalid, "{bad}");
        }
    }
}
