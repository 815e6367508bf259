//! The files of a test network: pool keys, genesis, configurations. Written once; later runs find the same chain.

use super::process::free_port;
use anyhow::{Context, Result};
use nupeer_consensus::forge::PoolKeys;
use nupeer_node::engine::agent::{Agent, Folder};
use nupeer_primitives::genesis::{Genesis, GenesisPool};
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::{AccountId, Amount, AssetId, Hash};
use nupeer_runtime::preset::{Founders, Preset, USD};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Whole tokens that the three pools stake, of each token; half of it is pledged.
const POOL_STAKE: [u64; 3] = [5_000_000, 3_000_000, 2_000_000];
/// Whole units of ada and stablecoin that each demo account starts with.
pub(crate) const DEMO_FUNDS: u64 = 10_000;

/// A network's layout on disk and its ports, kept in `network.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Peer-to-peer port of each node; the last is the relay.
    pub p2p_ports: Vec<u16>,
    /// API port of each node.
    pub api_ports: Vec<u16>,
    /// Edge: HTTP port that users open.
    pub gateway_port: u16,
    /// Edge: port that hosts dial.
    pub tunnel_port: u16,
    /// Metrics port of each provider daemon, then of the edge.
    pub metrics_ports: Vec<u16>,
}

impl Network {
    /// Loads the layout, or makes one with free ports.
    pub fn load_or_make(state: &Path) -> Result<Self> {
        let path = state.join("network.json");
        if path.exists() {
            let text = std::fs::read_to_string(&path)?;
            return serde_json::from_str(&text).with_context(|| format!("{}; start anew with --fresh", path.display()));
        }
        let mut ports = Vec::new();
        while ports.len() < 13 {
            let port = free_port()?;
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
        let mut next = ports.into_iter();
        let mut take = |count: usize| next.by_ref().take(count).collect::<Vec<u16>>();
        let (p2p_ports, api_ports, edge, metrics_ports) = (take(4), take(4), take(2), take(3));
        let port = |index: usize| edge.get(index).copied().unwrap_or_default();
        let network = Self { p2p_ports, api_ports, gateway_port: port(0), tunnel_port: port(1), metrics_ports };
        std::fs::write(&path, serde_json::to_string_pretty(&network)?)?;
        Ok(network)
    }

    /// API of the relay, which is what users ask.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.api_ports.last().copied().unwrap_or_default())
    }

    /// Where users open apps.
    #[must_use]
    pub fn gateway_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.gateway_port)
    }
}

/// Writes the genesis file and the pools' keys, unless they are there.
pub fn write_chain(state: &Path, demo_accounts: &[AccountId]) -> Result<PathBuf> {
    let path = state.join("genesis.json");
    if path.exists() {
        return Ok(path);
    }
    let mut network_seed = [0u8; 32];
    getrandom::fill(&mut network_seed).map_err(|e| anyhow::anyhow!("no randomness: {e}"))?;
    let keys: Vec<PoolKeys> =
        (0u8..3).map(|n| PoolKeys::from_seed(&blake2b_256_of(&[&network_seed, b"pool", &[n]]).0)).collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let genesis = Preset::Devnet.genesis(Founders {
        name: "devnet".into(),
        system_start_ms: u64::try_from(now.as_millis())?.saturating_add(1_500),
        seed: blake2b_256_of(&[&network_seed, b"nonce"]),
        accounts: funds(demo_accounts),
        pools: keys.iter().zip(POOL_STAKE).map(|(keys, stake)| genesis_pool(keys, stake)).collect(),
    });
    for (n, keys) in keys.iter().enumerate() {
        let mut folder = Folder(state.join(format!("node-{}/keys", n.saturating_add(1))));
        Agent::create(&mut folder, keys, &genesis.hash())?;
    }
    std::fs::write(&path, nupeer_client::genesis_json::to_json(&genesis))?;
    Ok(path)
}

fn funds(accounts: &[AccountId]) -> Vec<(AccountId, AssetId, Amount)> {
    let units = Amount::new(DEMO_FUNDS.saturating_mul(Amount::UNIT));
    accounts.iter().flat_map(|account| [(*account, AssetId::ADA, units), (*account, USD, units)]).collect()
}

