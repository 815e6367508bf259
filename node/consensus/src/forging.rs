//! Forging: writes before it signs (consensus.md §3, §4, §11).
//!
//! ```text
//! G1  While a block of ours could be the next, the agent is asked for this slot and the next one, so that the answer
//!     is there when the slot begins. A changed nonce asks again.
//! G2  In a slot that we lead, and never in one at or below the last signed, a body is asked for on the newest selected
//!     block of an earlier slot. A block of the same slot does not silence us: the tie-break decides.
//! G3  The tip moved before the body came: asked again on the new tip, a few times.
//! G4  The slot is recorded as signed, durably, before the signature is asked for. A crash in between costs the slot.
//! G5  Our own header goes through rules 1-19 like any other; only then it is indexed, published and executed.
//! G6  An attempt older than a few slots is given up.
//! ```

use crate::bodies::NO_CARDANO;
use crate::effect::{Effect, Metric, Record, SignReq, Topic};
use crate::input::{BodyDigest, LeaderClaim};
use crate::state::{Checking, Identity, Origin, State};
use crate::step::blocks::held;
use crate::step::finality::offered;
use crate::step::headers::admit;
use crate::step::rules::{Admission, eta_and_stake, judge, version_above};
use crate::sync::may_forge;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use nupeer_primitives::{BlockId, Cbor, Hash, Header, HeaderBody, Height, Slot};

/// Slots ahead of the clock for which the agent is asked.
pub const ASKED_AHEAD: u64 = 1;
/// A body may come this many slots late; later the block would only be a fork.
pub const LATE_SLOTS_MAX: u64 = 2;
/// Bodies asked for one slot: each costs the builder its whole time.
pub const BUILDS_PER_SLOT_MAX: u8 = 3;

/// One question to the agent.
#[derive(Clone, Debug)]
struct Ask {
    eta: Hash,
    claim: Option<Box<LeaderClaim>>,
}

/// How far a block of ours is.
#[derive(Clone, Debug)]
enum Work {
    Building { builds: u8 },
    Signing { id: BlockId, body: Box<HeaderBody> },
    Checking,
}

/// A block of ours in the making.
#[derive(Clone, Debug)]
struct Attempt {
    slot: u64,
    parent: BlockId,
    claim: Box<LeaderClaim>,
    work: Work,
}

/// See the module header.
#[derive(Clone, Debug, Default)]
pub struct Forging {
    /// Highest slot ever signed.
    pub(crate) signed: Option<u64>,
    asks: BTreeMap<u64, Ask>,
    attempt: Option<Attempt>,
}

impl Forging {
    /// From disk.
    pub(crate) fn new(signed: Option<Slot>) -> Self {
        Self { signed: signed.map(|slot| slot.0), asks: BTreeMap::new(), attempt: None }
    }
    /// True iff a signature for `slot` would be the first.
    fn may_sign(&self, slot: u64) -> bool {
        self.signed.is_none_or(|signed| slot > signed)
    }
}

/// G1, G2, G6: the clock moved.
pub(crate) fn tick(state: &mut State, out: &mut Vec<Effect>) {
    let Some(identity) = state.config.identity else { return };
    let now = state.now.slot;
    let late = |attempt: &Attempt| attempt.slot.saturating_add(LATE_SLOTS_MAX) < now;
    if let Some(attempt) = state.forging.attempt.take_if(|attempt| late(attempt))
        && !matches!(attempt.work, Work::Checking)
    {
        out.push(Effect::Note(Metric::SlotMissed(attempt.slot)));
    }
    state.forging.asks.retain(|slot, _| *slot >= now);
    if !may_forge(state) {
        return;
    }
    for slot in now..=now.saturating_add(ASKED_AHEAD) {
        ask(state, identity, slot, out);
    }
    build(state, out);
}

/// The newest selected block below `slot`.
fn parent_for(state: &State, slot: u64) -> Option<BlockId> {
    let chain = state.chain.as_ref()?;
    chain.tree.ancestors(&chain.tip()?.point.id).find(|node| node.point.slot.0 < slot).map(|node| node.point.id)
}

/// G1: asks the agent about `slot` unless that was done under the same nonce.
fn ask(state: &mut State, identity: Identity, slot: u64, out: &mut Vec<Effect>) {
    if !state.forging.may_sign(slot) {
        return;
    }
    let Some(parent) = parent_for(state, slot) else { return };
    let Some((eta, stake)) = eta_and_stake(state, &parent, slot, identity.issuer.pool()) else { return };
    let known = state.forging.asks.get(&slot).is_some_and(|ask| ask.eta == eta);
    if known || stake.weight == 0 {
        return;
    }
    state.forging.asks.insert(slot, Ask { eta, claim: None });
    out.push(Effect::AskLeader { slot, eta, weight: stake.weight, total: stake.total });
}

/// S9: the agent's answer.
pub(crate) fn leader_proof(
    state: &mut State,
    slot: u64,
    eta: Hash,
    claim: Option<Box<LeaderClaim>>,
    out: &mut Vec<Effect>,
) {
    let Some(ask) = state.forging.asks.get_mut(&slot) else { return };
    if ask.eta != eta || ask.claim.is_some() {
        return;
    }
    ask.claim = claim;
    build(state, out);
}

