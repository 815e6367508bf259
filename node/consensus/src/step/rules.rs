//! A header against the tree: the rules of `header/`, with what the tree, the ledger views and the clock say.

use crate::crypto::leader::Sigma;
use crate::header::{Clock, Context, CryptoJob, Fork, HeaderError, Parent, Rules, VERSION, place};
use crate::input::{Job, Point};
use crate::nonce::Nonce;
use crate::state::{Chain, State};
use crate::tree::{Node, Stage};
use crate::view::LedgerView;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use nupeer_primitives::genesis::Constants;
use nupeer_primitives::{BlockId, Epoch, Hash, Header, PoolId, Slot};

/// Headers further ahead of our clock are not kept (rule 6).
pub const EARLY_MS_MAX: u64 = 60_000;

/// What a header may be.
pub(crate) enum Admission {
    /// Rules 1-15 hold: the node to add, and rules 16-19 to check.
    Check(Box<Node>, Box<CryptoJob>),
    /// Its id is in the tree: with the same bytes, and trusted.
    Known { same: bool, trusted: bool },
    /// Something must happen to this block first: come, be trusted, be executed.
    Wait(BlockId),
    /// Its slot has not come.
    Early,
    /// Its slot is too far ahead to wait for.
    TooEarly,
    /// It or its parent is known to be invalid.
    Dead,
    /// No room.
    Full,
    /// It breaks a rule.
    Refused(HeaderError),
}

/// Rules 1-15 but decoding.
pub(crate) fn judge(state: &State, header: &Header, id: BlockId, bytes: &[u8]) -> Admission {
    let Some(chain) = &state.chain else { return Admission::Full };
    if let Some(node) = chain.tree.get(&id) {
        // The root is known without its bytes.
        let same = node.bytes == bytes || node.bytes.is_empty();
        return Admission::Known { same, trusted: node.stage >= Stage::Trusted };
    }
    let parent = header.body.parent;
    if state.dead.contains(&id) || state.dead.contains(&parent) {
        return Admission::Dead;
    }
    let (major, _) = header.body.version;
    if major > VERSION.0 {
        return Admission::Refused(HeaderError::NodeTooOld { header: major, known: VERSION.0 });
    }
    let Some(parent) = chain.tree.get(&parent) else { return Admission::Wait(parent) };
    match check(state, chain, header, parent) {
        Ok(job) if !chain.tree.is_full() => {
            let nonce = nonce_after(&state.config.rules.constants, parent, header);
            Admission::Check(Box::new(node(header, id, bytes, parent, nonce)), Box::new(job))
        }
        Ok(_) => Admission::Full,
        Err(HeaderError::Early { wait_ms, .. }) if wait_ms > EARLY_MS_MAX => Admission::TooEarly,
        Err(HeaderError::Early { .. }) => Admission::Early,
        Err(HeaderError::OutOfReach { .. }) => Admission::Wait(parent.point.id),
        Err(rule) => Admission::Refused(rule),
    }
}

/// Rules 4-15.
fn check(state: &State, chain: &Chain, header: &Header, parent: &Node) -> Result<CryptoJob, HeaderError> {
    let rules: &Rules = &state.config.rules;
    let above = parent_of(parent);
    let clock = Clock { now_ms: state.now_ms(), skew_ms: state.config.skew_ms };
    place(rules, header, &above, &clock, &fork(chain))?;
    checkpoint(state, header)?;
    let reach = HeaderError::OutOfReach { slot: header.body.slot, view: parent.point.slot };
    let view = view_for(chain, parent, header.body.slot, rules).ok_or(reach)?;
    let counter = chain.tree.counter(&parent.point.id, &header.body.pool());
    crate::header::judge(rules, header, &Context { parent: &above, nonce: &parent.nonce, counter, view: &view })
}

fn parent_of(node: &Node) -> Parent {
    let Point { id, height, slot } = node.point;
    Parent { id, height, slot: (height.0 > 0).then_some(slot), mc: node.mc }
}

/// Rule 7 holds by construction: a parent in the tree descends from the final block, and the final block is at most k
/// below our tip.
fn fork(chain: &Chain) -> Fork {
    let last_final = chain.root().map(|root| root.point.height).unwrap_or_default();
    Fork { at: last_final, last_final, tip: last_final, density_decides: false }
}

