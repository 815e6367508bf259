//! The configuration file (spec/provider.md §7). Unknown keys are errors; everything is checked before anything starts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use nupeer_primitives::{AccountId, Amount, VerificationKey};
use serde::Deserialize;

use crate::core::Policy;

/// Bytes of a configuration file.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// Plugins of one daemon (spec/provider.md §8).
pub const PLUGINS_MAX: usize = 8;
/// Gateways that one daemon dials.
pub const GATEWAYS_MAX: usize = 8;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not readable.
    #[error("config {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Not TOML of this shape.
    #[error("config {path}: {source}")]
    Shape {
        /// Which file.
        path: PathBuf,
        /// The parser's words, with the line.
        source: Box<toml::de::Error>,
    },
    /// A value that makes no sense.
    #[error("config: {key} = {found}: {expected}")]
    Value {
        /// Which key.
        key: &'static str,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
}

fn value(key: &'static str, found: impl ToString, expected: &'static str) -> ConfigError {
    ConfigError::Value { key, found: found.to_string(), expected }
}

/// The file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `mainnet`, `devnet`, or the path of a genesis file, which then has to be the node's.
    pub network: String,
    /// Node APIs.
    pub nodes: Vec<String>,
    /// Journal, workloads, caches.
    pub state_dir: PathBuf,
    /// Committees that the owner believes in (`nupeer node checkpoint`), for the first start; without one the nodes are
    /// believed that once.
    pub checkpoint: Option<PathBuf>,
    /// Provider's account; a pure edge needs none.
    pub account: Option<String>,
    /// Session key file.
    pub key_file: Option<PathBuf>,
    /// Seal key file; default: `seal.key` in the state directory, made on first start.
    pub seal_key_file: Option<PathBuf>,
    /// `error` to `trace`, or tracing's own filter syntax.
    #[serde(default = "default_log")]
    pub log: String,
    /// Between two looks at the chain.
    #[serde(default = "default_poll_ms")]
    pub poll_ms: u64,
    /// The machine.
    #[serde(default)]
    pub host: HostConfig,
    /// Runtimes.
    #[serde(default, rename = "plugin")]
    pub plugins: Vec<PluginConfig>,
    /// Standing supply.
    #[serde(default, rename = "offer")]
    pub offers: Vec<OfferConfig>,
    /// Edges to dial.
    #[serde(default, rename = "gateway")]
    pub gateways: Vec<GatewayConfig>,
    /// The owner's rules.
    #[serde(default)]
    pub policy: PolicyConfig,
    /// An own edge.
    #[serde(default)]
    pub edge: EdgeConfig,
    /// Numbers for Prometheus.
    pub metrics: Option<MetricsConfig>,
}

fn default_log() -> String {
    "info".to_owned()
}
const fn default_poll_ms() -> u64 {
    2_000
}

/// `[host]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostConfig {
    /// Zone, as listed; for people.
    pub site: Option<String>,
    /// Grade letter; for people.
    pub grade: Option<String>,
    /// Which of the account's hosts this is, by id; default: the one with this session key.
    pub id: Option<u32>,
}

/// `[[plugin]]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginConfig {
    /// Runtime kind, as the plugin's descriptor names it.
    pub name: String,
    /// Program.
    pub path: PathBuf,
    /// Given to the plugin as JSON.
    #[serde(default)]
    pub config: toml::Table,
    /// Parent cgroup; default: the plugin's own.
    #[serde(default)]
    pub cgroup: String,
    /// User to run it as; default: the daemon's.
    pub uid: Option<u32>,
}

/// `[[offer]]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferConfig {
    /// Market, by name.
    pub instrument: String,
    /// Lowest price of a lot-hour, net.
    pub price_min: String,
    /// Most lots to have in asks and leases of this market.
    pub lots_max: u32,
    /// Price of standing by, bps.
    #[serde(default)]
    pub standby_bps: u16,
}

impl OfferConfig {
    /// The price in smallest units.
    pub fn price(&self) -> Result<Amount, ConfigError> {
        let amount = Amount::from_decimal(&self.price_min).filter(|amount| *amount > Amount::ZERO);
        amount.ok_or_else(|| value("offer.price_min", &self.price_min, "a positive decimal with at most six decimals"))
    }
}

/// `[[gateway]]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// The edge's key, hex; pinned.
    pub key: String,
    /// Where it takes tunnels.
    pub tunnel: SocketAddr,
    /// Where it takes requests: bundles and artifacts are fetched below `<url>/.nupeer`.
    pub url: String,
}

impl GatewayConfig {
    /// The key.
    pub fn key(&self) -> Result<VerificationKey, ConfigError> {
        VerificationKey::from_hex(&self.key).ok_or_else(|| value("gateway.key", &self.key, "64 hexadecimal digits"))
    }
}

