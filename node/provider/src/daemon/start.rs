//! How a daemon's parts come up: the chain's client, the edge, hosting with its plugins.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result, bail};
use nupeer_client::bundle::SealKey;
use nupeer_client::delivery::Store;
use nupeer_primitives::{AccountId, HostId};
use tokio::sync::mpsc;
use tracing::warn;

use super::{CHAIN_RETRY, EVENTS_MAX, Hosting};
use crate::config::Config;
use crate::core::{JournalHealth, State};
use crate::desk::{Counter, TenantDesk};
use crate::edge::{Edge, EdgeSettings};
use crate::journal::Journal;
use crate::journal::book::Book;
use crate::keys::{self, SessionKey};
use crate::node_chain::{Network, NodeChain};
use crate::plugin_host::{PluginHost, PluginPlace};
use crate::recovery::remembered;
use crate::runner::{Runner, Tools};
use crate::shared_journal::SharedJournal;
use crate::tunnel::host::{EdgeLink, EdgePlace, Relay};

pub(super) async fn connect(config: &Config, account: AccountId, session: &SessionKey) -> Result<NodeChain> {
    let network = Network::parse(&config.network)?;
    let host = config.host.id.map(HostId);
    // The genesis never changes: one that was seen before lets the daemon start while no node answers.
    let kept = config.state_dir.join("genesis.json");
    if let Ok(text) = std::fs::read_to_string(&kept) {
        match NodeChain::offline(&config.nodes, &network, &text, account, session.clone(), host) {
            Ok(chain) => return Ok(proving(config, chain)),
            Err(error) => warn!(%error, "kept genesis not used"),
        }
    }
    loop {
        match NodeChain::connect(&config.nodes, &network, account, session.clone(), host).await {
            Ok(chain) => {
                if let Err(error) = std::fs::write(&kept, nupeer_client::genesis_json::to_json(chain.genesis())) {
                    warn!(%error, "genesis not kept");
                }
                return Ok(proving(config, chain));
            }
            Err(error) if error.is_retryable() => {
                warn!(%error, "waiting for a node");
                tokio::time::sleep(CHAIN_RETRY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn proving(config: &Config, chain: NodeChain) -> NodeChain {
    if config.is_host() { chain.with_notary(&config.state_dir, config.checkpoint.clone()) } else { chain }
}

pub(super) async fn start_edge(config: &Config, chain: &Arc<NodeChain>) -> Result<Arc<Edge<NodeChain>>> {
    let key = SessionKey::from_seed(&*keys::read_or_create_seed(&config.edge_key_path())?);
    let settings = EdgeSettings {
        listen: config.edge.listen,
        tunnel_listen: config.edge.tunnel_listen,
        domain: config.edge.domain.clone(),
        app_ports: config.edge.app_ports,
        state_dir: config.state_dir.join("edge"),
        blobs_max: config.edge.blobs_max,
    };
    Ok(Edge::start(settings, chain.genesis_hash(), key, Arc::clone(chain)).await?.0)
}

pub(super) fn start_hosting(
    config: &Config,
    chain: &Arc<NodeChain>,
    session: &SessionKey,
    journal: Option<Journal>,
    book: &Book,
) -> Result<Hosting> {
    let (workloads, handles) = remembered(book);
    let health = if journal.is_some() { JournalHealth::Healthy } else { JournalHealth::Corrupt };
    let journal = SharedJournal::new(journal);
    let (send, events) = mpsc::channel(EVENTS_MAX);
    let (relay, counter) = (Arc::new(Relay::new()), Arc::new(Counter::default()));
    let runner_slot = Arc::new(OnceLock::new());
    let desk = Arc::new(TenantDesk {
        genesis: chain.genesis_hash(),
        counter: Arc::clone(&counter),
        events: send.clone(),
        runner: Arc::clone(&runner_slot),
    });
    let (mut links, mut stores) = (Vec::new(), Vec::new());
    for gateway in &config.gateways {
        let place = EdgePlace { address: gateway.tunnel, key: gateway.key()? };
        links.push(EdgeLink::keep(place, session.clone(), Arc::clone(&relay), Arc::clone(&desk)));
        stores.push(Store::new(&format!("{}/.nupeer", gateway.url.trim_end_matches('/')))?);
    }
    let blobs_dir = config.state_dir.join("blobs");
    std::fs::create_dir_all(&blobs_dir).with_context(|| format!("{}", blobs_dir.display()))?;
    let seal = keys::read_or_create_seed(&config.seal_key_path())?;
    let is_mainnet = config.network == "mainnet";
    let tools = Tools {
        chain: Arc::clone(chain),
        genesis: chain.genesis_hash(),
        seal: SealKey::from_bytes(*seal),
        plugins: start_plugins(config)?,
        journal: journal.clone(),
        links: links.clone(),
        stores,
        blobs_dir,
        is_mainnet,
    };
    let runner = Runner::new(tools, handles, config.policy.egress_max, send.clone());
    if runner_slot.set(Arc::clone(&runner)).is_err() {
        bail!("the tenant desk was wired twice");
    }
    let state = State::new(chain.genesis_hash(), config.policy.to_policy()?, workloads).with_journal(health);
    Ok(Hosting {
        state,
        events,
        send,
        journal,
        runner,
        relay,
        links,
        counter,
        generations: BTreeMap::new(),
        journal_full_at: None,
    })
}

fn start_plugins(config: &Config) -> Result<BTreeMap<String, PluginHost>> {
    let mut plugins = BTreeMap::new();
    for plugin in &config.plugins {
        let dir = |kind: &str| config.state_dir.join(kind).join(&plugin.name);
        for path in [dir("plugins"), dir("cache")] {
            std::fs::create_dir_all(&path).with_context(|| format!("{}", path.display()))?;
        }
        let config_json = if plugin.config.is_empty() { String::new() } else { serde_json::to_string(&plugin.config)? };
        let place = PluginPlace {
            program: plugin.path.clone(),
            config_json,
            state_dir: dir("plugins"),
            cache_dir: dir("cache"),
            cgroup: plugin.cgroup.clone(),
            uid: plugin.uid,
        };
        plugins.insert(plugin.name.clone(), PluginHost::keep(place));
    }
    Ok(plugins)
}
