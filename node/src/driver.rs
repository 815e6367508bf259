//! Between the engine and the world: carries out what the engine wants, brings it what happens.

mod fetch;

use crate::api::Metrics;
use crate::api::ports::{Mode as ApiMode, Place, Standing};
use crate::chain_port::place;
use crate::checked::CheckedTxs;
use crate::core_thread::Core;
use crate::door::Door;
use crate::engine::bodies::check_ahead;
use crate::engine::executor::ExecuteError;
use crate::engine::{Message, Outbound};
use crate::p2p::{Event, Events, Handle, Judgement, NetErr, Peer, Protocol, Responder, Topic};
use crate::storage::Storage;
use crate::wire::{self, Hello};
use nupeer_consensus::effect::{DropReason, Metric, Topic as ConsensusTopic};
use nupeer_consensus::input::{Input, Point, Status};
use nupeer_consensus::state::{Mode, final_point};
use nupeer_primitives::genesis::Genesis;
use nupeer_primitives::{Cbor, GenesisHash, Height, PoolId, Slot};
use nupeer_runtime::validity::Chain;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};

/// How often peers are asked for their status.
const STATUS_EVERY: Duration = Duration::from_secs(4);
/// How often the standing that the API shows is looked up.
const STANDING_EVERY: Duration = Duration::from_millis(200);
/// A ban in the transport; consensus keeps its own, longer list.
const BAN: Duration = Duration::from_secs(600);

/// What the driver's tasks share.
#[derive(Clone, Debug)]
pub struct Driver {
    /// Facts of genesis.
    pub chain: Chain,
    /// Wall time of slot 0, ms since 1970.
    pub system_start_ms: u64,
    /// The engine.
    pub core: Core,
    /// The network.
    pub network: Handle,
    /// What is committed.
    pub storage: Arc<Storage>,
    /// Where transactions come in.
    pub door: Door,
    /// Transactions checked before; shared with the engine.
    pub checked: Arc<CheckedTxs>,
    /// For operators.
    pub metrics: Arc<Metrics>,
    /// What the API shows.
    pub standing: Arc<watch::Sender<Standing>>,
    /// Whom this node makes blocks for.
    pub pool: Option<PoolId>,
    /// Set when the node must stop, with the reason.
    pub stop: Arc<watch::Sender<Option<String>>>,
}

/// Slot and milliseconds into it.
#[must_use]
pub fn slot_of(genesis_start_ms: u64, slot_ms: u64, now_ms: u64) -> (u64, u16) {
    let since = now_ms.saturating_sub(genesis_start_ms);
    let slot = since.checked_div(slot_ms).unwrap_or(0);
    let ms = since.checked_rem(slot_ms).unwrap_or(0);
    (slot, u16::try_from(ms).unwrap_or(u16::MAX))
}

/// Wall clock, ms since 1970.
#[must_use]
pub fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The standing before anything is known.
#[must_use]
pub fn first_standing(storage: &Storage, genesis: &Genesis, pool: Option<PoolId>) -> Standing {
    let tip = place(storage.position());
    let origin = Place { height: Height(0), slot: Slot(0), id: storage.origin() };
    let last = storage.finalized().ok().flatten();
    let last = last.map_or(origin, |(_, p, _)| Place { height: p.height, slot: p.slot, id: p.id });
    let (slot, _) = slot_of(genesis.system_start_ms, genesis.constants.slot_ms, wall_ms());
    Standing {
        mode: ApiMode::Syncing,
        tip,
        final_place: last,
        slot_now: Slot(slot),
        peers: 0,
        mempool_txs: 0,
        mempool_bytes: 0,
        pool,
    }
}

impl Driver {
    fn now(&self) -> (u64, u16) {
        slot_of(self.system_start_ms, self.chain.constants.slot_ms, wall_ms())
    }

    /// Ticks at each slot's beginning.
    pub async fn run_clock(self) {
        let slot_ms = self.chain.constants.slot_ms;
        loop {
            let (slot, ms) = self.now();
            if wall_ms() >= self.system_start_ms {
                self.core.send_async(Message::Consensus(Input::Clock { slot, ms })).await;
            }
            let next = self.system_start_ms.saturating_add(slot.saturating_add(1).saturating_mul(slot_ms));
            tokio::time::sleep(Duration::from_millis(next.saturating_sub(wall_ms()).max(1))).await;
        }
    }

