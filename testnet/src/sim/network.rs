//! The network between nodes: what is sent, how long it takes, what is lost, and who answers what.
//!
//! Gossip floods: a node passes on what it accepted. Questions and answers are matched as the transport does it: an
//! answer counts only from whoever was asked, and an asker's death ends the question.

use super::lies::Lie;
use super::node::{Node, Role, index, peer};
use super::world::{Event, World};
use nupeer_consensus::effect::Topic;
use nupeer_consensus::input::{Input, MsgId, NetErr, Req, Status};
use nupeer_node::engine::Message;
use nupeer_node::engine::bodies::Arrived;
use nupeer_node::wire::{certificates_from_bytes, items_to_bytes};
use nupeer_primitives::BlockId;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_runtime::validity::CheckedTx;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The junk sender's place in the network.
pub const JUNK: usize = 200;

#[derive(Clone, Debug)]
pub enum Packet {
    Hello(Status),
    Status(Status),
    Bye,
    Gossip(Topic, Vec<u8>),
    Tx(Arc<CheckedTx>),
    AskHeaders(Req, Vec<BlockId>),
    Headers(Req, Result<Vec<Vec<u8>>, NetErr>),
    AskBodies(Req, Vec<BlockId>),
    AskCerts(Req, u64),
    Certs(Req, Result<Vec<Vec<u8>>, NetErr>),
    Bodies(Req, Vec<BlockId>, Result<Vec<Option<Vec<u8>>>, NetErr>),
}

/// What is wrong with the network at the moment.
#[derive(Debug, Default)]
pub struct Trouble {
    /// Two sides that do not hear each other.
    pub sides: Option<Vec<bool>>,
    /// Links that carry nothing, in one direction.
    pub dead: BTreeSet<(usize, usize)>,
    /// Nodes whose every packet takes this much longer, ms.
    pub slow: BTreeMap<usize, u64>,
}

impl World {
    /// Sends over the bad network.
    pub fn send(&mut self, from: usize, to: usize, packet: Packet) {
        if from == to {
            return;
        }
        if let Some(fault) = self.blocked(from, to) {
            self.count(fault);
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
            let slow = [from, to].iter().filter_map(|node| self.trouble.slow.get(node)).max();
            if let Some(slow) = slow.copied() {
                self.count("slow_link");
                delay = delay.saturating_add(slow);
            }
            if let (true, Packet::Gossip(..)) = (self.chance.chance(20), &packet) {
                self.count("duplicated");
                let again = packet.clone();
                let at = self.now_ms.saturating_add(delay).saturating_add(20);
                self.schedule(at, Event::Deliver { from, to, packet: again });
            }
        }
        self.schedule(self.now_ms.saturating_add(delay), Event::Deliver { from, to, packet });
    }

