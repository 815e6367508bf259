//! S7, S8, S10: bodies arrive, blocks are executed, the best executed chain is selected.

use crate::effect::{Effect, FaultKind, Metric, Record};
use crate::forging;
use crate::input::{BlockRule, BodyDigest, Exec, NetErr, Req};
use crate::select::prefer;
use crate::state::State;
use crate::step::finality::{self, favour, is_elsewhere};
use crate::step::headers::release;
use crate::step::peers::fault;
use crate::sync::{selection_limit, strike};
use crate::tree::Stage;
use alloc::boxed::Box;
use alloc::vec::Vec;
use nupeer_primitives::{BlockId, Height};

/// S7: an answer to `GetBodies`.
pub(crate) fn bodies(
    state: &mut State,
    req: Req,
    answer: Result<Vec<Option<BodyDigest>>, NetErr>,
    out: &mut Vec<Effect>,
) {
    let Some(ask) = state.bodies.answer(req) else { return };
    state.dirty = true;
    let digests = match answer {
        Ok(digests) => digests,
        Err(NetErr::Gone | NetErr::TimedOut | NetErr::Refused | NetErr::Garbled) => {
            strike(state, ask.peer, out);
            return;
        }
    };
    for (id, digest) in ask.ids.iter().zip(digests) {
        let Some(digest) = digest else { continue };
        let Some(node) = state.chain.as_ref().and_then(|chain| chain.tree.get(id)) else { continue };
        if node.stage != Stage::Trusted {
            continue;
        }
        if digest.hash != Some(node.body_hash) || digest.size != node.body_size {
            let proof = node.bytes.clone();
            fault(state, ask.peer, FaultKind::BodyMismatch, proof, out);
            return;
        }
        if let Some(about) = state.peers.get_mut(&ask.peer) {
            about.strikes = 0;
        }
        held(state, id);
    }
}

/// The body of a trusted header is in the driver's store.
pub(crate) fn held(state: &mut State, id: &BlockId) {
    if let Some(chain) = &mut state.chain {
        chain.tree.advance(id, Stage::Held);
    }
    state.bodies.forget(id);
    state.dirty = true;
}

/// S8: the ledger's answer.
pub(crate) fn executed(state: &mut State, id: BlockId, exec: Exec, out: &mut Vec<Effect>) {
    let Some(node) = state.chain.as_ref().and_then(|chain| chain.tree.get(&id)) else { return };
    if node.stage != Stage::Running {
        return;
    }
    let expected = node.state_root;
    state.dirty = true;
    match exec {
        Exec::Valid { root, view, certificates } if root == expected => {
            if let Some(chain) = &mut state.chain {
                chain.tree.execute(&id, Some(view));
            }
            finality::executed(state, certificates, out);
            release(state, &id, out);
        }
        Exec::Valid { .. } => kill(state, id, BlockRule::BadStateRoot, out),
        Exec::Invalid(rule) => kill(state, id, rule, out),
    }
}

/// A block is invalid: it and all that follow it are dead. No peer is to blame for a body that its issuer signed.
pub(crate) fn kill(state: &mut State, id: BlockId, rule: BlockRule, out: &mut Vec<Effect>) {
    let Some(chain) = &mut state.chain else { return };
    let removed = chain.tree.remove(&id);
    out.push(Effect::Note(Metric::BlockRefused(id, rule)));
    state.forget(&removed, true, out);
    state.dirty = true;
    for node in &removed {
        release(state, &node.id, out);
    }
}

/// S10: moves to the best executed chain.
pub(crate) fn reselect(state: &mut State, out: &mut Vec<Effect>) {
    let limit = selection_limit(state).unwrap_or(Height(u64::MAX));
    let Some(chain) = &state.chain else { return };
    let Some(tip) = chain.tip() else { return };
    let favour = favour(state);
    let elsewhere = is_elsewhere(&favour, chain, tip);
    let mut best = tip;
    for leaf in chain.tree.valid_leaves() {
        if !elsewhere && leaf.point.height < tip.point.height {
            break;
        }
        let within = chain.tree.ancestors(&leaf.point.id).find(|node| node.point.height <= limit);
        if let Some(candidate) = within
            && prefer(&chain.tree, &favour, candidate, best)
        {
            best = candidate;
        }
    }
    let (from, to) = (tip.point.id, best.point.id);
    if from != to {
        switch(state, &to, out);
        finality::touch(state);
        follow_final(state, out);
        forging::tip_moved(state, out);
    }
}

/// Makes `to` the tip.
fn switch(state: &mut State, to: &BlockId, out: &mut Vec<Effect>) {
    let Some(chain) = &mut state.chain else { return };
    let mut apply = Vec::new();
    let mut fork = None;
    for node in chain.tree.ancestors(to) {
        if chain.is_selected(node) {
            fork = Some(node.point);
            break;
        }
        apply.push(node.point.id);
    }
    // Every node descends from the root, which is selected.
    let (Some(fork), Some(root)) = (fork, chain.root().map(|root| root.point)) else { return };
    apply.reverse();
    let kept = fork.height.0.saturating_sub(root.height.0).saturating_add(1);
    let kept = usize::try_from(kept).unwrap_or(usize::MAX);
    let undone = chain.selected.len().saturating_sub(kept);
    chain.selected.truncate(kept);
    chain.selected.extend(apply.iter().copied());
    if undone > 0 {
        out.push(Effect::Note(Metric::Rollback(u64::try_from(undone).unwrap_or(u64::MAX))));
    }
    out.push(Effect::Switch { rollback_to: fork.id, apply });
}

/// The root follows the final block, and without an overlay or after long without finality, the depth.
pub(crate) fn follow_final(state: &mut State, out: &mut Vec<Effect>) {
    let depth = usize::try_from(state.config.depth_max()).unwrap_or(usize::MAX);
    loop {
        let last = state.overlay.as_ref().map(|overlay| overlay.last_point.id);
        let Some(chain) = &mut state.chain else { return };
        let below = |id: BlockId| id != chain.tree.root() && chain.tree.get(&id).is_some();
        if chain.selected.len() <= depth.saturating_add(1) && !last.is_some_and(below) {
            return;
        }
        let Some(next) = chain.selected.get(1).copied() else { return };
        let removed = chain.tree.advance_root(&next);
        if chain.tree.root() != next {
            return;
        }
        chain.selected.pop_front();
        if let Some(node) = chain.tree.get(&next) {
            out.push(Effect::Persist(Record::Final {
                point: node.point,
                mc: node.mc,
                nonce: Box::new(node.nonce),
                pool: node.pool,
                counter: node.counter,
            }));
        }
        state.forget(&removed, false, out);
        // The old root leads the list: it is an ancestor, not a fork.
        let forks: Vec<BlockId> = removed.iter().skip(1).map(|node| node.id).collect();
        finality::root_moved(state, &forks);
    }
}
