//! S4-S6: headers on their way into the tree.

use crate::effect::{DropReason, Effect, FaultKind, Judgement, Metric, Queue, Record};
use crate::header::{CryptoJob, HeaderError};
use crate::input::{Job, MsgId, NetErr, Peer, Req, Verdict};
use crate::peers::{Incoming, WAITING_PER_PEER_MAX};
use crate::state::{Checking, Mode, Origin, State, WAITING_MAX, Waiting};
use crate::step::finality;
use crate::step::peers::{drop_peer, fault};
use crate::step::rules::{Admission, judge};
use crate::sync::{HEADERS_PER_REQUEST_MAX, strike};
use crate::tree::{CHECKING_MAX, Node, Stage};
use crate::{bodies, forging};
use alloc::boxed::Box;
use alloc::vec::Vec;
use nupeer_primitives::finality::Evidence;
use nupeer_primitives::{BlockId, Cbor, Header};

/// An announcement waits no longer: gossip forgets messages after about five heartbeats.
pub const WAITING_MS_MAX: u64 = 5_000;
/// Headers of one issuer and slot that are relayed (rule 20).
pub const RELAYED_PER_SLOT_MAX: usize = 2;
/// Checks under way: those of the tree, and as many whose header left it meanwhile.
pub const JOBS_MAX: usize = CHECKING_MAX.saturating_mul(2);

/// S4: a message on `head/1`.
pub(crate) fn gossip(state: &mut State, from: Peer, msg: MsgId, bytes: Vec<u8>, out: &mut Vec<Effect>) {
    let Ok(header) = Header::decode(&bytes) else {
        out.push(Effect::Judge(msg, Judgement::Reject));
        fault(state, from, FaultKind::Malformed, bytes, out);
        return;
    };
    let id = header.id(&state.config.rules.genesis);
    let expires_ms = state.now_ms().saturating_add(WAITING_MS_MAX);
    announce(state, Waiting { from, msg, header, id, bytes, expires_ms }, out);
}

/// S4: judges an announced header, the first time or after it waited.
pub(crate) fn announce(state: &mut State, held: Waiting, out: &mut Vec<Effect>) {
    let judgement = match judge(state, &held.header, held.id, &held.bytes) {
        Admission::Check(node, job) => {
            check_announced(state, held, node, job, out);
            return;
        }
        Admission::Known { same: true, trusted: true } => {
            raise_claim(state, &held);
            if let Some(node) = state.chain.as_mut().and_then(|chain| chain.tree.get_mut(&held.id)) {
                node.announced_by(held.from);
            }
            Judgement::Accept
        }
        Admission::Known { same: _, trusted: false } => {
            let on = held.id;
            hold(state, on, held, out);
            return;
        }
        Admission::Wait(on) => {
            raise_claim(state, &held);
            hold(state, on, held, out);
            return;
        }
        Admission::Early => {
            hold_early(state, held, out);
            return;
        }
        Admission::Refused(rule) => {
            out.push(Effect::Note(Metric::HeaderRefused(rule)));
            if rule.is_peer_fault() {
                out.push(Effect::Judge(held.msg, Judgement::Reject));
                fault(state, held.from, FaultKind::Header(rule), held.bytes, out);
                return;
            }
            Judgement::Ignore
        }
        Admission::Full => {
            out.push(Effect::Note(Metric::QueueFull(Queue::Tree)));
            Judgement::Ignore
        }
        Admission::Known { same: false, trusted: true } | Admission::TooEarly | Admission::Dead => Judgement::Ignore,
    };
    out.push(Effect::Judge(held.msg, judgement));
}

