//! Several nodes, one thread, virtual time, seeded chance: delay, loss, duplication, reorder, a partition, crashes.

use super::driver::Node;
use super::world::{config, origin, peer, voting};
use crate::effect::{Effect, Judgement, Metric, Topic};
use crate::input::{BodyDigest, Input, MsgId, Peer, Req, Status};
use crate::state::{Config, Mode, final_point};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use nupeer_primitives::finality::evidence::conflict;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::{BlockId, Cbor, Hash, blake2b_256};

const NODES: u8 = 5;
const SLOTS: u64 = 260;
/// Everything is calm from here on.
const HEALED: u64 = 200;
const PARTITION: core::ops::Range<u64> = 60..72;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }
}

#[derive(Clone, Debug)]
enum Event {
    Tick(u64, u16),
    Gossip(u8, Topic, Vec<u8>),
    AskHeaders(u8, u32, Req, Vec<BlockId>),
    AskBodies(u8, u32, Req, Vec<BlockId>),
    AskCerts(u8, u32, Req, u64),
    Certs(u32, Req, Vec<Vec<u8>>),
    Headers(u32, Req, Vec<Vec<u8>>),
    Bodies(u32, Req, Vec<Option<Vec<u8>>>),
    Status(u8, Status),
    Crash(u32),
}

struct World {
    nodes: Vec<Node>,
    seen: Vec<BTreeMap<MsgId, (Topic, Vec<u8>)>>,
    queue: BTreeMap<(u64, u64), (u8, Event)>,
    sequence: u64,
    now: u64,
    dice: Dice,
    finals: BTreeMap<u64, BlockId>,
    faults: BTreeSet<&'static str>,
    history: Hash,
}

impl World {
    fn new(seed: u64, config: fn(Option<u8>) -> Config) -> Self {
        let nodes: Vec<Node> = (0..NODES).map(|n| Node::new(config(Some(n)), Some(n))).collect();
        let mut world = Self {
            seen: nodes.iter().map(|_| BTreeMap::new()).collect(),
            nodes,
            queue: BTreeMap::new(),
            sequence: 0,
            now: 0,
            dice: Dice(seed),
            finals: BTreeMap::new(),
            faults: BTreeSet::new(),
            history: Hash::ZERO,
        };
        for slot in 1..SLOTS {
            for n in 0..NODES {
                // Clocks differ by up to 300 ms.
                let offset = u64::from(n) * 75;
                world.at(slot * 1_000 + offset, n, Event::Tick(slot, 0));
                if (slot + u64::from(n)).is_multiple_of(5) {
                    world.at(slot * 1_000 + offset + 500, n, Event::Tick(slot, 500));
                }
            }
        }
        for _ in 0..6 {
            let (at, n) = (world.dice.roll(HEALED - 20) * 1_000 + 333, u8::try_from(world.dice.roll(5)).unwrap());
            let fuse = u32::try_from(world.dice.roll(12)).unwrap();
            world.at(at, n, Event::Crash(fuse));
        }
        world
    }

    fn at(&mut self, ms: u64, node: u8, event: Event) {
        self.sequence += 1;
        self.queue.insert((ms, self.sequence), (node, event));
    }

    /// Over the wire, with everything that can go wrong.
    fn send(&mut self, from: u8, to: u8, event: Event) {
        let slot = self.now / 1_000;
        let calm = slot >= HEALED;
        if PARTITION.contains(&slot) && (from < 2) != (to < 2) {
            self.faults.insert("partitioned");
            return;
        }
        if !calm && self.dice.roll(100) < 4 {
            self.faults.insert("lost");
            return;
        }
        let mut delay = 20 + self.dice.roll(150);
        if !calm && self.dice.roll(100) < 5 {
            self.faults.insert("delayed");
            delay += self.dice.roll(4_000);
        }
        if !calm && self.dice.roll(100) < 5 {
            self.faults.insert("duplicated");
            let again = self.now + delay + self.dice.roll(1_000);
            self.at(again, to, event.clone());
        }
        let at = self.now + delay;
        self.at(at, to, event);
    }

