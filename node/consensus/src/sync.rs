//! Header-first sync (consensus.md §9, §12): whom to ask for which headers, how far to select, when to follow.
//!
//! ```text
//! Y1  A peer whose claimed tip is unknown and not below ours is asked for headers, one question at a time.
//! Y2  The locator is the highest header known on its chain, then our tip at offsets 0,1,2,4,..., then the final block.
//! Y3  Mode is Following once the tip is younger than s = 3k/f slots and no peer claims more than a few blocks above;
//!     Syncing again once the tip is older than s.
//! Y4  Syncing (a): nothing above (common prefix of the candidate chains) + k is executed or selected. Fewer than
//!     sync_peers peers that have shown a chain: nothing above final + k.
//! Y5  Syncing (b): see density.rs. The sparser chain's peer is dropped, not banned.
//! Y6  A question open for 10 s, or three useless answers, end the connection without a ban.
//! ```

use crate::density::{Candidate, Density, compare};
use crate::effect::{DropReason, Effect, Metric};
use crate::input::{Peer, Req};
use crate::peers::{PeerState, STRIKES_MAX};
use crate::state::{Chain, Mode, Now, State};
use crate::step::peers::drop_peer;
use alloc::vec::Vec;
use core::cmp::Ordering;
use nupeer_primitives::{BlockId, Height};

pub use crate::bodies::Bodies;

/// Headers in one answer (`headers/1`).
pub const HEADERS_PER_REQUEST_MAX: usize = 512;
/// A peer that has not answered by then is rotated out (§9(d), §14).
pub const ANSWER_MS_MAX: u64 = 10_000;
/// Blocks that peers may be ahead while we still count as being at the tip: what is in flight at f = 1/2.
pub const FOLLOW_SLACK: u64 = 2;
/// Ids in a locator: offsets double, so 64 reach past any chain.
pub const LOCATOR_MAX: usize = 64;

impl State {
    pub(crate) fn next_req(&mut self) -> Req {
        self.next_req = self.next_req.saturating_add(1);
        Req(self.next_req)
    }
}

/// Y2.
#[must_use]
pub fn locator(chain: &Chain, best: Option<BlockId>) -> Vec<BlockId> {
    let mut ids = Vec::new();
    if let Some(node) = best.and_then(|id| chain.tree.get(&id))
        && !chain.is_selected(node)
    {
        ids.push(node.point.id);
    }
    let mut offset = 0usize;
    for id in chain.selected.iter().rev().enumerate().filter_map(|(n, id)| {
        let wanted = n == offset;
        if wanted {
            offset = if offset == 0 { 1 } else { offset.saturating_mul(2) };
        }
        wanted.then_some(*id)
    }) {
        ids.push(id);
    }
    let root = chain.tree.root();
    if ids.last() != Some(&root) {
        ids.push(root);
    }
    ids.truncate(LOCATOR_MAX);
    ids
}

/// Y1, for every peer.
pub(crate) fn ask_headers(state: &mut State, out: &mut Vec<Effect>) {
    let Some(chain) = &state.chain else { return };
    let Some(tip) = chain.tip().map(|node| node.point) else { return };
    if chain.tree.is_full() {
        return;
    }
    let mut wanted = Vec::new();
    let mut dead = Vec::new();
    for (peer, about) in &state.peers {
        if about.asking.is_some() || !about.backlog.is_empty() || about.claim.height < tip.height {
            continue;
        }
        if state.dead.contains(&about.claim.id) {
            dead.push(*peer);
        } else if chain.tree.get(&about.claim.id).is_none() {
            wanted.push((*peer, locator(chain, about.best)));
        }
    }
    for peer in dead {
        drop_peer(state, peer, DropReason::InvalidChain, out);
    }
    let overdue = state.now_ms().saturating_add(ANSWER_MS_MAX);
    for (peer, locator) in wanted {
        let req = state.next_req();
        if let Some(about) = state.peers.get_mut(&peer) {
            about.asking = Some((req, overdue));
            state.questions.insert(req, peer);
            out.push(Effect::GetHeaders(req, peer, locator));
        }
    }
}

/// Y6: an answer brought nothing. True if the peer is gone now.
pub(crate) fn strike(state: &mut State, peer: Peer, out: &mut Vec<Effect>) -> bool {
    let Some(about) = state.peers.get_mut(&peer) else { return true };
    about.strikes = about.strikes.saturating_add(1);
    if about.strikes < STRIKES_MAX {
        return false;
    }
    drop_peer(state, peer, DropReason::NotDelivering, out);
    true
}

/// Y6: peers whose answer is overdue.
pub(crate) fn expire_questions(state: &mut State, out: &mut Vec<Effect>) {
    let now = state.now_ms();
    let late: Vec<Peer> = state
        .peers
        .iter()
        .filter(|(_, about)| about.asking.is_some_and(|(_, overdue)| overdue <= now))
        .map(|(peer, _)| *peer)
        .collect();
    for peer in late {
        drop_peer(state, peer, DropReason::NotDelivering, out);
    }
}

/// The first slot of a peer's chain that is not in the tree.
fn unseen_from(about: &PeerState, head_slot: u64) -> u64 {
    match about.backlog.front() {
        Some(next) => next.header.body.slot.0,
        None if about.is_shown() => u64::MAX,
        None => head_slot.saturating_add(1),
    }
}