/// An announced header passed rules 1-15: checks 16-19, unless two others of its issuer and slot are known.
fn check_announced(state: &mut State, held: Waiting, node: Box<Node>, job: Box<CryptoJob>, out: &mut Vec<Effect>) {
    let Some(chain) = &state.chain else { return };
    let (slot, pool) = (node.point.slot, node.pool);
    let known = chain.tree.issued(slot, pool);
    if known.len() >= RELAYED_PER_SLOT_MAX {
        // A peer that itself showed us two is blamed for a third; another peer may have seen a different pair.
        let shown = |id: &BlockId| chain.tree.get(id).is_some_and(|node| node.announcers.contains(&held.from));
        let shown = known.iter().filter(|id| shown(id)).count();
        if shown >= RELAYED_PER_SLOT_MAX && state.jobs.len() < JOBS_MAX {
            let origin = Origin::Gossip(held.from, held.msg);
            verify(state, Checking { id: held.id, origin, bytes: held.bytes, third: true }, job, out);
        } else {
            out.push(Effect::Judge(held.msg, Judgement::Ignore));
        }
        return;
    }
    if chain.tree.get(&node.parent).is_none_or(|parent| parent.stage < Stage::Trusted) {
        // Relayed only when the whole chain below is trusted.
        let on = node.parent;
        hold(state, on, held, out);
        return;
    }
    raise_claim(state, &held);
    let origin = Origin::Gossip(held.from, held.msg);
    admit(state, node, job, origin, out);
}

/// A header enters the tree and rules 16-19 are checked outside.
pub(crate) fn admit(
    state: &mut State,
    mut node: Box<Node>,
    job: Box<CryptoJob>,
    origin: Origin,
    out: &mut Vec<Effect>,
) {
    let (id, bytes) = (node.point.id, node.bytes.clone());
    if let Origin::Gossip(peer, _) | Origin::Sync(peer) = origin {
        node.announced_by(peer);
    }
    node.job = Job(state.next_job.saturating_add(1));
    let inserted = state.chain.as_mut().is_some_and(|chain| chain.tree.insert(*node));
    if inserted {
        verify(state, Checking { id, origin, bytes, third: false }, job, out);
    }
}

fn verify(state: &mut State, checking: Checking, job: Box<CryptoJob>, out: &mut Vec<Effect>) {
    state.next_job = state.next_job.saturating_add(1);
    let number = Job(state.next_job);
    state.jobs.insert(number, checking);
    out.push(Effect::Verify(number, job));
}

/// Whoever announces a block has its chain.
fn raise_claim(state: &mut State, held: &Waiting) {
    let body = &held.header.body;
    if let Some(about) = state.peers.get_mut(&held.from)
        && body.height > about.claim.height
    {
        about.claim = crate::input::Point { id: held.id, height: body.height, slot: body.slot };
    }
}

/// True if a place was taken for one more announcement of `peer`.
fn take_place(state: &mut State, peer: Peer) -> bool {
    let waiting = state.waiting.values().map(Vec::len).fold(state.early.len(), usize::saturating_add);
    match state.peers.get_mut(&peer) {
        Some(about) if waiting < WAITING_MAX && about.waiting < WAITING_PER_PEER_MAX => {
            about.waiting = about.waiting.saturating_add(1);
            true
        }
        Some(_) | None => false,
    }
}

fn hold(state: &mut State, on: BlockId, held: Waiting, out: &mut Vec<Effect>) {
    if take_place(state, held.from) {
        state.waiting.entry(on).or_default().push(held);
    } else {
        out.push(Effect::Note(Metric::QueueFull(Queue::Waiting)));
        out.push(Effect::Judge(held.msg, Judgement::Ignore));
    }
}

fn hold_early(state: &mut State, held: Waiting, out: &mut Vec<Effect>) {
    let key = (held.header.body.slot, held.id);
    if state.early.contains_key(&key) || !take_place(state, held.from) {
        out.push(Effect::Judge(held.msg, Judgement::Ignore));
        return;
    }
    let slot_ms = state.config.rules.constants.slot_ms.max(1);
    let due = key.0.0.saturating_mul(slot_ms).saturating_sub(state.config.skew_ms);
    let (slot, ms) = (due.checked_div(slot_ms).unwrap_or(0), due.checked_rem(slot_ms).unwrap_or(0));
    out.push(Effect::WakeAt { slot, ms: u16::try_from(ms).unwrap_or(u16::MAX) });
    state.early.insert(key, held);
}