/// How far a workload may connect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EgressMax {
    /// Nowhere.
    None,
    /// To hosts it lists.
    List,
    /// To any public address.
    #[default]
    Open,
}

/// `[policy]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyConfig {
    /// Accounts never served.
    #[serde(default)]
    pub deny_accounts: Vec<String>,
    /// If not empty, the only accounts served.
    #[serde(default)]
    pub allow_accounts: Vec<String>,
    /// How far a workload may connect.
    #[serde(default)]
    pub egress_max: EgressMax,
    /// No new leases, no new asks.
    #[serde(default)]
    pub drain: bool,
}

impl PolicyConfig {
    /// As the core wants it.
    pub fn to_policy(&self) -> Result<Policy, ConfigError> {
        let all = |list: &[String], key| list.iter().map(|text| account(key, text)).collect::<Result<_, _>>();
        Ok(Policy {
            allow_accounts: all(&self.allow_accounts, "policy.allow_accounts")?,
            deny_accounts: all(&self.deny_accounts, "policy.deny_accounts")?,
            draining: self.drain,
        })
    }
}

fn account(key: &'static str, text: &str) -> Result<AccountId, ConfigError> {
    AccountId::from_bech32(text)
        .map(|(_, id)| id)
        .map_err(|_| value(key, text, "an account like nup1... or nup_test1..."))
}

/// `[edge]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EdgeConfig {
    /// Whether this daemon is an edge.
    pub enabled: bool,
    /// Where clients come in.
    pub listen: SocketAddr,
    /// Where hosts dial.
    pub tunnel_listen: SocketAddr,
    /// `name.<domain>` leads to `name`.
    pub domain: Option<String>,
    /// Only `off` exists so far.
    pub tls: String,
    /// Edge key file; default: `edge.key` in the state directory, made on first start.
    pub key_file: Option<PathBuf>,
    /// First and last port for one port per app.
    pub app_ports: Option<(u16, u16)>,
    /// Bytes of all blobs together.
    pub blobs_max: u64,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: SocketAddr::from(([127, 0, 0, 1], 8_080)),
            tunnel_listen: SocketAddr::from(([127, 0, 0, 1], 8_081)),
            domain: Some("localhost".to_owned()),
            tls: "off".to_owned(),
            key_file: None,
            app_ports: None,
            blobs_max: 4 << 30,
        }
    }
}

/// `[metrics]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// Where.
    pub listen: SocketAddr,
}

impl Config {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let io = |source| ConfigError::Io { path: path.to_owned(), source };
        let bytes = std::fs::metadata(path).map_err(io)?.len();
        if bytes > CONFIG_BYTES_MAX {
            return Err(value("size", bytes, "at most 1 MiB"));
        }
        Self::parse(path, &std::fs::read_to_string(path).map_err(io)?)
    }

    /// Parses and checks a text.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let shape = |source| ConfigError::Shape { path: path.to_owned(), source: Box::new(source) };
        let config: Self = toml::from_str(text).map_err(shape)?;
        config.check()?;
        Ok(config)
    }

    /// Whether leases are served here, beside or instead of an edge.
    #[must_use]
    pub const fn is_host(&self) -> bool {
        self.account.is_some()
    }

    /// The provider's account.
    pub fn account(&self) -> Result<AccountId, ConfigError> {
        account("account", self.account.as_deref().unwrap_or_default())
    }

    /// Where the seal key is.
    #[must_use]
    pub fn seal_key_path(&self) -> PathBuf {
        self.seal_key_file.clone().unwrap_or_else(|| self.state_dir.join("seal.key"))
    }

    /// Where the session key is.
    #[must_use]
    pub fn session_key_path(&self) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| self.state_dir.join("session.key"))
    }

    /// Where the edge key is.
    #[must_use]
    pub fn edge_key_path(&self) -> PathBuf {
        self.edge.key_file.clone().unwrap_or_else(|| self.state_dir.join("edge.key"))
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.nodes.is_empty() || self.nodes.len() > 16 {
            return Err(value("nodes", self.nodes.len(), "1 to 16 URLs"));
        }
        for node in &self.nodes {
            http("nodes", node)?;
        }
        if !(200..=60_000).contains(&self.poll_ms) {
            return Err(value("poll_ms", self.poll_ms, "200 to 60000"));
        }
        if self.is_host() {
            self.account()?;
            if self.plugins.is_empty() || self.plugins.len() > PLUGINS_MAX {
                return Err(value("plugin", self.plugins.len(), "1 to 8 plugins where `account` is set"));
            }
        } else if !self.edge.enabled {
            return Err(value("account", "absent", "set it to host leases, or enable [edge]"));
        } else if !self.plugins.is_empty() || !self.offers.is_empty() {
            return Err(value("account", "absent", "plugins and offers need it"));
        }
        let mut names: Vec<&str> = self.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let plain = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if names.len() != self.plugins.len() || !names.iter().all(plain) {
            return Err(value("plugin.name", names.join(", "), "distinct names of a-z and -"));
        }
        if self.gateways.len() > GATEWAYS_MAX {
            return Err(value("gateway", self.gateways.len(), "at most 8"));
        }
        for gateway in &self.gateways {
            gateway.key()?;
            http("gateway.url", &gateway.url)?;
        }
        self.offers.iter().try_for_each(|offer| offer.price().map(drop))?;
        self.policy.to_policy()?;
        self.check_edge()
    }

    fn check_edge(&self) -> Result<(), ConfigError> {
        if self.edge.tls != "off" {
            return Err(value("edge.tls", &self.edge.tls, "only `off` exists so far: put a TLS server in front"));
        }
        if let Some((first, last)) = self.edge.app_ports
            && (first == 0 || first > last)
        {
            return Err(value("edge.app_ports", format!("[{first}, {last}]"), "first and last port, rising"));
        }
        Ok(())
    }
}

