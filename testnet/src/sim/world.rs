//! The event loop: virtual time, what each node does with what happens, and what is remembered of it.

use super::adversary::second_block;
use super::check::Promises;
use super::dice::Dice;
use super::lies::Lie;
use super::network::{Packet, Trouble};
use super::node::{Node, Role, Shared, index};
use super::report::Report;
use super::traffic::{FUNDS, Users};
use crate::up::network::genesis_pool;
use anyhow::Result;
use nupeer_consensus::effect::{Judgement, Topic};
use nupeer_consensus::forge::PoolKeys;
use nupeer_consensus::header::HeaderError;
use nupeer_consensus::input::{Input, Job, MsgId, Req};
use nupeer_node::engine::{Message, Outbound};
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::{Amount, AssetId, BlockId, Hash, Header, Height};
use nupeer_runtime::first_state::first_state;
use nupeer_runtime::preset::{Founders, Preset};
use nupeer_runtime::validity::{Chain, CheckedTx};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Seed of everything.
    pub seed: u64,
    /// Nodes, 4-20; the last one is a relay.
    pub nodes: usize,
    /// Slots with faults; a quiet stretch follows in which the network must heal.
    pub slots: u64,
}

/// Slots without faults at the end: enough for the longest partition's fork to be fetched and for two sync time-outs.
const HEAL_SLOTS: u64 = 260;
/// Blocks by which tips may differ at the end: what is on the way.
const TIP_SLACK: u64 = 2;
/// What happens at a time.
#[derive(Debug)]
pub enum Event {
    Slot(u64),
    Clock { node: usize, life: u64, slot: u64, ms: u16 },
    Deliver { from: usize, to: usize, packet: Packet },
    Verified { node: usize, life: u64, job: Job, verdict: Result<(), HeaderError> },
    Release { node: usize, topic: Topic, bytes: Vec<u8> },
    Restart { node: usize },
    Room { node: usize },
    Heal,
    Mend { from: usize, to: usize },
    SpeedUp { node: usize },
    EndLie { node: usize },
}

/// One history as it unfolds.
pub struct World {
    pub(super) options: Options,
    pub(super) shared: Shared,
    pub(super) nodes: Vec<Node>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    next_event: u64,
    pub(super) now_ms: u64,
    pub(super) chance: Dice,
    pub(super) users: Users,
    pub(super) trouble: Trouble,
    pub(super) lies: BTreeMap<usize, Lie>,
    pub(super) old_headers: Vec<Vec<u8>>,
    /// Stopped processes: what reaches them waits until then.
    pub(super) paused: BTreeMap<usize, u64>,
    finality_ms: u64,
    /// Open questions: an answer counts only from whoever was asked, as the transport has it.
    pub(super) asked: BTreeMap<(usize, Req), usize>,
    pub(super) promises: Promises,
    counters: BTreeMap<String, u64>,
    history: Hash,
    txs: u64,
    height: u64,
}

/// Simulates one seed.
pub fn run(options: Options) -> Result<Report> {
    let mut world = World::new(options)?;
    for node in 0..world.nodes.len() {
        world.start(node);
    }
    let slots = options.slots.saturating_add(HEAL_SLOTS);
    for slot in 1..=slots {
        world.schedule(slot.saturating_mul(world.slot_ms()), Event::Slot(slot));
    }
    let end = slots.saturating_add(1).saturating_mul(world.slot_ms());
    while let Some(Reverse((time, number))) = world.queue.pop() {
        if time > end || world.promises.violations.len() > 5 {
            break;
        }
        world.now_ms = time;
        if let Some(event) = world.events.remove(&number) {
            world.happen(event);
        }
    }
    Ok(world.report())
}