    /// Keeps the API's standing up to date.
    pub async fn run_standing(self) {
        loop {
            self.look_up_standing().await;
            tokio::time::sleep(STANDING_EVERY).await;
        }
    }

    async fn look_up_standing(&self) {
        let (slot, _) = self.now();
        let peers = u32::try_from(self.network.stats().peers).unwrap_or(u32::MAX);
        let pool = self.pool;
        let seen = self.core.look(move |engine| {
            let state = engine.consensus();
            let mode = match (engine.is_paused(), state.mode()) {
                (true, Mode::Following | Mode::Syncing) => ApiMode::DiskFull,
                (false, Mode::Following) => ApiMode::Following,
                (false, Mode::Syncing) => ApiMode::Syncing,
            };
            let tip = place(engine.executor.storage.position());
            let signing = engine.signing();
            let last = final_point(state);
            let last = last.map_or(tip, |p| Place { height: p.height, slot: p.slot, id: p.id });
            let standing = Standing {
                mode,
                tip,
                final_place: last,
                slot_now: Slot(slot),
                peers,
                mempool_txs: engine.mempool.len() as u64,
                mempool_bytes: engine.mempool.bytes(),
                pool,
            };
            (standing, signing, engine.accusing())
        });
        if let Some((standing, signing, accusing)) = seen.await {
            self.metrics.accusing(&accusing);
            if let Some(signing) = signing {
                self.metrics.signing(&signing);
            }
            self.standing.send_if_modified(|old| {
                let stopping = old.mode == ApiMode::Stopping;
                if !stopping {
                    *old = standing;
                }
                !stopping
            });
        }
    }

    /// Carries out what the engine wants, in order.
    pub async fn run_effects(self, mut effects: mpsc::UnboundedReceiver<Outbound>) {
        while let Some(effect) = effects.recv().await {
            match effect {
                Outbound::Announce(bytes) => self.network.publish(Topic::Head, bytes),
                Outbound::RelayTx(tx) => self.network.relay_tx(tx.tx.to_cbor()),
                Outbound::Judge(id, judgement) => self.network.judge(id, judgement),
                Outbound::Publish(topic, bytes) => self.network.publish(topic_of(topic), bytes),
                Outbound::Evidence(bytes) => self.network.publish(Topic::Evidence, bytes),
                Outbound::Fault(peer, kind) => {
                    tracing::warn!(peer = %hex::encode(peer.0.get(..4).unwrap_or_default()), ?kind, "provable fault");
                    self.network.blame(peer);
                }
                Outbound::Drop(peer, why) => self.drop_peer(peer, why),
                Outbound::GetHeaders(req, peer, locator) => self.clone().ask_headers(req, peer, locator),
                Outbound::GetBodies(req, peer, ids) => self.clone().ask_bodies(req, peer, ids),
                Outbound::GetCerts(req, peer, round) => self.clone().ask_certificates(req, peer, round),
                Outbound::Finalized { round, point, proof: _ } => {
                    tracing::info!(round, height = point.height.0, id = %point.id, "final");
                    self.look_up_standing().await;
                }
                Outbound::Verify(job, work) => {
                    let core = self.core.clone();
                    drop(tokio::task::spawn_blocking(move || {
                        core.send(Message::Consensus(Input::Verified(job, work.run())));
                    }));
                }
                Outbound::WakeAt { slot, ms } => self.clone().wake_at(slot, ms),
                Outbound::Moved { reverted, applied } => self.moved(reverted.len(), applied.len()).await,
                Outbound::TxTaken { .. } | Outbound::TxRefused { .. } => {}
                Outbound::Note(metric) => self.note(metric),
                Outbound::Paused(error) => {
                    tracing::error!(%error, "disk full: nothing is signed or committed until there is room");
                    self.look_up_standing().await;
                }
                Outbound::Resumed => {
                    tracing::info!("there is room on the disk again: signing and committing");
                    self.look_up_standing().await;
                }
                Outbound::Halt(error) => self.halt(&error),
            }
        }
    }

    fn drop_peer(&self, peer: Peer, why: DropReason) {
        tracing::info!(peer = %hex::encode(peer.0.get(..4).unwrap_or_default()), ?why, "connection ended");
        if why == DropReason::Banned { self.network.ban(peer, BAN) } else { self.network.disconnect(peer) }
    }

