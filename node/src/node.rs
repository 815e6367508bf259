//! The one file that wires a node: configuration -> storage -> engine -> network -> API.

use crate::api::{self, Api, Metrics};
use crate::chain_port::NodeChain;
use crate::config::Config;
use crate::core_thread::Core;
use crate::door::Door;
use crate::driver::{Driver, first_standing, short, slot_of, wall_ms};
use crate::engine::Engine;
use crate::engine::agent::fee::FeeKey;
use crate::engine::agent::{Agent, Folder, FolderLock, KeyFiles};
use crate::engine::executor::Executor;
use crate::p2p;
use crate::storage::{Origin, Storage, rocks};
use anyhow::{Context, Result, bail};
use nupeer_client::pool::{FEE_FILE, fee_from_file, fee_to_file};
use nupeer_consensus::finality::overlay::OverlayConfig;
use nupeer_consensus::finality::seal::Bls;
use nupeer_consensus::header::Rules;
use nupeer_consensus::state::{Config as ConsensusConfig, State};
use nupeer_primitives::BlockId;
use nupeer_primitives::finality::Rounds;
use nupeer_primitives::genesis::Genesis;
use nupeer_primitives::state::Diff;
use nupeer_runtime::first_state::first_state;
use nupeer_runtime::validity::Chain;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use zeroize::Zeroizing;

/// A ban is never longer (consensus.md §14), whatever a record says.
const LONGEST_BAN: std::time::Duration = std::time::Duration::from_secs(24 * 3_600);

/// Runs a node until it is told to stop.
pub async fn run(config: Config) -> Result<()> {
    let genesis = read_genesis(&config)?;
    let chain = Chain::new(&genesis);
    std::fs::create_dir_all(&config.state_dir)?;
    let storage = open_storage(&config, &genesis, &chain)?;
    // The lock is held until this function ends.
    let (agent, _lock) = open_agent(&config, &chain)?;
    let pool = agent.as_ref().map(|agent| agent.identity().issuer.pool());
    tracing::info!(
        network = %genesis.name, genesis = %short(&chain.genesis), height = storage.position().height.0,
        pool = pool.map(|p| p.to_hex()), "starting"
    );
    let state = State::new(consensus_config(&config, &genesis, &chain, agent.as_ref()));
    let executor = Executor::new(chain.clone(), Arc::clone(&storage), genesis.seed, config.audit);
    let (engine, first_effects) = Engine::boot(state, executor, agent).context("starting from disk")?;
    let (network, events) = p2p::Network::start(network_config(&config, &chain)?).await?;
    keep_bans(&network, &storage, &genesis)?;
    for address in network.listening() {
        tracing::info!(%address, "listening");
    }
    let (outbound, effects) = mpsc::unbounded_channel();
    for effect in first_effects {
        drop(outbound.send(effect));
    }
    let (checked, waiting) = (Arc::clone(&engine.executor.checked), engine.mempool.ids());
    let (core, engine_thread) = Core::start(engine, outbound.clone())?;
    let door = Door::open(Arc::clone(&checked), core.clone(), outbound)?;
    let (standing, standing_seen) = watch::channel(first_standing(&storage, &genesis, pool));
    let (stop, mut stop_seen) = watch::channel(None);
    let metrics = Arc::new(Metrics::new());
    let driver = Driver {
        chain: chain.clone(),
        system_start_ms: genesis.system_start_ms,
        core: core.clone(),
        network: network.clone(),
        storage: Arc::clone(&storage),
        door: door.clone(),
        checked,
        metrics: Arc::clone(&metrics),
        standing: Arc::new(standing),
        pool,
        stop: Arc::new(stop),
    };
    let tasks = [
        tokio::spawn(driver.clone().run_effects(effects)),
        tokio::spawn(driver.clone().run_network(events)),
        tokio::spawn(driver.clone().run_clock()),
        tokio::spawn(driver.clone().run_standing()),
    ];
    let port = NodeChain { rules: chain, genesis, storage, standing: standing_seen, waiting, door };
    drop(core);
    let api_stop = Arc::new(tokio::sync::Notify::new());
    let serving = serve_api(&config, Arc::new(port), metrics, Arc::clone(&api_stop)).await?;
    let reason = tokio::select! {
        () = told_to_stop() => None,
        reason = stop_seen.wait_for(Option::is_some) => reason.ok().and_then(|r| r.clone()),
    };
    tracing::info!(reason = reason.as_deref().unwrap_or("told to"), "stopping");
    driver.stopping();
    api_stop.notify_waiters();
    if let Some(serving) = serving {
        let _ = tokio::time::timeout(std::time::Duration::from_secs(3), serving).await;
    }
    network.stop().await;
    end_tasks(tasks, driver, engine_thread).await;
    match reason {
        Some(reason) => bail!("{reason}"),
        None => Ok(()),
    }
}

fn read_genesis(config: &Config) -> Result<Genesis> {
    let path = config.genesis.display();
    let text = std::fs::read_to_string(&config.genesis).with_context(|| format!("reading {path}"))?;
    nupeer_client::genesis_json::from_json(&text).with_context(|| path.to_string())
}