impl World {
    fn new(options: Options) -> Result<Self> {
        let mut dice = Dice::new(options.seed, "genesis");
        let pools = options.nodes.saturating_sub(1);
        let seeds: Vec<[u8; 32]> =
            (0..pools).map(|n| blake2b_256_of(&[&options.seed.to_be_bytes(), &n.to_be_bytes()]).0).collect();
        let keys: Vec<PoolKeys> = seeds.iter().map(PoolKeys::from_seed).collect();
        let users = Users::default();
        let funds = Amount::new(FUNDS.saturating_mul(Amount::UNIT));
        let genesis = Preset::Sim.genesis(Founders {
            name: "sim".into(),
            system_start_ms: 0,
            seed: blake2b_256_of(&[b"sim", &options.seed.to_be_bytes()]),
            accounts: users.accounts().into_iter().map(|account| (account, AssetId::ADA, funds)).collect(),
            pools: keys.iter().map(|keys| genesis_pool(keys, 1_000_000)).collect(),
        });
        let first = first_state(&genesis)?.into_iter().map(|(key, value)| (key, Some(value))).collect();
        let shared = Shared { chain: Chain::new(&genesis), first, genesis };
        let mut nodes = Vec::new();
        for n in 0..options.nodes {
            // Two of the pools are dishonest once there are enough honest ones to outweigh them.
            let role = match pools.checked_sub(n) {
                Some(1) => Role::Equivocator,
                Some(2) if pools >= 5 => Role::Withholder,
                _ => Role::Honest,
            };
            let skew = i64::try_from(dice.below(600)).unwrap_or(0).saturating_sub(300);
            nodes.push(Node::new(&shared, role, seeds.get(n).copied(), skew)?);
        }
        Ok(Self {
            options,
            shared,
            nodes,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            next_event: 0,
            now_ms: 0,
            chance: Dice::new(options.seed, "world"),
            users,
            trouble: Trouble::default(),
            lies: BTreeMap::new(),
            old_headers: Vec::new(),
            paused: BTreeMap::new(),
            finality_ms: 0,
            asked: BTreeMap::new(),
            promises: Promises::default(),
            counters: Report::FAULTS.iter().map(|name| ((*name).to_string(), 0)).collect(),
            history: Hash::ZERO,
            txs: 0,
            height: 0,
        })
    }

    pub(super) fn slot_ms(&self) -> u64 {
        self.shared.chain.constants.slot_ms
    }

    pub(super) fn count(&mut self, name: &str) {
        let counter = self.counters.entry(name.into()).or_default();
        *counter = counter.saturating_add(1);
    }

    pub(super) fn schedule(&mut self, at_ms: u64, event: Event) {
        self.next_event = self.next_event.saturating_add(1);
        self.queue.push(Reverse((at_ms, self.next_event)));
        self.events.insert(self.next_event, event);
    }

    pub(super) fn schedule_slots(&mut self, slots: u64, event: Event) {
        self.schedule(self.now_ms.saturating_add(slots.saturating_mul(self.slot_ms())), event);
    }

    /// A place below `length`, by chance.
    pub(super) fn pick(&mut self, length: usize) -> usize {
        usize::try_from(self.chance.below(u64::try_from(length).unwrap_or(0))).unwrap_or(0)
    }

    pub(super) fn quiet(&self) -> bool {
        self.now_ms > self.options.slots.saturating_mul(self.slot_ms())
    }

    /// The history hash covers what happens where and when.
    fn remember(&mut self, what: &[&[u8]]) {
        let mut parts: Vec<&[u8]> = vec![&self.history.0];
        let now = self.now_ms.to_be_bytes();
        parts.push(&now);
        parts.extend_from_slice(what);
        self.history = blake2b_256_of(&parts);
    }

    fn happen(&mut self, event: Event) {
        if let Some(until) = self.waits(&event) {
            return self.schedule(until, event);
        }
        match event {
            Event::Slot(slot) => self.slot(slot),
            Event::Clock { node, life, slot, ms } => {
                if self.is_life(node, life) {
                    self.feed(node, Message::Consensus(Input::Clock { slot, ms }));
                }
            }
            Event::Deliver { from, to, packet } => self.deliver(from, to, packet),
            Event::Verified { node, life, job, verdict } => {
                if self.is_life(node, life) {
                    self.feed(node, Message::Consensus(Input::Verified(job, verdict)));
                }
            }
            Event::Release { node, topic, bytes } => {
                self.count(if topic == Topic::Head { "withheld" } else { "late_certificate" });
                self.broadcast(node, None, topic, &bytes);
            }
            Event::Restart { node } => self.start(node),
            Event::Room { node } => {
                if let Some(it) = self.nodes.get(node) {
                    it.disk.make_room();
                }
            }
            Event::Heal => self.trouble.sides = None,
            Event::Mend { from, to } => {
                self.trouble.dead.remove(&(from, to));
            }
            Event::SpeedUp { node } => {
                self.trouble.slow.remove(&node);
            }
            Event::EndLie { node } => {
                self.lies.remove(&node);
            }
        }
    }