    /// The fault that keeps a packet from arriving, if one does.
    fn blocked(&self, from: usize, to: usize) -> Option<&'static str> {
        if from == JUNK {
            return None;
        }
        let split = self.trouble.sides.as_ref().is_some_and(|sides| sides.get(from) != sides.get(to));
        let dead = self.trouble.dead.contains(&(from, to));
        if split { Some("partitioned") } else { dead.then_some("one_way") }
    }

    /// What the transport itself tells: connections that begin and end.
    pub fn send_surely(&mut self, from: usize, to: usize, packet: Packet) {
        self.schedule(self.now_ms.saturating_add(3), Event::Deliver { from, to, packet });
    }

    /// A message to everybody but `except`.
    pub fn broadcast(&mut self, node: usize, except: Option<usize>, topic: Topic, bytes: &[u8]) {
        for to in (0..self.nodes.len()).filter(|to| Some(*to) != except) {
            self.send(node, to, Packet::Gossip(topic, bytes.to_vec()));
        }
    }

    /// Connects a node that came up with all that are up.
    pub fn greet(&mut self, node: usize) {
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            self.connect(node, other);
        }
    }

    fn connect(&mut self, node: usize, other: usize) {
        let Some(own) = self.nodes.get(node).and_then(Node::status) else { return };
        let Some(theirs) = self.nodes.get(other).and_then(Node::status) else { return };
        self.send_surely(node, other, Packet::Hello(own));
        self.send_surely(other, node, Packet::Hello(theirs));
    }

    /// Ends a connection from `node`'s side; it comes back some slots later, as the shell redials.
    pub fn hang_up(&mut self, node: usize, other: usize) {
        self.count("hung_up");
        self.send_surely(node, other, Packet::Bye);
        self.redial(node, other, 20);
    }

    /// A connection that breaks for both ends and comes back soon.
    pub fn flap(&mut self, node: usize, other: usize) {
        self.count("flapped");
        self.send_surely(node, other, Packet::Bye);
        self.send_surely(other, node, Packet::Bye);
        self.asked.retain(|(who, _), of| !((*who == node && *of == other) || (*who == other && *of == node)));
        self.redial(node, other, 2);
    }

    fn redial(&mut self, node: usize, other: usize, slots: u64) {
        let Some(theirs) = self.nodes.get(other).and_then(Node::status) else { return };
        let Some(own) = self.nodes.get(node).and_then(Node::status) else { return };
        let at = self.now_ms.saturating_add(self.slot_ms().saturating_mul(slots));
        self.schedule(at, Event::Deliver { from: other, to: node, packet: Packet::Hello(theirs) });
        self.schedule(at, Event::Deliver { from: node, to: other, packet: Packet::Hello(own) });
    }

    /// A packet arrives.
    pub fn deliver(&mut self, from: usize, to: usize, packet: Packet) {
        let who = peer(from);
        match packet {
            Packet::Hello(status) => self.feed(to, Message::Consensus(Input::PeerUp(who, status))),
            Packet::Status(status) => self.feed(to, Message::Consensus(Input::PeerStatus(who, status))),
            Packet::Bye => self.feed(to, Message::Consensus(Input::PeerDown(who))),
            Packet::Gossip(topic, bytes) => self.heard(from, to, topic, bytes),
            Packet::Tx(tx) => self.feed(to, Message::Txs(vec![tx])),
            Packet::AskHeaders(req, locator) => {
                let answer = self.engine(to).map(|engine| engine.headers_after(&locator).map_err(|_| NetErr::Refused));
                if let Some(answer) = answer.and_then(|answer| self.lie_about_headers(to, answer)) {
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
                if let Some(answer) = answer.and_then(|answer| self.lie_about_bodies(to, answer)) {
                    self.send(to, from, Packet::Bodies(req, ids, answer));
                }
            }
            Packet::AskCerts(req, round) => {
                let answer = self.engine(to).map(|engine| engine.certificates_from(round));
                if let Some(answer) = answer.filter(|_| self.lie(to) != Some(Lie::Stall)) {
                    let certificates = certificates_from_bytes(&items_to_bytes(&answer)).map_err(|_| NetErr::Garbled);
                    self.send(to, from, Packet::Certs(req, certificates));
                }
            }
            Packet::Certs(req, answer) => {
                if self.asked.remove(&(to, req)) == Some(from) {
                    self.feed(to, Message::Consensus(Input::Certs(req, answer)));
                }
            }
            Packet::Bodies(req, ids, answer) => {
                if self.asked.remove(&(to, req)) == Some(from) {
                    let arrived = |bodies: Vec<Option<Vec<u8>>>| bodies.into_iter().map(|body| body.map(Arrived::of));
                    self.feed(to, Message::Bodies(req, ids, answer.map(|bodies| arrived(bodies).collect())));
                }
            }
        }
    }

    fn heard(&mut self, from: usize, to: usize, topic: Topic, bytes: Vec<u8>) {
        let digest = blake2b_256_of(&[format!("{topic:?}").as_bytes(), &bytes]).0;
        let mut id = [0; 20];
        id.copy_from_slice(&digest[..20]);
        let id = MsgId(id);
        let Some(node) = self.nodes.get_mut(to) else { return };
        if node.seen.insert(id) {
            node.unjudged.insert(id, (from, topic, bytes.clone()));
            self.feed(to, Message::Consensus(Input::Gossip { from: peer(from), id, topic, bytes }));
        }
    }

    /// Whether a peer keeps to the protocol: only these are never blamed.
    pub fn is_honest(&self, who: &nupeer_consensus::input::Peer) -> bool {
        self.nodes.get(index(who)).is_some_and(|node| node.role == Role::Honest)
    }

    /// The lie that `node` tells at the moment.
    pub fn lie(&self, node: usize) -> Option<Lie> {
        self.lies.get(&node).copied()
    }
}