    fn ask_headers(self, req: nupeer_consensus::input::Req, peer: Peer, locator: Vec<nupeer_primitives::BlockId>) {
        drop(tokio::spawn(async move {
            let answer = self.network.request(peer, Protocol::Headers, wire::ids_to_bytes(&locator)).await;
            let headers = answer.and_then(|bytes| wire::headers_from_bytes(&bytes).map_err(|_| NetErr::Garbled));
            self.core.send_async(Message::Consensus(Input::Headers(req, headers))).await;
        }));
    }

    fn ask_bodies(self, req: nupeer_consensus::input::Req, peer: Peer, ids: Vec<nupeer_primitives::BlockId>) {
        drop(tokio::spawn(async move {
            let bodies = self.fetch_bodies(peer, &ids).await;
            let checked = Arc::clone(&self.checked);
            let arrived = async move {
                let bodies = bodies?;
                let ahead = tokio::task::spawn_blocking(move || check_ahead(bodies, &checked));
                ahead.await.map_err(|_| NetErr::Gone)
            };
            self.core.send_async(Message::Bodies(req, ids, arrived.await)).await;
        }));
    }

    fn ask_certificates(self, req: nupeer_consensus::input::Req, peer: Peer, round: u64) {
        drop(tokio::spawn(async move {
            let answer = self.network.request(peer, Protocol::Certificates, wire::round_to_bytes(round)).await;
            let certs = answer.and_then(|bytes| wire::certificates_from_bytes(&bytes).map_err(|_| NetErr::Garbled));
            self.core.send_async(Message::Consensus(Input::Certs(req, certs))).await;
        }));
    }

