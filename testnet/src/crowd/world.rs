//! The event loop: virtual time, who hears what when, and what goes wrong.

use super::credulous::{Credulous, Keys};
use super::figures::{Figures, Histogram};
use super::ledger::{Ledger, weight};
use super::map::Map;
use super::{NODES_MAX, Options};
use crate::sim::Dice;
use anyhow::{Context, Result, ensure};
use nupeer_consensus::crypto::leader::LeaderCheck;
use nupeer_consensus::effect::Topic;
use nupeer_consensus::finality::overlay::{KeptFinality, OverlayConfig};
use nupeer_consensus::finality::{Bls, Seal};
use nupeer_consensus::header::{HeaderError, Rules};
use nupeer_consensus::input::{BodyDigest, Input, MsgId, Peer, Persisted, Point, Req, Root, Status};
use nupeer_consensus::nonce::Nonce;
use nupeer_consensus::state::{Config, Identity, State};
use nupeer_primitives::finality::Rounds;
use nupeer_primitives::genesis::Constants;
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::{BlockId, Certificate, Epoch, GenesisHash, Hash, Height, Link, OpCert, Slot};
use nupeer_runtime::params::PARAMETERS;
use nupeer_runtime::preset::Preset;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

/// Clocks are behind true time by up to this, ms, in [`CLOCKS`] steps.
pub const CLOCK_STEP_MS: u64 = 20;
const CLOCKS: u64 = 5;
/// How often a node tells its tip to its peers, slots.
const STATUS_SLOTS: u64 = 60;
/// Slots without fire at the end.
pub const QUIET_SLOTS: u64 = 120;
/// Blocks by which tips may differ at the end: what is on the way.
const TIP_SLACK: u64 = 3;
/// Promises listed; the first ones tell what happened.
const VIOLATIONS_MAX: usize = 10;

/// What happens at a time.
#[derive(Debug)]
pub enum Event {
    Tick { slot: u64, clock: u64 },
    Wake { node: usize, ms: u64 },
    Gossip { to: usize, by: usize, topic: Topic, number: u64, bytes: Arc<[u8]> },
    AskHeaders { from: usize, to: usize, req: Req, locator: Vec<BlockId> },
    AskBodies { from: usize, to: usize, req: Req, ids: Vec<BlockId> },
    AskCerts { from: usize, to: usize, req: Req, round: u64 },
    Feed { node: usize, input: Box<Input> },
    Bodies { node: usize, req: Req, ids: Vec<BlockId>, had: Vec<bool> },
    Meet { a: usize, b: usize },
    Heal,
}

#[derive(Debug)]
struct Due {
    at: u64,
    number: u64,
    event: Event,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives the greatest first.
        other.at.cmp(&self.at).then(other.number.cmp(&self.number))
    }
}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Due {}

/// A node.
#[derive(Debug)]
pub struct Member {
    /// The real thing.
    pub state: State,
    /// What it signs with.
    pub keys: Keys,
    /// The certificate of its KES key.
    pub cert: OpCert,
    /// Steps of [`CLOCK_STEP_MS`] that its clock is behind.
    pub clock: u64,
    /// Its tip, by place in the ledger.
    pub tip: usize,
    /// Its newest final block, by place.
    pub last: usize,
    /// Blocks whose bodies it has, by place.
    pub held: BTreeSet<usize>,
    /// Clock inputs that are scheduled.
    pub wakes: BTreeSet<u64>,
    /// It hears and says nothing until then.
    pub silent_until: u64,
}

/// See the module header.
pub struct World {
    pub(super) options: Options,
    pub(super) constants: Constants,
    pub(super) rounds: Rounds,
    pub(super) genesis: GenesisHash,
    pub(super) leader: LeaderCheck,
    pub(super) map: Map,
    pub(super) ledger: Ledger,
    pub(super) members: Vec<Member>,
    pub(super) dice: Dice,
    pub(super) now: u64,
    queue: BinaryHeap<Due>,
    next: u64,
    pub(super) messages: u64,
    /// Verdicts on headers, by signature, where cryptography is real.
    pub(super) verdicts: BTreeMap<Vec<u8>, Result<(), HeaderError>>,
    /// When the first certificate of each kind reaches each node.
    pub(super) certified: BTreeMap<(Link, Epoch), Vec<u64>>,
    pub(super) sides: Option<Vec<bool>>,
    /// The chain that is final for somebody, by height.
    pub(super) finals: Vec<usize>,
    pub(super) final_after: Histogram,
    pub(super) first_final_after: Histogram,
    pub(super) counters: BTreeMap<String, u64>,
    pub(super) violations: Vec<String>,
    pub(super) inputs: u64,
    history: Hash,
}