/// A pool that pledges half of its stake.
#[must_use]
pub fn genesis_pool(keys: &PoolKeys, stake: u64) -> GenesisPool {
    let amount = |tokens: u64| Amount::new(tokens.saturating_mul(Amount::UNIT));
    let (stake, pledge) = (amount(stake), amount(stake / 2));
    // The demo's operators are paid to the account of their cold key.
    keys.genesis_pool(stake, pledge)
}

/// Writes the configuration of node `index` (0-based); the last is the relay.
pub fn write_node_config(state: &Path, network: &Network, index: usize) -> Result<PathBuf> {
    let dir = state.join(format!("node-{}", index.saturating_add(1)));
    std::fs::create_dir_all(&dir)?;
    let port = |ports: &[u16], at: usize| ports.get(at).copied().unwrap_or_default();
    let peers: Vec<String> = (0..network.p2p_ports.len())
        .filter(|other| *other != index)
        .map(|other| format!("\"/ip4/127.0.0.1/tcp/{}\"", port(&network.p2p_ports, other)))
        .collect();
    let is_relay = index.saturating_add(1) == network.p2p_ports.len();
    let pool = if is_relay { String::new() } else { "\n[pool]\nkeys_dir = \"keys\"\nwatch_slots = 2\n".to_string() };
    let text = format!(
        "genesis = \"../genesis.json\"\nstate_dir = \"db\"\naudit = true\n\n[network]\nlisten = [\"/ip4/127.0.0.1/tcp/{}\"]\n\
         peers = [{}]\n\n[api]\nlisten = \"127.0.0.1:{}\"\n{pool}",
        port(&network.p2p_ports, index),
        peers.join(", "),
        port(&network.api_ports, index),
    );
    let path = dir.join("node.toml");
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Reads a genesis file back.
pub fn read_genesis(path: &Path) -> Result<Genesis> {
    Ok(nupeer_client::genesis_json::from_json(&std::fs::read_to_string(path)?)?)
}

/// An id that no two networks share, for names in reports.
#[must_use]
pub fn short_id(genesis: &Genesis) -> String {
    let hash: Hash = genesis.hash().0;
    hash.to_hex().chars().take(8).collect()
}

/// The gateway's configuration.
#[must_use]
pub fn edge_config(network: &Network, dir: &Path) -> String {
    format!(
        "network = \"../genesis.json\"\nnodes = [\"{}\"]\nstate_dir = \"{dir}\"\n\n[edge]\nenabled = true\n\
         listen = \"127.0.0.1:{}\"\ntunnel_listen = \"127.0.0.1:{}\"\nkey_file = \"{dir}/edge.key\"\n\n\
         [metrics]\nlisten = \"127.0.0.1:{}\"\n",
        network.api_url(),
        network.gateway_port,
        network.tunnel_port,
        network.metrics_ports.last().copied().unwrap_or_default(),
        dir = dir.display(),
    )
    .replace("../genesis.json", &dir.join("../genesis.json").display().to_string())
}

/// A provider's configuration.
#[must_use]
pub fn provider_config(
    network: &Network,
    programs: &super::programs::Programs,
    dir: &Path,
    index: usize,
    account: &str,
    site: &str,
    edge_key: &str,
) -> String {
    let metrics = network.metrics_ports.get(index.saturating_sub(1)).copied().unwrap_or_default();
    format!(
        "network = \"{genesis}\"\nnodes = [\"{api}\"]\nstate_dir = \"{dir}\"\naccount = \"{account}\"\n\
         key_file = \"{dir}/session.key\"\nseal_key_file = \"{dir}/seal.key\"\npoll_ms = 500\n\n\
         [host]\nsite = \"{site}\"\ngrade = \"D\"\n\n\
         [[plugin]]\nname = \"wasm\"\npath = \"{wasm}\"\n\n[[plugin]]\nname = \"process\"\npath = \"{process}\"\n\n\
         [[offer]]\ninstrument = \"W.EU.D.ROLL\"\nprice_min = \"0.00{price}\"\nlots_max = 8\n\n\
         [[gateway]]\nkey = \"{edge_key}\"\ntunnel = \"127.0.0.1:{tunnel}\"\nurl = \"{gateway}\"\n\n\
         [metrics]\nlisten = \"127.0.0.1:{metrics}\"\n",
        genesis = dir.join("../genesis.json").display(),
        api = network.api_url(),
        dir = dir.display(),
        wasm = programs.wasm.display(),
        process = programs.process.display(),
        price = if index == 1 { "11" } else { "12" },
        tunnel = network.tunnel_port,
        gateway = network.gateway_url(),
    )
}