    fn run(&mut self) {
        while let Some(((at, _), (n, event))) = self.queue.pop_first() {
            self.now = at;
            self.happen(n, event);
            self.flush(n);
            self.check(n);
        }
    }

    fn happen(&mut self, n: u8, event: Event) {
        let at = usize::from(n);
        let node = &mut self.nodes[at];
        match event {
            Event::Tick(slot, ms) => {
                node.clock(slot, ms);
                if slot.is_multiple_of(3) && ms == 0 {
                    self.mingle(n);
                }
            }
            Event::Gossip(from, topic, bytes) => {
                let id = MsgId(blake2b_256(&bytes).0[..20].try_into().unwrap());
                if self.seen[at].insert(id, (topic, bytes.clone())).is_none() {
                    node.input(Input::Gossip { from: peer(from), id, topic, bytes });
                }
            }
            Event::AskHeaders(from, life, req, locator) => {
                let answer = node.headers_after(&locator);
                self.send(n, from, Event::Headers(life, req, answer));
            }
            Event::AskBodies(from, life, req, ids) => {
                let answer = node.bodies_of(&ids);
                self.send(n, from, Event::Bodies(life, req, answer));
            }
            Event::Headers(life, req, headers) if life == node.life => node.input(Input::Headers(req, Ok(headers))),
            Event::Bodies(life, req, bodies) if life == node.life => {
                let digests: Vec<Option<BodyDigest>> = node.take_bodies(bodies);
                node.input(Input::Bodies(req, Ok(digests)));
            }
            Event::AskCerts(from, life, req, round) => {
                let known = node.state.overlay().unwrap().certificates_from(round);
                let answer = known.iter().map(Cbor::to_cbor).collect();
                self.send(n, from, Event::Certs(life, req, answer));
            }
            Event::Certs(life, req, certs) if life == node.life => node.input(Input::Certs(req, Ok(certs))),
            Event::Headers(..) | Event::Bodies(..) | Event::Certs(..) => {}
            Event::Status(from, status) => node.input(Input::PeerStatus(peer(from), status)),
            Event::Crash(fuse) => {
                self.faults.insert("crashed");
                node.fuse = Some(fuse);
            }
        }
    }

    /// Connects to whoever is not connected and tells everybody the own status.
    fn mingle(&mut self, n: u8) {
        let connected: Vec<Peer> = self.nodes[usize::from(n)].state.peers().copied().collect();
        for other in (0..NODES).filter(|other| *other != n) {
            let tip = self.nodes[usize::from(other)].state.tip().unwrap_or_else(origin);
            if !connected.contains(&peer(other)) {
                self.nodes[usize::from(n)].input(Input::PeerUp(peer(other), Status { tip }));
            }
            let tip = self.nodes[usize::from(n)].state.tip().unwrap_or_else(origin);
            self.send(n, other, Event::Status(n, Status { tip }));
        }
    }

    fn flush(&mut self, n: u8) {
        let number = |peer: Peer| peer.0[0];
        let life = self.nodes[usize::from(n)].life;
        for effect in core::mem::take(&mut self.nodes[usize::from(n)].out) {
            let line = alloc::format!("{} {n} {effect:?}", self.now);
            self.history = blake2b_256_of(&[&self.history.0, line.as_bytes()]);
            match effect {
                Effect::Gossip(topic, bytes) => self.flood(n, topic, &bytes),
                Effect::Judge(id, Judgement::Accept) => {
                    if let Some((topic, bytes)) = self.seen[usize::from(n)].get(&id).cloned() {
                        self.flood(n, topic, &bytes);
                    }
                }
                Effect::GetHeaders(req, to, locator) => {
                    self.send(n, number(to), Event::AskHeaders(n, life, req, locator))
                }
                Effect::GetBodies(req, to, ids) => self.send(n, number(to), Event::AskBodies(n, life, req, ids)),
                Effect::GetCerts(req, to, round) => self.send(n, number(to), Event::AskCerts(n, life, req, round)),
                Effect::Evidence(_) => panic!("node {n} accuses an honest node"),
                Effect::Note(Metric::ForeignFinal(_)) => panic!("two final blocks"),
                Effect::WakeAt { slot, ms } => {
                    let at = (slot * 1_000 + u64::from(ms) + u64::from(n) * 75).max(self.now);
                    self.at(at, n, Event::Tick(slot, ms));
                }
                Effect::Fault(who, kind, _) => panic!("node {n} blames honest node {}: {kind:?}", number(who)),
                other => drop(other),
            }
        }
    }

