//! Carries tasks out: plugins, bundles, transactions. It decides nothing; each task is idempotent by (lease, epoch), and
//! what it changes on this machine stands in the journal before it is done.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nupeer_client::ClientError;
use nupeer_client::bundle::{Bundle, BundleError, SealKey, unwrap};
use nupeer_client::delivery::{Store, check_address};
use nupeer_client::manifest::{ArtifactKind, Workload};
use nupeer_plugin_protocol::v1::{Handle, RecoverState, Spec, Wipe};
use nupeer_primitives::hash::blake2b_256;
use nupeer_primitives::market::WipeMethod;
use nupeer_primitives::{Action, GenesisHash};
use prost::Message as _;
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::config::EgressMax;
use crate::core::{Event, Held, Outcome, Recovered, Task};
use crate::journal::record::{Body, HandleRecord, Phase};
use crate::meter::Source;
use crate::node_chain::NodeChain;
use crate::plugin_host::{CallError, Plugin, PluginHost, reason_of};
use crate::ports::{Chain, ChainError, ChainRules, LeaseView};
use crate::shared_journal::{SharedJournal, WriteError};
use crate::tunnel::host::EdgeLink;
use crate::tunnel::wire::{Answer, Ask};
use crate::workload_spec::{self, Misfit};

/// How long a plugin may be away before a task fails and is tried later.
const PLUGIN_WAIT: Duration = Duration::from_secs(5);
/// Between samples, and between looks at a workload's health before and after it is well.
const METER_EVERY: Duration = Duration::from_secs(1);
const HEALTH_FIRST: Duration = Duration::from_millis(300);
const HEALTH_EVERY: Duration = Duration::from_secs(5);

/// What was learned by opening a bundle.
#[derive(Debug, Clone)]
struct Opened {
    spec: Spec,
    plugin: String,
    hosts: Vec<String>,
    health_path: Option<String>,
}

