//! A driver in memory: it answers what can be answered at once, keeps what is durable, and leaves the rest to the test.

use super::world::{
    BAD_BODY, CONSTANTS, GENESIS, TestBlock, body_digest, fresh, root_of, verdict, view, voter, voting_view,
};
use crate::effect::{Effect, Record};
use crate::finality::overlay::KeptFinality;
use crate::finality::{ChainFacts, VoteRequest};
use crate::input::{Ban, BlockRule, BodyDigest, Exec, Input, LeaderClaim, Peer, Persisted, Req};
use crate::state::{Config, State, final_point};
use crate::step::step;
use crate::view::LedgerView;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use nupeer_primitives::{BlockId, Cbor, Certificate, Epoch, Hash, Header, HeaderBody, Slot};

/// What survives a crash.
#[derive(Clone, Debug)]
pub struct Disk {
    pub root: crate::input::Root,
    pub headers: BTreeMap<BlockId, Vec<u8>>,
    /// Committed chain from genesis: block, encoded header, body.
    pub chain: Vec<(BlockId, Vec<u8>, Vec<u8>)>,
    pub signed: Option<(Slot, BlockId)>,
    pub bans: Vec<Ban>,
    pub finality: KeptFinality,
    /// View after each executed block: the ledger's state.
    pub views: BTreeMap<BlockId, Arc<LedgerView>>,
}

/// Who may lead; `None` leads never.
pub type Leads = fn(u8, u64) -> Option<LeaderClaim>;

fn first_view(config: &Config) -> Arc<LedgerView> {
    if config.finality.is_some() { voting_view(0, ChainFacts::default()) } else { view(0) }
}

/// One node.
#[derive(Clone, Debug)]
pub struct Node {
    pub state: State,
    pub disk: Disk,
    pub bodies: BTreeMap<Hash, Vec<u8>>,
    pub pool: Option<u8>,
    pub leads: Leads,
    /// Effects for the world, in order.
    pub out: Vec<Effect>,
    /// Each `Sign` ever, over all lives.
    pub signatures: Vec<(u64, BlockId)>,
    /// Each vote ever signed, over all lives.
    pub votes: Vec<VoteRequest>,
    /// Whether answers to `Verify` and `Execute` are left to the test.
    pub manual: bool,
    /// Effects to carry out before the power goes.
    pub fuse: Option<u32>,
    /// A trace of all inputs and effects.
    pub log: Vec<String>,
    pub logging: bool,
    pub config: Config,
    /// Boots so far; answers to questions of an earlier life never arrive.
    pub life: u32,
}

impl Node {
    pub fn new(config: Config, pool: Option<u8>) -> Self {
        let disk = Disk {
            root: fresh().root,
            headers: BTreeMap::new(),
            chain: Vec::new(),
            signed: None,
            bans: Vec::new(),
            finality: KeptFinality::default(),
            views: BTreeMap::from([(super::world::origin().id, first_view(&config))]),
        };
        let mut node = Self {
            state: State::new(config.clone()),
            disk,
            bodies: BTreeMap::new(),
            pool,
            leads: super::world::claim,
            out: Vec::new(),
            signatures: Vec::new(),
            votes: Vec::new(),
            manual: false,
            fuse: None,
            log: Vec::new(),
            logging: false,
            config,
            life: 0,
        };
        node.boot();
        node
    }

    /// Starts from disk; everything else is lost.
    pub fn boot(&mut self) {
        self.life += 1;
        self.state = State::new(self.config.clone());
        self.bodies.clear();
        self.out.clear();
        self.fuse = None;
        let persisted = self.persisted();
        self.input(Input::Boot(Box::new(persisted)));
        assert!(self.state.tip().is_some(), "boot refused: {:?}", self.out);
    }