/// Simulates one seed.
pub fn run(options: Options) -> Result<Figures> {
    let mut world = World::new(options)?;
    world.start();
    let end = options.slots.saturating_add(1).saturating_mul(world.constants.slot_ms);
    while let Some(Due { at, event, .. }) = world.queue.pop() {
        if at > end || world.violations.len() >= VIOLATIONS_MAX {
            break;
        }
        world.now = at;
        world.happen(event);
    }
    Ok(world.figures())
}

/// R and LAG of a preset.
fn rounds(preset: Preset, constants: &Constants) -> Result<Rounds> {
    let value = |name: &str| {
        let row = PARAMETERS.iter().find(|p| p.name == name);
        row.map(|p| if preset == Preset::Mainnet { p.mainnet } else { p.devnet })
    };
    let (slots, lag) = (value("round_slots").context("no R")?, value("lag_slots").context("no LAG")?);
    Rounds::new(slots, lag, constants).context("R does not divide E")
}

impl World {
    fn new(options: Options) -> Result<Self> {
        ensure!((4..=NODES_MAX).contains(&options.nodes), "{} nodes: 4 to {NODES_MAX} are possible", options.nodes);
        let genesis = GenesisHash(blake2b_256_of(&[b"crowd", &options.seed.to_be_bytes()]));
        let constants = options.preset.constants();
        let rounds = rounds(options.preset, &constants)?;
        let keys: Vec<Keys> = (0..options.nodes).map(|n| Keys::new(n, options.seed, options.real_crypto)).collect();
        let mut dice = Dice::new(options.seed, "crowd");
        let map = Map::new(options.nodes, &mut dice);
        let ledger = Ledger::new(&options, genesis, &keys);
        let seal: Arc<dyn Seal> =
            if options.real_crypto { Arc::new(Bls(genesis)) } else { Arc::new(Credulous(genesis)) };
        let member = |(n, keys): (usize, Keys)| Member {
            state: State::new(Config {
                rules: Rules::new(genesis, constants),
                tiebreak_slots: if options.preset == Preset::Mainnet { 3 } else { 2 },
                skew_ms: 2_000,
                sync_peers: if options.preset == Preset::Mainnet { 3 } else { 1 },
                checkpoint: None,
                identity: Some(Identity { issuer: keys.issuer(), vrf_key: keys.vrf_key() }),
                finality: Some(OverlayConfig { rounds, seal: Arc::clone(&seal) }),
            }),
            cert: keys.certify(&genesis),
            keys,
            clock: u64::try_from(n).unwrap_or(0) % CLOCKS,
            tip: 0,
            last: 0,
            held: BTreeSet::from([0]),
            wakes: BTreeSet::new(),
            silent_until: 0,
        };
        let members = keys.into_iter().enumerate().map(member).collect();
        let counters = super::REACHED.iter().map(|name| ((*name).to_string(), 0)).collect();
        Ok(Self {
            options,
            constants,
            rounds,
            genesis,
            leader: LeaderCheck::new(constants.f.0, constants.f.1),
            map,
            ledger,
            members,
            dice,
            now: 0,
            queue: BinaryHeap::new(),
            next: 0,
            messages: 0,
            verdicts: BTreeMap::new(),
            certified: BTreeMap::new(),
            sides: None,
            finals: vec![0],
            final_after: Histogram::default(),
            first_final_after: Histogram::default(),
            counters,
            violations: Vec::new(),
            inputs: 0,
            history: Hash::ZERO,
        })
    }

    fn start(&mut self) {
        let view = self.ledger.view_of(0).cloned();
        let point = Point { id: BlockId(self.genesis.0.0), height: Height(0), slot: Slot(0) };
        for node in 0..self.members.len() {
            let root = Root {
                point,
                mc: nupeer_consensus::bodies::NO_CARDANO,
                nonce: Nonce::genesis(&self.genesis, &Hash::ZERO),
                counters: Vec::new(),
            };
            let persisted = Persisted {
                root,
                headers: Vec::new(),
                tip: point.id,
                views: view.iter().map(|view| (point.id, Arc::clone(view))).collect(),
                signed: None,
                bans: Vec::new(),
                finality: KeptFinality::default(),
            };
            self.feed(node, Input::Boot(Box::new(persisted)));
            for peer in self.map.peers.get(node).cloned().unwrap_or_default() {
                self.feed(node, Input::PeerUp(name(peer), Status { tip: point }));
            }
        }
        for clock in 0..CLOCKS {
            self.tick_later(1, clock);
        }
        if self.options.real_crypto {
            self.count("real_crypto_seed");
        }
    }

