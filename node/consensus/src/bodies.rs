//! Fetching bodies and running blocks (consensus.md §12).
//!
//! Bodies are asked for along each trusted chain that would replace ours, lowest block first, within a window above the
//! last executed block of that chain: execution speed moves the window. A body in flight too long is asked from a second
//! peer; a question open for 10 s ends that connection.

use crate::effect::{DropReason, Effect};
use crate::input::{BlockRule, Peer, Req};
use crate::select::prefer;
use crate::state::{Chain, State};
use crate::step::blocks::kill;
use crate::step::finality::{favour, is_elsewhere};
use crate::step::peers::drop_peer;
use crate::sync::{ANSWER_MS_MAX, selection_limit};
use crate::tree::{Node, Stage};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use nupeer_primitives::{BlockId, Hash, Height, McRef};

/// Blocks asked for and not yet here, and the window above the last executed block (§12).
pub const BODIES_OUTSTANDING_MAX: usize = 64;
/// Peers asked for one block at a time (§12).
pub const PEERS_PER_BODY_MAX: usize = 2;
/// Bodies in one question: 16 of the largest fill the 8 MiB answer of `blocks/1`.
pub const BODIES_PER_REQUEST_MAX: usize = 16;
/// Questions for bodies open at one peer, of the 16 that §14 permits for everything.
pub const REQUESTS_PER_PEER_MAX: usize = 4;
/// After this a second peer is asked: several round trips, and well before the 10 s.
pub const SECOND_PEER_MS: u64 = 2_000;
/// After this peers that did not have a body are asked again: headers are relayed before bodies, so the body is on its
/// way to them.
pub const RETRY_MS: u64 = 250;
/// Rival chains whose bodies are wanted at a time: a withheld body must not keep us from the next best chain.
pub const RIVALS_MAX: usize = 8;
/// The Cardano reference of every block until there is a follower.
pub const NO_CARDANO: McRef = McRef { hash: Hash::ZERO, slot: 0, height: 0 };

/// One body on its way.
#[derive(Clone, Debug)]
struct Fetch {
    /// Peers whose answer is open.
    asked: Vec<Peer>,
    /// When the last of them was asked.
    since_ms: u64,
    /// Peers that did not have it.
    tried: Vec<Peer>,
}

/// One question.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) peer: Peer,
    pub(crate) ids: Vec<BlockId>,
    overdue_ms: u64,
}

/// Bodies on their way.
#[derive(Clone, Debug, Default)]
pub struct Bodies {
    fetches: BTreeMap<BlockId, Fetch>,
    asks: BTreeMap<Req, Ask>,
    /// The clock input that was asked for last.
    wake_ms: u64,
}

impl Bodies {
    /// Number of blocks asked for.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.fetches.values().filter(|fetch| !fetch.asked.is_empty()).count()
    }
    /// The body is here or no longer wanted.
    pub(crate) fn forget(&mut self, id: &BlockId) {
        self.fetches.remove(id);
    }
    /// Ends a question.
    pub(crate) fn answer(&mut self, req: Req) -> Option<Ask> {
        let ask = self.asks.remove(&req)?;
        for id in &ask.ids {
            if let Some(fetch) = self.fetches.get_mut(id) {
                fetch.asked.retain(|peer| *peer != ask.peer);
                fetch.tried.push(ask.peer);
            }
        }
        Some(ask)
    }
    /// Ends all questions to a peer.
    pub(crate) fn forget_peer(&mut self, peer: Peer) {
        let open: Vec<Req> = self.asks.iter().filter(|(_, ask)| ask.peer == peer).map(|(req, _)| *req).collect();
        for req in open {
            self.answer(req);
        }
    }
    fn open_at(&self, peer: Peer) -> usize {
        self.asks.values().filter(|ask| ask.peer == peer).count()
    }
}

/// Ends connections whose bodies are overdue.
pub(crate) fn expire(state: &mut State, out: &mut Vec<Effect>) {
    let now = state.now_ms();
    let late: Vec<Peer> = state.bodies.asks.values().filter(|ask| ask.overdue_ms <= now).map(|ask| ask.peer).collect();
    for peer in late {
        drop_peer(state, peer, DropReason::NotDelivering, out);
    }
    if !state.bodies.fetches.is_empty() {
        state.dirty = true;
    }
}

/// Blocks that are not executed, on the way to a leaf, lowest first, at most the window.
fn path(chain: &Chain, leaf: &Node) -> Vec<BlockId> {
    let mut path: Vec<BlockId> = chain
        .tree
        .ancestors(&leaf.point.id)
        .take_while(|node| node.stage < Stage::Valid)
        .map(|node| node.point.id)
        .collect();
    path.reverse();
    path.truncate(BODIES_OUTSTANDING_MAX);
    path
}

/// Executes what can be executed and asks for what is missing.
pub(crate) fn drive(state: &mut State, out: &mut Vec<Effect>) {
    if !core::mem::take(&mut state.dirty) {
        return;
    }
    let limit = selection_limit(state).unwrap_or(Height(u64::MAX));
    let Some(chain) = &state.chain else { return };
    let Some(tip) = chain.tip() else { return };
    let favour = favour(state);
    let elsewhere = is_elsewhere(&favour, chain, tip);
    let paths: Vec<Vec<BlockId>> = chain
        .tree
        .trusted_leaves()
        .take_while(|leaf| elsewhere || leaf.point.height >= tip.point.height)
        .filter(|leaf| leaf.stage < Stage::Valid && prefer(&chain.tree, &favour, leaf, tip))
        .take(RIVALS_MAX)
        .map(|leaf| path(chain, leaf))
        .collect();
    for path in &paths {
        run(state, path, limit, out);
    }
    let mut wanted = Vec::new();
    for id in paths.iter().flatten() {
        let missing = state
            .chain
            .as_ref()
            .and_then(|chain| chain.tree.get(id))
            .is_some_and(|node| node.stage == Stage::Trusted && node.point.height <= limit);
        if missing && !wanted.contains(id) {
            wanted.push(*id);
        }
    }
    fetch(state, &wanted, out);
}

