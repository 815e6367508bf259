//! The event loop: virtual time, the network between nodes, the faults.

use super::adversary::second_block;
use super::check::Promises;
use super::dice::Dice;
use super::disk::Crash;
use super::node::{Node, Role, Shared, index, peer};
use super::report::Report;
use super::traffic::{FUNDS, Users};
use crate::up::network::genesis_pool;
use anyhow::Result;
use nupeer_consensus::forge::PoolKeys;
use nupeer_consensus::header::HeaderError;
use nupeer_consensus::input::{Input, Job, MsgId, NetErr, Point, Req, Status};
use nupeer_node::engine::{Message, Outbound};
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::{Amount, AssetId, BlockId, Hash, Header, Height, Slot};
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
/// The junk sender's place in the network.
const JUNK: usize = 200;

#[derive(Debug)]
enum Packet {
    Hello(Status),
    Status(Status),
    Bye,
    Header(Vec<u8>),
    Tx(Arc<CheckedTx>),
    AskHeaders(Req, Vec<BlockId>),
    Headers(Req, Result<Vec<Vec<u8>>, NetErr>),
    AskBodies(Req, Vec<BlockId>),
    Bodies(Req, Vec<BlockId>, Result<Vec<Option<Vec<u8>>>, NetErr>),
}

#[derive(Debug)]
enum Event {
    Slot(u64),
    Clock { node: usize, life: u64, slot: u64, ms: u16 },
    Deliver { from: usize, to: usize, packet: Packet },
    Verified { node: usize, life: u64, job: Job, verdict: Result<(), HeaderError> },
    Release { node: usize, bytes: Vec<u8> },
    Restart { node: usize },
    Heal,
}