/// Peers that consensus banned in an earlier life stay banned in the transport.
fn keep_bans(network: &p2p::Handle, storage: &Storage, genesis: &Genesis) -> Result<()> {
    let slot_ms = genesis.constants.slot_ms;
    let (now, _) = slot_of(genesis.system_start_ms, slot_ms, wall_ms());
    for ban in storage.bans()? {
        let slots = ban.until.0.saturating_sub(now);
        if slots > 0 {
            let left = std::time::Duration::from_millis(slots.saturating_mul(slot_ms));
            network.ban(p2p::Peer(ban.peer), left.min(LONGEST_BAN));
        }
    }
    Ok(())
}

/// Ends the driver, then the engine, which ends with its last sender; whatever it was committing is committed.
async fn end_tasks(tasks: [tokio::task::JoinHandle<()>; 4], driver: Driver, engine: std::thread::JoinHandle<()>) {
    for task in tasks {
        task.abort();
        let _ = task.await;
    }
    drop(driver);
    let _ = tokio::task::spawn_blocking(move || engine.join()).await;
}

fn open_storage(config: &Config, genesis: &Genesis, chain: &Chain) -> Result<Arc<Storage>> {
    let first: Diff = first_state(genesis)?.into_iter().map(|(key, value)| (key, Some(value))).collect();
    let origin = Origin { id: BlockId(chain.genesis.0.0), k: chain.constants.k, state: &first };
    Ok(Arc::new(Storage::open_rocks(&rocks::Options::new(config.state_dir.join("chain")), &origin)?))
}

fn open_agent(config: &Config, chain: &Chain) -> Result<(Option<Agent>, Option<FolderLock>)> {
    let Some(pool) = &config.pool else { return Ok((None, None)) };
    let folder = Folder(pool.keys_dir.clone());
    let lock = folder.lock()?;
    let agent = Agent::open(Box::new(folder), chain.genesis, chain.constants);
    let agent = agent.with_context(|| format!("pool keys in {}", pool.keys_dir.display()))?;
    Ok((Some(agent.watching(pool.watch_slots)), Some(lock)))
}

/// The account that pays for evidence, by the key in the pool's folder, which is made if it isn't there.
pub fn fee_account(config: &Config) -> Result<String> {
    let genesis = read_genesis(config)?;
    let pool = config.pool.as_ref().context("the configuration has no [pool]: a relay sends no evidence")?;
    let mut folder = Folder(pool.keys_dir.clone());
    let key = match folder.read(FEE_FILE)? {
        Some(bytes) => fee_from_file(&Zeroizing::new(bytes)).context(FEE_FILE)?,
        None => {
            let seed = Zeroizing::new(rand::random::<[u8; 32]>());
            folder.write(FEE_FILE, &fee_to_file(&seed))?;
            seed
        }
    };
    Ok(FeeKey::new(key).account().to_bech32(&genesis.hrp))
}

fn consensus_config(config: &Config, genesis: &Genesis, chain: &Chain, agent: Option<&Agent>) -> ConsensusConfig {
    ConsensusConfig {
        rules: Rules::new(chain.genesis, chain.constants),
        tiebreak_slots: genesis.parameter("tiebreak_slots").unwrap_or(3),
        skew_ms: 2_000,
        sync_peers: config.network.sync_peers,
        checkpoint: None,
        identity: agent.map(Agent::identity),
        finality: overlay(genesis),
    }
}

/// How votes make blocks final on a network.
#[must_use]
pub fn overlay(genesis: &Genesis) -> Option<OverlayConfig> {
    let (slots, lag) = (genesis.parameter("round_slots")?, genesis.parameter("lag_slots")?);
    let rounds = Rounds::new(slots, lag, &genesis.constants)?;
    Some(OverlayConfig { rounds, seal: Arc::new(Bls(genesis.hash())) })
}

fn network_config(config: &Config, chain: &Chain) -> Result<p2p::Config> {
    let addresses = |texts: &[String]| -> Result<Vec<p2p::Multiaddr>> {
        texts.iter().map(|text| text.parse().with_context(|| format!("`{text}` is not a multiaddress"))).collect()
    };
    let mut network = p2p::Config::new(config.state_dir.join("network"), chain.genesis);
    network.listen = addresses(&config.network.listen)?;
    network.bootstrap = addresses(&config.network.peers)?;
    network.private_addresses = chain.hrp != nupeer_primitives::AccountId::HRP_MAIN;
    Ok(network)
}

async fn serve_api(
    config: &Config,
    port: Arc<NodeChain>,
    metrics: Arc<Metrics>,
    stop: Arc<tokio::sync::Notify>,
) -> Result<Option<tokio::task::JoinHandle<std::io::Result<()>>>> {
    let Some(address) = config.api.listen else { return Ok(None) };
    let listener = TcpListener::bind(address).await.with_context(|| format!("API cannot listen on {address}"))?;
    tracing::info!(address = %listener.local_addr()?, "API");
    let api = Api::new(port, metrics);
    Ok(Some(tokio::spawn(api::serve(listener, api, async move { stop.notified().await }))))
}

/// SIGINT, SIGTERM, or the end of standard input where a parent process asked for that.
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    let lifeline = async {
        if std::env::var_os("NUPEER_LIFELINE").is_some_and(|value| value == "stdin") {
            let mut waste = Vec::new();
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut tokio::io::stdin(), &mut waste).await;
        } else {
            std::future::pending().await
        }
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = lifeline => {}
    }
}