/// Runs the lowest block of a path if its body is here.
fn run(state: &mut State, path: &[BlockId], limit: Height, out: &mut Vec<Effect>) {
    let Some(first) = path.first() else { return };
    let Some(chain) = &mut state.chain else { return };
    let Some(node) = chain.tree.get(first) else { return };
    if node.stage != Stage::Held || node.point.height > limit {
        return;
    }
    if node.mc != NO_CARDANO {
        kill(state, *first, BlockRule::BadInherents, out);
        return;
    }
    let execute = Effect::Execute { block: *first, parent: node.parent, body_hash: node.body_hash };
    chain.tree.advance(first, Stage::Running);
    out.push(execute);
}

/// Asks for the bodies of `wanted`, in that order, within the limits.
fn fetch(state: &mut State, wanted: &[BlockId], out: &mut Vec<Effect>) {
    let now = state.now_ms();
    state.bodies.fetches.retain(|id, fetch| !fetch.asked.is_empty() || wanted.contains(id));
    let mut room = BODIES_OUTSTANDING_MAX.saturating_sub(state.bodies.outstanding());
    let mut batches: BTreeMap<Peer, Vec<BlockId>> = BTreeMap::new();
    let mut last = None;
    for id in wanted {
        let second = match state.bodies.fetches.get_mut(id) {
            Some(fetch) => {
                if fetch.asked.is_empty() && now.saturating_sub(fetch.since_ms) >= RETRY_MS {
                    fetch.tried.clear();
                }
                let slow = now.saturating_sub(fetch.since_ms) >= SECOND_PEER_MS;
                match fetch.asked.len() {
                    0 => false,
                    n if n < PEERS_PER_BODY_MAX && slow => true,
                    _ => continue,
                }
            }
            None => false,
        };
        if room == 0 && !second {
            continue;
        }
        let Some(peer) = choose(state, id, &batches, last) else { continue };
        last = Some(peer);
        batches.entry(peer).or_default().push(*id);
        let fetch = state.bodies.fetches.entry(*id).or_insert_with(|| Fetch {
            asked: Vec::new(),
            since_ms: now,
            tried: Vec::new(),
        });
        fetch.asked.push(peer);
        fetch.since_ms = now;
        if !second {
            room = room.saturating_sub(1);
        }
    }
    wake_for_retry(state, now, out);
    let overdue_ms = now.saturating_add(ANSWER_MS_MAX);
    for (peer, ids) in batches {
        for ids in ids.chunks(BODIES_PER_REQUEST_MAX) {
            let req = state.next_req();
            state.bodies.asks.insert(req, Ask { peer, ids: ids.to_vec(), overdue_ms });
            out.push(Effect::GetBodies(req, peer, ids.to_vec()));
        }
    }
}

/// Bodies that nobody asked had are asked for again soon, not only when the next slot begins.
fn wake_for_retry(state: &mut State, now: u64, out: &mut Vec<Effect>) {
    let idle = state.bodies.fetches.values().filter(|fetch| fetch.asked.is_empty());
    let Some(due) = idle.map(|fetch| fetch.since_ms.saturating_add(RETRY_MS)).min() else { return };
    let slot_ms = state.config.rules.constants.slot_ms;
    if due <= now || (state.bodies.wake_ms > now && state.bodies.wake_ms <= due) {
        return;
    }
    state.bodies.wake_ms = due;
    if let (Some(slot), Some(ms)) = (due.checked_div(slot_ms), due.checked_rem(slot_ms)) {
        out.push(Effect::WakeAt { slot, ms: u16::try_from(ms).unwrap_or(u16::MAX) });
    }
}

/// The peer to ask for `id`: the one asked for the block before it, else one that showed it to us, else one that claims
/// its height; the least busy of them.
fn choose(state: &State, id: &BlockId, batches: &BTreeMap<Peer, Vec<BlockId>>, last: Option<Peer>) -> Option<Peer> {
    let node = state.chain.as_ref()?.tree.get(id)?;
    let fetch = state.bodies.fetches.get(id);
    let free = |peer: &Peer| {
        let batch = batches.get(peer).map_or(0, Vec::len);
        let fresh = fetch.is_none_or(|fetch| !fetch.asked.contains(peer) && !fetch.tried.contains(peer));
        let requests = REQUESTS_PER_PEER_MAX.saturating_sub(state.bodies.open_at(*peer));
        fresh && batch < BODIES_PER_REQUEST_MAX.saturating_mul(requests)
    };
    let claims = |peer: &Peer| state.peers.get(peer).is_some_and(|about| about.claim.height >= node.point.height);
    let shown = |peer: &Peer| node.announcers.contains(peer) && state.peers.contains_key(peer);
    if let Some(last) = last.filter(|peer| free(peer) && (shown(peer) || claims(peer))) {
        return Some(last);
    }
    let busy = |peer: &&Peer| (state.bodies.open_at(**peer), batches.get(*peer).map_or(0, Vec::len));
    let announcer = node.announcers.iter().filter(|peer| shown(peer) && free(peer)).min_by_key(busy);
    announcer.or_else(|| state.peers.keys().filter(|peer| claims(peer) && free(peer)).min_by_key(busy)).copied()
}
