//! The files of a test network: pool keys, genesis, configurations. Written once; later runs find the same chain.

use super::process::free_port;
use anyhow::{Context, Result};
use nupeer_consensus::forge::PoolKeys;
use nupeer_node::engine::agent::{Agent, Folder};
use nupeer_primitives::genesis::{Genesis, GenesisPool};
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::{AccountId, Amount, AssetId, Hash};
use nupeer_runtime::preset::{Founders, Preset, TEST_ISSUER, TEST_ISSUER_SEED, USD};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Whole tokens that the three pools stake, of each token; half of it is pledged.
const POOL_STAKE: [u64; 3] = [5_000_000, 3_000_000, 2_000_000];
/// Whole units of ada and stablecoin that each demo account starts with.
pub(crate) const DEMO_FUNDS: u64 = 10_000;
/// Whole units of each staking token that each demo account starts with: enough to matter beside the pools.
const DEMO_STAKE: u64 = 6_000_000;
/// Whole units of ada and stablecoin in the treasury, so that proposals can spend.
const TREASURY_FUNDS: u64 = 100_000;
/// File of the test issuer's published key.
pub(crate) const ISSUER_KEY: &str = "issuer.key";

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

/// Writes the genesis file, the pools' keys and the test issuer's, unless they are there. The n-th founder owns the n-th
/// pool; a pool without one belongs to the account of its cold key.
pub fn write_chain(state: &Path, demo_accounts: &[AccountId], founders: &[AccountId]) -> Result<PathBuf> {
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
        pools: pools(&keys, founders),
    });
    write_secret(&state.join(ISSUER_KEY), &hex::encode(TEST_ISSUER_SEED))?;
    for (n, keys) in keys.iter().enumerate() {
        let mut folder = Folder(state.join(format!("node-{}/keys", n.saturating_add(1))));
        Agent::create(&mut folder, keys, &genesis.hash())?;
    }
    std::fs::write(&path, nupeer_client::genesis_json::to_json(&genesis))?;
    Ok(path)
}

/// A secret that its owner alone reads, as the programs demand.
fn write_secret(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
    writeln!(file.with_context(|| format!("writing {}", path.display()))?, "{text}")?;
    Ok(())
}

fn funds(accounts: &[AccountId]) -> Vec<(AccountId, AssetId, Amount)> {
    let units = |whole: u64| Amount::new(whole.saturating_mul(Amount::UNIT));
    let (demo, stake, treasury) = (units(DEMO_FUNDS), units(DEMO_STAKE), units(TREASURY_FUNDS));
    let of_demo = |account: &AccountId| {
        let tokens = [AssetId::IAAS, AssetId::PAAS, AssetId::SAAS].map(|token| (*account, token, stake));
        [(*account, AssetId::ADA, demo), (*account, USD, demo)].into_iter().chain(tokens)
    };
    let dao = AccountId::system(SystemAccount::Treasury);
    let common = [(TEST_ISSUER.account(), AssetId::ADA, demo), (dao, AssetId::ADA, treasury), (dao, USD, treasury)];
    accounts.iter().flat_map(of_demo).chain(common).collect()
}

fn pools(keys: &[PoolKeys], founders: &[AccountId]) -> Vec<GenesisPool> {
    let owners = founders.iter().copied().map(Some).chain(std::iter::repeat(None));
    let pool = |((keys, stake), owner): ((&PoolKeys, u64), Option<AccountId>)| {
        let mut pool = genesis_pool(keys, stake);
        if let Some(owner) = owner {
            pool.reward_account = owner;
            pool.proof = keys.sign_cold(&pool.proof_digest());
        }
        pool
    };
    keys.iter().zip(POOL_STAKE).zip(owners).map(pool).collect()
}

/// A pool that pledges half of its stake.
#[must_use]
pub fn genesis_pool(keys: &PoolKeys, stake: u64) -> GenesisPool {
    let amount = |tokens: u64| Amount::new(tokens.saturating_mul(Amount::UNIT));
    let (stake, pledge) = (amount(stake), amount(stake / 2));
    // Unless somebody owns it, its rewards go to the account of its cold key.
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
