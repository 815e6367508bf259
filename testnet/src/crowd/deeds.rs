//! What a node of a crowd wants is done.

use super::HEARERS;
use super::world::{CLOCK_STEP_MS, Event, World, number};
use nupeer_consensus::crypto::leader::Sigma;
use nupeer_consensus::effect::{Effect, Judgement, Metric, Topic};
use nupeer_consensus::input::{BodyDigest, ForgeError, Input, Point};
use nupeer_consensus::step::step;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::{BlockId, Certificate, Hash, Vote};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// What a leader needs to fill a body, ms.
const BUILD_MS: u64 = 50;
/// A dropped connection is dialled again after so many slots.
const REDIAL_SLOTS: u64 = 20;
/// Gossip is late by up to so many hundredths of its way.
const JITTER_PER_CENT: u64 = 25;
/// Of 1,000 messages of gossip, where there is fire.
const LOST_PER_MILLE: u64 = 20;

impl World {
    /// Feeds one input and everything that a node answers itself at once.
    pub(super) fn feed(&mut self, node: usize, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.inputs = self.inputs.saturating_add(1);
            let Some(member) = self.members.get_mut(node) else { return };
            for effect in step(&mut member.state, input) {
                inputs.extend(self.carry_out(node, effect));
            }
        }
    }

    fn carry_out(&mut self, node: usize, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Persist(_) | Effect::Justified { .. } => {}
            Effect::Gossip(topic, bytes) => self.publish(node, topic, &bytes),
            Effect::Judge(_, Judgement::Accept | Judgement::Ignore) => {}
            Effect::Judge(_, Judgement::Reject) => self.broken(format!("node {node} rejects honest gossip")),
            Effect::Fault(peer, kind, _) => self.broken(format!("node {node} blames {}: {kind:?}", number(&peer))),
            Effect::Drop(peer, _) => {
                self.count("hung_up");
                let at = self.now.saturating_add(REDIAL_SLOTS.saturating_mul(self.constants.slot_ms));
                self.schedule(at, Event::Meet { a: node, b: number(&peer) });
            }
            Effect::GetHeaders(req, peer, locator) => {
                let to = number(&peer);
                self.ask(node, to, Event::AskHeaders { from: node, to, req, locator });
            }
            Effect::GetBodies(req, peer, ids) => {
                let to = number(&peer);
                self.ask(node, to, Event::AskBodies { from: node, to, req, ids });
            }
            Effect::GetCerts(req, peer, round) => {
                let to = number(&peer);
                self.ask(node, to, Event::AskCerts { from: node, to, req, round });
            }
            Effect::Verify(job, work) => {
                let verdict = if self.options.real_crypto {
                    let signature = work.claims().kes_signature.to_vec();
                    *self.verdicts.entry(signature).or_insert_with(|| work.run())
                } else {
                    Ok(())
                };
                return Some(Input::Verified(job, verdict));
            }
            Effect::Execute { block, .. } => {
                return self.ledger.execute(&block).map(|exec| Input::Executed(block, exec));
            }
            Effect::Switch { rollback_to, apply } => self.switched(node, &rollback_to, &apply),
            Effect::AskLeader { slot, eta, weight, total } => {
                return self.claim(node, slot, eta, Sigma { weight, total });
            }
            Effect::Forge { slot, parent, certificates, .. } => {
                let input = match self.ledger.draft(&parent, slot, certificates) {
                    Some((size, hash, root)) => {
                        Input::Forged { slot, parent, body: BodyDigest { size, hash: Some(hash) }, root }
                    }
                    None => Input::ForgeFailed { slot, why: ForgeError::UnknownParent },
                };
                let at = self.now.saturating_add(BUILD_MS);
                self.schedule(at, Event::Feed { node, input: Box::new(input) });
            }
            Effect::Sign(request) => {
                let (genesis, constants) = (self.genesis, self.constants);
                let signature = self.member(node)?.keys.sign(&request.header, &genesis, &constants);
                return Some(Input::Signed { slot: request.slot, id: request.id, signature });
            }
            Effect::SignVote(request) => {
                let genesis = self.genesis;
                let signature = self.member(node)?.keys.vote(&request, &genesis);
                return Some(Input::VoteSigned(request, Some(signature)));
            }
            Effect::Finalized { round, point, .. } => self.finalised(node, round, point),
            Effect::Evidence(_) => self.broken(format!("node {node} accuses somebody honest")),
            Effect::WakeAt { slot, ms } => self.wake(node, slot, ms),
            Effect::Note(metric) => self.noted(node, metric),
        }
        None
    }

    fn ask(&mut self, from: usize, to: usize, event: Event) {
        if self.reaches(from, to) {
            self.schedule(self.now.saturating_add(self.map.direct(from, to)), event);
        }
    }

    fn wake(&mut self, node: usize, slot: u64, ms: u16) {
        let due = slot.saturating_mul(self.constants.slot_ms).saturating_add(u64::from(ms));
        let now = self.now;
        let Some(member) = self.member(node) else { return };
        let behind = member.clock.saturating_mul(CLOCK_STEP_MS);
        if member.wakes.insert(due) {
            self.schedule(due.saturating_add(behind).max(now), Event::Wake { node, ms: due });
        }
    }

    fn noted(&mut self, node: usize, metric: Metric) {
        match metric {
            Metric::ForeignFinal(_) => self.broken(format!("node {node} sees a final block that contradicts its own")),
            Metric::BootRefused(why) => self.broken(format!("node {node} does not boot: {why:?}")),
            Metric::HeaderRefused(rule) => self.broken(format!("node {node} refuses a header: {rule:?}")),
            Metric::BlockRefused(_, rule) => self.broken(format!("node {node} refuses a block: {rule:?}")),
            Metric::Rollback(_) => self.count("rollbacks"),
            Metric::SlotMissed(_) => self.count("slots_missed"),
            Metric::Following(false) => self.count("fell_behind"),
            Metric::Following(true)
            | Metric::Leader(_)
            | Metric::OwnBlock(_)
            | Metric::NonceWithoutCardano(_)
            | Metric::QueueFull(_)
            | Metric::RoundEnded { .. } => {}
        }
    }

    fn claim(&mut self, node: usize, slot: u64, eta: Hash, sigma: Sigma) -> Option<Input> {
        let member = self.members.get(node)?;
        let claim = member.keys.claim(slot, &eta, sigma, &self.leader, member.cert)?;
        Some(Input::LeaderProof { slot, eta, claim: Some(Box::new(claim)) })
    }

    fn publish(&mut self, node: usize, topic: Topic, bytes: &[u8]) {
        let all = 0..self.members.len();
        match topic {
            Topic::Head => {
                let Some(place) = self.ledger.publish(bytes) else {
                    return self.broken(format!("node {node} publishes a header without a parent"));
                };
                if let Some(member) = self.member(node) {
                    member.held.insert(place);
                }
                self.spread(node, topic, bytes, all.filter(|to| *to != node).collect());
            }
            Topic::Vote => {
                let Ok(vote) = Vote::decode(bytes) else { return };
                let hearers = self.hearers(vote.link.round);
                self.spread(node, topic, bytes, hearers.into_iter().filter(|to| *to != node).collect());
            }
            Topic::Certificate => self.publish_certificate(node, bytes),
            Topic::Evidence => {}
        }
    }

    /// Who adds up the votes of a round.
    fn hearers(&self, round: u64) -> BTreeSet<usize> {
        let count = u64::try_from(self.members.len()).unwrap_or(1).max(1);
        let pick = |n: u64| {
            let hash = blake2b_256_of(&[b"hears", &round.to_be_bytes(), &n.to_be_bytes()]).0;
            let mut first = [0; 8];
            first.copy_from_slice(&hash[..8]);
            usize::try_from(u64::from_be_bytes(first) % count).unwrap_or(0)
        };
        (0..u64::try_from(HEARERS).unwrap_or(0)).map(pick).collect()
    }

    /// Nodes that would hear of the same quorum before do not hear of it again: gossip does not pass on what is known.
    fn publish_certificate(&mut self, node: usize, bytes: &[u8]) {
        let Ok(certificate) = Certificate::decode(bytes) else { return };
        let key = self.taken(&certificate);
        self.forget_certificates(key.0.round);
        let count = self.members.len();
        let mut arrivals = self.certified.remove(&key).unwrap_or_else(|| vec![u64::MAX; count]);
        let mut targets = Vec::new();
        for (to, arrival) in arrivals.iter_mut().enumerate().filter(|(to, _)| *to != node) {
            let at = self.now.saturating_add(self.map.way(node, to).0);
            if at < *arrival && self.reaches(node, to) {
                *arrival = at;
                targets.push(to);
            }
        }
        self.certified.insert(key, arrivals);
        self.spread(node, Topic::Certificate, bytes, targets);
    }

    fn spread(&mut self, node: usize, topic: Topic, bytes: &[u8], targets: Vec<usize>) {
        self.messages = self.messages.saturating_add(1);
        let (number, bytes): (u64, Arc<[u8]>) = (self.messages, bytes.into());
        for to in targets {
            if !self.reaches(node, to) {
                continue;
            }
            if self.options.fire && self.dice.chance(LOST_PER_MILLE) {
                self.count("crowd_lost");
                continue;
            }
            let (way, by) = self.map.way(node, to);
            let late = way.saturating_mul(self.dice.below(JITTER_PER_CENT)) / 100;
            let at = self.now.saturating_add(way).saturating_add(late);
            self.schedule(at, Event::Gossip { to, by, topic, number, bytes: Arc::clone(&bytes) });
        }
    }

    fn switched(&mut self, node: usize, rollback_to: &BlockId, apply: &[BlockId]) {
        let tip = apply.last().unwrap_or(rollback_to);
        let Some(place) = self.ledger.place(tip) else { return };
        if let Some(member) = self.member(node) {
            member.tip = place;
        }
    }

    fn finalised(&mut self, node: usize, round: u64, point: Point) {
        let Some(place) = self.ledger.place(&point.id) else { return };
        let Some(last) = self.member(node).map(|member| std::mem::replace(&mut member.last, place)) else { return };
        self.remember(&[b"final", &node.to_be_bytes(), &round.to_be_bytes(), &point.id.0]);
        let mut path = self.ledger.between(last, place);
        if path.is_empty() && last != place {
            return self.broken(format!("node {node}: final block {} does not follow the one before", point.id));
        }
        path.reverse();
        for place in path {
            let Some(made) = self.ledger.blocks.get(place) else { continue };
            let (height, slot) = (made.body.height.0, made.body.slot.0);
            let after = self.now.saturating_sub(slot.saturating_mul(self.constants.slot_ms));
            self.final_after.add(after);
            match usize::try_from(height).ok().and_then(|height| self.finals.get(height)) {
                Some(known) if *known != place => {
                    return self.broken(format!("node {node}: two final blocks at height {height}"));
                }
                Some(_) => {}
                None => {
                    self.finals.push(place);
                    self.first_final_after.add(after);
                    self.handed_over(slot);
                }
            }
        }
    }

    /// The first final block of an epoch whose committee shares no member with the one before.
    fn handed_over(&mut self, slot: u64) {
        let before = self.finals.len().checked_sub(2).and_then(|at| self.finals.get(at));
        let before = before.and_then(|place| self.ledger.blocks.get(*place)).map_or(0, |made| made.body.slot.0);
        if self.options.disjoint && self.constants.epoch(before) != self.constants.epoch(slot) {
            self.count("disjoint_committees_handed_over");
        }
    }
}