/// Announcements that waited for `id` are judged again.
pub(crate) fn release(state: &mut State, id: &BlockId, out: &mut Vec<Effect>) {
    for held in state.waiting.remove(id).unwrap_or_default() {
        if let Some(about) = state.peers.get_mut(&held.from) {
            about.waiting = about.waiting.saturating_sub(1);
            announce(state, held, out);
        }
    }
}

/// S5: an answer to `GetHeaders`.
pub(crate) fn answer(state: &mut State, req: Req, answer: Result<Vec<Vec<u8>>, NetErr>, out: &mut Vec<Effect>) {
    let Some(peer) = state.questions.remove(&req) else { return };
    let Some(about) = state.peers.get_mut(&peer) else { return };
    about.asking = None;
    match answer {
        Ok(list) if list.is_empty() => settle_claim(state, peer, out),
        Ok(list) => take_batch(state, peer, list, out),
        Err(NetErr::TimedOut) => drop_peer(state, peer, DropReason::NotDelivering, out),
        Err(NetErr::Gone | NetErr::Refused | NetErr::Garbled) => settle_claim(state, peer, out),
    }
}

/// Nothing came: the peer is believed to have what it showed, until it claims anew.
fn settle_claim(state: &mut State, peer: Peer, out: &mut Vec<Effect>) {
    if strike(state, peer, out) {
        return;
    }
    let Some(chain) = &state.chain else { return };
    let Some(about) = state.peers.get_mut(&peer) else { return };
    let shown = about.best.and_then(|id| chain.tree.get(&id)).or_else(|| chain.root());
    if let Some(shown) = shown {
        about.claim = shown.point;
    }
    about.more = false;
}

/// Decodes an answer into the peer's backlog. Each header must follow the one before it.
fn take_batch(state: &mut State, peer: Peer, list: Vec<Vec<u8>>, out: &mut Vec<Effect>) {
    let more = list.len() >= HEADERS_PER_REQUEST_MAX;
    let mut batch: Vec<Incoming> = Vec::new();
    for bytes in list.into_iter().take(HEADERS_PER_REQUEST_MAX) {
        let Ok(header) = Header::decode(&bytes) else {
            fault(state, peer, FaultKind::Malformed, bytes, out);
            return;
        };
        if batch.last().is_some_and(|last| last.id != header.body.parent) {
            settle_claim(state, peer, out);
            return;
        }
        let id = header.id(&state.config.rules.genesis);
        batch.push(Incoming { header: Box::new(header), id, bytes });
    }
    let Some(chain) = &state.chain else { return };
    // An answer may begin below a final point that moved on meanwhile.
    let known = |id: &BlockId| chain.tree.get(id).is_some();
    let Some(first) = batch.iter().position(|item| known(&item.header.body.parent) || known(&item.id)) else {
        drop_peer(state, peer, DropReason::OtherChain, out);
        return;
    };
    batch.drain(..first);
    let is_new = batch.last().is_some_and(|last| chain.tree.get(&last.id).is_none());
    let Some(about) = state.peers.get_mut(&peer) else { return };
    about.more = more;
    about.backlog = batch.into();
    if is_new {
        about.strikes = 0;
    } else if more {
        strike(state, peer, out);
    }
}

/// What to do after one header of a backlog.
enum Next {
    Continue,
    /// Put it back: something must happen first.
    Stop(Incoming),
    /// The rest is worth nothing.
    Clear,
    /// The peer is gone.
    Gone,
}

