//! S2: time.

use crate::effect::{Effect, Judgement};
use crate::input::MsgId;
use crate::state::{Now, State, Waiting};
use crate::step::finality;
use crate::step::headers::announce;
use crate::{bodies, forging, sync};
use alloc::vec::Vec;

/// The clock moved.
pub(crate) fn clock(state: &mut State, slot: u64, ms: u16, out: &mut Vec<Effect>) {
    let now = Now { slot, ms };
    if now < state.now {
        // A wall clock set back must not let a slot be used twice.
        return;
    }
    let new_slot = slot > state.now.slot;
    state.now = now;
    give_up_waiting(state, out);
    for held in take_due(state) {
        announce(state, held, out);
    }
    sync::expire_questions(state, out);
    bodies::expire(state, out);
    if new_slot {
        state.dirty = true;
        sync::drop_sparser(state, out);
        sync::choose_mode(state, out);
    }
    finality::tick(state, out);
    forging::tick(state, out);
}

/// Announcements that waited too long.
fn give_up_waiting(state: &mut State, out: &mut Vec<Effect>) {
    let now = state.now_ms();
    let mut given_up: Vec<(crate::input::Peer, MsgId)> = Vec::new();
    for held in state.waiting.values_mut() {
        given_up.extend(held.extract_if(.., |held| held.expires_ms <= now).map(|held| (held.from, held.msg)));
    }
    state.waiting.retain(|_, held| !held.is_empty());
    for (from, msg) in given_up {
        if let Some(about) = state.peers.get_mut(&from) {
            about.waiting = about.waiting.saturating_sub(1);
        }
        out.push(Effect::Judge(msg, Judgement::Ignore));
    }
}

/// Announcements whose slot has come within the skew.
fn take_due(state: &mut State) -> Vec<Waiting> {
    let slot_ms = state.config.rules.constants.slot_ms;
    let horizon = state.now_ms().saturating_add(state.config.skew_ms);
    let mut due = Vec::new();
    while let Some(entry) = state.early.first_entry() {
        if entry.key().0.0.saturating_mul(slot_ms) > horizon {
            break;
        }
        let held = entry.remove();
        if let Some(about) = state.peers.get_mut(&held.from) {
            about.waiting = about.waiting.saturating_sub(1);
        }
        due.push(held);
    }
    due
}
