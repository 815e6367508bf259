//! Finding and reading the data files.

use std::path::PathBuf;

/// The folder of one topic, or `None` where the data is not mounted.
pub fn folder(topic: &str) -> Option<PathBuf> {
    let root = std::env::var_os("NUPEER_TEST_DATA").map_or_else(
        || PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = root.join(topic);
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "test data missing: {}", path.display());
    eprintln!("SKIPPED: no test data at {}", path.display());
    None
}

pub fn json(path: PathBuf) -> serde_json::Value {
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

pub fn bytes(value: &serde_json::Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

pub fn array<const N: usize>(value: &serde_json::Value) -> [u8; N] {
    let all = bytes(value);
    all.as_slice().try_into().unwrap_or_else(|_| panic!("{} bytes where {N} are expected", all.len()))
}