/// S5: moves headers of every backlog into the tree, as far as they can go now.
pub(crate) fn drain_backlogs(state: &mut State, out: &mut Vec<Effect>) {
    let open: Vec<Peer> =
        state.peers.iter().filter(|(_, about)| !about.backlog.is_empty()).map(|(peer, _)| *peer).collect();
    for peer in open {
        while let Some(item) = state.peers.get_mut(&peer).and_then(|about| about.backlog.pop_front()) {
            match take_in(state, peer, item, out) {
                Next::Continue => {}
                Next::Stop(item) => {
                    if let Some(about) = state.peers.get_mut(&peer) {
                        about.backlog.push_front(item);
                    }
                    break;
                }
                Next::Clear => {
                    if let Some(about) = state.peers.get_mut(&peer) {
                        about.backlog.clear();
                    }
                    settle_claim(state, peer, out);
                    break;
                }
                Next::Gone => break,
            }
        }
        claim_what_was_shown(state, peer);
    }
}

/// A peer that delivered all it had has a chain up to there, whatever it claimed before.
fn claim_what_was_shown(state: &mut State, peer: Peer) {
    let Some(chain) = &state.chain else { return };
    let Some(about) = state.peers.get_mut(&peer) else { return };
    if about.is_shown()
        && chain.tree.get(&about.claim.id).is_none()
        && let Some(best) = about.best.and_then(|id| chain.tree.get(&id))
    {
        about.claim = best.point;
    }
}

fn take_in(state: &mut State, peer: Peer, item: Incoming, out: &mut Vec<Effect>) -> Next {
    let id = item.id;
    match judge(state, &item.header, id, &item.bytes) {
        Admission::Check(node, job) => admit(state, node, job, Origin::Sync(peer), out),
        Admission::Known { same: true, trusted: _ } | Admission::Known { same: false, trusted: true } => {
            if let Some(node) = state.chain.as_mut().and_then(|chain| chain.tree.get_mut(&id)) {
                node.announced_by(peer);
            }
        }
        Admission::Known { same: false, trusted: false } | Admission::Early => return Next::Stop(item),
        Admission::Full => {
            // Room comes when the final point moves or checks end.
            return Next::Stop(item);
        }
        Admission::Wait(on) => {
            let known = state.chain.as_ref().is_some_and(|chain| chain.tree.get(&on).is_some());
            return if known { Next::Stop(item) } else { Next::Clear };
        }
        Admission::TooEarly => return Next::Clear,
        Admission::Dead => {
            drop_peer(state, peer, DropReason::InvalidChain, out);
            return Next::Gone;
        }
        Admission::Refused(rule) => return refuse_synced(state, peer, item, rule, out),
    }
    if let Some(about) = state.peers.get_mut(&peer) {
        about.best = Some(id);
    }
    // A longer common prefix may let more be executed.
    state.dirty |= state.mode == Mode::Syncing;
    Next::Continue
}

/// A fault counts only once the chain below is trusted: until then the header waits.
fn refuse_synced(state: &mut State, peer: Peer, item: Incoming, rule: HeaderError, out: &mut Vec<Effect>) -> Next {
    let parent = item.header.body.parent;
    let below = state.chain.as_ref().and_then(|chain| chain.tree.get(&parent)).map(|node| node.stage);
    if below.is_some_and(|stage| stage < Stage::Trusted) {
        return Next::Stop(item);
    }
    out.push(Effect::Note(Metric::HeaderRefused(rule)));
    if rule.is_peer_fault() {
        fault(state, peer, FaultKind::Header(rule), item.bytes, out);
        return Next::Gone;
    }
    Next::Clear
}

/// S6: the verdict on rules 16-19.
pub(crate) fn verified(state: &mut State, job: Job, verdict: Verdict, out: &mut Vec<Effect>) {
    let Some(checking) = state.jobs.remove(&job) else { return };
    let current = state
        .chain
        .as_ref()
        .and_then(|chain| chain.tree.get(&checking.id))
        .is_some_and(|node| node.job == job && node.stage == Stage::Checking);
    if checking.third {
        third_header(state, checking, verdict, out);
        return;
    }
    if !current {
        // An ancestor failed meanwhile.
        if let Origin::Gossip(_, msg) = checking.origin {
            out.push(Effect::Judge(msg, Judgement::Ignore));
        }
        return;
    }
    match verdict {
        Ok(()) => pass(state, checking, out),
        Err(rule) => fail(state, checking, rule, out),
    }
}

