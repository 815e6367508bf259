//! S12: votes, certificates and evidence; what they make final. The rules are `finality/`.

use crate::effect::{Effect, FaultKind, Judgement, Metric, Record, Topic};
use crate::finality::ballots::{Outcome, ROUNDS_AHEAD, ROUNDS_BEHIND};
use crate::finality::chain::{ChainFacts, ChainView};
use crate::finality::checkpoints::{Found, Taken};
use crate::finality::overlay::{CERTIFICATES_PER_REQUEST_MAX, KeptFinality, OFFERED_MAX, Overlay, STALLED_ROUNDS};
use crate::finality::voter::{VoteRequest, Voted, Voter, decide};
use crate::input::{MsgId, NetErr, Peer, Point, Req};
use crate::state::{Chain, State};
use crate::step::blocks::follow_final;
use crate::step::peers::fault;
use crate::sync::may_forge;
use crate::tree::{Node, Stage};
use alloc::sync::Arc;
use alloc::vec::Vec;
use nupeer_primitives::finality::evidence::Court;
use nupeer_primitives::finality::{CertificateError, Committee, Evidence, EvidenceError, Place};
use nupeer_primitives::{BlockId, BlsSignature, Cbor, Certificate, Epoch, Height, Slot, Vote};

impl ChainView for Chain {
    fn place(&self, id: &BlockId) -> Option<Place> {
        let node = self.tree.get(id).filter(|node| node.stage >= Stage::Trusted)?;
        let Point { id, height, slot } = node.point;
        Some(Place { id, height, slot })
    }
    fn descends(&self, block: &BlockId, from: &BlockId) -> bool {
        self.tree.common(block, from).is_some_and(|common| common.point.id == *from)
    }
    fn is_selected(&self, id: &BlockId) -> bool {
        self.tree.get(id).is_some_and(|node| Self::is_selected(self, node))
    }
    fn newest_selected(&self, slot: u64) -> Option<Place> {
        let nodes = self.selected.iter().rev().filter_map(|id| self.tree.get(id));
        let newest = nodes.map(|node| node.point).find(|point| point.slot.0 <= slot)?;
        Some(Place { id: newest.id, height: newest.height, slot: newest.slot })
    }
    fn facts(&self, id: &BlockId) -> Option<&ChainFacts> {
        self.tree.get(id)?.view.as_ref().map(|view| &view.facts)
    }
}

/// S1: the overlay begins where disk says.
pub(crate) fn boot(state: &mut State, kept: KeptFinality) {
    let id = BlockId(state.config.rules.genesis.0.0);
    let genesis = Point { id, height: Height(0), slot: Slot(0) };
    state.overlay = state.config.finality.as_ref().map(|config| Overlay::new(config, genesis, kept));
}

fn judge(msg: MsgId, judgement: Judgement, out: &mut Vec<Effect>) {
    out.push(Effect::Judge(msg, judgement));
}

/// S12: a vote of a peer.
pub(crate) fn gossip_vote(state: &mut State, from: Peer, msg: MsgId, bytes: Vec<u8>, out: &mut Vec<Effect>) {
    let Ok(vote) = Vote::decode(&bytes) else {
        judge(msg, Judgement::Reject, out);
        fault(state, from, FaultKind::Malformed, bytes, out);
        return;
    };
    let now_ms = state.now_ms();
    let Some(overlay) = &mut state.overlay else { return judge(msg, Judgement::Ignore, out) };
    let rounds = overlay.checkpoints.rounds();
    let (round, now) = (vote.link.round, overlay.round);
    let timely = round >= now.saturating_sub(ROUNDS_BEHIND) && round <= now.saturating_add(ROUNDS_AHEAD);
    let fits = vote.link.src_round < round && rounds.committees(&vote.link).any(|epoch| epoch == vote.committee);
    let committee = overlay.committees.get(&vote.committee).cloned();
    let (true, true, Some(committee)) = (timely, fits, committee) else { return judge(msg, Judgement::Ignore, out) };
    let seal = Arc::clone(&overlay.seal);
    let outcomes = overlay.ballots.add(vote, Some((from, msg)), now_ms, &committee, seal.as_ref());
    carry(state, outcomes, out);
    wake(state, out);
}

