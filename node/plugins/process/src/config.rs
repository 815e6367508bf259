//! `[[plugin]] config` of the process plugin. Unknown keys are errors.

use nupeer_plugin_protocol::Refusal;
use nupeer_plugin_protocol::plugin::config::{entries, invalid, unknown};
use serde_json::{Value, json};

/// First host user id given to workloads, above what distributions assign to people and containers.
const UID_BASE: u32 = 2_000_000;
/// Ids below this belong to the host.
const UID_BASE_MIN: u32 = 100_000;
/// How many user ids follow the base.
pub const UID_SPAN: u32 = 1_000_000;

/// The plugin's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Host directories bound read-only into every root.
    pub system_dirs: Vec<String>,
    /// First host user id of workloads, when the plugin runs as root.
    pub uid_base: u32,
    /// Start even where RAM and pids cannot be limited.
    pub allow_no_cgroup: bool,
}

impl Default for Config {
    fn default() -> Self {
        let system_dirs = ["/usr", "/lib", "/lib64", "/bin"].map(str::to_owned).into();
        Self { system_dirs, uid_base: UID_BASE, allow_no_cgroup: false }
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
            match key.as_str() {
                "system_dirs" => {
                    config.system_dirs = value
                        .as_array()
                        .and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect())
                        .filter(|dirs: &Vec<String>| dirs.iter().all(|dir| dir.starts_with('/') && dir.len() > 1))
                        .ok_or_else(|| invalid("system_dirs is not a list of absolute paths"))?;
                }
                "uid_base" => {
                    config.uid_base = value
                        .as_u64()
                        .and_then(|uid| u32::try_from(uid).ok())
                        .filter(|uid| *uid >= UID_BASE_MIN && uid.checked_add(UID_SPAN).is_some())
                        .ok_or_else(|| invalid(format!("uid_base is not a number from {UID_BASE_MIN}")))?;
                }
                "allow_no_cgroup" => {
                    config.allow_no_cgroup = value.as_bool().ok_or_else(|| invalid("allow_no_cgroup is not a bool"))?;
                }
                _ => return Err(unknown(&key)),
            }
        }
        Ok(config)
    }

    /// The schema that the descriptor carries.
    #[must_use]
    pub fn schema() -> Value {
        json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "system_dirs": {"type": "array", "items": {"type": "string"}},
                "uid_base": {"type": "integer", "minimum": UID_BASE_MIN},
                "allow_no_cgroup": {"type": "boolean"},
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
        assert_eq!(Config::parse(r#"{"uid_base": 500000}"#).unwrap().uid_base, 500_000);
        for bad in ["[]", "{", r#"{"uid": 1}"#, r#"{"uid_base": 0}"#, r#"{"system_dirs": ["usr"]}"#] {
            assert_eq!(Config::parse(bad).unwrap_err().reason, Reason::SpecInvalid, "{bad}");
        }
    }
}
