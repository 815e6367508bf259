//! What dishonest nodes tell while they are asked. Honest nodes must neither follow a lie nor blame anybody honest.

use super::network::{JUNK, Packet};
use super::node::{Node, Role};
use super::world::{Event, World};
use nupeer_consensus::effect::Topic;
use nupeer_consensus::input::{NetErr, Point, Req, Status};
use nupeer_primitives::{BlockId, Height, Slot};

/// What a dishonest node does to those who ask it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    /// Answers nothing.
    Stall,
    /// Answers questions for headers and never delivers a body.
    HeadersOnly,
    /// Leaves out the second half of what it was asked for.
    Cut,
    /// Delivers other bytes than the body asked for.
    WrongBody,
    /// Claims a tip far above its own.
    HighTip,
}

const LIES: [Lie; 5] = [Lie::Stall, Lie::HeadersOnly, Lie::Cut, Lie::WrongBody, Lie::HighTip];
/// Headers kept for sending them once more.
const OLD_HEADERS_MAX: usize = 256;

impl World {
    /// One dishonest node takes up a lie for a while.
    pub fn begin_lie(&mut self) {
        let liars: Vec<usize> = (0..self.nodes.len())
            .filter(|n| self.nodes.get(*n).is_some_and(|node| node.role != Role::Honest))
            .collect();
        let Some(liar) = liars.get(self.pick(liars.len())).copied() else { return };
        let Some(lie) = LIES.get(self.pick(LIES.len())).copied() else { return };
        self.lies.insert(liar, lie);
        if lie == Lie::HighTip {
            self.claim_high_tip(liar);
        }
        let length = self.chance.below(20).saturating_add(10);
        self.schedule_slots(length, Event::EndLie { node: liar });
    }

    fn claim_high_tip(&mut self, liar: usize) {
        let Some(own) = self.nodes.get(liar).and_then(Node::status) else { return };
        let height = Height(own.tip.height.0.saturating_add(self.chance.below(50).saturating_add(1)));
        let tip = Point { id: BlockId([0xDD; 32]), height, slot: own.tip.slot };
        self.count("lied_status");
        for to in 0..self.nodes.len() {
            self.send(liar, to, Packet::Status(Status { tip }));
        }
    }

    /// What a node makes of the headers it would answer with; `None` answers nothing.
    pub fn lie_about_headers(
        &mut self,
        node: usize,
        answer: Result<Vec<Vec<u8>>, NetErr>,
    ) -> Option<Result<Vec<Vec<u8>>, NetErr>> {
        match self.lie(node) {
            Some(Lie::Stall) => {
                self.count("stalled");
                None
            }
            Some(Lie::Cut) => {
                self.count("answer_cut");
                Some(answer.map(|mut headers| {
                    headers.truncate(headers.len().div_ceil(2));
                    headers
                }))
            }
            Some(Lie::HeadersOnly | Lie::WrongBody | Lie::HighTip) | None => Some(answer),
        }
    }

    /// What a node makes of the bodies it would answer with.
    pub fn lie_about_bodies(
        &mut self,
        node: usize,
        answer: Result<Vec<Option<Vec<u8>>>, NetErr>,
    ) -> Option<Result<Vec<Option<Vec<u8>>>, NetErr>> {
        match self.lie(node) {
            Some(Lie::Stall) => {
                self.count("stalled");
                None
            }
            Some(Lie::HeadersOnly) => {
                self.count("body_withheld");
                Some(answer.map(|bodies| bodies.into_iter().map(|_| None).collect()))
            }
            Some(Lie::Cut) => {
                self.count("answer_cut");
                Some(answer.map(|mut bodies| {
                    let half = bodies.len() / 2;
                    bodies.iter_mut().skip(half).for_each(|body| *body = None);
                    bodies
                }))
            }
            Some(Lie::WrongBody) => {
                self.count("wrong_body");
                let junk = self.chance.bytes(40);
                Some(answer.map(|bodies| bodies.into_iter().map(|_| Some(junk.clone())).collect()))
            }
            Some(Lie::HighTip) | None => Some(answer),
        }
    }

    /// Keeps a header so that it can be sent once more later.
    pub fn keep_old(&mut self, bytes: &[u8]) {
        if self.old_headers.len() < OLD_HEADERS_MAX {
            self.old_headers.push(bytes.to_vec());
        } else {
            let at = self.pick(OLD_HEADERS_MAX);
            if let Some(place) = self.old_headers.get_mut(at) {
                *place = bytes.to_vec();
            }
        }
    }

    /// A header of long ago, and one with a bit turned, from somebody who is nobody's friend.
    pub fn replay_and_spoil(&mut self, node: usize) {
        let at = self.pick(self.old_headers.len());
        let Some(old) = self.old_headers.get(at).cloned() else { return };
        self.count("replayed");
        self.send(JUNK, node, Packet::Gossip(Topic::Head, old.clone()));
        let mut spoiled = old;
        let at = self.pick(spoiled.len());
        let bit = self.chance.below(8);
        if let Some(byte) = spoiled.get_mut(at) {
            *byte ^= 1u8.checked_shl(u32::try_from(bit).unwrap_or(0)).unwrap_or(1);
        }
        self.count("header_spoiled");
        self.send(JUNK, node, Packet::Gossip(Topic::Head, spoiled));
    }

    /// Bytes that mean nothing, at every door.
    pub fn junk(&mut self, node: usize, slot: u64) {
        self.count("junk");
        let length = usize::try_from(self.chance.below(3_000)).unwrap_or(0);
        let mut bytes = self.chance.bytes(length);
        if self.chance.chance(200) {
            self.count("oversized");
            bytes.resize(3_000_000, 0);
        }
        let tip = Point { id: BlockId([0xEE; 32]), height: Height(slot.saturating_mul(2)), slot: Slot(slot) };
        let req = Req(0);
        self.send(JUNK, node, Packet::Hello(Status { tip }));
        for topic in [Topic::Head, Topic::Vote, Topic::Certificate, Topic::Evidence] {
            self.send(JUNK, node, Packet::Gossip(topic, bytes.clone()));
        }
        // What it is asked, it answers with junk.
        let asked = self.asked.iter().filter(|((who, _), of)| *who == node && **of == JUNK).map(|((_, req), _)| *req);
        for req in asked.collect::<Vec<_>>() {
            self.send(JUNK, node, Packet::Headers(req, Ok(vec![bytes.clone(); 3])));
            self.send(JUNK, node, Packet::Certs(req, Ok(vec![bytes.clone(); 3])));
            self.send(JUNK, node, Packet::Bodies(req, vec![tip.id], Ok(vec![Some(bytes.clone())])));
        }
        self.send(JUNK, node, Packet::AskHeaders(req, vec![tip.id]));
        self.send(JUNK, node, Packet::AskBodies(req, vec![tip.id; 80]));
    }
}
