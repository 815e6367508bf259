//! S3: peers come, claim, and go.

use crate::effect::{DropReason, Effect, FaultKind, Judgement, Metric, Record};
use crate::input::{Peer, Status};
use crate::peers::{PEERS_MAX, PeerState};
use crate::state::State;
use crate::step::finality;
use alloc::vec::Vec;

/// A peer connected.
pub(crate) fn peer_up(state: &mut State, peer: Peer, status: Status, out: &mut Vec<Effect>) {
    if state.bans.is_banned(&peer, state.now.slot) {
        out.push(Effect::Drop(peer, DropReason::Banned));
        return;
    }
    if state.peers.contains_key(&peer) {
        peer_status(state, peer, status);
        return;
    }
    if state.peers.len() >= PEERS_MAX {
        out.push(Effect::Drop(peer, DropReason::TooManyPeers));
        return;
    }
    state.peers.insert(peer, PeerState::new(status.tip));
    finality::ask(state, peer, out);
    state.dirty = true;
}

/// A peer told its status again.
pub(crate) fn peer_status(state: &mut State, peer: Peer, status: Status) {
    if let Some(about) = state.peers.get_mut(&peer) {
        about.claim = status.tip;
        state.dirty = true;
    }
}

/// A peer is gone: its questions end, its waiting announcements are given up.
pub(crate) fn forget_peer(state: &mut State, peer: Peer, out: &mut Vec<Effect>) {
    let Some(about) = state.peers.remove(&peer) else { return };
    if let Some((req, _)) = about.asking {
        state.questions.remove(&req);
    }
    state.bodies.forget_peer(peer);
    if let Some(overlay) = &mut state.overlay {
        overlay.questions.retain(|_, asked| *asked != peer);
    }
    let mut given_up = Vec::new();
    for held in state.waiting.values_mut() {
        given_up.extend(held.extract_if(.., |held| held.from == peer).map(|held| held.msg));
    }
    state.waiting.retain(|_, held| !held.is_empty());
    state.early.retain(|_, held| {
        let keep = held.from != peer;
        if !keep {
            given_up.push(held.msg);
        }
        keep
    });
    out.extend(given_up.into_iter().map(|msg| Effect::Judge(msg, Judgement::Ignore)));
    state.dirty = true;
}

/// Ends a connection without blame.
pub(crate) fn drop_peer(state: &mut State, peer: Peer, why: DropReason, out: &mut Vec<Effect>) {
    if state.peers.contains_key(&peer) {
        forget_peer(state, peer, out);
        out.push(Effect::Drop(peer, why));
    }
}

/// A provable fault: reported with its proof, banned, gone.
pub(crate) fn fault(state: &mut State, peer: Peer, kind: FaultKind, proof: Vec<u8>, out: &mut Vec<Effect>) {
    let (ban, pushed_out) = state.bans.ban(peer, state.now.slot, state.config.rules.constants.slot_ms);
    out.push(Effect::Fault(peer, kind, proof));
    out.push(Effect::Persist(Record::Ban(ban)));
    if let Some(queue) = pushed_out {
        out.push(Effect::Note(Metric::QueueFull(queue)));
    }
    drop_peer(state, peer, DropReason::Banned, out);
}
