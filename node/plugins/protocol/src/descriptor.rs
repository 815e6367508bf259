//! What a plugin says about itself: `<plugin> descriptor` prints it as JSON, and the handshake binds its hash.
//!
//! The hash is over the printed bytes without the final newline, so that both sides hash what was seen.

use blake2::Blake2b;
use blake2::digest::Digest as _;
use blake2::digest::consts::U32;
use serde_json::{Value, json};

use crate::limits::DESCRIPTOR_BYTES_MAX;

/// An optional ability; its bit in `caps`. A method whose bit is 0 answers UNIMPLEMENTED.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Pause and Resume.
    Pause = 0,
    /// Update in place.
    Update = 1,
    /// Exec.
    Exec = 2,
    /// Snapshot.
    Snapshot = 3,
    /// Restore.
    Restore = 4,
    /// Attest.
    Attest = 5,
    /// GPUs.
    Gpu = 6,
    /// FPGAs.
    Fpga = 7,
    /// Isolation that a hostile tenant and a hostile neighbour may share.
    StrongIsolation = 8,
    /// One workload over several machines.
    MultiHost = 9,
}

impl Capability {
    /// The bit mask.
    #[must_use]
    pub const fn mask(self) -> u64 {
        // Discriminants are 0..=9, so the cast and the shift are exact.
        1u64 << (self as u8)
    }
}

/// Why a descriptor cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// Larger than any honest descriptor.
    #[error("descriptor has {bytes} bytes, at most {DESCRIPTOR_BYTES_MAX} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not the JSON this crate knows.
    #[error("descriptor field {field} is absent or of the wrong type")]
    FieldMalformed {
        /// Which one.
        field: &'static str,
    },
}

/// The descriptor of a plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Descriptor {
    /// Runtime kind, e.g. `wasm`.
    pub name: String,
    /// Semantic version of the plugin.
    pub version: String,
    /// Protocol versions spoken.
    pub rpp: Vec<u32>,
    /// [`Capability`] bits.
    pub caps: u64,
    /// Meter kinds reported.
    pub meters: Vec<u8>,
    /// Artifact kinds run, in the spec's words.
    pub artifacts: Vec<String>,
    /// What isolation needs from the host.
    pub isolation: Vec<String>,
    /// Whether the plugin or its holders use the network.
    pub network: bool,
    /// Whether the plugin is for development only; the daemon refuses such a one on mainnet.
    pub development: bool,
    /// JSON schema of `Configure.json`.
    pub config_schema: Value,
}

impl Descriptor {
    /// The bytes that `<plugin> descriptor` prints before the newline. Keys are sorted, so they are stable.
    #[must_use]
    pub fn to_json(&self) -> String {
        json!({
            "name": self.name, "version": self.version, "rpp": self.rpp, "caps": self.caps, "meters": self.meters,
            "artifacts": self.artifacts, "isolation": self.isolation, "network": self.network,
            "development": self.development, "config_schema": self.config_schema,
        })
        .to_string()
    }

    /// blake2b-256 of [`Self::to_json`].
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash(self.to_json().as_bytes())
    }

    /// Parses what a plugin printed.
    ///
    /// # Errors
    /// [`DescriptorError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, DescriptorError> {
        if bytes.len() > DESCRIPTOR_BYTES_MAX {
            return Err(DescriptorError::TooLarge { bytes: bytes.len() });
        }
        let value: Value =
            serde_json::from_slice(bytes).map_err(|_| DescriptorError::FieldMalformed { field: "(json)" })?;
        Ok(Self {
            name: string(&value, "name")?,
            version: string(&value, "version")?,
            rpp: numbers(&value, "rpp")?,
            caps: value["caps"].as_u64().ok_or(DescriptorError::FieldMalformed { field: "caps" })?,
            meters: numbers(&value, "meters")?,
            artifacts: strings(&value, "artifacts")?,
            isolation: strings(&value, "isolation")?,
            network: boolean(&value, "network")?,
            development: boolean(&value, "development")?,
            config_schema: value["config_schema"].clone(),
        })
    }

    /// Whether a capability bit is set.
    #[must_use]
    pub const fn has(&self, capability: Capability) -> bool {
        self.caps & capability.mask() != 0
    }
}

/// blake2b-256.
#[must_use]
pub fn hash(bytes: &[u8]) -> [u8; 32] {
    Blake2b::<U32>::digest(bytes).into()
}

fn string(value: &Value, field: &'static str) -> Result<String, DescriptorError> {
    value[field].as_str().map(str::to_owned).ok_or(DescriptorError::FieldMalformed { field })
}

fn boolean(value: &Value, field: &'static str) -> Result<bool, DescriptorError> {
    value[field].as_bool().ok_or(DescriptorError::FieldMalformed { field })
}

fn items<'a>(value: &'a Value, field: &'static str) -> Result<&'a Vec<Value>, DescriptorError> {
    value[field].as_array().ok_or(DescriptorError::FieldMalformed { field })
}

fn strings(value: &Value, field: &'static str) -> Result<Vec<String>, DescriptorError> {
    let text = |v: &Value| v.as_str().map(str::to_owned).ok_or(DescriptorError::FieldMalformed { field });
    items(value, field)?.iter().map(text).collect()
}

fn numbers<N: TryFrom<u64>>(value: &Value, field: &'static str) -> Result<Vec<N>, DescriptorError> {
    let number = |v: &Value| v.as_u64().and_then(|n| N::try_from(n).ok());
    items(value, field)?.iter().map(|v| number(v).ok_or(DescriptorError::FieldMalformed { field })).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn descriptor() -> Descriptor {
        Descriptor {
            name: "wasm".into(),
            version: "0.1.0".into(),
            rpp: vec![1],
            caps: Capability::Exec.mask() | Capability::Fpga.mask(),
            meters: vec![2, 4],
            artifacts: vec!["wasm".into()],
            isolation: vec![],
            network: true,
            development: false,
            config_schema: json!({"type": "object"}),
        }
    }

    #[test]
    fn a_descriptor_survives_json() {
        let d = descriptor();
        assert_eq!(Descriptor::from_json(d.to_json().as_bytes()).unwrap(), d);
        assert!(d.has(Capability::Exec) && d.has(Capability::Fpga) && !d.has(Capability::Pause));
        assert_eq!(d.caps, 0b1000_0100);
    }

    #[test]
    fn bad_descriptors_are_named() {
        let missing = descriptor().to_json().replace("\"caps\"", "\"cups\"");
        assert_eq!(Descriptor::from_json(missing.as_bytes()), Err(DescriptorError::FieldMalformed { field: "caps" }));
        let wide = descriptor().to_json().replace("[2,4]", "[2,400]");
        assert_eq!(Descriptor::from_json(wide.as_bytes()), Err(DescriptorError::FieldMalformed { field: "meters" }));
        assert!(matches!(
            Descriptor::from_json(&vec![b' '; DESCRIPTOR_BYTES_MAX + 1]),
            Err(DescriptorError::TooLarge { .. })
        ));
    }
}