    /// When a stopped process gets to see what reaches it; `None` is now.
    fn waits(&self, event: &Event) -> Option<u64> {
        let node = match event {
            Event::Clock { node, .. } | Event::Verified { node, .. } | Event::Deliver { to: node, .. } => node,
            Event::Slot(_)
            | Event::Release { .. }
            | Event::Restart { .. }
            | Event::Room { .. }
            | Event::Heal
            | Event::Mend { .. }
            | Event::SpeedUp { .. }
            | Event::EndLie { .. } => return None,
        };
        self.paused.get(node).copied().filter(|until| *until > self.now_ms)
    }

    fn is_life(&self, node: usize, life: u64) -> bool {
        self.nodes.get(node).is_some_and(|node| node.life == life && node.engine.is_some())
    }

    /// A new slot: clocks, traffic, and perhaps a fault.
    fn slot(&mut self, slot: u64) {
        for node in 0..self.nodes.len() {
            // A clock far ahead is in a later slot already.
            let ahead = self.nodes.get(node).map_or(0, |node| u64::try_from(node.skew_ms).unwrap_or(0));
            let ahead = ahead.checked_div(self.slot_ms()).unwrap_or(0);
            self.clock_at(node, slot.saturating_add(ahead), 0);
            let status = self.nodes.get(node).and_then(Node::status);
            if let Some(status) = status.filter(|_| slot.is_multiple_of(5)) {
                for to in 0..self.nodes.len() {
                    self.send(node, to, Packet::Status(status));
                }
            }
        }
        if self.chance.chance(600) {
            self.traffic(slot);
        }
        if !self.quiet() {
            self.faults(slot);
        }
    }

    fn clock_at(&mut self, node: usize, slot: u64, ms: u16) {
        let Some(it) = self.nodes.get(node) else { return };
        let (life, skew) = (it.life, it.skew_ms);
        let due = slot.saturating_mul(self.slot_ms()).saturating_add(u64::from(ms));
        let at = i64::try_from(due).unwrap_or(i64::MAX).saturating_sub(skew);
        if skew != 0 && ms == 0 {
            self.count("clock_skewed");
        }
        self.schedule(u64::try_from(at).unwrap_or(0).max(self.now_ms), Event::Clock { node, life, slot, ms });
    }

    fn traffic(&mut self, slot: u64) {
        let genesis = self.shared.chain.genesis;
        let Some(tx) = self.users.transfer(&mut self.chance, &genesis, slot) else { return };
        if let Ok(checked) = CheckedTx::new(&self.shared.chain, tx) {
            let node = usize::try_from(self.chance.below(self.nodes.len() as u64)).unwrap_or(0);
            self.feed(node, Message::Txs(vec![Arc::new(checked)]));
        }
    }

    fn start(&mut self, node: usize) {
        self.paused.remove(&node);
        let Some(it) = self.nodes.get_mut(node) else { return };
        match it.boot(&self.shared) {
            Ok(out) => {
                let slot = self.now_ms.checked_div(self.slot_ms()).unwrap_or(0);
                self.carry(node, out);
                self.clock_at(node, slot, 0);
                self.greet(node);
            }
            Err(error) => self.promises.broken(format!("node {node} does not boot: {error}")),
        }
    }