    fn persisted(&self) -> Persisted {
        let mut headers: Vec<(u64, Vec<u8>)> = self
            .disk
            .headers
            .values()
            .map(|bytes| (Header::decode(bytes).unwrap().body.height.0, bytes.clone()))
            .collect();
        headers.sort();
        let mut views = Vec::from([(self.disk.root.point.id, self.view_of(&self.disk.root.point.id))]);
        let mut tip = super::world::origin().id;
        if let Some((id, _, _)) = self.disk.chain.last() {
            views.push((*id, self.view_of(id)));
            tip = *id;
        }
        Persisted {
            root: self.disk.root.clone(),
            headers: headers.into_iter().map(|(_, bytes)| bytes).collect(),
            tip,
            views,
            signed: self.disk.signed,
            bans: self.disk.bans.clone(),
            finality: self.disk.finality.clone(),
        }
    }

    /// Feeds one input and everything that follows from it inside the node.
    pub fn input(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if self.logging {
                self.log.push(format!("{input:?}"));
            }
            let effects = step(&mut self.state, input);
            for effect in effects {
                if self.logging {
                    self.log.push(format!("{effect:?}"));
                }
                match &mut self.fuse {
                    Some(0) => return self.boot(),
                    Some(left) => *left -= 1,
                    None => {}
                }
                inputs.extend(self.carry_out(effect));
            }
            self.check();
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Persist(record) => self.persist(record),
            Effect::Verify(job, work) if !self.manual => return Some(Input::Verified(job, verdict(&work))),
            Effect::Execute { block, parent, body_hash } if !self.manual => {
                return Some(Input::Executed(block, self.execute(block, parent, body_hash)));
            }
            Effect::Switch { rollback_to, apply } => self.switch(rollback_to, apply),
            Effect::AskLeader { slot, eta, .. } => {
                let claim = self.pool.and_then(|pool| (self.leads)(pool, slot)).map(Box::new);
                return Some(Input::LeaderProof { slot, eta, claim });
            }
            Effect::Forge { slot, parent, certificates, .. } => {
                let mut body = [self.pool.unwrap(), slot.to_be_bytes()[7]].to_vec();
                if self.config.finality.is_some() {
                    body.extend(self.choose(&parent, certificates).to_cbor());
                }
                let digest = body_digest(&body);
                self.bodies.insert(digest.hash.unwrap(), body);
                let root = root_of(parent, digest.hash.unwrap());
                return Some(Input::Forged { slot, parent, body: digest, root });
            }
            Effect::Sign(request) => {
                assert_eq!(self.disk.signed, Some((Slot(request.slot), request.id)), "written before signed");
                self.signatures.push((request.slot, request.id));
                let signature = Some(Box::new([1; 448]));
                return Some(Input::Signed { slot: request.slot, id: request.id, signature });
            }
            Effect::SignVote(request) => {
                let written = self.disk.finality.voted.unwrap();
                assert_eq!((written.round, written.source >= request.link.src_round), (request.link.round, true));
                self.votes.push(request);
                let digest = request.link.digest(request.committee, &GENESIS);
                return Some(Input::VoteSigned(request, Some(voter(self.pool.unwrap()).sign(&digest))));
            }
            other => self.out.push(other),
        }
        None
    }

    fn persist(&mut self, record: Record) {
        match record {
            Record::Header { id, bytes } => {
                self.disk.headers.insert(id, bytes);
            }
            Record::Forgotten(ids) => self.disk.headers.retain(|id, _| !ids.contains(id)),
            Record::Final { point, mc, nonce, pool, counter } => {
                let root = &mut self.disk.root;
                (root.point, root.mc, root.nonce) = (point, mc, *nonce);
                root.counters.retain(|(id, _)| *id != pool);
                root.counters.push((pool, counter));
                self.disk.headers.remove(&point.id);
            }
            Record::Signed { slot, id } => self.disk.signed = Some((slot, id)),
            Record::Ban(ban) => {
                self.disk.bans.retain(|other| other.peer != ban.peer);
                self.disk.bans.push(ban);
            }
            Record::Certificate { bytes, .. } => {
                self.disk.finality.certificates.push(Certificate::decode(&bytes).unwrap());
            }
            Record::Finalized { round, point, proof } => {
                self.disk.finality.certificates.retain(|certificate| certificate.link.round > round);
                self.disk.finality.last = Some((round, point, proof));
            }
            Record::Voted(voted) => self.disk.finality.voted = Some(voted),
        }
    }

    fn view_of(&self, id: &BlockId) -> Arc<LedgerView> {
        Arc::clone(self.disk.views.get(id).expect("executed"))
    }

    /// What the ledger would take: certificates that the chain lacks, at most four.
    fn choose(&self, parent: &BlockId, offered: Vec<Certificate>) -> Vec<Certificate> {
        let facts = &self.view_of(parent).facts;
        let new = |certificate: &Certificate| facts.certified.is_none_or(|round| certificate.link.round > round);
        offered.into_iter().filter(new).take(4).collect()
    }

    /// Finality on the chain up to a block, as the ledger would keep it.
    fn facts(&self, header: &HeaderBody, certificates: &[Certificate]) -> ChainFacts {
        let parent = self.view_of(&header.parent);
        let mut facts = parent.facts.clone();
        for epoch in CONSTANTS.epoch(parent.slot.0)..CONSTANTS.epoch(header.slot.0) {
            facts.epoch_ends.push((Epoch(epoch), header.parent));
        }
        for link in certificates.iter().map(|certificate| certificate.link) {
            facts.certified = facts.certified.max(Some(link.round));
            if link.src_round + 1 == link.round {
                facts.final_round = facts.final_round.max(link.src_round);
            }
        }
        facts
    }

    fn execute(&mut self, block: BlockId, parent: BlockId, body_hash: Hash) -> Exec {
        let header = Header::decode(self.state.header(&block).unwrap()).unwrap();
        let body = self.bodies.get(&body_hash).expect("held bodies are in the store");
        if body.first() == Some(&BAD_BODY) {
            return Exec::Invalid(BlockRule::Ledger(1));
        }
        let root = root_of(parent, body_hash);
        if self.config.finality.is_none() {
            let view = view(header.body.slot.0);
            self.disk.views.insert(block, Arc::clone(&view));
            return Exec::Valid { root, view, certificates: Vec::new() };
        }
        let certificates: Vec<Certificate> = body.get(2..).map_or(Vec::new(), |b| Cbor::from_cbor(b, 10_000).unwrap());
        let view = voting_view(header.body.slot.0, self.facts(&header.body, &certificates));
        self.disk.views.insert(block, Arc::clone(&view));
        Exec::Valid { root, view, certificates }
    }

    fn switch(&mut self, rollback_to: BlockId, apply: Vec<BlockId>) {
        let before = self.disk.chain.len();
        while self.disk.chain.last().map_or(super::world::origin().id, |(id, _, _)| *id) != rollback_to {
            let (_, _, body) = self.disk.chain.pop().expect("the fork point is on the old chain");
            // Contract D7: it may be applied again.
            self.bodies.insert(nupeer_primitives::blake2b_256(&body), body);
        }
        let voting = self.config.finality.is_some();
        assert!(voting || before - self.disk.chain.len() <= 6, "rollback deeper than k");
        for id in apply {
            let bytes = self.disk.headers.get(&id).expect("indexed before applied").clone();
            let body_hash = Header::decode(&bytes).unwrap().body.body_hash;
            let body = self.bodies.get(&body_hash).unwrap().clone();
            self.disk.chain.push((id, bytes, body));
        }
    }

    /// What must hold between any two inputs.
    fn check(&self) {
        let tip = self.disk.chain.last().map_or(super::world::origin().id, |(id, _, _)| *id);
        assert_eq!(self.state.tip().map(|tip| tip.id), Some(tip), "the ledger stands at the tip");
        let last = final_point(&self.state).unwrap();
        if let Some(overlay) = self.state.overlay() {
            assert!(overlay.checkpoints().last().height <= self.disk.root.point.height, "the root follows finality");
        } else {
            assert_eq!(self.disk.root.point, last, "the final point is on disk");
        }
        for (queue, length, limit) in self.state.queue_lengths() {
            assert!(length <= limit, "{queue:?}");
        }
        let depth = usize::try_from(self.config.depth_max()).unwrap();
        assert!(self.state.selected().count() <= depth + 1, "tip at most k above the final point");
    }

    /// Contract D8: headers of the committed chain.
    pub fn headers_after(&self, locator: &[BlockId]) -> Vec<Vec<u8>> {
        let position = |id: &BlockId| {
            if *id == super::world::origin().id {
                return Some(0);
            }
            self.disk.chain.iter().position(|(other, _, _)| other == id).map(|at| at + 1)
        };
        let Some(from) = locator.iter().find_map(position) else { return Vec::new() };
        self.disk.chain.iter().skip(from).take(512).map(|(_, bytes, _)| bytes.clone()).collect()
    }

    /// Contract D8: bodies that this node has.
    pub fn bodies_of(&self, ids: &[BlockId]) -> Vec<Option<Vec<u8>>> {
        ids.iter()
            .map(|id| {
                let committed = self.disk.chain.iter().find(|(other, _, _)| other == id).map(|(_, _, body)| body);
                let waiting = || {
                    let header = Header::decode(self.state.header(id)?).ok()?;
                    self.bodies.get(&header.body.body_hash)
                };
                committed.or_else(waiting).cloned()
            })
            .collect()
    }

    /// Contract D5: stores and measures.
    pub fn take_bodies(&mut self, bodies: Vec<Option<Vec<u8>>>) -> Vec<Option<BodyDigest>> {
        bodies
            .into_iter()
            .map(|body| {
                let digest = body_digest(body.as_ref()?);
                self.bodies.insert(digest.hash?, body?);
                Some(digest)
            })
            .collect()
    }

    /// Answers the last question for headers.
    pub fn answer_headers(&mut self, blocks: &[TestBlock]) {
        let req = self.asked_headers().expect("headers were asked for").0;
        self.input(Input::Headers(req, Ok(blocks.iter().map(TestBlock::bytes).collect())));
    }

    /// Takes the oldest open question for headers.
    pub fn asked_headers(&mut self) -> Option<(Req, Peer, Vec<BlockId>)> {
        let at = self.out.iter().position(|effect| matches!(effect, Effect::GetHeaders(..)))?;
        match self.out.remove(at) {
            Effect::GetHeaders(req, peer, locator) => Some((req, peer, locator)),
            other => panic!("{other:?}"),
        }
    }

    /// Takes the oldest open question for bodies.
    pub fn asked_bodies(&mut self) -> Option<(Req, Peer, Vec<BlockId>)> {
        let at = self.out.iter().position(|effect| matches!(effect, Effect::GetBodies(..)))?;
        match self.out.remove(at) {
            Effect::GetBodies(req, peer, ids) => Some((req, peer, ids)),
            other => panic!("{other:?}"),
        }
    }

    /// Answers all questions for bodies from `blocks`, until none is left.
    pub fn answer_bodies(&mut self, blocks: &[TestBlock]) {
        while let Some((req, _, ids)) = self.asked_bodies() {
            let bodies = ids
                .iter()
                .map(|id| blocks.iter().find(|block| block.point().id == *id).map(|block| block.body.clone()))
                .collect();
            let digests = self.take_bodies(bodies);
            self.input(Input::Bodies(req, Ok(digests)));
        }
    }

    pub fn clock(&mut self, slot: u64, ms: u16) {
        self.input(Input::Clock { slot, ms });
    }
}