fn http(key: &'static str, url: &str) -> Result<(), ConfigError> {
    let known = url.starts_with("http://") || url.starts_with("https://");
    if known && url.len() < 512 { Ok(()) } else { Err(value(key, url, "a URL like http://127.0.0.1:8090")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const GOOD: &str = r#"
        network = "devnet"
        nodes = ["http://127.0.0.1:8090"]
        state_dir = "/tmp/x"
        account = "ACCOUNT"
        key_file = "/etc/nupeer/session.key"
        [host]
        site = "SK/Bratislava"
        grade = "D"
        [[plugin]]
        name = "wasm"
        path = "/usr/lib/nupeer/nupeer-plugin-wasm"
        config = { fuel_per_request_max = 10_000_000_000 }
        [[offer]]
        instrument = "W.EU.D.ROLL"
        price_min = "0.0100"
        lots_max = 12
        [[gateway]]
        key = "KEY"
        tunnel = "127.0.0.1:9001"
        url = "http://127.0.0.1:9000"
        [policy]
        egress_max = "list"
        [edge]
        enabled = true
        app_ports = [20000, 20009]
        [metrics]
        listen = "127.0.0.1:9464"
    "#;

    fn good() -> String {
        let account = AccountId([5; 28]).to_bech32(AccountId::HRP_TEST);
        GOOD.replace("ACCOUNT", &account).replace("KEY", &"ab".repeat(32))
    }

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(Path::new("provider.toml"), text)
    }

    #[test]
    fn a_good_file_is_read() {
        let config = parse(&good()).unwrap();
        assert_eq!(config.offers[0].price().unwrap(), Amount::new(10_000));
        assert_eq!((config.policy.egress_max, config.edge.app_ports), (EgressMax::List, Some((20_000, 20_009))));
    }

    #[test]
    fn each_fault_is_named() {
        for (from, to, word) in [
            ("network =", "netwrok =", "netwrok"),
            ("lots_max = 12", "lots_max = 12\n lots_min = 1", "lots_min"),
            ("lots_max = 12", "lots_max = -1", "lots_max"),
            ("\"0.0100\"", "\"0.00000001\"", "price_min"),
            ("\"0.0100\"", "\"-1\"", "price_min"),
            ("http://127.0.0.1:8090", "127.0.0.1:8090", "nodes"),
            ("nup_test1", "nup_best1", "account"),
            ("abab", "abax", "gateway.key"),
            ("\"list\"", "\"lots\"", "egress_max"),
            ("[20000, 20009]", "[20009, 20000]", "app_ports"),
            ("enabled = true", "enabled = true\n tls = \"terminate\"", "edge.tls"),
            ("[metrics]\n        listen = \"127.0.0.1:9464\"", "[metrics]\n listen = \"nowhere\"", "listen"),
            ("name = \"wasm\"", "name = \"../wasm\"", "plugin.name"),
        ] {
            let text = good();
            assert!(text.contains(from), "{from}");
            let error = parse(&text.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(word), "{word}: {error}");
        }
    }

    #[test]
    fn an_edge_needs_no_account_and_a_host_needs_plugins() {
        let edge = "network = \"devnet\"\nnodes = [\"http://n\"]\nstate_dir = \"/x\"\n[edge]\nenabled = true";
        assert!(!parse(edge).unwrap().is_host());
        assert!(parse(&edge.replace("true", "false")).unwrap_err().to_string().contains("account"));
        let account = AccountId([5; 28]).to_bech32(AccountId::HRP_TEST);
        let host = format!("account = \"{account}\"\n{edge}");
        assert!(parse(&host).unwrap_err().to_string().contains("plugin"));
    }
}
