//! What consensus remembers between two inputs.
//!
//! # Invariants
//! - `selected` runs from the root to the tip; each of its blocks is `Valid`; it has at most [`Config::depth_max`] + 1
//!   entries.
//! - The root is the final block, or a block above it where nothing was final for long. Neither moves back.

use crate::effect::{Effect, Queue, Record};
use crate::finality::{Overlay, OverlayConfig};
use crate::forging::Forging;
use crate::header::Rules;
use crate::input::{Job, MsgId, Peer, Point, Req};
use crate::peers::{Bans, PeerState};
use crate::sync::Bodies;
use crate::tree::{Node, Removed, Tree};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use nupeer_primitives::{BlockId, Header, Height, Slot, VerificationKey};

/// Ids of dead blocks that are remembered, so that they are not fetched again: as many as one deep invalid fork.
pub const DEAD_MAX: usize = 4_096;
/// Least number of blocks kept revertible while nothing is final: over an hour of devnet.
pub const DEPTH_KEPT: u64 = 2_048;
/// Announced headers that wait, over all peers: half of what all peers together could fill.
pub const WAITING_MAX: usize = 1_024;

/// The pool that this node forges for. Keys stay with the agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Cold key.
    pub issuer: VerificationKey,
    /// VRF key.
    pub vrf_key: [u8; 32],
}

/// What the network and the operator fix.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the network fixes for every header.
    pub rules: Rules,
    /// P:tiebreak_slots.
    pub tiebreak_slots: u64,
    /// P:skew, how far a clock may be ahead of ours.
    pub skew_ms: u64,
    /// P:sync_peers.
    pub sync_peers: usize,
    /// A block that the operator vouches for.
    pub checkpoint: Option<Point>,
    /// Whom we forge and vote for.
    pub identity: Option<Identity>,
    /// Votes make blocks final; `None` on a network where a block k deep stands for a final one.
    pub finality: Option<OverlayConfig>,
}

impl Config {
    /// s = 3k/f slots: how far a ledger view reaches, and how old a tip may be in `Following`.
    #[must_use]
    pub fn horizon(&self) -> u64 {
        self.rules.constants.slots_for_k(3)
    }
    /// Blocks that stay above the root while nothing is final. With an overlay more than k, so that a proof can still
    /// bring us back from a partition (§8 rule 2); bounded, because memory is.
    #[must_use]
    pub fn depth_max(&self) -> u64 {
        let k = self.rules.constants.k;
        if self.finality.is_some() { k.saturating_mul(4).max(DEPTH_KEPT) } else { k }
    }
}

/// consensus.md §9.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Catching up: density and the limit of §9(a) apply.
    Syncing,
    /// At the tip.
    Following,
}

/// The time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Now {
    /// Slot.
    pub slot: u64,
    /// Milliseconds into it.
    pub ms: u16,
}

impl Now {
    /// Milliseconds since slot 0.
    #[must_use]
    pub fn total_ms(self, slot_ms: u64) -> u64 {
        self.slot.saturating_mul(slot_ms).saturating_add(u64::from(self.ms))
    }
}

/// An announced header that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Who sent it.
    pub from: Peer,
    /// To be judged.
    pub msg: MsgId,
    /// Decoded.
    pub header: Header,
    /// Its id.
    pub id: BlockId,
    /// As received.
    pub bytes: Vec<u8>,
    /// When it is given up, in ms since slot 0.
    pub expires_ms: u64,
}

/// Where a header in check came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Announced: the message wants a judgement.
    Gossip(Peer, MsgId),
    /// An answer to us.
    Sync(Peer),
    /// Our own block.
    Own,
}

/// A header whose rules 16-19 are being checked.
#[derive(Clone, Debug)]
pub struct Checking {
    /// The header.
    pub id: BlockId,
    /// Where it came from.
    pub origin: Origin,
    /// The bytes, to prove a fault.
    pub bytes: Vec<u8>,
    /// It is not in the tree: it is checked only to prove that its sender sends a third header.
    pub third: bool,
}

/// See the module header.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) config: Config,
    pub(crate) now: Now,
    pub(crate) mode: Mode,
    /// `None` until booted.
    pub(crate) chain: Option<Chain>,
    pub(crate) peers: BTreeMap<Peer, PeerState>,
    pub(crate) bans: Bans,
    pub(crate) questions: BTreeMap<Req, Peer>,
    pub(crate) bodies: Bodies,
    pub(crate) jobs: BTreeMap<Job, Checking>,
    /// Announced headers by the block that they wait for.
    pub(crate) waiting: BTreeMap<BlockId, Vec<Waiting>>,
    /// Announced headers ahead of our clock.
    pub(crate) early: BTreeMap<(Slot, BlockId), Waiting>,
    pub(crate) dead: BTreeSet<BlockId>,
    pub(crate) dead_order: VecDeque<BlockId>,
    pub(crate) forging: Forging,
    /// `None` until booted, and without an overlay.
    pub(crate) overlay: Option<Overlay>,
    pub(crate) next_req: u64,
    pub(crate) next_job: u64,
    /// Something happened that may let a body be fetched or a block be executed.
    pub(crate) dirty: bool,
}

