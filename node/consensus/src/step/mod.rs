//! The state machine: `step(&mut State, Input) -> Vec<Effect>` (consensus.md §7-§9, §11, §12).
//!
//! # Protocol
//! ```text
//! S1  Boot     Persisted root, header index and tip become tree and selected chain; headers of the index are trusted.
//! S2  Clock    Time moves forward only. Due headers are taken in, overdue questions end, mode and forging are looked at.
//! S3  PeerUp, PeerStatus, PeerDown   What a peer claims decides whether it is asked for headers (sync.rs Y1).
//! S4  Gossip   A header goes through rules 1-15 here and, as a job, through 16-19 outside. It waits, bounded, for an
//!              unknown parent, for its slot, or for the ledger; relayed after rule 19, before its body is fetched.
//! S5  Headers  The same for each header of an answer, in order, without judgement; a batch is pipelined: a header may
//!              be checked before its parent's verdict, but is trusted only after it.
//! S6  Verified Good: the header and those checked above it are trusted, indexed on disk, and their bodies wanted.
//!              Bad: it and its descendants leave the tree; its sender is blamed if the rule says so.
//! S7  Bodies   Size and hash against the header: held, or the sender's fault.
//! S8  Executed Valid: candidate of chain selection (select.rs). Invalid: it and its descendants are dead.
//! S9  LeaderProof, Forged, ForgeFailed, Signed   Forging (forging.rs G1-G6).
//! S10 After every input: certificates are looked at, the best executed chain is selected, the final point follows its
//!     proof (without an overlay: k below the tip), bodies are asked for and blocks run (bodies.rs), headers are asked
//!     for (sync.rs), and the vote of the round is cast once (finality/voter.rs).
//! S12 Votes, certificates and evidence, from gossip, answers, bodies and our agent (finality/).
//! ```
//!
//! # The driver's contract
//! ```text
//! D1  Effects are carried out in the order given; all effects of a step before those of the next.
//! D2  `Persist` and `Switch` are durable before any later effect is visible outside. A write that fails stops the
//!     process. After a crash anywhere, `Boot` is fed what is on disk; nothing else of the old life is.
//! D3  `Clock` comes at least at the start of each slot and whenever `WakeAt` asks; it is the only source of time.
//! D4  Answers carry the number of their question. They may come in any order, late, twice or never: an unknown number
//!     is ignored. `Verify` and `Execute` must be answered, or the block concerned stays where it is.
//! D5  Body bytes stay with the driver. On an answer to `GetBodies`, and when forging, it stores each body by its
//!     `body_hash` (a bounded store: bodies above the tip may be evicted only after `Record::Forgotten` or `Switch`) and
//!     reports the `BodyDigest`. How it gets the body is its own affair: `compact.rs`, `txs/1`, then `blocks/1`.
//! D6  `Execute { block, parent }` runs a block on the state after `parent`, which was executed `Valid` before but need
//!     not be on the selected chain: the driver keeps the diffs of executed blocks above the final point. It answers
//!     `Valid { root, view }` with the view that children are checked against.
//! D7  `Switch { rollback_to, apply }` names only executed blocks: the ledger undoes down to `rollback_to`, which is on
//!     the old chain (see D15 for how deep), and commits `apply` in order. What is undone may be applied again
//!     without another `Execute`, also when it was executed before a restart: body and diff stay until forgotten.
//! D8  Headers and bodies of the selected chain are served to peers by the driver from what it committed: the first id
//!     of a locator that is on the selected chain, then at most 512 headers after it; nothing if no id is known.
//! D9  `Sign` reaches an agent that derives slot and id from the header body, durably refuses a second id for a slot,
//!     and signs under the certificate that it gave in `LeaderProof`.
//! D10 `Drop` ends a connection; `PeerDown` need not follow. `Fault` lowers the score and closes; the ban itself is a
//!     `Record::Ban` and a `Drop` here. A peer that comes back is a new `PeerUp`.
//! D11 Headers in `Persisted` stand in an order where parents come first; height order does.
//! D12 `Record::Voted`, `Record::Certificate` and `Record::Finalized` come back as `Persisted::finality`. A `Finalized` of
//!     round r drops every stored certificate of round r or below; its proof replaces the one before.
//! D13 `SignVote` reaches an agent that derives the digest from the link itself (`Link::digest`), and durably refuses a
//!     second link for a round and a source round below an earlier one. Each request is answered by `VoteSigned`.
//! D14 `Forge` names certificates for the body; the ledger's `build_block` takes those that its chain lacks. `Executed`
//!     gives back the certificates of the executed body, and a view with `committees` (built once per epoch) and `facts`.
//! D15 `certs/1` is answered from `Overlay::certificates_from(round)`. `Topic`s other than `Head` are relayed after their
//!     `Judge`, like headers. `Justified` and `Finalized` are for events, API and metrics; a block is *final* by
//!     `Finalized` alone, while `Record::Final` only says that the tree's root moved. Rollbacks reach down to the root:
//!     with an overlay that is the final block, at most `Config::depth_max` below the tip, and only a proven final block
//!     makes one deeper than k. Undo data is kept down to the root, whatever k.
//! ```