struct World {
    options: Options,
    shared: Shared,
    nodes: Vec<Node>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    next_event: u64,
    now_ms: u64,
    chance: Dice,
    users: Users,
    sides: Option<Vec<bool>>,
    /// Open questions: an answer counts only from whoever was asked, as the transport has it.
    asked: BTreeMap<(usize, Req), usize>,
    promises: Promises,
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
            sides: None,
            asked: BTreeMap::new(),
            promises: Promises::default(),
            counters: Report::FAULTS.iter().map(|name| ((*name).to_string(), 0)).collect(),
            history: Hash::ZERO,
            txs: 0,
            height: 0,
        })
    }

    fn slot_ms(&self) -> u64 {
        self.shared.chain.constants.slot_ms
    }

    fn count(&mut self, name: &str) {
        let counter = self.counters.entry(name.into()).or_default();
        *counter = counter.saturating_add(1);
    }

    fn schedule(&mut self, at_ms: u64, event: Event) {
        self.next_event = self.next_event.saturating_add(1);
        self.queue.push(Reverse((at_ms, self.next_event)));
        self.events.insert(self.next_event, event);
    }

    fn quiet(&self) -> bool {
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
            Event::Release { node, bytes } => {
                self.count("withheld");
                self.broadcast(node, None, &bytes);
            }
            Event::Restart { node } => self.start(node),
            Event::Heal => self.sides = None,
        }
    }

    fn is_life(&self, node: usize, life: u64) -> bool {
        self.nodes.get(node).is_some_and(|node| node.life == life && node.engine.is_some())
    }

    /// A new slot: clocks, traffic, and perhaps a fault.
    fn slot(&mut self, slot: u64) {
        for node in 0..self.nodes.len() {
            self.clock_at(node, slot, 0);
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
            self.feed(node, Message::Tx(Arc::new(checked)));
        }
    }

    fn faults(&mut self, slot: u64) {
        let node = usize::try_from(self.chance.below(self.nodes.len() as u64)).unwrap_or(0);
        let slot_ms = self.slot_ms();
        if self.chance.chance(40) {
            let crash = if self.chance.chance(500) { Crash::BeforeWrite } else { Crash::AfterWrite };
            let writes = self.chance.below(6);
            if let Some(node) = self.nodes.get(node) {
                node.disk.crash_in(writes, crash);
            }
            self.count(if crash == Crash::BeforeWrite { "crash_before_write" } else { "crash_after_write" });
        } else if self.chance.chance(10) {
            if let Some(node) = self.nodes.get(node) {
                node.disk.fill();
            }
            self.count("disk_full");
        } else if self.sides.is_none() && self.chance.chance(20) {
            let sides = (0..self.nodes.len()).map(|_| self.chance.chance(500)).collect();
            self.sides = Some(sides);
            self.count("partitions");
            let length = self.chance.below(6).saturating_add(2).saturating_mul(slot_ms);
            self.schedule(self.now_ms.saturating_add(length), Event::Heal);
        }
        if self.chance.chance(80) {
            self.junk(node, slot);
        }
    }

    /// Bytes that mean nothing, at every door.
    fn junk(&mut self, node: usize, slot: u64) {
        self.count("junk");
        let length = usize::try_from(self.chance.below(3_000)).unwrap_or(0);
        let bytes = self.chance.bytes(length);
        let tip = Point { id: BlockId([0xEE; 32]), height: Height(slot.saturating_mul(2)), slot: Slot(slot) };
        let req = Req(0);
        self.send(JUNK, node, Packet::Hello(Status { tip }));
        self.send(JUNK, node, Packet::Header(bytes.clone()));
        // What it is asked, it answers with junk.
        let asked = self.asked.iter().filter(|((who, _), of)| *who == node && **of == JUNK).map(|((_, req), _)| *req);
        for req in asked.collect::<Vec<_>>() {
            self.send(JUNK, node, Packet::Headers(req, Ok(vec![bytes.clone(); 3])));
            self.send(JUNK, node, Packet::Bodies(req, vec![tip.id], Ok(vec![Some(bytes.clone())])));
        }
        self.send(JUNK, node, Packet::AskHeaders(req, vec![tip.id]));
        self.send(JUNK, node, Packet::AskBodies(req, vec![tip.id; 80]));
    }

    fn start(&mut self, node: usize) {
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

    fn greet(&mut self, node: usize) {
        let Some(own) = self.nodes.get(node).and_then(Node::status) else { return };
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            let Some(theirs) = self.nodes.get(other).and_then(Node::status) else { continue };
            self.send_surely(node, other, Packet::Hello(own));
            self.send_surely(other, node, Packet::Hello(theirs));
        }
    }

    fn feed(&mut self, node: usize, message: Message) {
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
                    let honest = self.nodes.get(index(&peer)).is_some_and(|node| node.role == Role::Honest);
                    if honest {
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
                Outbound::Verify(job, work) => {
                    let life = self.nodes.get(node).map_or(0, |node| node.life);
                    let at = self.now_ms.saturating_add(1).saturating_add(self.chance.below(4));
                    self.schedule(at, Event::Verified { node, life, job, verdict: work.run() });
                }
                Outbound::WakeAt { slot, ms } => self.clock_at(node, slot, ms),
                Outbound::Evidence(_) => self.count("evidence"),
                Outbound::Moved { reverted, applied } => self.moved(node, reverted.len(), &applied),
                Outbound::TxTaken { .. } | Outbound::Note(_) => {}
                Outbound::TxRefused { .. } => self.count("txs_refused"),
                Outbound::Halt(error) => self.halted(node, &error.to_string()),
            }
        }
    }

    fn judged(&mut self, node: usize, id: MsgId, judgement: nupeer_consensus::effect::Judgement) {
        let waiting = self.nodes.get_mut(node).and_then(|node| node.unjudged.remove(&id));
        if let (Some((from, bytes)), nupeer_consensus::effect::Judgement::Accept) = (waiting, judgement) {
            self.broadcast(node, Some(from), &bytes);
        }
    }

    fn announce(&mut self, node: usize, bytes: Vec<u8>) {
        let Ok(header) = Header::decode(&bytes) else { return };
        let id = header.id(&self.shared.chain.genesis);
        self.remember(&[b"own", &[u8::try_from(node).unwrap_or(0)], &id.0]);
        match self.nodes.get(node).map(|node| node.role) {
            Some(Role::Honest) => {
                self.promises.own_header(&header.body, id);
                self.broadcast(node, None, &bytes);
            }
            Some(Role::Equivocator) => {
                let second = self.nodes.get_mut(node).and_then(|node| second_block(node, &header));
                for to in 0..self.nodes.len() {
                    let other = second.as_ref().filter(|_| to % 2 == 0).map(|(_, bytes)| bytes);
                    self.send(node, to, Packet::Header(other.unwrap_or(&bytes).clone()));
                }
                if second.is_some() {
                    self.count("equivocated");
                }
            }
            Some(Role::Withholder) => {
                let slots = self.chance.below(6).saturating_add(2);
                self.schedule(
                    self.now_ms.saturating_add(slots.saturating_mul(self.slot_ms())),
                    Event::Release { node, bytes },
                );
            }
            None => {}
        }
    }

    fn broadcast(&mut self, node: usize, except: Option<usize>, bytes: &[u8]) {
        for to in (0..self.nodes.len()).filter(|to| Some(*to) != except) {
            self.send(node, to, Packet::Header(bytes.to_vec()));
        }
    }

    fn hang_up(&mut self, node: usize, other: usize) {
        self.count("hung_up");
        self.send_surely(node, other, Packet::Bye);
        // The dropped side dials again some slots later, as the shell does.
        let Some(theirs) = self.nodes.get(other).and_then(Node::status) else { return };
        let Some(own) = self.nodes.get(node).and_then(Node::status) else { return };
        let at = self.now_ms.saturating_add(self.slot_ms().saturating_mul(20));
        self.schedule(at, Event::Deliver { from: other, to: node, packet: Packet::Hello(theirs) });
        self.schedule(at, Event::Deliver { from: node, to: other, packet: Packet::Hello(own) });
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

    fn halted(&mut self, node: usize, why: &str) {
        if !why.contains("simulated crash") && !why.contains("disk full") {
            self.promises.broken(format!("node {node} stopped: {why}"));
        }
        self.count("restarts");
        if let Some(it) = self.nodes.get_mut(node) {
            it.engine = None;
        }
        // Connections end with the process: answers to its old questions do not reach the next life.
        self.asked.retain(|(who, _), _| *who != node);
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            self.send_surely(node, other, Packet::Bye);
        }
        let down = self.chance.below(10).saturating_add(1).saturating_mul(self.slot_ms());
        self.schedule(self.now_ms.saturating_add(down), Event::Restart { node });
    }

    /// Sends over the bad network.
    fn send(&mut self, from: usize, to: usize, packet: Packet) {
        if from == to {
            return;
        }
        let split = self.sides.as_ref().is_some_and(|sides| sides.get(from) != sides.get(to));
        if split && from != JUNK {
            self.count("partitioned");
            return;
        }
        let mut delay = self.chance.below(95).saturating_add(5);
        if !self.quiet() {
            if self.chance.chance(15) {
                self.count("lost");
                return;
            }
            if self.chance.chance(30) {
                self.count("delayed");
                delay = delay.saturating_add(self.chance.below(1_500));
            }
            if self.chance.chance(30) {
                self.count("reordered");
                delay = self.chance.below(3);
            }
            if let (true, Packet::Header(bytes)) = (self.chance.chance(20), &packet) {
                self.count("duplicated");
                let again = Packet::Header(bytes.clone());
                self.schedule(
                    self.now_ms.saturating_add(delay).saturating_add(20),
                    Event::Deliver { from, to, packet: again },
                );
            }
        }
        self.schedule(self.now_ms.saturating_add(delay), Event::Deliver { from, to, packet });
    }

    fn send_surely(&mut self, from: usize, to: usize, packet: Packet) {
        self.schedule(self.now_ms.saturating_add(3), Event::Deliver { from, to, packet });
    }

    fn deliver(&mut self, from: usize, to: usize, packet: Packet) {
        let who = peer(from);
        match packet {
            Packet::Hello(status) => self.feed(to, Message::Consensus(Input::PeerUp(who, status))),
            Packet::Status(status) => self.feed(to, Message::Consensus(Input::PeerStatus(who, status))),
            Packet::Bye => self.feed(to, Message::Consensus(Input::PeerDown(who))),
            Packet::Header(bytes) => {
                let digest = blake2b_256_of(&[b"head/1", &bytes]).0;
                let mut id = [0; 20];
                id.copy_from_slice(&digest[..20]);
                let id = MsgId(id);
                let Some(node) = self.nodes.get_mut(to) else { return };
                if node.seen.insert(id) {
                    node.unjudged.insert(id, (from, bytes.clone()));
                    self.feed(to, Message::Consensus(Input::Gossip { from: who, id, bytes }));
                }
            }
            Packet::Tx(tx) => self.feed(to, Message::Tx(tx)),
            Packet::AskHeaders(req, locator) => {
                let answer = self.engine(to).map(|engine| engine.headers_after(&locator).map_err(|_| NetErr::Refused));
                if let Some(answer) = answer {
                    self.send(to, from, Packet::Headers(req, answer));
                }
            }
            Packet::Headers(req, answer) => {
                if self.asked.remove(&(to, req)) == Some(from) {
                    self.feed(to, Message::Consensus(Input::Headers(req, answer)));
                }
            }
            Packet::AskBodies(req, ids) => {
                let answer = self.engine(to).map(|engine| engine.bodies_of(&ids).map_err(|_| NetErr::Refused));
                if let Some(answer) = answer {
                    self.send(to, from, Packet::Bodies(req, ids, answer));
                }
            }
            Packet::Bodies(req, ids, answer) => {
                if self.asked.remove(&(to, req)) == Some(from) {
                    self.feed(to, Message::Bodies(req, ids, answer));
                }
            }
        }
    }

    fn engine(&self, node: usize) -> Option<&nupeer_node::engine::Engine> {
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
        Report {
            seed,
            nodes,
            slots,
            hash: self.history.to_hex(),
            height: self.height,
            final_height: self.promises.final_height(),
            txs: self.txs,
            counters: self.counters,
            violations: self.promises.violations,
            replay: format!("nupeer-testnet sim --seed {seed} --nodes {nodes} --slots {slots}"),
        }
    }
}