/// The tree and the selected chain in it.
#[derive(Clone, Debug)]
pub struct Chain {
    pub(crate) tree: Tree,
    /// From the root to the tip.
    pub(crate) selected: VecDeque<BlockId>,
}

impl Chain {
    /// The tip's node.
    pub(crate) fn tip(&self) -> Option<&Node> {
        self.selected.back().and_then(|id| self.tree.get(id))
    }
    /// The root's node.
    pub(crate) fn root(&self) -> Option<&Node> {
        self.tree.get(&self.tree.root())
    }
    /// The selected block of a height at or above the root's.
    pub(crate) fn selected_at(&self, height: Height) -> Option<BlockId> {
        let above = height.0.checked_sub(self.root()?.point.height.0)?;
        self.selected.get(usize::try_from(above).ok()?).copied()
    }
    /// True iff a node is on the selected chain.
    pub(crate) fn is_selected(&self, node: &Node) -> bool {
        self.selected_at(node.point.height) == Some(node.point.id)
    }
}

/// The newest final block: by certificates, or on a network without an overlay the one k deep.
#[must_use]
pub fn final_point(state: &State) -> Option<Point> {
    let root = state.chain.as_ref().and_then(Chain::root).map(|node| node.point)?;
    Some(state.overlay.as_ref().map_or(root, |overlay| overlay.last_point))
}

impl State {
    /// A node that waits for its `Boot`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            now: Now::default(),
            mode: Mode::Syncing,
            chain: None,
            peers: BTreeMap::new(),
            bans: Bans::default(),
            questions: BTreeMap::new(),
            bodies: Bodies::default(),
            jobs: BTreeMap::new(),
            waiting: BTreeMap::new(),
            early: BTreeMap::new(),
            dead: BTreeSet::new(),
            dead_order: VecDeque::new(),
            forging: Forging::default(),
            overlay: None,
            next_req: 0,
            next_job: 0,
            dirty: false,
        }
    }

    /// A fresh state for another boot within one life of the process: numbers of questions go on, so that late answers
    /// to the old ones are answers to nothing.
    #[must_use]
    pub fn reborn(&self) -> Self {
        Self { next_req: self.next_req, next_job: self.next_job, ..Self::new(self.config.clone()) }
    }

    /// What the network and the operator fixed.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }
    /// Tip of the selected chain; `None` before boot.
    #[must_use]
    pub fn tip(&self) -> Option<Point> {
        self.chain.as_ref().and_then(Chain::tip).map(|node| node.point)
    }
    /// The selected chain from the final point to the tip.
    pub fn selected(&self) -> impl DoubleEndedIterator<Item = &BlockId> {
        self.chain.iter().flat_map(|chain| chain.selected.iter())
    }
    /// Votes, certificates and checkpoints; `None` without an overlay.
    #[must_use]
    pub const fn overlay(&self) -> Option<&Overlay> {
        self.overlay.as_ref()
    }
    /// Mode of consensus.md §9.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }
    /// The encoded header of a block in the tree, above the final point.
    #[must_use]
    pub fn header(&self, id: &BlockId) -> Option<&[u8]> {
        let node = self.chain.as_ref()?.tree.get(id)?;
        if node.bytes.is_empty() { None } else { Some(&node.bytes) }
    }
    /// Connected peers.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.keys()
    }
    /// Lengths of every queue, for the simulator's bounds: tree, in check, waiting, early, open questions, backlogs.
    #[must_use]
    pub fn queue_lengths(&self) -> [(Queue, usize, usize); 3] {
        let waiting = self.waiting.values().map(Vec::len).fold(self.early.len(), usize::saturating_add);
        let backlog = self.peers.values().map(|peer| peer.backlog.len()).fold(0, usize::saturating_add);
        [
            (Queue::Tree, self.chain.as_ref().map_or(0, |chain| chain.tree.len()), crate::tree::NODES_MAX),
            (Queue::Waiting, waiting, WAITING_MAX),
            (Queue::Backlog, backlog, crate::sync::HEADERS_PER_REQUEST_MAX.saturating_mul(crate::peers::PEERS_MAX)),
        ]
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now.total_ms(self.config.rules.constants.slot_ms)
    }

    /// Forgets nodes that left the tree, also on disk; `dead` ones are remembered as never wanted again.
    pub(crate) fn forget(&mut self, removed: &[Removed], dead: bool, out: &mut Vec<Effect>) {
        let indexed: Vec<BlockId> = removed.iter().filter(|node| node.indexed).map(|node| node.id).collect();
        if !indexed.is_empty() {
            out.push(Effect::Persist(Record::Forgotten(indexed)));
        }
        for node in removed {
            self.bodies.forget(&node.id);
            if dead {
                self.bury(node.id);
            }
        }
    }

    fn bury(&mut self, id: BlockId) {
        if !self.dead.insert(id) {
            return;
        }
        self.dead_order.push_back(id);
        if self.dead_order.len() > DEAD_MAX
            && let Some(first) = self.dead_order.pop_front()
        {
            self.dead.remove(&first);
        }
    }
}
