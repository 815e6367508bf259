//! The one file that wires the daemon (spec/provider.md §2): journal, plugins, tunnels, chain, core.
//!
//! Order at start: configuration → journal → handles → plugins → core with everything unrecovered → chain. Whatever of
//! these is missing later changes nothing that runs. At the end holders stay; the next daemon finds them by the journal.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nupeer_primitives::{AccountId, Action, HostId};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use crate::config::Config;
use crate::core::{Effect, Event, Held, Input, JournalHealth, Note, State, Task, step};
use crate::desk::Counter;
use crate::edge::Edge;
use crate::journal::book::Book;
use crate::journal::record::{Body, HandleRecord};
use crate::keys::{self, SessionKey};
use crate::lifeline;
use crate::meter::Source;
use crate::metrics::{self, Metrics};
use crate::node_chain::NodeChain;
use crate::offers::{self, UnderWay};
use crate::ports::{Chain, HostView};
use crate::recovery::open_journal;
use crate::runner::{Runner, socket_of};
use crate::shared_journal::SharedJournal;
use crate::tunnel::host::{EdgeLink, Relay};
use crate::tunnel::wire::{Answer, Ask};

mod start;

use start::{connect, start_edge, start_hosting};

/// Inputs that wait for the core.
const EVENTS_MAX: usize = 4_096;
/// The core's heartbeat: retries, restarts, relay samples.
const TICK: Duration = Duration::from_millis(500);
/// Between looks at parameters, own host and offers.
const SLOW: Duration = Duration::from_secs(15);
/// Between tries while no node answers at start.
const CHAIN_RETRY: Duration = Duration::from_secs(2);
/// Until a full journal is tried again.
const JOURNAL_RETRY: Duration = Duration::from_secs(5);

/// Runs until SIGTERM, SIGINT or the end of a lifeline.
pub async fn run(config_path: PathBuf, set_log: impl Fn(&str)) -> Result<()> {
    let config = Config::read(&config_path)?;
    std::fs::create_dir_all(&config.state_dir).with_context(|| format!("state_dir {}", config.state_dir.display()))?;
    let metrics = Metrics::default();
    if let Some(wanted) = &config.metrics {
        let listener = metrics::listen(wanted.listen).await.with_context(|| format!("metrics on {}", wanted.listen))?;
        tokio::spawn(metrics::serve(metrics.clone(), listener));
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
            () = lifeline::cut() => {}
        }
    };
    tokio::pin!(stop);
    let mut daemon = tokio::select! {
        daemon = Daemon::start(config, config_path, metrics) => daemon?,
        () = &mut stop => return Ok(()),
    };
    daemon.serve(&mut stop, set_log).await?;
    daemon.retire().await;
    Ok(())
}

struct Daemon {
    config: Config,
    config_path: PathBuf,
    chain: Arc<NodeChain>,
    session: SessionKey,
    metrics: Metrics,
    edge: Option<Arc<Edge<NodeChain>>>,
    hosting: Option<Hosting>,
    began: Instant,
    /// Why the last look at the chain failed, said once.
    blind_for: Option<String>,
    /// Asks that no block shows yet.
    asks: UnderWay,
}

/// What a machine with leases has beside.
struct Hosting {
    state: State,
    events: mpsc::Receiver<Event>,
    send: mpsc::Sender<Event>,
    journal: SharedJournal,
    runner: Arc<Runner>,
    relay: Arc<Relay>,
    links: Vec<EdgeLink>,
    counter: Arc<Counter>,
    generations: BTreeMap<Held, u64>,
    journal_full_at: Option<Instant>,
}

impl Daemon {
    async fn start(config: Config, config_path: PathBuf, metrics: Metrics) -> Result<Self> {
        let session = if config.is_host() {
            SessionKey::from_seed(&*keys::read_seed(&config.session_key_path())?)
        } else {
            SessionKey::from_seed(&*keys::read_or_create_seed(&config.edge_key_path())?)
        };
        let (journal, book) = if config.is_host() { open_journal(&config)? } else { (None, Book::default()) };
        let account = if config.is_host() { config.account()? } else { AccountId([0; 28]) };
        let chain = Arc::new(connect(&config, account, &session).await?);
        info!(network = chain.genesis().name, genesis = %chain.genesis_hash().0, "chain found");
        let edge = if config.edge.enabled { Some(start_edge(&config, &chain).await?) } else { None };
        let hosting =
            if config.is_host() { Some(start_hosting(&config, &chain, &session, journal, &book)?) } else { None };
        let (began, blind_for, asks) = (Instant::now(), None, UnderWay::default());
        Ok(Self { config, config_path, chain, session, metrics, edge, hosting, began, blind_for, asks })
    }