    fn flood(&mut self, from: u8, topic: Topic, bytes: &[u8]) {
        for to in (0..NODES).filter(|to| *to != from) {
            self.send(from, to, Event::Gossip(from, topic, bytes.to_vec()));
        }
    }

    /// Common prefix.
    fn check(&mut self, n: u8) {
        let point = final_point(&self.nodes[usize::from(n)].state).unwrap();
        let known = *self.finals.entry(point.height.0).or_insert(point.id);
        assert_eq!(known, point.id, "node {n} at {} ms", self.now);
    }

    fn check_end(&self) {
        for node in &self.nodes {
            let slots: BTreeSet<u64> = node.signatures.iter().map(|(slot, _)| *slot).collect();
            assert_eq!(slots.len(), node.signatures.len(), "a slot signed twice");
            assert_eq!(node.state.mode(), Mode::Following);
        }
        let heights: Vec<u64> = self.nodes.iter().map(|node| node.state.tip().unwrap().height.0).collect();
        let (low, high) = (heights.iter().min().unwrap(), heights.iter().max().unwrap());
        assert!(high - low <= 1, "no convergence: {heights:?}");
        assert!(*low > 70, "the chain grows: {heights:?}");
        let common = self
            .nodes
            .iter()
            .map(|node| node.state.selected().copied().collect::<BTreeSet<BlockId>>())
            .reduce(|a, b| &a & &b)
            .unwrap();
        let final_heights: Vec<u64> =
            self.nodes.iter().map(|node| final_point(&node.state).unwrap().height.0).collect();
        let lag = high - final_heights.iter().min().unwrap();
        let voting = self.nodes.iter().all(|node| node.state.overlay().is_some());
        assert!(!voting || lag <= 12, "finality goes on: {final_heights:?} below {heights:?}");
        for node in &self.nodes {
            let links: BTreeSet<_> = node.votes.iter().map(|vote| vote.link).collect();
            let rounds: BTreeSet<u64> = links.iter().map(|link| link.round).collect();
            assert_eq!(links.len(), rounds.len(), "one link a round, over all lives");
            assert!(links.iter().all(|a| links.iter().all(|b| conflict(a, b).is_none())), "P3");
        }
        assert!(common.len() >= 4, "tips share all but the newest blocks: {heights:?}");
    }
}

fn run(seed: u64, config: fn(Option<u8>) -> Config) -> (Hash, BTreeSet<&'static str>) {
    let mut world = World::new(seed, config);
    world.run();
    world.check_end();
    (world.history, world.faults)
}

#[test]
fn honest_nodes_agree_under_loss_partition_and_crashes() {
    let mut faults = BTreeSet::new();
    for seed in 0..12 {
        faults.extend(run(seed, config).1);
    }
    let all = BTreeSet::from(["partitioned", "lost", "delayed", "duplicated", "crashed"]);
    assert_eq!(faults, all);
}

#[test]
fn the_same_seed_gives_the_same_history() {
    assert_eq!(run(99, config).0, run(99, config).0);
    assert_ne!(run(99, config).0, run(100, config).0);
    assert_eq!(run(99, voting).0, run(99, voting).0);
}

#[test]
fn honest_voters_make_blocks_final_under_loss_partition_and_crashes() {
    let mut faults = BTreeSet::new();
    for seed in 0..3 {
        faults.extend(run(seed, voting).1);
    }
    assert!(faults.contains("partitioned") && faults.contains("crashed"));
}