/// The chains that peers have shown, with the height that each claims.
fn candidates(state: &State) -> Vec<(Peer, Candidate, Height)> {
    let Some(chain) = &state.chain else { return Vec::new() };
    state
        .peers
        .iter()
        .filter_map(|(peer, about)| {
            let claimed = chain.tree.get(&about.claim.id);
            let head = claimed.or_else(|| about.best.and_then(|best| chain.tree.get(&best)))?;
            let unseen_from = if claimed.is_some() { u64::MAX } else { unseen_from(about, head.point.slot.0) };
            Some((*peer, Candidate { head: head.point.id, unseen_from }, about.claim.height))
        })
        .collect()
}

/// Y4: the height that may be executed and selected; `None` for any.
pub(crate) fn selection_limit(state: &State) -> Option<Height> {
    if state.mode == Mode::Following {
        return None;
    }
    let chain = state.chain.as_ref()?;
    let (root, tip) = (chain.root()?.point, chain.tip()?.point);
    let candidates = candidates(state);
    if candidates.len() < state.config.sync_peers {
        let settled = root.height.0.max(tip.height.0.saturating_sub(state.config.rules.constants.k));
        return Some(Height(settled.saturating_add(state.config.rules.constants.k)));
    }
    let mut prefix: Option<BlockId> = None;
    for (_, candidate, _) in &candidates {
        if chain.tree.get(&candidate.head).is_none_or(|node| chain.is_selected(node)) {
            continue;
        }
        prefix = match prefix {
            None => Some(candidate.head),
            Some(prefix) => chain.tree.common(&prefix, &candidate.head).map(|node| node.point.id),
        };
    }
    let height = prefix.and_then(|id| chain.tree.get(&id)).map_or(tip.height, |node| node.point.height);
    Some(Height(height.0.saturating_add(state.config.rules.constants.k)))
}

/// Y5.
pub(crate) fn drop_sparser(state: &mut State, out: &mut Vec<Effect>) {
    if state.mode == Mode::Following {
        return;
    }
    let Some(chain) = &state.chain else { return };
    let Some(tip) = chain.tip().map(|node| node.point) else { return };
    let (k, horizon) = (state.config.rules.constants.k, state.config.horizon());
    let mut leading: Option<(Peer, Candidate)> = None;
    let mut losers = Vec::new();
    for (peer, candidate, claimed) in candidates(state) {
        if claimed <= tip.height {
            continue;
        }
        let Some((leader, best)) = leading else {
            leading = Some((peer, candidate));
            continue;
        };
        match compare(&chain.tree, best, candidate, k, horizon) {
            Density::Shallow | Density::Undecided => {}
            Density::Decided(Ordering::Less) => {
                losers.push((leader, best.head));
                leading = Some((peer, candidate));
            }
            // Equal density cannot stand for ever, or nobody would move: the peer that sorts first stays.
            Density::Decided(Ordering::Equal | Ordering::Greater) => losers.push((peer, candidate.head)),
        }
    }
    for (peer, head) in losers {
        drop_peer(state, peer, DropReason::Sparser, out);
        prune_rival(state, head, out);
    }
}

/// A chain that lost must not be executed further. The part of it that is selected stays until the denser one is longer.
fn prune_rival(state: &mut State, head: BlockId, out: &mut Vec<Effect>) {
    let Some(chain) = &mut state.chain else { return };
    let lowest = chain.tree.ancestors(&head).take_while(|node| !chain.is_selected(node)).last();
    let Some(lowest) = lowest.map(|node| node.point.id) else { return };
    let removed = chain.tree.remove(&lowest);
    state.forget(&removed, false, out);
    state.dirty = true;
}

/// True iff no peer claims a chain that is clearly above ours.
fn is_best(state: &State, tip: Height) -> bool {
    state.peers.values().all(|about| about.claim.height.0 <= tip.0.saturating_add(FOLLOW_SLACK))
}

/// Y3.
pub(crate) fn choose_mode(state: &mut State, out: &mut Vec<Effect>) {
    let Some(tip) = state.tip() else { return };
    if state.now == Now::default() {
        // Before the first clock input nobody knows how old the tip is.
        return;
    }
    let young = state.now.slot.saturating_sub(tip.slot.0) <= state.config.horizon();
    let mode = match state.mode {
        Mode::Following if !young => Mode::Syncing,
        Mode::Syncing if young && is_best(state, tip.height) => Mode::Following,
        Mode::Following | Mode::Syncing => return,
    };
    state.mode = mode;
    state.dirty = true;
    out.push(Effect::Note(Metric::Following(mode == Mode::Following)));
}

/// Whether a block of ours could be the next of the best chain. A whole network that stood still for longer than s is
/// Syncing everywhere: then sync_peers peers without anything better are enough to go on.
pub(crate) fn may_forge(state: &State) -> bool {
    match (state.mode, state.tip()) {
        (Mode::Following, Some(_)) => true,
        (Mode::Syncing, Some(tip)) => state.peers.len() >= state.config.sync_peers && is_best(state, tip.height),
        (Mode::Following | Mode::Syncing, None) => false,
    }
}

#[cfg(test)]
mod tests;