/// Asks for the clock when unchecked votes are due.
fn wake(state: &State, out: &mut Vec<Effect>) {
    let slot_ms = state.config.rules.constants.slot_ms;
    let due = state.overlay.as_ref().and_then(|overlay| overlay.ballots.due_ms());
    if let Some(due) = due
        && let (Some(slot), Some(ms)) = (due.checked_div(slot_ms), due.checked_rem(slot_ms))
    {
        out.push(Effect::WakeAt { slot, ms: u16::try_from(ms).unwrap_or(u16::MAX) });
    }
}

/// Turns what became of votes into effects.
fn carry(state: &mut State, outcomes: Vec<Outcome>, out: &mut Vec<Effect>) {
    for outcome in outcomes {
        match outcome {
            Outcome::Good(Some((_, msg))) => judge(msg, Judgement::Accept, out),
            Outcome::Useless(Some((_, msg))) => judge(msg, Judgement::Ignore, out),
            Outcome::Bad(Some((peer, msg)), vote) => {
                judge(msg, Judgement::Reject, out);
                fault(state, peer, FaultKind::BadVote, vote.to_cbor(), out);
            }
            Outcome::Good(None) | Outcome::Useless(None) | Outcome::Bad(None, _) => {}
            Outcome::Certified(certificate) => {
                let bytes = certificate.to_cbor();
                if take(state, certificate, out) {
                    out.push(Effect::Gossip(Topic::Certificate, bytes));
                }
            }
            Outcome::Guilty(evidence) => accuse(state, &evidence, out),
        }
    }
}

/// Takes a checked certificate in. True iff it is new.
pub(crate) fn take(state: &mut State, certificate: Certificate, out: &mut Vec<Effect>) -> bool {
    let Some(overlay) = &mut state.overlay else { return false };
    let bytes = certificate.to_cbor();
    let (round, committee) = (certificate.link.round, certificate.committee);
    match overlay.checkpoints.take(certificate) {
        Taken::New(evidence) => {
            overlay.dirty = true;
            out.push(Effect::Persist(Record::Certificate { round, committee, bytes }));
            for evidence in evidence {
                accuse(state, &evidence, out);
            }
            true
        }
        Taken::Known | Taken::Old => false,
    }
}

/// Passes evidence on, once per offence.
fn accuse(state: &mut State, evidence: &Evidence, out: &mut Vec<Effect>) {
    if let Ok(true) = is_news(state, evidence) {
        out.push(Effect::Evidence(evidence.to_cbor()));
    }
}

/// Judges evidence by the committees that we know; `Ok(true)` iff it shows an offence not seen before.
fn is_news(state: &mut State, evidence: &Evidence) -> Result<bool, EvidenceError> {
    let Some(overlay) = &mut state.overlay else { return Ok(false) };
    let committees = overlay.committees.clone();
    let court = Court {
        genesis: overlay.seal.genesis(),
        constants: state.config.rules.constants,
        rounds: *overlay.checkpoints.rounds(),
        committee: &|epoch| committees.get(&epoch).map(|committee| Committee::clone(committee)),
    };
    let offences = evidence.judge(&court)?;
    Ok(offences.iter().filter(|offence| overlay.is_news(offence.key())).count() > 0)
}

/// S12: evidence of a peer.
pub(crate) fn gossip_evidence(state: &mut State, from: Peer, msg: MsgId, bytes: Vec<u8>, out: &mut Vec<Effect>) {
    let Ok(evidence) = Evidence::decode(&bytes) else {
        judge(msg, Judgement::Reject, out);
        fault(state, from, FaultKind::Malformed, bytes, out);
        return;
    };
    match is_news(state, &evidence) {
        Ok(true) => {
            judge(msg, Judgement::Accept, out);
            out.push(Effect::Evidence(bytes));
        }
        Ok(false) | Err(EvidenceError::CommitteeUnknown(_)) => judge(msg, Judgement::Ignore, out),
        Err(
            EvidenceError::Malformed(_)
            | EvidenceError::SubjectMismatch
            | EvidenceError::NotConflicting
            | EvidenceError::BadSignature,
        ) => {
            judge(msg, Judgement::Reject, out);
            fault(state, from, FaultKind::BadEvidence, bytes, out);
        }
    }
}