/// §9(c): the block that the operator vouches for.
fn checkpoint(state: &State, header: &Header) -> Result<(), HeaderError> {
    match state.config.checkpoint {
        Some(point) if header.body.height == point.height && header.id(&state.config.rules.genesis) != point.id => {
            Err(HeaderError::BelowFinal { height: header.body.height, last: point.height })
        }
        Some(_) | None => Ok(()),
    }
}

/// The view of an executed ancestor that reaches `slot`, the nearest one that is known without a search first.
fn view_for<'a>(chain: &'a Chain, parent: &'a Node, slot: Slot, rules: &Rules) -> Option<Cow<'a, LedgerView>> {
    let reaches = |view: &LedgerView| reaches(view, slot, rules);
    if parent.stage == Stage::Valid {
        let executed = chain.tree.ancestors(&parent.point.id).find_map(|node| node.view.as_ref())?;
        if reaches(executed) {
            return Some(Cow::Borrowed(executed));
        }
        return Some(Cow::Owned(stood_still(executed, slot, &rules.constants)));
    }
    let base = chain.tree.get(&parent.base).and_then(|node| node.view.as_ref());
    if let Some(view) = base.filter(|view| reaches(view)) {
        return Some(Cow::Borrowed(view));
    }
    // Nothing executed reaches further than the tip, give or take a fork: no use in a search.
    let tip = chain.tip()?.point.slot.0;
    if slot.0 > tip.saturating_add(rules.constants.slots_for_k(3)) {
        return None;
    }
    let nearest = chain.tree.ancestors(&parent.point.id).find_map(|node| node.view.as_ref())?;
    reaches(nearest).then_some(Cow::Borrowed(nearest))
}

fn reaches(view: &LedgerView, slot: Slot, rules: &Rules) -> bool {
    let epoch = Epoch(rules.constants.epoch(slot.0));
    view.reaches(slot, rules.constants.slots_for_k(3)) && view.leading(epoch).is_some()
}

/// The view at `slot` if no block came since: a chain that stood still for longer than 3k/f slots must be able to go on,
/// and with no block in between nothing but the epoch can have changed. The last known snapshot keeps leading.
fn stood_still(view: &LedgerView, slot: Slot, constants: &Constants) -> LedgerView {
    let epoch = Epoch(constants.epoch(slot.0));
    let mut later = view.clone();
    later.slot = slot;
    if !later.snapshots.contains_key(&epoch)
        && let Some(last) = view.snapshots.range(..=epoch).next_back().map(|(_, snapshot)| Arc::clone(snapshot))
    {
        later.snapshots.insert(epoch, last);
    }
    later
}

/// Nonce and stake under which `pool` may lead `slot` on top of `parent`, an executed block.
pub(crate) fn eta_and_stake(state: &State, parent: &BlockId, slot: u64, pool: PoolId) -> Option<(Hash, Sigma)> {
    let chain = state.chain.as_ref()?;
    let parent = chain.tree.get(parent)?;
    let rules = &state.config.rules;
    let view = view_for(chain, parent, Slot(slot), rules)?;
    let sigma = view.leading(Epoch(rules.constants.epoch(slot)))?.sigma(&pool)?;
    Some((parent.nonce.eta_at(Slot(slot), &rules.constants), sigma))
}

/// The version that a child of `parent` must carry.
pub(crate) fn version_above(state: &State, parent: &Node) -> Option<(u16, u16)> {
    let chain = state.chain.as_ref()?;
    let view = chain.tree.ancestors(&parent.point.id).find_map(|node| node.view.as_ref())?;
    Some(view.version_at(nupeer_primitives::Height(parent.point.height.0.saturating_add(1))))
}

/// Nonce state after a header.
pub(crate) fn nonce_after(constants: &Constants, parent: &Node, header: &Header) -> Nonce {
    parent.nonce.after(&header.body, constants)
}

/// The node of a header below a known parent.
pub(crate) fn node(header: &Header, id: BlockId, bytes: &[u8], parent: &Node, nonce: Nonce) -> Node {
    let body = &header.body;
    Node {
        point: Point { id, height: body.height, slot: body.slot },
        parent: body.parent,
        pool: body.pool(),
        counter: body.opcert.counter,
        vrf_out: body.vrf.0,
        mc: body.mc,
        body_hash: body.body_hash,
        body_size: body.body_size,
        state_root: body.state_root,
        bytes: bytes.to_vec(),
        nonce,
        stage: Stage::Checking,
        view: None,
        base: if parent.view.is_some() { parent.point.id } else { parent.base },
        children: Vec::new(),
        announcers: Vec::new(),
        job: Job(0),
    }
}