    pub(super) fn feed(&mut self, node: usize, message: Message) {
        let Some(engine) = self.nodes.get_mut(node).and_then(|node| node.engine.as_mut()) else { return };
        let out = engine.handle(message);
        self.carry(node, out);
        let honest = self.nodes.get(node).is_some_and(|node| node.role == Role::Honest);
        if let Some(engine) = self.nodes.get(node).and_then(|node| node.engine.as_ref()).filter(|_| honest) {
            self.promises.look_at(node, engine.consensus());
        }
    }

    fn carry(&mut self, node: usize, out: Vec<Outbound>) {
        for effect in out {
            match effect {
                Outbound::Announce(bytes) => self.announce(node, bytes),
                Outbound::RelayTx(tx) => {
                    for to in 0..self.nodes.len() {
                        self.send(node, to, Packet::Tx(Arc::clone(&tx)));
                    }
                }
                Outbound::Judge(id, judgement) => self.judged(node, id, judgement),
                Outbound::Fault(peer, kind) => {
                    if self.is_honest(&peer) {
                        self.promises.broken(format!("node {node} blames honest node {}: {kind:?}", index(&peer)));
                    }
                    self.count("faults_blamed");
                }
                Outbound::Drop(other, _) => self.hang_up(node, index(&other)),
                Outbound::GetHeaders(req, to, locator) => {
                    self.asked.insert((node, req), index(&to));
                    self.send(node, index(&to), Packet::AskHeaders(req, locator));
                }
                Outbound::GetBodies(req, to, ids) => {
                    self.asked.insert((node, req), index(&to));
                    self.send(node, index(&to), Packet::AskBodies(req, ids));
                }
                Outbound::GetCerts(req, to, round) => {
                    self.asked.insert((node, req), index(&to));
                    self.send(node, index(&to), Packet::AskCerts(req, round));
                }
                Outbound::Publish(topic, bytes) => self.publish(node, topic, &bytes),
                Outbound::Finalized { round, point, proof: _ } => {
                    self.remember(&[b"final", &[u8::try_from(node).unwrap_or(0)], &round.to_be_bytes(), &point.id.0]);
                    self.count("finalised");
                    let made = point.slot.0.saturating_mul(self.slot_ms());
                    self.finality_ms = self.finality_ms.saturating_add(self.now_ms.saturating_sub(made));
                }
                Outbound::Verify(job, work) => {
                    let life = self.nodes.get(node).map_or(0, |node| node.life);
                    let at = self.now_ms.saturating_add(1).saturating_add(self.chance.below(4));
                    self.schedule(at, Event::Verified { node, life, job, verdict: work.run() });
                }
                Outbound::WakeAt { slot, ms } => self.clock_at(node, slot, ms),
                Outbound::Evidence(bytes) => {
                    self.count("evidence");
                    self.broadcast(node, None, Topic::Evidence, &bytes);
                }
                Outbound::Moved { reverted, applied } => self.moved(node, reverted.len(), &applied),
                Outbound::TxTaken { .. } | Outbound::Note(_) => {}
                Outbound::TxRefused { .. } => self.count("txs_refused"),
                Outbound::Paused(_) => self.out_of_room(node),
                Outbound::Resumed => self.count("disk_mended"),
                Outbound::Halt(error) => self.halted(node, &error.to_string()),
            }
        }
    }

    fn judged(&mut self, node: usize, id: MsgId, judgement: Judgement) {
        let waiting = self.nodes.get_mut(node).and_then(|node| node.unjudged.remove(&id));
        if let (Some((from, topic, bytes)), Judgement::Accept) = (waiting, judgement) {
            self.broadcast(node, Some(from), topic, &bytes);
        }
    }

