//! The finality overlay (consensus.md §10): votes of a committee make blocks final, and never reverted.
//!
//! ```text
//! F1  Round r covers slots r*R..r*R+R-1; members of C_ep(r) vote in the first half of round r.
//! F2  A link is well formed iff s < t, ep(t)-ep(s) <= 1, Bs is an ancestor of or equal to Bt,
//!     slot(Bt) <= t*R - LAG, epoch(Bt) >= ep(t)-1.
//! F3  A link is carried iff votes for exactly this link weigh more than 2/3 of W in C_ep(t),
//!     and, if ep(s) != ep(t), also more than 2/3 of W in C_ep(s).
//! F4  (0, genesis) is justified and final. (t,Bt) is justified iff a carried link starts at a justified checkpoint.
//! F5  (s,Bs) is final iff it is justified and a carried link (s,Bs)->(s+1,Bt) exists. Ancestors are final too.
//! F6  A member casts at most one (source,target) per round. It is persisted before it is sent.
//! F7  Source = justified checkpoint of highest round on its selected chain whose certificates it holds.
//! F8  Target = newest block of its selected chain with slot <= r*R - LAG, executed Valid, not Awaiting.
//! F9  Vote only if source round >= source round of every earlier own vote. Rounds grow, so no surround is possible.
//! F10 In the rounds of epoch e before the first checkpoint of e is justified, members of C_{e-1} vote as well;
//!     a pool in both committees signs the same (source,target) once per committee.
//! F11 Anyone aggregates; a certificate names committee epoch, link, absent indices, one signature.
//! F12 A producer puts every new certificate into the next body. First justification wins; duplicates are dropped.
//! F13 Selection: never leave F; prefer the chain with J (select.rs).
//! F14 Recovery: if the chain up to Bt carries no certificate with target round in epochs e-1 and e, e = ep(t), the
//!     source may be (first round of e, last block of epoch <= e-2), which counts as justified for links inside e.
//! F15 Anchors, handovers and fast-deposit attestations are signed for final blocks only.
//! F16 No quorum: nothing else changes; blocks continue under Praos, anchors and withdrawals wait.
//! ```
//! F1-F3 and F14 are `nupeer_primitives::finality`, shared with the ledger and with clients. Here: F4, F5
//! ([`checkpoints`]), F6-F10 ([`voter`]), F11 ([`ballots`]); the state machine around them is `step/finality.rs`.
//!
//! # Invariants
//! - The final checkpoint's round never falls, its block never leaves the selected chain.
//! - What a pool signs is durable first, once a round, with sources that never fall.
//! - A vote is relayed only after its signature was checked, alone or in a sum: an honest relay is never to blame.
//! - Buffers are bounded by rounds, committee sizes and constants.
//!
//! # Deviations
//! - A recovery source is a starting point only: F5 does not make it final, its certified descendants become so.
//! - A vote waits at most [`ballots::FLUSH_MS`] for company before its sum is checked, also below a quorum: relaying
//!   unchecked votes would let a liar have honest relays banned.
//! - The proof of a final block is one or two certificates for each of its two links: two where the link crosses epochs.
//! - R and LAG are read once, at start: moving them renumbers rounds, which takes a protocol version.
//!
//! # What it deliberately does not do
//! F15: bridge signatures belong to the bridge. No keys: signatures come from the agent. No slashing: evidence leaves as
//! an effect, the ledger judges it.

pub mod ballots;
pub mod chain;
pub mod checkpoints;
pub mod keys;
pub mod overlay;
pub mod seal;
pub mod voter;

pub use chain::{ChainFacts, ChainView};
pub use checkpoints::{Checkpoints, Found};
pub use overlay::{Overlay, OverlayConfig};
pub use seal::{Bls, Seal};
pub use voter::{Ballot, VoteRequest, Voted};

#[cfg(test)]
mod tests;