    async fn serve(&mut self, stop: &mut (impl Future<Output = ()> + Unpin), set_log: impl Fn(&str)) -> Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut poll = tokio::time::interval(Duration::from_millis(self.config.poll_ms));
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut slow = tokio::time::interval(SLOW);
        self.resume();
        loop {
            tokio::select! {
                () = &mut *stop => return Ok(()),
                _ = hangup.recv() => self.reload(&set_log),
                _ = tick.tick() => self.tick(),
                _ = poll.tick() => self.look().await,
                _ = slow.tick() => self.look_slowly().await,
                event = next_event(&mut self.hosting) => self.feed(event),
            }
        }
    }

    fn resume(&mut self) {
        let Some(hosting) = &self.hosting else { return };
        info!(leases = hosting.state.workloads().count(), "leases in the journal");
        let effects = hosting.state.resume();
        self.carry_out(effects);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn feed(&mut self, event: Event) {
        let now_ms = self.now_ms();
        let Some(hosting) = &mut self.hosting else { return };
        let effects = step(&mut hosting.state, Input { now_ms, event });
        self.carry_out(effects);
    }

    fn tick(&mut self) {
        self.feed_relay();
        let retry = self.hosting.as_mut().is_some_and(|hosting| {
            let due = hosting.journal_full_at.is_some_and(|at| at.elapsed() >= JOURNAL_RETRY);
            if due {
                hosting.journal_full_at = None;
            }
            due
        });
        // Trying to sign is how a full journal is found to be writable again.
        self.feed(if retry { Event::Journal(JournalHealth::Healthy) } else { Event::Tick });
        self.observe();
    }

    /// The relay's totals; a source that starts anew counts under a new generation.
    fn feed_relay(&mut self) {
        let Some(hosting) = &mut self.hosting else { return };
        let mut samples = Vec::new();
        for (held, totals) in hosting.relay.totals() {
            let Some(w) = hosting.state.workload(held.lease).filter(|w| w.held == held) else { continue };
            let generation =
                *hosting.generations.entry(held).or_insert_with(|| w.money.counters().next_relay_generation());
            samples.push(Event::Sample { held, source: Source::Relay, generation, totals });
        }
        samples.into_iter().for_each(|sample| self.feed(sample));
    }

    async fn look(&mut self) {
        // At start nothing can be judged before parameters and the own host are known.
        if self.hosting.as_ref().is_some_and(|hosting| !hosting.state.is_oriented()) {
            self.look_slowly().await;
        }
        let Some(hosting) = &self.hosting else { return };
        match self.chain.view(hosting.state.wanted()).await {
            Ok(view) => {
                if self.blind_for.take().is_some() {
                    info!(height = view.head.height.0, "the chain is seen again");
                }
                for (lease, seen) in &view.leases {
                    hosting.counter.set(Held { lease: *lease, epoch: seen.epoch }, seen.tenant);
                }
                self.feed(Event::View(view));
            }
            Err(error) => {
                self.metrics.add("chain_errors_total", &[], 1.0);
                let why = error.to_string();
                if self.blind_for.as_ref() != Some(&why) {
                    warn!(why, "the chain is not seen; workloads go on");
                    self.blind_for = Some(why);
                }
            }
        }
    }

    async fn look_slowly(&mut self) {
        if self.hosting.is_none() {
            return;
        }
        match self.chain.rules().await {
            Ok(rules) => self.feed(Event::Rules(rules)),
            Err(error) => warn!(%error, "parameters not read"),
        }
        match self.chain.hosts().await {
            Ok(hosts) => match self.own(&hosts) {
                Some(host) => {
                    self.feed(Event::Host(host.clone()));
                    self.place_offers(&host).await;
                }
                None => warn!(
                    session_key = %self.session.public(),
                    "this machine is not listed; next: nupeer provider host"
                ),
            },
            Err(error) => warn!(%error, "hosts not read"),
        }
        if let Some(hosting) = &self.hosting
            && let Err(error) = hosting.journal.prune()
        {
            warn!(%error, "journal not pruned");
        }
    }

    fn own(&self, hosts: &[HostView]) -> Option<HostView> {
        let wanted = self.config.host.id.map(HostId);
        let session = self.session.public();
        hosts.iter().find(|host| wanted.map_or(host.session_key == session, |id| host.id == id)).cloned()
    }

    async fn place_offers(&self, host: &HostView) {
        let Some(hosting) =
            self.hosting.as_ref().filter(|_| !self.config.offers.is_empty() && !self.config.policy.drain)
        else {
            return;
        };
        let (Ok(account), Some(client)) = (self.config.account(), self.chain.client()) else { return };
        let under_way = self.asks.now();
        let (instruments, open) = tokio::join!(client.instruments(), client.orders_of(&account));
        let (Ok(instruments), Ok(open)) = (instruments, open) else { return };
        let mut free: BTreeMap<String, u32> =
            host.lots.iter().map(|(family, lots)| (offers::letter(*family).to_owned(), *lots)).collect();
        let mut leased = BTreeMap::new();
        for view in hosting.state.workloads().filter_map(|w| w.view.as_ref()).filter(|v| v.host == Some(host.id)) {
            let left = free.entry(offers::letter(view.family).to_owned()).or_default();
            *left = left.saturating_sub(view.lots);
            let count: &mut u32 = leased.entry(view.instrument.0).or_default();
            *count = count.saturating_add(view.lots);
        }
        for order in open.iter().filter(|order| order.host == Some(host.id.0)) {
            if let Some(market) = instruments.iter().find(|market| market.id == order.instrument) {
                let left = free.entry(market.family.clone()).or_default();
                *left = left.saturating_sub(u32::try_from(order.lots).unwrap_or(u32::MAX));
            }
        }
        for offer in self.config.offers.iter().filter(|offer| !under_way.contains(&offer.instrument)) {
            let Ok(price) = offer.price() else { continue };
            match offers::missing(offer, price, host.id, &instruments, &open, &mut free, &leased) {
                Ok(None) => {}
                Ok(Some(ask)) => {
                    let Some(sent) = self.asks.begin(&offer.instrument) else { continue };
                    let (chain, name) = (Arc::clone(&self.chain), offer.instrument.clone());
                    tokio::spawn(async move {
                        let _sent = sent;
                        match chain.submit(vec![Action::Ask { ask }]).await {
                            Ok(_) => info!(instrument = name, lots = ask.lots, tick = ask.tick, "ask placed"),
                            Err(error) => warn!(%error, instrument = name, "ask refused"),
                        }
                    });
                }
                Err(error) => warn!(%error, "offer not placed"),
            }
        }
    }

    fn reload(&mut self, set_log: impl Fn(&str)) {
        let config = match Config::read(&self.config_path) {
            Ok(config) => config,
            Err(error) => {
                error!(%error, "configuration not reloaded; the old one stays");
                return;
            }
        };
        set_log(&config.log);
        self.config.log = config.log;
        self.config.offers = config.offers;
        self.config.policy = config.policy;
        if let Some(hosting) = &self.hosting {
            hosting.runner.set_egress_max(self.config.policy.egress_max);
        }
        match self.config.policy.to_policy() {
            Ok(policy) => self.feed(Event::Policy(policy)),
            Err(error) => error!(%error, "policy"),
        }
        info!("configuration reloaded: offers, policy, log level");
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut drafts = Vec::new();
        for effect in effects {
            match effect {
                Effect::Sign { sample, receipt } => drafts.push((sample, receipt)),
                Effect::Run { held, task } => self.run_task(held, task),
                Effect::Offer { receipt } => self.offer(receipt),
                Effect::RecordWitness { held, seq, role, key, signature } => {
                    let by = role.name().to_ascii_lowercase();
                    self.metrics.add("receipts_witnessed_total", &[("by", by)], 1.0);
                    self.record(held, Body::Witness { seq, role, key, signature });
                }
                Effect::RecordSettled { held, seq } => self.record(held, Body::Settled { seq }),
                Effect::Settle { items } => self.settle(vec![Action::SettleBatch { items }]),
                Effect::Claim { receipt } => self.settle(vec![Action::Claim { receipt }]),
                Effect::Route { held, open } => self.route(held, open),
                Effect::Forget { held } => self.forget(held),
                Effect::Note(note) => self.note(&note),
            }
        }
        if !drafts.is_empty() {
            self.sign(drafts);
        }
    }

    fn run_task(&self, held: Held, task: Task) {
        let Some(hosting) = &self.hosting else { return };
        let lease = hosting.state.workload(held.lease).and_then(|w| w.current()).cloned();
        let rules = hosting.state.rules();
        info!(lease = %held.lease, epoch = held.epoch, task = task.name(), "task");
        let (runner, send) = (Arc::clone(&hosting.runner), hosting.send.clone());
        tokio::spawn(async move {
            let outcome = runner.run(held, task, lease, rules).await;
            let _ = send.send(Event::Finished { held, task, outcome: outcome.clone() }).await;
            runner.follow(held, task, &outcome);
        });
    }

    fn record(&mut self, held: Held, body: Body) {
        let Some(hosting) = &mut self.hosting else { return };
        if let Err(error) = hosting.journal.write(held, body) {
            warn!(%error, "not recorded");
            if error.is_full() {
                hosting.journal_full_at = Some(Instant::now());
            }
        }
    }

    fn sign(&mut self, drafts: Vec<(crate::meter::SampleRecord, nupeer_primitives::MeterReceipt)>) {
        let Some(hosting) = &mut self.hosting else { return };
        let helds: Vec<Held> = drafts.iter().map(|(_, r)| Held { lease: r.lease, epoch: r.epoch }).collect();
        let key = self.session.public();
        let mut events = Vec::new();
        match hosting.journal.sign(&self.chain.genesis_hash(), &self.session, drafts) {
            Ok(signed) => {
                for (held, verdict) in helds.iter().zip(signed) {
                    match verdict {
                        Ok((receipt, signature)) => events.push(Event::Signed { receipt, key, signature }),
                        Err(error) => {
                            error!(%error, "receipt not signed");
                            events.push(Event::NotSigned { held: *held });
                        }
                    }
                }
            }
            Err(error) => {
                error!(%error, "nothing is signed; workloads go on");
                let health = if error.is_full() { JournalHealth::Full } else { JournalHealth::Corrupt };
                hosting.journal_full_at = error.is_full().then(Instant::now);
                events.push(Event::Journal(health));
                events.extend(helds.into_iter().map(|held| Event::NotSigned { held }));
            }
        }
        for event in events {
            self.feed(event);
        }
    }

    fn offer(&self, receipt: nupeer_primitives::SignedReceipt) {
        let Some(hosting) = &self.hosting else { return };
        self.metrics.add("receipts_offered_total", &[], 1.0);
        hosting.counter.offer(receipt.clone());
        let held = Held { lease: receipt.receipt.lease, epoch: receipt.receipt.epoch };
        let edges = hosting.state.workload(held.lease).and_then(|w| w.current()).map(|view| view.edges.clone());
        let edges = edges.unwrap_or_default();
        for link in hosting.links.iter().filter(|link| edges.contains(&link.place.key)).cloned() {
            let (send, receipt, metrics) = (hosting.send.clone(), receipt.clone(), self.metrics.clone());
            tokio::spawn(async move {
                let seq = receipt.receipt.seq;
                let event = match link.ask(&Ask::Countersign(receipt)).await {
                    Ok(Answer::Signed { key, signature }) => {
                        Event::Witness { held, seq, role: nupeer_primitives::receipt::Role::Edge, key, signature }
                    }
                    // The tunnel's key says who counts; what the message claims does not.
                    Ok(Answer::Nack { totals, .. }) => Event::Nack { held, seq, key: link.place.key, totals },
                    Ok(Answer::Refused(why)) => {
                        metrics.add("receipts_refused_total", &[("reason", "edge".to_owned())], 1.0);
                        warn!(lease = %held.lease, seq, why, "WitnessRefused: the edge does not sign");
                        return;
                    }
                    Ok(Answer::Routes(_)) => return,
                    Err(error) => {
                        tracing::debug!(%error, "no countersignature");
                        return;
                    }
                };
                let _ = send.send(event).await;
            });
        }
    }

    fn settle(&self, actions: Vec<Action>) {
        let Some(hosting) = &self.hosting else { return };
        let (chain, send) = (Arc::clone(&self.chain), hosting.send.clone());
        tokio::spawn(async move {
            let what = actions.first().map_or("", Action::name);
            let included = match chain.submit(actions).await {
                Ok(tx) => {
                    info!(%tx, what, "settled");
                    true
                }
                Err(error) => {
                    warn!(%error, what, "not settled; it is tried again");
                    false
                }
            };
            let _ = send.send(Event::Settled { included }).await;
        });
    }

    fn route(&self, held: Held, open: bool) {
        let Some(hosting) = &self.hosting else { return };
        let record = hosting.runner.handle(held).filter(|record| open && !record.hosts.is_empty());
        match record.and_then(|record| socket_of(&record).map(|socket| (socket, record))) {
            Some((socket, HandleRecord { hosts, health_path, .. })) => {
                info!(lease = %held.lease, "requests pass");
                hosting.relay.open(held, socket, hosts, health_path);
            }
            None => hosting.relay.shut(held),
        }
    }

    fn forget(&mut self, held: Held) {
        let Some(hosting) = &mut self.hosting else { return };
        info!(lease = %held.lease, epoch = held.epoch, "lease over");
        hosting.relay.forget(held);
        hosting.runner.forget(held);
        hosting.counter.forget(held);
        hosting.generations.remove(&held);
    }

    fn note(&self, note: &Note) {
        match note {
            Note::TaskFailed { held, task, why } => {
                warn!(lease = %held.lease, task = task.name(), why, "task failed");
            }
            Note::HolderUnknown { held } => {
                self.metrics.add("recover_total", &[("result", "unknown".to_owned())], 1.0);
                warn!(lease = %held.lease, "HolderLost: the plugin cannot tell whether it lives; it is kept");
            }
            Note::TeardownBlocked { held, why } => {
                self.metrics.add("teardown_blocked_total", &[("reason", (*why).to_owned())], 1.0);
                tracing::debug!(lease = %held.lease, why, "teardown waits");
            }
            Note::WitnessRefused { held, why } => {
                self.metrics.add("receipts_refused_total", &[("reason", (*why).to_owned())], 1.0);
                warn!(lease = %held.lease, why, "WitnessRefused");
            }
            Note::SigningStopped { why } => error!(why, "signing stopped; workloads go on"),
        }
    }

    fn observe(&self) {
        let m = &self.metrics;
        if let Some(edge) = &self.edge {
            m.set_total("edge_bytes_total", &[("direction", "out".to_owned())], real(edge.bytes_out()));
            m.set("edge_tunnels", &[], real(edge.counters.tunnels.load(std::sync::atomic::Ordering::Relaxed)));
            let codes = edge.counters.requests.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
            for (code, count) in codes {
                m.set_total("edge_requests_total", &[("code", code.to_string())], real(count));
            }
        }
        let Some(hosting) = &self.hosting else { return };
        for name in ["leases", "runway_seconds", "unwitnessed_seconds", "unsettled_micro", "meter_disagreement_ppm"] {
            m.clear(name);
        }
        let mut states: BTreeMap<&str, u64> = BTreeMap::new();
        let market_ms = hosting.state.chain().map_or(0, |mark| mark.market_ms);
        for w in hosting.state.workloads() {
            let Some(view) = w.current() else { continue };
            let count = states.entry(view.state.name()).or_default();
            *count = count.saturating_add(1);
            let lease = || vec![("lease", w.held.lease.to_hex().get(..8).unwrap_or_default().to_owned())];
            if view.state.is_served() {
                m.set("runway_seconds", &lease(), real(view.funded_until_ms.saturating_sub(market_ms)) / 1_000.0);
                let silent = market_ms.saturating_sub(w.money.witnessed_at_ms().max(view.active_since_ms));
                m.set("unwitnessed_seconds", &lease(), real(silent) / 1_000.0);
                let drafted = w.money.last().map_or(0, |last| last.amount.get());
                m.set("unsettled_micro", &lease(), real(drafted.saturating_sub(view.applied.amount.get())));
                let ppm = view.meters.iter().map(|term| w.money.counters().read(term.kind).disagreement_ppm).max();
                m.set("meter_disagreement_ppm", &lease(), real(ppm.unwrap_or(0)));
            }
        }
        for (state, count) in states {
            m.set("leases", &[("state", state.to_owned())], real(count));
        }
        for (name, host) in &hosting.runner.tools().plugins {
            m.set("plugin_up", &[("plugin", name.clone())], if host.plugin().is_some() { 1.0 } else { 0.0 });
        }
        let (count, ns) = hosting.journal.fsync_cost();
        m.set_total("journal_fsync_seconds_count", &[], real(count));
        m.set_total("journal_fsync_seconds_sum", &[], real(ns) / 1e9);
        m.set(
            "edge_links_up",
            &[],
            real(u64::try_from(hosting.links.iter().filter(|l| l.is_up()).count()).unwrap_or(0)),
        );
    }

    async fn retire(self) {
        info!("leaving; workloads stay");
        if let Some(edge) = &self.edge {
            edge.stop();
        }
        if let Some(hosting) = self.hosting {
            hosting.links.iter().for_each(EdgeLink::end);
            hosting.runner.retire().await;
            hosting.journal.close();
        }
    }
}

#[allow(clippy::cast_precision_loss, clippy::as_conversions, reason = "a metric may be off by one in 2^53")]
const fn real(x: u64) -> f64 {
    x as f64
}

async fn next_event(hosting: &mut Option<Hosting>) -> Event {
    match hosting {
        Some(hosting) => match hosting.events.recv().await {
            Some(event) => event,
            // The daemon holds a sender itself, so the channel never closes.
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[path = "daemon_tests.rs"]
mod tests;