fn pass(state: &mut State, checking: Checking, out: &mut Vec<Effect>) {
    let Some(chain) = &mut state.chain else { return };
    let trusted = chain.tree.trust(&checking.id);
    finality::touch(state);
    for id in &trusted {
        let Some(node) = state.chain.as_ref().and_then(|chain| chain.tree.get(id)) else { continue };
        out.push(Effect::Persist(Record::Header { id: *id, bytes: node.bytes.clone() }));
        evidence(state, id, out);
    }
    match checking.origin {
        Origin::Gossip(_, msg) => out.push(Effect::Judge(msg, Judgement::Accept)),
        Origin::Sync(_) => {}
        Origin::Own => forging::publish(state, &checking, out),
    }
    if state.mode == Mode::Following || state.bodies.outstanding() < bodies::BODIES_OUTSTANDING_MAX.div_euclid(2) {
        state.dirty = true;
    }
    for id in &trusted {
        release(state, id, out);
    }
}

/// Rule 20: the second header of an issuer for a slot is evidence against it.
fn evidence(state: &State, id: &BlockId, out: &mut Vec<Effect>) {
    let Some(chain) = &state.chain else { return };
    let Some(node) = chain.tree.get(id) else { return };
    let [first, second] = chain.tree.issued(node.point.slot, node.pool) else { return };
    let (Some(a), Some(b)) = (chain.tree.get(first), chain.tree.get(second)) else { return };
    let (Ok(a), Ok(b)) = (Header::decode(&a.bytes), Header::decode(&b.bytes)) else { return };
    if let Some(evidence) = Evidence::of_headers(&a, &b) {
        out.push(Effect::Evidence(evidence.to_cbor()));
    }
}

fn fail(state: &mut State, checking: Checking, rule: HeaderError, out: &mut Vec<Effect>) {
    let Some(chain) = &mut state.chain else { return };
    let parent_trusted = chain
        .tree
        .get(&checking.id)
        .and_then(|node| chain.tree.get(&node.parent))
        .is_some_and(|parent| parent.stage >= Stage::Trusted);
    let removed = chain.tree.remove(&checking.id);
    // Not buried: the same id may come with a good KES signature.
    state.forget(&removed, false, out);
    state.dirty = true;
    out.push(Effect::Note(Metric::HeaderRefused(rule)));
    let blamed = rule.is_peer_fault() && parent_trusted;
    match checking.origin {
        Origin::Gossip(peer, msg) => {
            out.push(Effect::Judge(msg, if blamed { Judgement::Reject } else { Judgement::Ignore }));
            if blamed {
                fault(state, peer, FaultKind::Header(rule), checking.bytes, out);
            }
        }
        Origin::Sync(peer) => {
            if blamed {
                fault(state, peer, FaultKind::Header(rule), checking.bytes, out);
            } else {
                strike(state, peer, out);
            }
        }
        Origin::Own => forging::own_refused(state, out),
    }
    for node in &removed {
        release(state, &node.id, out);
    }
}

/// The third header of an issuer for a slot from one peer: valid or not, it is the peer's fault.
fn third_header(state: &mut State, checking: Checking, verdict: Verdict, out: &mut Vec<Effect>) {
    let Origin::Gossip(peer, msg) = checking.origin else { return };
    let (judgement, kind) = match verdict {
        Ok(()) => (Judgement::Ignore, FaultKind::TooManyHeaders),
        Err(rule) if rule.is_peer_fault() => (Judgement::Reject, FaultKind::Header(rule)),
        Err(_) => {
            out.push(Effect::Judge(msg, Judgement::Ignore));
            return;
        }
    };
    out.push(Effect::Judge(msg, judgement));
    fault(state, peer, kind, checking.bytes, out);
}