/// What a certificate of a peer is worth.
enum Worth {
    New,
    Nothing,
    Forged,
}

fn weigh(state: &State, certificate: &Certificate) -> Worth {
    let Some(overlay) = &state.overlay else { return Worth::Nothing };
    let link = &certificate.link;
    let fits = overlay.checkpoints.rounds().committees(link).any(|epoch| epoch == certificate.committee);
    let known = overlay.checkpoints.has(link, certificate.committee);
    let old = link.round <= overlay.checkpoints.last().round;
    let early = link.round > overlay.round.saturating_add(ROUNDS_AHEAD);
    let Some(committee) = overlay.committees.get(&certificate.committee) else { return Worth::Nothing };
    if known || old || early || !fits {
        return Worth::Nothing;
    }
    match overlay.seal.check_certificate(committee, certificate) {
        Ok(()) => Worth::New,
        Err(
            CertificateError::OtherCommittee { .. }
            | CertificateError::UnknownIndex { .. }
            | CertificateError::IndexOrder { .. }
            | CertificateError::NoQuorum { .. }
            | CertificateError::BadSignature { .. },
        ) => Worth::Forged,
    }
}

/// S12: a certificate of a peer.
pub(crate) fn gossip_certificate(state: &mut State, from: Peer, msg: MsgId, bytes: Vec<u8>, out: &mut Vec<Effect>) {
    let Ok(certificate) = Certificate::decode(&bytes) else {
        judge(msg, Judgement::Reject, out);
        fault(state, from, FaultKind::Malformed, bytes, out);
        return;
    };
    match weigh(state, &certificate) {
        Worth::New => {
            judge(msg, Judgement::Accept, out);
            take(state, certificate, out);
        }
        Worth::Nothing => judge(msg, Judgement::Ignore, out),
        Worth::Forged => {
            judge(msg, Judgement::Reject, out);
            fault(state, from, FaultKind::BadCertificate, bytes, out);
        }
    }
}

/// S12: an answer to `GetCerts`.
pub(crate) fn certificates(state: &mut State, req: Req, answer: Result<Vec<Vec<u8>>, NetErr>, out: &mut Vec<Effect>) {
    let Some(peer) = state.overlay.as_mut().and_then(|overlay| overlay.questions.remove(&req)) else { return };
    // No answer proves nothing: another peer is asked next time.
    for bytes in answer.unwrap_or_default().into_iter().take(CERTIFICATES_PER_REQUEST_MAX) {
        let Ok(certificate) = Certificate::decode(&bytes) else {
            fault(state, peer, FaultKind::Malformed, bytes, out);
            return;
        };
        match weigh(state, &certificate) {
            Worth::New => {
                take(state, certificate, out);
            }
            Worth::Nothing => {}
            Worth::Forged => {
                fault(state, peer, FaultKind::BadCertificate, bytes, out);
                return;
            }
        }
    }
}

/// Asks a peer for the certificates above our final round.
pub(crate) fn ask(state: &mut State, peer: Peer, out: &mut Vec<Effect>) {
    if state.overlay.is_none() || !state.peers.contains_key(&peer) {
        return;
    }
    let req = state.next_req();
    if let Some(overlay) = &mut state.overlay {
        overlay.questions.retain(|_, asked| *asked != peer);
        overlay.questions.insert(req, peer);
        out.push(Effect::GetCerts(req, peer, overlay.checkpoints.last().round));
    }
}