    fn wake_at(self, slot: u64, ms: u16) {
        let slot_ms = self.chain.constants.slot_ms;
        let due = self.system_start_ms.saturating_add(slot.saturating_mul(slot_ms)).saturating_add(u64::from(ms));
        drop(tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(due.saturating_sub(wall_ms()).saturating_add(1))).await;
            let (slot, ms) = self.now();
            self.core.send_async(Message::Consensus(Input::Clock { slot, ms })).await;
        }));
    }

    async fn moved(&self, reverted: usize, applied: usize) {
        let tip = self.storage.position();
        tracing::info!(height = tip.height.0, slot = tip.slot.0, id = %tip.id, reverted, applied, "block");
        if reverted > 0 {
            self.metrics.rolled_back(reverted as u64);
        }
        for _ in 0..applied {
            self.metrics.block_applied(Duration::ZERO, Duration::ZERO);
        }
        self.look_up_standing().await;
    }

    fn note(&self, metric: Metric) {
        match metric {
            Metric::OwnBlock(id) => {
                self.metrics.block_forged();
                tracing::info!(%id, "own block");
            }
            Metric::HeaderRefused(rule) => {
                self.metrics.header_refused("header");
                tracing::debug!(%rule, "header refused");
            }
            Metric::BootRefused(error) => {
                let why = format!("the database does not fit together ({error:?}); move it away and sync anew");
                self.stop.send_replace(Some(why));
            }
            Metric::RoundEnded { round, finality_lag_rounds, seen, total, absent } => {
                self.metrics.round_ended(finality_lag_rounds, seen, total, absent);
                tracing::debug!(round, finality_lag_rounds, seen, total, absent, "round of votes ended");
            }
            Metric::ForeignFinal(checkpoint) => {
                tracing::error!(?checkpoint, "certificates finalise another chain: a third of a committee lies");
            }
            Metric::Following(_)
            | Metric::BlockRefused(..)
            | Metric::Leader(_)
            | Metric::SlotMissed(_)
            | Metric::Rollback(_)
            | Metric::NonceWithoutCardano(_)
            | Metric::QueueFull(_) => tracing::debug!(?metric, "consensus"),
        }
    }

    fn halt(&self, error: &ExecuteError) {
        tracing::error!(%error, "the engine halted: nothing is signed any more");
        self.stop.send_replace(Some(error.to_string()));
    }

    /// Brings what peers send.
    pub async fn run_network(self, mut events: Events) {
        while let Some(event) = events.next().await {
            match event {
                Event::PeerUp { peer, .. } => self.clone().greet(peer),
                Event::PeerDown { peer } => self.core.send_async(Message::Consensus(Input::PeerDown(peer))).await,
                Event::Gossip { id, topic: Topic::Tx, bytes, .. } => {
                    if !self.door.bring(id, bytes) {
                        self.network.judge(id, Judgement::Ignore);
                    }
                }
                Event::Gossip { from, id, topic, bytes } => {
                    let topic = match topic {
                        Topic::Vote => ConsensusTopic::Vote,
                        Topic::Certificate => ConsensusTopic::Certificate,
                        Topic::Evidence => ConsensusTopic::Evidence,
                        Topic::Head | Topic::Tx => ConsensusTopic::Head,
                    };
                    self.core.send_async(Message::Consensus(Input::Gossip { from, id, topic, bytes })).await;
                }
                Event::Request { protocol, bytes, responder, .. } => self.clone().serve(protocol, bytes, responder),
            }
        }
    }

    /// Asks a new peer who it is, then again and again while it stays.
    fn greet(self, peer: Peer) {
        drop(tokio::spawn(async move {
            let mut known = false;
            while let Ok(bytes) = self.network.request(peer, Protocol::Status, vec![0x80]).await {
                let hello = Hello::from_cbor(&bytes, Protocol::Status.response_max());
                let Some(hello) = hello.ok().filter(|hello| hello.is_of(&self.chain.genesis)) else {
                    self.network.disconnect(peer);
                    return;
                };
                let status = Status { tip: hello.tip };
                let input = if known { Input::PeerStatus(peer, status) } else { Input::PeerUp(peer, status) };
                known = true;
                self.core.send_async(Message::Consensus(input)).await;
                tokio::time::sleep(STATUS_EVERY).await;
            }
        }));
    }

    fn serve(self, protocol: Protocol, bytes: Vec<u8>, responder: Responder) {
        drop(tokio::spawn(async move {
            let answer = match protocol {
                Protocol::Status => self.hello().await.map(|hello| hello.to_cbor()),
                Protocol::Headers => match wire::ids_from_bytes(&bytes) {
                    Ok(ids) => self
                        .core
                        .look(move |e| e.headers_after(&ids).ok())
                        .await
                        .flatten()
                        .map(|h| wire::items_to_bytes(&h)),
                    Err(_) => None,
                },
                Protocol::Blocks => match wire::ids_from_bytes(&bytes) {
                    Ok(ids) => self
                        .core
                        .look(move |e| e.bodies_of(&ids).ok())
                        .await
                        .flatten()
                        .map(|b| wire::bodies_to_bytes(&b)),
                    Err(_) => None,
                },
                Protocol::Compact => match wire::ids_from_bytes(&bytes) {
                    Ok(ids) => self.core.look(move |e| e.compact_of(&ids)).await.map(|b| wire::compact_to_bytes(&b)),
                    Err(_) => None,
                },
                Protocol::Txs => match wire::txs_of_from_bytes(&bytes) {
                    Ok(ask) => {
                        self.core.look(move |e| e.txs_of_body(&ask.block, &ask.ids)).await.map(|txs| txs.to_cbor())
                    }
                    Err(_) => None,
                },
                Protocol::Certificates => match wire::round_from_bytes(&bytes) {
                    Ok(round) => {
                        self.core.look(move |e| e.certificates_from(round)).await.map(|c| wire::items_to_bytes(&c))
                    }
                    Err(_) => None,
                },
                Protocol::Peers => None,
            };
            responder.answer(answer.unwrap_or_default());
        }));
    }

    async fn hello(&self) -> Option<Hello> {
        let genesis = self.chain.genesis.0;
        self.core
            .look(move |engine| {
                let position = engine.executor.storage.position();
                let tip = Point { id: position.id, height: position.height, slot: position.slot };
                let final_point = final_point(engine.consensus()).unwrap_or(tip);
                Hello { genesis, version: nupeer_consensus::header::VERSION, final_point, tip }
            })
            .await
    }

    /// Tells the API that the node is going away.
    pub fn stopping(&self) {
        self.standing.send_modify(|standing| standing.mode = ApiMode::Stopping);
    }
}

/// The network's topic of a consensus topic.
const fn topic_of(topic: ConsensusTopic) -> Topic {
    match topic {
        ConsensusTopic::Head => Topic::Head,
        ConsensusTopic::Vote => Topic::Vote,
        ConsensusTopic::Certificate => Topic::Certificate,
        ConsensusTopic::Evidence => Topic::Evidence,
    }
}

/// The network's name in logs.
#[must_use]
pub fn short(genesis: &GenesisHash) -> String {
    genesis.0.to_hex().chars().take(8).collect()
}