/// Why a task did not succeed.
#[derive(Debug, thiserror::Error)]
enum TaskError {
    #[error(transparent)]
    Misfit(#[from] Misfit),
    #[error("{0}")]
    Bundle(#[from] BundleError),
    #[error("BundleMissing: no gateway has {what}: {why}")]
    Missing { what: String, why: String },
    #[error("{0}")]
    Call(#[from] CallError),
    #[error("plugin {0} is down; it is started again by itself")]
    PluginDown(String),
    #[error("{0}")]
    Chain(#[from] ChainError),
    #[error("{0}")]
    Journal(#[from] WriteError),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{0}")]
    NotYet(String),
}

impl TaskError {
    fn to_outcome(&self, task: Task) -> Outcome {
        let why = self.to_string();
        let misfit = match self {
            Self::Misfit(_) => true,
            // Sealed to another host's key: a later wrap may be right, the lease is not to blame.
            Self::Bundle(error) => !matches!(error, BundleError::SealedToOther | BundleError::WrapLength { .. }),
            Self::Call(error) => task == Task::Open && !error.is_retryable(),
            Self::Missing { .. }
            | Self::PluginDown(_)
            | Self::Chain(_)
            | Self::Journal(_)
            | Self::Io { .. }
            | Self::NotYet(_) => false,
        };
        if misfit {
            return Outcome::Misfit { why };
        }
        let retryable = match self {
            Self::Call(error) => error.is_retryable(),
            Self::Misfit(_)
            | Self::Bundle(_)
            | Self::Missing { .. }
            | Self::PluginDown(_)
            | Self::Chain(_)
            | Self::Journal(_)
            | Self::Io { .. }
            | Self::NotYet(_) => true,
        };
        Outcome::Failed { why, retryable }
    }
}

/// What the runner works with.
#[derive(Debug)]
pub struct Tools {
    /// The chain.
    pub chain: Arc<NodeChain>,
    /// The network.
    pub genesis: GenesisHash,
    /// Opens key wraps.
    pub seal: SealKey,
    /// Runtimes by name.
    pub plugins: BTreeMap<String, PluginHost>,
    /// The journal.
    pub journal: SharedJournal,
    /// Edges.
    pub links: Vec<EdgeLink>,
    /// Where bundles are.
    pub stores: Vec<Store>,
    /// Bundles and artifacts, kept while their lease is.
    pub blobs_dir: PathBuf,
    /// Whether development plugins are refused.
    pub is_mainnet: bool,
}

/// Runs tasks.
#[derive(Debug)]
pub struct Runner {
    tools: Tools,
    egress_max: Mutex<EgressMax>,
    opened: Mutex<BTreeMap<Held, Opened>>,
    handles: Mutex<BTreeMap<Held, HandleRecord>>,
    watches: Mutex<BTreeMap<Held, tokio::task::JoinHandle<()>>>,
    events: mpsc::Sender<Event>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The maps are valid after every statement, so a panic elsewhere does not spoil them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a workload listens, as its handle says.
#[must_use]
pub fn socket_of(record: &HandleRecord) -> Option<PathBuf> {
    let handle = Handle::decode(record.handle.as_slice()).ok()?;
    handle.endpoint.strip_prefix("unix:").filter(|path| path.starts_with('/')).map(PathBuf::from)
}

impl Runner {
    /// With the handles that the journal remembers.
    #[must_use]
    pub fn new(
        tools: Tools,
        handles: BTreeMap<Held, HandleRecord>,
        egress_max: EgressMax,
        events: mpsc::Sender<Event>,
    ) -> Arc<Self> {
        Arc::new(Self {
            tools,
            egress_max: Mutex::new(egress_max),
            opened: Mutex::default(),
            handles: Mutex::new(handles),
            watches: Mutex::default(),
            events,
        })
    }

    /// What it works with.
    #[must_use]
    pub const fn tools(&self) -> &Tools {
        &self.tools
    }

    /// The owner changed the rules.
    pub fn set_egress_max(&self, egress_max: EgressMax) {
        *lock(&self.egress_max) = egress_max;
    }

    /// The record of a workload.
    #[must_use]
    pub fn handle(&self, held: Held) -> Option<HandleRecord> {
        lock(&self.handles).get(&held).cloned()
    }

    /// Forgets a lease that is over.
    pub fn forget(&self, held: Held) {
        lock(&self.opened).remove(&held);
        lock(&self.handles).remove(&held);
        self.unwatch(held);
    }

    fn unwatch(&self, held: Held) {
        if let Some(task) = lock(&self.watches).remove(&held) {
            task.abort();
        }
    }

    /// Ends watching; workloads stay.
    pub async fn retire(self: Arc<Self>) {
        let watches = std::mem::take(&mut *lock(&self.watches));
        watches.into_values().for_each(|task| task.abort());
        for host in self.tools.plugins.values() {
            if let Some(plugin) = host.plugin()
                && let Err(error) = plugin.shutdown(Duration::from_secs(1)).await
            {
                warn!(%error, "plugin did not leave");
            }
        }
    }

    /// Carries one task out and says how it went.
    pub async fn run(&self, held: Held, task: Task, lease: Option<LeaseView>, rules: Option<ChainRules>) -> Outcome {
        let done = match task {
            Task::Accept => self.submit(Action::Accept { lease: held.lease }).await,
            Task::Decline => self.submit(Action::Decline { lease: held.lease }).await,
            Task::Open => match lease {
                Some(lease) => self.open(held, &lease).await,
                None => Err(TaskError::NotYet("the lease was not seen yet".to_owned())),
            },
            Task::Prepare => self.prepare(held, rules).await,
            Task::Start => self.start(held).await,
            Task::Ready => self.ready(held, lease.as_ref()).await,
            Task::Stop => self.stop(held, rules).await,
            Task::Destroy => self.destroy(held).await,
            Task::Wiped => self.wiped(held).await,
            Task::Recover => match self.recover(held).await {
                Ok(answer) => return Outcome::Recovered(answer),
                Err(error) => Err(error),
            },
        };
        match done {
            Ok(()) => Outcome::Done,
            Err(error) => error.to_outcome(task),
        }
    }

    async fn submit(&self, action: Action) -> Result<(), TaskError> {
        Ok(self.tools.chain.submit(vec![action]).await.map(drop)?)
    }

    async fn plugin(&self, name: &str) -> Result<Plugin, TaskError> {
        let host = self.tools.plugins.get(name).ok_or_else(|| TaskError::PluginDown(name.to_owned()))?;
        host.wait(PLUGIN_WAIT).await.ok_or_else(|| TaskError::PluginDown(name.to_owned()))
    }

    fn record(&self, held: Held, record: HandleRecord) -> Result<(), TaskError> {
        self.tools.journal.write(held, Body::Handle(record.clone()))?;
        lock(&self.handles).insert(held, record);
        Ok(())
    }

    fn known(&self, held: Held) -> Result<HandleRecord, TaskError> {
        self.handle(held).ok_or_else(|| TaskError::NotYet("the workload was not prepared".to_owned()))
    }

    /// Bundle by the wrap, manifest by the bundle, artifact by the manifest; then the plugin's own check.
    async fn open(&self, held: Held, lease: &LeaseView) -> Result<(), TaskError> {
        let wrap =
            lease.wrap.as_ref().ok_or_else(|| TaskError::NotYet("the tenant has sealed no key yet".to_owned()))?;
        let (key, address) = unwrap(wrap, &held.lease, &self.tools.seal, &self.tools.genesis)?;
        let sealed = self.blob(held, "bundle", &address.to_hex()).await?;
        let bundle = Bundle::open(&sealed, &key, &self.tools.genesis, &lease.manifest_hash)?;
        let workload = &bundle.workload;
        let (name, plugin) = self.plugin_for(workload).await?;
        let digest = hex::encode(workload.artifact.digest);
        let artifact = match workload.artifact.kind {
            ArtifactKind::Wasm | ArtifactKind::Exec => {
                self.blob(held, "artifact", &digest).await?;
                self.blobs_of(held).join(&digest)
            }
            ArtifactKind::Image => PathBuf::new(),
        };
        let egress_max = *lock(&self.egress_max);
        let spec = workload_spec::spec(held, lease, workload, &artifact, egress_max)?;
        let checked = plugin.check(spec.clone()).await?;
        if !checked.ok {
            return Err(TaskError::Call(CallError::Refused(nupeer_plugin_protocol::Refusal::new(
                nupeer_plugin_protocol::Reason::SpecInvalid,
                checked.reasons.join("; "),
            ))));
        }
        let own_name = format!("{}.lease", held.lease.to_hex().get(..16).unwrap_or_default());
        let hosts = match &workload.expose {
            Some(expose) => expose.host.iter().cloned().chain([own_name]).collect(),
            None => Vec::new(),
        };
        let health_path = workload.expose.as_ref().and_then(|expose| expose.health.clone());
        info!(lease = %held.lease, service = workload.service, plugin = name, "bundle opened");
        lock(&self.opened).insert(held, Opened { spec, plugin: name, hosts, health_path });
        Ok(())
    }

    async fn plugin_for(&self, workload: &Workload) -> Result<(String, Plugin), TaskError> {
        let kind = workload_spec::kind_word(workload.artifact.kind);
        let mut down = None;
        for (name, host) in &self.tools.plugins {
            let Some(plugin) = host.wait(PLUGIN_WAIT).await else {
                down = Some(name.clone());
                continue;
            };
            let descriptor = plugin.descriptor();
            if descriptor.artifacts.iter().any(|known| known == kind)
                && !(descriptor.development && self.tools.is_mainnet)
            {
                return Ok((name.clone(), plugin));
            }
        }
        match down {
            Some(name) => Err(TaskError::PluginDown(name)),
            None => Err(Misfit::Kind { kind }.into()),
        }
    }

    /// Where a lease's bundle and artifact are; wiped with it.
    fn blobs_of(&self, held: Held) -> PathBuf {
        self.tools.blobs_dir.join(format!("{}-{}", held.lease, held.epoch))
    }

    /// A blob from the own cache or the first gateway that has it; verified either way.
    async fn blob(&self, held: Held, kind: &str, address: &str) -> Result<Vec<u8>, TaskError> {
        let path = self.blobs_of(held).join(address);
        if let Ok(content) = std::fs::read(&path)
            && check_address(address, &content).is_ok()
        {
            return Ok(content);
        }
        let mut last = "none is configured".to_owned();
        for store in &self.tools.stores {
            match store.get(kind, address).await {
                Ok(content) => {
                    let io = |source| TaskError::Io { path: path.clone(), source };
                    write_whole(&path, &content).map_err(io)?;
                    return Ok(content);
                }
                Err(ClientError::NotFound { what }) => last = format!("{what} is not there"),
                Err(error) => last = error.to_string(),
            }
        }
        Err(TaskError::Missing { what: format!("{kind} {address}"), why: last })
    }

    async fn prepare(&self, held: Held, rules: Option<ChainRules>) -> Result<(), TaskError> {
        let provision_ms = known_rules(rules)?.provision_ms;
        let opened = lock(&self.opened).get(&held).cloned();
        let opened = opened.ok_or_else(|| TaskError::NotYet("the bundle was not opened".to_owned()))?;
        let record = HandleRecord {
            phase: Phase::Preparing,
            plugin: opened.plugin.clone(),
            id: opened.spec.id.clone(),
            handle: Vec::new(),
            hosts: opened.hosts,
            health_path: opened.health_path,
        };
        self.record(held, record.clone())?;
        let plugin = self.plugin(&opened.plugin).await?;
        plugin.prepare(opened.spec, Duration::from_millis(provision_ms)).await?;
        self.record(held, HandleRecord { phase: Phase::Prepared, ..record })
    }

    async fn start(&self, held: Held) -> Result<(), TaskError> {
        let record = self.known(held)?;
        let plugin = self.plugin(&record.plugin).await?;
        let handle = plugin.start(&record.id, u64::from(held.epoch)).await?;
        self.record(held, HandleRecord { phase: Phase::Started, handle: handle.encode_to_vec(), ..record })
    }

    async fn stop(&self, held: Held, rules: Option<ChainRules>) -> Result<(), TaskError> {
        let record = self.known(held)?;
        let plugin = self.plugin(&record.plugin).await?;
        let grace = Duration::from_millis(known_rules(rules)?.stop_ms);
        plugin.stop(&record.id, u64::from(held.epoch), 0, grace).await?;
        self.unwatch(held);
        self.record(held, HandleRecord { phase: Phase::Prepared, ..record })
    }

    async fn destroy(&self, held: Held) -> Result<(), TaskError> {
        self.unwatch(held);
        let mut volumes = Vec::new();
        if let Some(record) = self.handle(held) {
            let plugin = self.plugin(&record.plugin).await?;
            match plugin.destroy(&record.id, u64::from(held.epoch), Wipe::Zero).await {
                Ok(report) => volumes = report.volumes.into_iter().map(|v| (v.name, v.bytes)).collect(),
                Err(error) if reason_of(&error) == Some(nupeer_plugin_protocol::Reason::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let blobs = self.blobs_of(held);
        match std::fs::remove_dir_all(&blobs) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(TaskError::Io { path: blobs, source }),
        }
        let method = WipeMethod::Zero.code();
        Ok(self.tools.journal.write(held, Body::Wipe { volumes, method })?)
    }

    async fn wiped(&self, held: Held) -> Result<(), TaskError> {
        let volumes = Vec::new();
        self.submit(Action::WipeReceipt { lease: held.lease, volumes, method: WipeMethod::Zero }).await
    }

    async fn recover(&self, held: Held) -> Result<Recovered, TaskError> {
        let Some(record) = self.handle(held) else { return Ok(Recovered::Nothing) };
        let plugin = self.plugin(&record.plugin).await?;
        if record.phase != Phase::Started {
            let there = plugin.list().await?.contains(&record.id);
            return Ok(match (there, record.phase) {
                (true, _) => Recovered::Prepared,
                (false, Phase::Preparing) => Recovered::Nothing,
                (false, Phase::Prepared | Phase::Started) => Recovered::Unknown,
            });
        }
        let handle = Handle::decode(record.handle.as_slice())
            .map_err(|e| TaskError::NotYet(format!("handle in the journal: {e}")))?;
        let rebooted = boot_id().is_some_and(|now| now != handle.boot_id);
        let answer = plugin.recover(handle).await?;
        Ok(match RecoverState::try_from(answer.state) {
            Ok(RecoverState::Running) => Recovered::Running { unbroken: true },
            Ok(RecoverState::Exited) => Recovered::Exited { code: answer.exit_code },
            Ok(RecoverState::NotFound) if rebooted => Recovered::Exited { code: -1 },
            Ok(RecoverState::NotFound | RecoverState::Unknown) | Err(_) => Recovered::Unknown,
        })
    }

    /// The chain wants to know where the workload answers; an edge of the lease has to have seen it.
    async fn ready(&self, held: Held, lease: Option<&LeaseView>) -> Result<(), TaskError> {
        let record = self.known(held)?;
        let named = record.hosts.first().map_or(record.id.as_str(), String::as_str);
        let endpoint_hash = blake2b_256(named.as_bytes()).0;
        let edges = lease.map(|lease| lease.edges.clone()).unwrap_or_default();
        let mut edge = None;
        if !record.hosts.is_empty() && !edges.is_empty() {
            let mut why = "no gateway of the config is an edge of this lease".to_owned();
            for link in self.tools.links.iter().filter(|link| edges.contains(&link.place.key)) {
                // The edge may not have heard of the route that was opened a moment ago.
                link.tell().await;
                match link.ask(&Ask::Ready { held, endpoint_hash }).await {
                    Ok(Answer::Signed { key, signature }) if key == link.place.key => {
                        edge = Some((key, signature));
                        break;
                    }
                    Ok(Answer::Refused(text)) => why = text,
                    Ok(Answer::Signed { .. } | Answer::Nack { .. } | Answer::Routes(_)) => {
                        why = "the edge answered out of turn".to_owned();
                    }
                    Err(error) => why = error.to_string(),
                }
            }
            if edge.is_none() {
                return Err(TaskError::NotYet(format!("EdgeUnreachable: {why}")));
            }
        }
        self.submit(Action::Ready { lease: held.lease, endpoint_hash, edge }).await
    }

    /// Looks after a workload once the core knows that it runs: a verdict or an end that overtook the outcome of its start
    /// would find no running workload and be lost.
    pub fn follow(self: &Arc<Self>, held: Held, task: Task, outcome: &Outcome) {
        let runs = matches!(
            (task, outcome),
            (Task::Start, Outcome::Done) | (Task::Recover, Outcome::Recovered(Recovered::Running { .. }))
        );
        if runs {
            self.watch(held);
        }
    }

    /// Samples, health, and its end. What is seen are states, not events.
    fn watch(self: &Arc<Self>, held: Held) {
        let Some(record) = self.handle(held) else { return };
        let runner = Arc::clone(self);
        let task = tokio::spawn(async move {
            tokio::join!(runner.watch_health(held, &record), runner.watch_meter(held, &record));
        });
        if let Some(old) = lock(&self.watches).insert(held, task) {
            old.abort();
        }
    }

    async fn watch_health(&self, held: Held, record: &HandleRecord) {
        use nupeer_plugin_protocol::v1::{Health, WorkloadState};
        let mut last = None;
        loop {
            if let Ok(plugin) = self.plugin(&record.plugin).await
                && let Ok(seen) = plugin.inspect(&record.id).await
            {
                match WorkloadState::try_from(seen.state) {
                    Ok(WorkloadState::Exited) => {
                        let code = self.exit_code(&plugin, record).await;
                        let _ = self.events.send(Event::Exited { held, code }).await;
                        return;
                    }
                    Ok(WorkloadState::Running) => {
                        let verdict = match Health::try_from(seen.health) {
                            Ok(Health::Healthy) => true,
                            Ok(Health::Unhealthy) => false,
                            Ok(Health::Unknown) | Err(_) => record.health_path.is_none() && self.connects(record).await,
                        };
                        if last != Some(verdict) {
                            last = Some(verdict);
                            let _ = self.events.send(Event::Health { held, healthy: verdict }).await;
                        }
                    }
                    Ok(WorkloadState::Prepared | WorkloadState::Unknown) | Err(_) => {}
                }
            }
            tokio::time::sleep(if last == Some(true) { HEALTH_EVERY } else { HEALTH_FIRST }).await;
        }
    }

    async fn exit_code(&self, plugin: &Plugin, record: &HandleRecord) -> i32 {
        match Handle::decode(record.handle.as_slice()) {
            Ok(handle) => plugin.recover(handle).await.map_or(-1, |answer| answer.exit_code),
            Err(_) => -1,
        }
    }

    async fn connects(&self, record: &HandleRecord) -> bool {
        if record.hosts.is_empty() {
            return true;
        }
        let Some(socket) = self.handle_socket(record) else { return false };
        tokio::net::UnixStream::connect(socket).await.is_ok()
    }

    fn handle_socket(&self, record: &HandleRecord) -> Option<PathBuf> {
        socket_of(record)
    }

    async fn watch_meter(&self, held: Held, record: &HandleRecord) {
        loop {
            if let Ok(plugin) = self.plugin(&record.plugin).await
                && let Ok(mut samples) = plugin.meter(&record.id, METER_EVERY).await
            {
                while let Ok(Some(sample)) = samples.message().await {
                    let totals = sample.counters.iter().map(|c| (c.kind, c.total)).collect();
                    let (generation, source) = (sample.generation, Source::Plugin);
                    let _ = self.events.send(Event::Sample { held, source, generation, totals }).await;
                    if sample.r#final {
                        return;
                    }
                }
            }
            tokio::time::sleep(METER_EVERY).await;
        }
    }
}

fn known_rules(rules: Option<ChainRules>) -> Result<ChainRules, TaskError> {
    rules.ok_or_else(|| TaskError::NotYet("the chain's parameters were not read yet".to_owned()))
}

/// This boot of the machine.
#[must_use]
pub fn boot_id() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|text| text.trim().to_owned())
}

fn write_whole(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let temporary = path.with_extension("part");
    std::fs::write(&temporary, content)?;
    std::fs::rename(&temporary, path)
}