pub(crate) mod blocks;
mod boot;
mod clock;
pub(crate) mod finality;
pub(crate) mod headers;
pub(crate) mod peers;
pub(crate) mod rules;

use crate::bodies::drive;
use crate::effect::{Effect, Judgement, Topic};
use crate::input::{Input, MsgId, Peer};
use crate::state::State;
use crate::{forging, sync};
use alloc::vec::Vec;

/// Takes one input in. Before `Boot` only `Boot` counts.
pub fn step(state: &mut State, input: Input) -> Vec<Effect> {
    let mut out = Vec::new();
    match input {
        Input::Boot(persisted) => boot::boot(state, *persisted, &mut out),
        _ if state.chain.is_none() => return out,
        Input::Clock { slot, ms } => clock::clock(state, slot, ms, &mut out),
        Input::PeerUp(peer, status) => peers::peer_up(state, peer, status, &mut out),
        Input::PeerStatus(peer, status) => peers::peer_status(state, peer, status),
        Input::PeerDown(peer) => peers::forget_peer(state, peer, &mut out),
        Input::Gossip { from, id, topic, bytes } => gossip(state, from, id, topic, bytes, &mut out),
        Input::Headers(req, answer) => headers::answer(state, req, answer, &mut out),
        Input::Bodies(req, answer) => blocks::bodies(state, req, answer, &mut out),
        Input::Certs(req, answer) => finality::certificates(state, req, answer, &mut out),
        Input::Verified(job, verdict) => headers::verified(state, job, verdict, &mut out),
        Input::Executed(id, exec) => blocks::executed(state, id, exec, &mut out),
        Input::LeaderProof { slot, eta, claim } => forging::leader_proof(state, slot, eta, claim, &mut out),
        Input::Forged { slot, parent, body, root } => forging::forged(state, slot, parent, body, root, &mut out),
        Input::ForgeFailed { slot, why: _ } => forging::forge_failed(state, slot, &mut out),
        Input::Signed { slot, id, signature } => forging::signed(state, slot, id, signature, &mut out),
        Input::VoteSigned(request, signature) => finality::signed(state, request, signature, &mut out),
    }
    settle(state, &mut out);
    out
}

/// S4, S12: by topic.
fn gossip(state: &mut State, from: Peer, id: MsgId, topic: Topic, bytes: Vec<u8>, out: &mut Vec<Effect>) {
    if !state.peers.contains_key(&from) {
        out.push(Effect::Judge(id, Judgement::Ignore));
        return;
    }
    match topic {
        Topic::Head => headers::gossip(state, from, id, bytes, out),
        Topic::Vote => finality::gossip_vote(state, from, id, bytes, out),
        Topic::Certificate => finality::gossip_certificate(state, from, id, bytes, out),
        Topic::Evidence => finality::gossip_evidence(state, from, id, bytes, out),
    }
}

/// A dead block may free a rival, which may be dead, too: the rest waits for the next input.
const SETTLE_ROUNDS_MAX: usize = 8;

/// S10.
fn settle(state: &mut State, out: &mut Vec<Effect>) {
    headers::drain_backlogs(state, out);
    for _ in 0..SETTLE_ROUNDS_MAX {
        finality::evaluate(state, out);
        if !state.dirty {
            break;
        }
        blocks::reselect(state, out);
        finality::finalise(state, out);
        sync::choose_mode(state, out);
        drive(state, out);
    }
    sync::ask_headers(state, out);
    finality::vote(state, out);
}

#[cfg(test)]
mod tests;