/// G2: starts on the current slot.
fn build(state: &mut State, out: &mut Vec<Effect>) {
    let slot = state.now.slot;
    if !state.forging.may_sign(slot) || !may_forge(state) {
        return;
    }
    // An unfinished block of an earlier slot would only compete with this one.
    if state.forging.attempt.as_ref().is_some_and(|attempt| attempt.slot >= slot) {
        return;
    }
    let Some(claim) = state.forging.asks.get(&slot).and_then(|ask| ask.claim.clone()) else { return };
    let Some(parent) = parent_for(state, slot) else { return };
    out.push(Effect::Note(Metric::Leader(slot)));
    start(state, slot, parent, claim, 1, out);
}

fn start(state: &mut State, slot: u64, parent: BlockId, claim: Box<LeaderClaim>, builds: u8, out: &mut Vec<Effect>) {
    let certificates = offered(state, &parent);
    out.push(Effect::Forge { slot, parent, vrf_out: Box::new(claim.vrf.0), certificates });
    state.forging.attempt = Some(Attempt { slot, parent, claim, work: Work::Building { builds } });
}

/// G3: the selected chain changed.
pub(crate) fn tip_moved(state: &mut State, out: &mut Vec<Effect>) {
    let Some(attempt) = &state.forging.attempt else { return };
    let Work::Building { builds } = attempt.work else { return };
    let (slot, old, claim) = (attempt.slot, attempt.parent, attempt.claim.clone());
    let Some(parent) = parent_for(state, slot) else { return };
    if parent != old && builds < BUILDS_PER_SLOT_MAX {
        start(state, slot, parent, claim, builds.saturating_add(1), out);
    }
}

/// S9: the body is there. G4.
pub(crate) fn forged(
    state: &mut State,
    slot: u64,
    parent: BlockId,
    body: BodyDigest,
    root: Hash,
    out: &mut Vec<Effect>,
) {
    let Some(identity) = state.config.identity else { return };
    let Some(attempt) = &state.forging.attempt else { return };
    if attempt.slot != slot || attempt.parent != parent || !matches!(attempt.work, Work::Building { .. }) {
        return;
    }
    let claim = attempt.claim.clone();
    let below = state.chain.as_ref().and_then(|chain| chain.tree.get(&parent));
    let version = below.and_then(|node| version_above(state, node));
    let height = below.map(|node| node.point.height);
    let may_sign = state.forging.may_sign(slot);
    let (Some(below), Some(version), Some(body_hash), true) = (height, version, body.hash, may_sign) else {
        give_up(state, out);
        return;
    };
    let header = Box::new(HeaderBody {
        height: Height(below.0.saturating_add(1)),
        slot: Slot(slot),
        parent,
        issuer: identity.issuer,
        vrf_key: identity.vrf_key,
        vrf: claim.vrf,
        body_size: body.size,
        body_hash,
        opcert: claim.opcert,
        version,
        mc: NO_CARDANO,
        z: None,
        state_root: root,
    });
    let id = header.id(&state.config.rules.genesis);
    state.forging.signed = Some(slot);
    if let Some(attempt) = &mut state.forging.attempt {
        attempt.work = Work::Signing { id, body: header.clone() };
    }
    out.push(Effect::Persist(Record::Signed { slot: Slot(slot), id }));
    out.push(Effect::Sign(Box::new(SignReq { slot, id, header })));
}

/// S9: there is no body.
pub(crate) fn forge_failed(state: &mut State, slot: u64, out: &mut Vec<Effect>) {
    let building = |attempt: &Attempt| attempt.slot == slot && matches!(attempt.work, Work::Building { .. });
    if state.forging.attempt.as_ref().is_some_and(building) {
        give_up(state, out);
    }
}

fn give_up(state: &mut State, out: &mut Vec<Effect>) {
    if let Some(attempt) = state.forging.attempt.take() {
        // The claim is spent, or the same body would be asked for until the slot ends.
        if let Some(ask) = state.forging.asks.get_mut(&attempt.slot) {
            ask.claim = None;
        }
        out.push(Effect::Note(Metric::SlotMissed(attempt.slot)));
    }
}

/// S9: the signature. G5.
pub(crate) fn signed(
    state: &mut State,
    slot: u64,
    id: BlockId,
    signature: Option<Box<[u8; 448]>>,
    out: &mut Vec<Effect>,
) {
    let Some(attempt) = &mut state.forging.attempt else { return };
    let Work::Signing { id: asked, body } = &attempt.work else { return };
    if attempt.slot != slot || *asked != id {
        return;
    }
    let Some(kes_signature) = signature else {
        give_up(state, out);
        return;
    };
    let header = Header { body: (**body).clone(), kes_signature: *kes_signature };
    attempt.work = Work::Checking;
    let bytes = header.to_cbor();
    match judge(state, &header, id, &bytes) {
        Admission::Check(node, job) => admit(state, node, job, Origin::Own, out),
        Admission::Refused(rule) => {
            out.push(Effect::Note(Metric::HeaderRefused(rule)));
            give_up(state, out);
        }
        Admission::Known { .. }
        | Admission::Wait(_)
        | Admission::Early
        | Admission::TooEarly
        | Admission::Dead
        | Admission::Full => give_up(state, out),
    }
}

/// G5: our header holds: to the world, then to the ledger.
pub(crate) fn publish(state: &mut State, checking: &Checking, out: &mut Vec<Effect>) {
    out.push(Effect::Gossip(Topic::Head, checking.bytes.clone()));
    out.push(Effect::Note(Metric::OwnBlock(checking.id)));
    held(state, &checking.id);
    state.forging.attempt = None;
}

/// G5: our own header broke a rule; nobody saw it.
pub(crate) fn own_refused(state: &mut State, out: &mut Vec<Effect>) {
    give_up(state, out);
}