    fn announce(&mut self, node: usize, bytes: Vec<u8>) {
        let Ok(header) = Header::decode(&bytes) else { return };
        let id = header.id(&self.shared.chain.genesis);
        self.keep_old(&bytes);
        self.remember(&[b"own", &[u8::try_from(node).unwrap_or(0)], &id.0]);
        match self.nodes.get(node).map(|node| node.role) {
            Some(Role::Honest) => {
                self.promises.own_header(&header.body, id);
                self.broadcast(node, None, Topic::Head, &bytes);
            }
            Some(Role::Equivocator) => {
                let second = self.nodes.get_mut(node).and_then(|node| second_block(node, &header));
                for to in 0..self.nodes.len() {
                    let other = second.as_ref().filter(|_| to % 2 == 0).map(|(_, bytes)| bytes);
                    self.send(node, to, Packet::Gossip(Topic::Head, other.unwrap_or(&bytes).clone()));
                }
                if second.is_some() {
                    self.count("equivocated");
                }
            }
            Some(Role::Withholder) => {
                if header.body.slot.0.saturating_mul(self.slot_ms()) > self.now_ms.saturating_add(2_000) {
                    self.count("early_header");
                    return self.broadcast(node, None, Topic::Head, &bytes);
                }
                let slots = self.chance.below(6).saturating_add(2);
                self.schedule_slots(slots, Event::Release { node, topic: Topic::Head, bytes });
            }
            None => {}
        }
    }

    fn moved(&mut self, node: usize, reverted: usize, applied: &[BlockId]) {
        if reverted > 0 {
            self.count("rollbacks");
        }
        let mut roots = Vec::new();
        if let Some(engine) = self.nodes.get(node).and_then(|node| node.engine.as_ref()) {
            for id in applied {
                if let Some(header) = engine.executor.header(id) {
                    roots.push((*id, header.body.state_root, header.body.height.0, engine.executor.txs_of(id).len()));
                }
            }
        }
        for (id, root, height, txs) in roots {
            self.remember(&[b"moved", &[u8::try_from(node).unwrap_or(0)], &id.0, &root.0]);
            self.promises.root(node, id, root);
            if height > self.height {
                self.height = height;
                self.txs = self.txs.saturating_add(txs as u64);
            }
        }
    }

    /// A full disk: somebody makes room while the process waits, or kills it first.
    fn out_of_room(&mut self, node: usize) {
        if self.chance.chance(300) {
            return self.stop(node);
        }
        let slots = self.chance.below(8).saturating_add(1);
        self.schedule_slots(slots, Event::Room { node });
    }

    fn halted(&mut self, node: usize, why: &str) {
        if !why.contains("simulated") {
            self.promises.broken(format!("node {node} stopped: {why}"));
        }
        self.stop(node);
    }

    /// A process ends without a word and comes back some slots later.
    pub(super) fn stop(&mut self, node: usize) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        if it.engine.take().is_none() {
            return;
        }
        self.count("restarts");
        // Connections end with the process: answers to its old questions do not reach the next life.
        self.asked.retain(|(who, _), _| *who != node);
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            self.send_surely(node, other, Packet::Bye);
        }
        let down = self.chance.below(10).saturating_add(1);
        self.schedule_slots(down, Event::Restart { node });
    }

    pub(super) fn engine(&self, node: usize) -> Option<&nupeer_node::engine::Engine> {
        self.nodes.get(node).and_then(|node| node.engine.as_ref())
    }

    fn report(mut self) -> Report {
        let tips: Vec<(usize, Height, BlockId)> = (0..self.nodes.len())
            .filter(|n| self.nodes.get(*n).is_some_and(|node| node.role == Role::Honest))
            .filter_map(|n| self.nodes.get(n).and_then(Node::status).map(|s| (n, s.tip.height, s.tip.id)))
            .collect();
        self.promises.converged(&tips, TIP_SLACK);
        for (node, height, id) in &tips {
            self.remember(&[b"tip", &[u8::try_from(*node).unwrap_or(0)], &height.0.to_be_bytes(), &id.0]);
        }
        let Options { seed, nodes, slots } = self.options;
        let finalised = self.counters.get("finalised").copied().unwrap_or(0);
        Report {
            seed,
            nodes,
            slots,
            hash: self.history.to_hex(),
            height: self.height,
            final_height: self.promises.final_height(),
            final_after_ms: self.finality_ms.checked_div(finalised).unwrap_or(0),
            txs: self.txs,
            counters: self.counters,
            violations: self.promises.violations,
            replay: format!("nupeer-testnet sim --seed {seed} --nodes {nodes} --slots {slots}"),
        }
    }
}
