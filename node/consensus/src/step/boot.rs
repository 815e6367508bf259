//! S1: from disk.

use crate::effect::{BootError, Effect, Metric};
use crate::forging::Forging;
use crate::input::{Job, Persisted, Point};
use crate::peers::Bans;
use crate::state::{Chain, Mode, State};
use crate::step::blocks::follow_final;
use crate::step::{finality, rules};
use crate::tree::{Node, Stage, Tree};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use nupeer_primitives::{BlockId, Hash, Header, PoolId};

/// Builds the tree again. Headers of the index passed every rule once, so only their shape is looked at.
pub(crate) fn boot(state: &mut State, persisted: Persisted, out: &mut Vec<Effect>) {
    if state.chain.is_some() {
        out.push(Effect::Note(Metric::BootRefused(BootError::AlreadyBooted)));
        return;
    }
    match rebuild(state, &persisted) {
        Ok(chain) => {
            state.chain = Some(chain);
            finality::boot(state, persisted.finality);
            state.bans = Bans::new(&persisted.bans);
            state.forging = Forging::new(persisted.signed.map(|(slot, _)| slot));
            state.mode = Mode::Syncing;
            state.dirty = true;
            // A crash may have come between a switch and the final points that follow from it.
            follow_final(state, out);
        }
        Err(why) => out.push(Effect::Note(Metric::BootRefused(why))),
    }
}

fn rebuild(state: &State, persisted: &Persisted) -> Result<Chain, BootError> {
    let views: BTreeMap<BlockId, _> = persisted.views.iter().map(|(id, view)| (*id, Arc::clone(view))).collect();
    let root = root_node(persisted, &views)?;
    let root_id = root.point.id;
    let mut tree = Tree::new(root, persisted.root.counters.iter().copied().collect());
    for bytes in &persisted.headers {
        let Ok(header) = Header::decode(bytes) else { continue };
        let id = header.id(&state.config.rules.genesis);
        let Some(parent) = tree.get(&header.body.parent) else { continue };
        let nonce = rules::nonce_after(&state.config.rules.constants, parent, &header);
        let node = rules::node(&header, id, bytes, parent, nonce);
        if tree.insert(node) {
            tree.trust(&id);
        }
    }
    if !views.contains_key(&persisted.tip) {
        return Err(BootError::MissingView);
    }
    let mut selected: Vec<BlockId> = tree.ancestors(&persisted.tip).map(|node| node.point.id).collect();
    selected.reverse();
    if selected.first() != Some(&root_id) {
        return Err(BootError::UnknownTip);
    }
    for id in selected.iter().skip(1) {
        // Blocks between root and tip whose view is not given are executed all the same: the root's view reaches their
        // children, because it reaches 3k/f slots and they are at most k blocks above it.
        match views.get(id) {
            Some(view) => tree.execute(id, Some(Arc::clone(view))),
            None => tree.execute(id, None),
        }
    }
    Ok(Chain { tree, selected: VecDeque::from(selected) })
}

fn root_node(
    persisted: &Persisted,
    views: &BTreeMap<BlockId, Arc<crate::view::LedgerView>>,
) -> Result<Node, BootError> {
    let point: Point = persisted.root.point;
    let view = views.get(&point.id).ok_or(BootError::MissingView)?;
    Ok(Node {
        point,
        parent: point.id,
        pool: PoolId([0; 28]),
        counter: 0,
        vrf_out: [0; 64],
        mc: persisted.root.mc,
        body_hash: Hash::ZERO,
        body_size: 0,
        state_root: Hash::ZERO,
        bytes: Vec::new(),
        nonce: persisted.root.nonce,
        stage: Stage::Valid,
        view: Some(Arc::clone(view)),
        base: point.id,
        children: Vec::new(),
        announcers: Vec::new(),
        job: Job(0),
    })
}
