//! `[[plugin]] config` as every plugin reads it: a JSON object whose unknown keys are errors.

use serde_json::{Map, Value};

use crate::reason::{Reason, Refusal};

/// The entries of Configure's JSON; empty means all defaults.
///
/// # Errors
/// `SpecInvalid` for anything but an object.
pub fn entries(text: &str) -> Result<Map<String, Value>, Refusal> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(entries)) => Ok(entries),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(invalid("is not an object"))
        }
        Err(error) => Err(invalid(format!("is not json: {error}"))),
    }
}

/// What is wrong with the configuration, like `uid_base is not a number`.
pub fn invalid(what: impl std::fmt::Display) -> Refusal {
    Refusal::new(Reason::SpecInvalid, format!("config {what}"))
}

/// A key that no plugin of this kind has.
#[must_use]
pub fn unknown(key: &str) -> Refusal {
    invalid(format!("has an unknown key {key:?}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn objects_are_read_and_nothing_else() {
        assert!(entries(" ").unwrap().is_empty());
        assert_eq!(entries(r#"{"a": 1}"#).unwrap().len(), 1);
        for bad in ["[]", "{", "1", "null", "{} {}"] {
            assert_eq!(entries(bad).unwrap_err().reason, Reason::SpecInvalid, "{bad}");
        }
    }
}
