//! The node's configuration: TOML, unknown keys refused, every limit checked before anything starts.

use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Bytes of a configuration file.
const CONFIG_BYTES_MAX: u64 = 1_024 * 1_024;

/// Why a configuration is refused.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum ConfigError {
    #[error("cannot read {path}: {why}")]
    Unreadable { path: PathBuf, why: std::io::Error },
    #[error("{path} has {bytes} bytes where {CONFIG_BYTES_MAX} are permitted")]
    TooLong { path: PathBuf, bytes: u64 },
    #[error("{path}: {why}")]
    Toml { path: PathBuf, why: Box<toml::de::Error> },
}

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Path of the genesis file.
    pub genesis: PathBuf,
    /// Folder of the database, peer key and address book.
    pub state_dir: PathBuf,
    /// Peer-to-peer.
    pub network: NetworkConfig,
    /// HTTP API.
    #[serde(default)]
    pub api: ApiConfig,
    /// Block production; left out on a relay.
    pub pool: Option<PoolConfig>,
    /// Logs.
    #[serde(default)]
    pub log: LogConfig,
    /// Check all ledger invariants after every block. Slow; for test networks and auditors.
    #[serde(default)]
    pub audit: bool,
}

/// Peer-to-peer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Multiaddresses to listen on, like `/ip4/127.0.0.1/tcp/3001`.
    pub listen: Vec<String>,
    /// Multiaddresses to keep connected to.
    #[serde(default)]
    pub peers: Vec<String>,
    /// Peers that must agree before a syncing node moves (consensus.md §9).
    #[serde(default = "sync_peers")]
    pub sync_peers: usize,
}

const fn watch_slots() -> u64 {
    60
}

const fn sync_peers() -> usize {
    1
}

/// HTTP API.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// Where to serve the API and metrics; none = no API.
    pub listen: Option<SocketAddr>,
}

/// Block production.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    /// Folder with `vrf.json`, `kes.json` and `opcert.json`.
    pub keys_dir: PathBuf,
    /// Slots after each start in which nothing is signed, so that a second node with the same keys is seen first.
    #[serde(default = "watch_slots")]
    pub watch_slots: u64,
}

/// Logs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Filter such as `info` or `nupeer_node=debug`; the variable `RUST_LOG` wins.
    #[serde(default = "level")]
    pub level: String,
    /// One JSON object a line.
    #[serde(default)]
    pub json: bool,
}

fn level() -> String {
    "info".into()
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: level(), json: false }
    }
}

impl Config {
    /// Reads and checks a file. Relative paths count from the file's folder.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |why| ConfigError::Unreadable { path: path.into(), why };
        let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
        if bytes > CONFIG_BYTES_MAX {
            return Err(ConfigError::TooLong { path: path.into(), bytes });
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let mut config: Self =
            toml::from_str(&text).map_err(|why| ConfigError::Toml { path: path.into(), why: Box::new(why) })?;
        let base = path.parent().unwrap_or(Path::new("."));
        config.genesis = base.join(&config.genesis);
        config.state_dir = base.join(&config.state_dir);
        if let Some(pool) = &mut config.pool {
            pool.keys_dir = base.join(&pool.keys_dir);
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path)
    }

    const GOOD: &str = "genesis = 'g.json'\nstate_dir = 'db'\n[network]\nlisten = ['/ip4/127.0.0.1/tcp/0']\n";

    #[test]
    fn a_small_config_is_enough() {
        let config = load(GOOD).unwrap();
        assert!(config.genesis.is_absolute() && config.pool.is_none() && config.network.sync_peers == 1);
    }

    #[test]
    fn bad_config_is_refused_with_its_place() {
        for (text, word) in [
            (format!("{GOOD}typo = 1\n"), "typo"),
            (format!("{GOOD}[api]\nlisten = 'nowhere'\n"), "listen"),
            ("genesis = 1".into(), "genesis"),
            (String::new(), "missing"),
        ] {
            let error = load(&text).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        assert!(matches!(Config::load(Path::new("/nowhere/x.toml")), Err(ConfigError::Unreadable { .. })));
    }
}