/// S2: rounds begin and end with the clock; votes that waited for company are checked.
pub(crate) fn tick(state: &mut State, out: &mut Vec<Effect>) {
    let (slot, now_ms) = (state.now.slot, state.now_ms());
    let Some(overlay) = &mut state.overlay else { return };
    let rounds = *overlay.checkpoints.rounds();
    let round = rounds.at(slot);
    if round > overlay.round {
        report(overlay, out);
        overlay.round = round;
        let gone = overlay.ballots.forget_before(round.saturating_sub(ROUNDS_BEHIND));
        carry(state, gone, out);
        ask_if_stalled(state, round, out);
    }
    let Some(overlay) = &mut state.overlay else { return };
    let (committees, seal) = (overlay.committees.clone(), Arc::clone(&overlay.seal));
    let outcomes = overlay.ballots.flush(now_ms, &|epoch| committees.get(&epoch).cloned(), seal.as_ref());
    carry(state, outcomes, out);
}

/// Nothing was justified for some rounds: certificates may have passed us by.
fn ask_if_stalled(state: &mut State, round: u64, out: &mut Vec<Effect>) {
    let Some(overlay) = &mut state.overlay else { return };
    if round.saturating_sub(overlay.moved) < STALLED_ROUNDS {
        return;
    }
    overlay.moved = round;
    let count = u64::try_from(state.peers.len()).unwrap_or(1).max(1);
    let turn = usize::try_from(round.checked_div(STALLED_ROUNDS).unwrap_or(0).checked_rem(count).unwrap_or(0));
    let peer = state.peers.keys().nth(turn.unwrap_or(0)).copied();
    if let Some(peer) = peer {
        ask(state, peer, out);
    }
}

/// For the operator: the round that just ended.
fn report(overlay: &Overlay, out: &mut Vec<Effect>) {
    let (round, last) = (overlay.round, overlay.checkpoints.last().round);
    let epoch = Epoch(overlay.checkpoints.rounds().epoch(round));
    let Some(committee) = overlay.committees.get(&epoch) else { return };
    let turnout = overlay.ballots.turnout(round, committee);
    out.push(Effect::Note(Metric::RoundEnded {
        round,
        finality_lag_rounds: round.saturating_sub(last),
        seen: turnout.seen,
        total: committee.total(),
        absent: turnout.absent,
    }));
}

/// S10: looks at the checkpoints again. True iff chain selection must, too.
pub(crate) fn evaluate(state: &mut State, out: &mut Vec<Effect>) {
    let (Some(chain), Some(overlay)) = (&state.chain, &mut state.overlay) else { return };
    if !core::mem::take(&mut overlay.dirty) {
        return;
    }
    let view = chain.tip().and_then(|tip| chain.tree.ancestors(&tip.point.id).find_map(|node| node.view.as_ref()));
    if let Some(view) = view {
        overlay.committees.clone_from(&view.committees);
    }
    for found in overlay.checkpoints.evaluate(chain) {
        state.dirty = true;
        match found {
            Found::Justified(checkpoint) => {
                overlay.moved = overlay.moved.max(overlay.round);
                let held = overlay.checkpoints.certificates();
                let certificates = held.filter(|c| c.link.target() == checkpoint).cloned().collect();
                out.push(Effect::Justified { checkpoint, certificates });
            }
            Found::Proven(_) => {}
            Found::Contradiction(checkpoint) => out.push(Effect::Note(Metric::ForeignFinal(checkpoint))),
        }
    }
}

/// S10: F follows its proof once the selected chain contains it.
pub(crate) fn finalise(state: &mut State, out: &mut Vec<Effect>) {
    let (Some(chain), Some(overlay)) = (&state.chain, &mut state.overlay) else { return };
    let Some(last) = overlay.checkpoints.finalise(chain) else { return };
    let point = chain.tree.get(&last.block).map_or(overlay.last_point, |node| node.point);
    overlay.last_point = point;
    let proof = overlay.checkpoints.proof().to_vec();
    out.push(Effect::Persist(Record::Finalized { round: last.round, point, proof: proof.clone() }));
    out.push(Effect::Finalized { round: last.round, point, proof });
    follow_final(state, out);
}