    fn tick_later(&mut self, slot: u64, clock: u64) {
        let at = slot.saturating_mul(self.constants.slot_ms).saturating_add(clock.saturating_mul(CLOCK_STEP_MS));
        self.schedule(at, Event::Tick { slot, clock });
    }

    pub(super) fn schedule(&mut self, at: u64, event: Event) {
        self.next = self.next.saturating_add(1);
        self.queue.push(Due { at, number: self.next, event });
    }

    pub(super) fn count(&mut self, what: &str) {
        match self.counters.get_mut(what) {
            Some(count) => *count = count.saturating_add(1),
            None => drop(self.counters.insert(what.to_string(), 1)),
        }
    }

    pub(super) fn broken(&mut self, what: String) {
        let seconds = self.now / 1_000;
        self.violations.push(format!("at {seconds} s: {what}"));
    }

    pub(super) fn remember(&mut self, what: &[&[u8]]) {
        let now = self.now.to_be_bytes();
        let parts: Vec<&[u8]> = [&self.history.0[..], &now].into_iter().chain(what.iter().copied()).collect();
        self.history = blake2b_256_of(&parts);
    }

    pub(super) fn member(&mut self, node: usize) -> Option<&mut Member> {
        self.members.get_mut(node)
    }

    /// Whether what `from` says reaches `to` now.
    pub(super) fn reaches(&self, from: usize, to: usize) -> bool {
        let split = self.sides.as_ref().is_some_and(|sides| sides.get(from) != sides.get(to));
        let silent = |node: usize| self.members.get(node).is_some_and(|member| member.silent_until > self.now);
        !split && !silent(from) && !silent(to)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tick { slot, clock } => self.tick(slot, clock),
            Event::Wake { node, ms } => {
                if self.member(node).is_some_and(|member| member.wakes.remove(&ms)) {
                    let slot = ms.checked_div(self.constants.slot_ms).unwrap_or(0);
                    let ms = ms.checked_rem(self.constants.slot_ms).unwrap_or(0);
                    self.feed(node, Input::Clock { slot, ms: u16::try_from(ms).unwrap_or(u16::MAX) });
                }
            }
            Event::Gossip { to, by, topic, number, bytes } => {
                let mut id = [0; 20];
                id[..8].copy_from_slice(&number.to_be_bytes());
                self.feed(to, Input::Gossip { from: name(by), id: MsgId(id), topic, bytes: bytes.to_vec() });
            }
            Event::AskHeaders { from, to, req, locator } => {
                let Some(tip) = self.members.get(to).map(|member| member.tip) else { return };
                let answer = self.ledger.headers_after(tip, &locator, 512);
                self.answer(to, from, 0, Input::Headers(req, Ok(answer)));
            }
            Event::AskBodies { from, to, req, ids } => self.serve_bodies(from, to, req, ids),
            Event::AskCerts { from, to, req, round } => {
                let Some(overlay) = self.members.get(to).and_then(|member| member.state.overlay()) else { return };
                let known = overlay.certificates_from(round);
                let answer = known.iter().map(nupeer_primitives::Cbor::to_cbor).collect();
                self.answer(to, from, 0, Input::Certs(req, Ok(answer)));
            }
            Event::Feed { node, input } => self.feed(node, *input),
            Event::Bodies { node, req, ids, had } => self.take_bodies(node, req, &ids, &had),
            Event::Meet { a, b } => self.meet(a, b),
            Event::Heal => {
                self.sides = None;
                self.count("partition_healed");
            }
        }
    }

    fn answer(&mut self, from: usize, to: usize, extra_ms: u64, input: Input) {
        if self.reaches(from, to) {
            let at = self.now.saturating_add(self.map.direct(from, to)).saturating_add(extra_ms);
            self.schedule(at, Event::Feed { node: to, input: Box::new(input) });
        }
    }

    fn serve_bodies(&mut self, from: usize, to: usize, req: Req, ids: Vec<BlockId>) {
        let places: Vec<Option<usize>> = ids.iter().map(|id| self.ledger.place(id)).collect();
        let Some(member) = self.members.get(to) else { return };
        let had: Vec<bool> = places.iter().map(|place| place.is_some_and(|p| member.held.contains(&p))).collect();
        let sent = u64::try_from(had.iter().filter(|had| **had).count()).unwrap_or(0);
        if self.reaches(to, from) {
            let way = self.map.direct(to, from).saturating_add(sent.saturating_mul(self.options.block_ms));
            self.schedule(self.now.saturating_add(way), Event::Bodies { node: from, req, ids, had });
        }
    }

    fn take_bodies(&mut self, node: usize, req: Req, ids: &[BlockId], had: &[bool]) {
        let mut digests = Vec::new();
        for (id, had) in ids.iter().zip(had) {
            let place = self.ledger.place(id).filter(|_| *had);
            let made = place.and_then(|place| self.ledger.blocks.get(place));
            digests.push(made.map(|made| BodyDigest { size: made.body.body_size, hash: Some(made.body.body_hash) }));
            if let (Some(place), Some(member)) = (place, self.member(node)) {
                member.held.insert(place);
            }
        }
        self.feed(node, Input::Bodies(req, Ok(digests)));
    }

    fn tick(&mut self, slot: u64, clock: u64) {
        self.tick_later(slot.saturating_add(1), clock);
        if clock == 0 {
            self.faults(slot);
        }
        for node in (0..self.members.len()).filter(|n| u64::try_from(*n).unwrap_or(0) % CLOCKS == clock) {
            if self.members.get(node).is_some_and(|member| member.silent_until > self.now) {
                continue;
            }
            self.feed(node, Input::Clock { slot, ms: 0 });
            if slot.saturating_add(u64::try_from(node).unwrap_or(0)).is_multiple_of(STATUS_SLOTS) {
                self.tell_status(node);
            }
        }
    }

    fn tell_status(&mut self, node: usize) {
        let Some(tip) = self.members.get(node).and_then(|member| member.state.tip()) else { return };
        for peer in self.map.peers.get(node).cloned().unwrap_or_default() {
            self.answer(node, peer, 0, Input::PeerStatus(name(node), Status { tip }));
        }
    }

    /// Two nodes connect again.
    fn meet(&mut self, a: usize, b: usize) {
        let tip = |world: &Self, n: usize| world.members.get(n).and_then(|member| member.state.tip());
        let (Some(of_a), Some(of_b)) = (tip(self, a), tip(self, b)) else { return };
        self.feed(a, Input::PeerUp(name(b), Status { tip: of_b }));
        self.feed(b, Input::PeerUp(name(a), Status { tip: of_a }));
    }

    /// Partitions that like the ends of epochs, and nodes that fall silent.
    fn faults(&mut self, slot: u64) {
        let epoch = self.constants.epoch_slots;
        let left = epoch.saturating_sub(slot.checked_rem(epoch).unwrap_or(0));
        if left == epoch && self.sides.is_some() {
            self.count("epoch_boundary_under_fire");
        }
        if !self.options.fire || slot.saturating_add(QUIET_SLOTS) > self.options.slots {
            return;
        }
        let near = left <= 3;
        if self.sides.is_none() && self.dice.chance(if near { 300 } else { 10 }) {
            let sides = (0..self.members.len()).map(|_| self.dice.chance(500)).collect();
            self.sides = Some(sides);
            let slots = self.dice.below(10).saturating_add(4);
            self.schedule(self.now.saturating_add(slots.saturating_mul(self.constants.slot_ms)), Event::Heal);
        }
        if self.dice.chance(100) {
            let node = usize::try_from(self.dice.below(u64::try_from(self.members.len()).unwrap_or(1))).unwrap_or(0);
            let until = self.dice.below(30).saturating_add(2).saturating_mul(self.constants.slot_ms);
            let until = self.now.saturating_add(until);
            if let Some(member) = self.member(node) {
                member.silent_until = until;
                self.count("crowd_silent");
            }
        }
    }

    fn figures(mut self) -> Figures {
        self.check_end();
        let Options { seed, nodes, slots, .. } = self.options;
        let blocks = self.ledger.blocks.len().saturating_sub(1);
        let last = self.finals.last().copied().unwrap_or(0);
        let final_slot = self.ledger.blocks.get(last).map_or(0, |made| made.body.slot.0);
        let chain: BTreeSet<usize> = self.finals.iter().copied().collect();
        let settled = self.ledger.blocks.iter().enumerate().skip(1).filter(|(_, made)| made.body.slot.0 <= final_slot);
        let (all, forks) = settled.fold((0u64, 0u64), |(all, forks), (place, _)| {
            (all.saturating_add(1), forks.saturating_add(u64::from(!chain.contains(&place))))
        });
        let (share_sigmas_max, share_beyond_three) = self.shares();
        let round_ms = self.rounds.slots.saturating_mul(self.constants.slot_ms);
        let lag_ms = self.rounds.lag.saturating_mul(self.constants.slot_ms);
        let gossip_ms = self.map.reach();
        for place in &self.finals {
            if let Some(made) = self.ledger.blocks.get(*place) {
                self.history = blake2b_256_of(&[&self.history.0, &made.id.0]);
            }
        }
        Figures {
            seed,
            nodes,
            slots,
            committee: self.ledger.committee_size(),
            gossip_ms,
            hash: self.history.to_hex(),
            blocks: u64::try_from(blocks).unwrap_or(u64::MAX),
            forks,
            fork_per_mille: forks.saturating_mul(1_000).checked_div(all).unwrap_or(0),
            final_height: u64::try_from(self.finals.len()).unwrap_or(0).saturating_sub(1),
            // A block's slot lies anywhere in the round whose deadline it makes; the next round's vote makes it final.
            expected_ms: (round_ms.saturating_sub(self.constants.slot_ms) / 2)
                .saturating_add(lag_ms)
                .saturating_add(round_ms),
            final_after: self.final_after.spread(),
            first_final_after: self.first_final_after.spread(),
            share_sigmas_max,
            share_beyond_three,
            inputs: self.inputs,
            counters: self.counters,
            violations: self.violations,
            replay: self.options.command(),
        }
    }

    /// Promises at the end.
    fn check_end(&mut self) {
        let height = |place: &usize| self.ledger.blocks.get(*place).map_or(0, |made| made.body.height.0);
        let awake = self.members.iter().filter(|member| member.silent_until <= self.now);
        let tips: Vec<u64> = awake.map(|member| height(&member.tip)).collect();
        let (low, high) = (tips.iter().min().copied().unwrap_or(0), tips.iter().max().copied().unwrap_or(0));
        if high.saturating_sub(low) > TIP_SLACK {
            self.broken(format!("no convergence: tips from {low} to {high}"));
        }
        let last = u64::try_from(self.finals.len()).unwrap_or(0);
        // Four rounds and what leaders make in them.
        let lag = self.rounds.slots.saturating_mul(4);
        if high.saturating_sub(last) > lag && self.violations.is_empty() {
            self.broken(format!("finality stands at height {last}, the tip at {high}"));
        }
    }

    /// How far blocks are from weight, in deviations.
    #[allow(clippy::cast_precision_loss, reason = "counts of a simulation are far below 2^52")]
    fn shares(&self) -> (f64, usize) {
        let made = |pool: usize| {
            let of = |place: &&usize| self.ledger.blocks.get(**place).is_some_and(|made| made.pool == pool);
            self.finals.iter().filter(of).count()
        };
        let total: u64 = (0..self.members.len()).map(weight).sum();
        let blocks = self.finals.len().saturating_sub(1) as f64;
        let off = |pool: usize| {
            let p = weight(pool) as f64 / total as f64;
            let deviation = (blocks * p * (1.0 - p)).sqrt();
            if deviation > 0.0 { ((made(pool) as f64 - blocks * p) / deviation).abs() } else { 0.0 }
        };
        let all: Vec<f64> = (0..self.members.len()).map(off).collect();
        (all.iter().copied().fold(0.0, f64::max), all.iter().filter(|off| **off > 3.0).count())
    }

    /// Final certificates take no more place than they need.
    pub(super) fn forget_certificates(&mut self, round: u64) {
        if self.certified.len() > 256 {
            self.certified.retain(|(link, _), _| link.round.saturating_add(64) > round);
        }
    }

    pub(super) fn taken(&self, certificate: &Certificate) -> (Link, Epoch) {
        (certificate.link, certificate.committee)
    }
}

/// The peer that a node is to the others.
pub fn name(node: usize) -> Peer {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&u64::try_from(node).unwrap_or(u64::MAX).to_be_bytes());
    Peer(id)
}

/// The node that a peer is.
pub fn number(peer: &Peer) -> usize {
    let mut id = [0; 8];
    id.copy_from_slice(&peer.0[..8]);
    usize::try_from(u64::from_be_bytes(id)).unwrap_or(usize::MAX)
}