/// F1, F6: casts our vote of this round, if it is due.
pub(crate) fn vote(state: &mut State, out: &mut Vec<Effect>) {
    let Some(identity) = state.config.identity else { return };
    if !may_forge(state) {
        return;
    }
    let (Some(chain), Some(overlay)) = (&state.chain, &mut state.overlay) else { return };
    let pool = identity.issuer.pool();
    let voter = Voter { pool: &pool, voted: overlay.voted, committees: &overlay.committees };
    let Some(ballot) = decide(&voter, state.now.slot, &overlay.checkpoints, chain) else { return };
    let voted = Voted { round: ballot.link.round, source: ballot.link.src_round };
    overlay.voted = Some(voted);
    out.push(Effect::Persist(Record::Voted(voted)));
    overlay.open.clear();
    for (committee, index) in ballot.seats {
        let request = VoteRequest { committee, index, link: ballot.link };
        overlay.open.push(request);
        out.push(Effect::SignVote(request));
    }
}

/// S12: the agent's signature of a vote.
pub(crate) fn signed(state: &mut State, request: VoteRequest, signature: Option<BlsSignature>, out: &mut Vec<Effect>) {
    let now_ms = state.now_ms();
    let Some(overlay) = &mut state.overlay else { return };
    let Some(at) = overlay.open.iter().position(|open| *open == request) else { return };
    overlay.open.remove(at);
    let VoteRequest { committee, index, link } = request;
    let (Some(signature), Some(table)) = (signature, overlay.committees.get(&committee).cloned()) else { return };
    let vote = Vote { committee, index, link, signature };
    let bytes = vote.to_cbor();
    let seal = Arc::clone(&overlay.seal);
    let outcomes = overlay.ballots.add(vote, None, now_ms, &table, seal.as_ref());
    out.push(Effect::Gossip(Topic::Vote, bytes));
    carry(state, outcomes, out);
}

/// F12: certificates for a body on `parent`, oldest round first. The ledger takes those that its chain lacks.
pub(crate) fn offered(state: &State, parent: &BlockId) -> Vec<Certificate> {
    let (Some(chain), Some(overlay)) = (&state.chain, &state.overlay) else { return Vec::new() };
    let facts = ChainView::facts(chain, parent);
    let wanted = |certificate: &&Certificate| {
        let link = &certificate.link;
        facts.is_none_or(|facts| link.round > facts.final_round)
            && chain.place(&link.dst_hash).is_none_or(|_| chain.descends(parent, &link.dst_hash))
    };
    let all = overlay.checkpoints.proof().iter().chain(overlay.checkpoints.certificates());
    all.filter(wanted).take(OFFERED_MAX).cloned().collect()
}

/// F13: what chain selection must know.
pub(crate) fn favour(state: &State) -> crate::select::Favour {
    let in_tree = |chain: &Chain, block: BlockId| chain.place(&block).map(|_| block);
    let (chain, overlay) = (state.chain.as_ref(), state.overlay.as_ref());
    let of = |block: Option<BlockId>| chain.zip(block).and_then(|(chain, block)| in_tree(chain, block));
    crate::select::Favour {
        k: state.config.rules.constants.k,
        tiebreak_slots: state.config.tiebreak_slots,
        justified: of(overlay.map(|overlay| overlay.checkpoints.best().block)),
        proven: of(overlay.and_then(|overlay| overlay.checkpoints.proven()).map(|checkpoint| checkpoint.block)),
    }
}

/// The tree's root moved up: what does not follow it is gone.
pub(crate) fn root_moved(state: &mut State, forks: &[BlockId]) {
    if let Some(overlay) = &mut state.overlay {
        overlay.checkpoints.drop_forks(forks);
    }
}

/// A block was executed: its certificates count, and waiting ones may find their target.
pub(crate) fn executed(state: &mut State, certificates: Vec<Certificate>, out: &mut Vec<Effect>) {
    for certificate in certificates {
        take(state, certificate, out);
    }
    touch(state);
}

/// Something in the tree changed.
pub(crate) fn touch(state: &mut State) {
    if let Some(overlay) = &mut state.overlay {
        overlay.dirty = true;
    }
}

/// Whether the favoured chain is not ours, so that a lower one may be wanted.
pub(crate) fn is_elsewhere(favour: &crate::select::Favour, chain: &Chain, tip: &Node) -> bool {
    let lacks = |block: &BlockId| !chain.descends(&tip.point.id, block);
    favour.justified.iter().chain(&favour.proven).any(lacks)
}
