//! An exhaustive explorer of the finality overlay (consensus.md §10, "Model checker"). It drives the rules that nodes
//! run, `Checkpoints`, `decide`, `Contest`, over every schedule within [`Bounds`].
//!
//! # The model
//! - Time is rounds. Two branches part after a common trunk; each gets one block a round, for ever, so that heights tie
//!   and Praos decides nothing: the schedule does, within the selection rules of §8.
//! - In each round every honest member acts once, in any state that the schedule can put it into: which certificates it
//!   has heard (none, all, or any one more), which branch it is on, how fresh its blocks are, whether it votes, crashes
//!   between writing and sending, or does nothing. Nothing is ever delivered that the schedule does not deliver.
//! - Byzantine members are in every certificate that they help to complete: they vote for everything, twice, late, and
//!   around each other. That is more than any of their strategies.
//! - Signatures are taken as checked; forging them is not part of the model.
//!
//! # What is checked
//! ```text
//! P1  after every round: no two conflicting final blocks, for nobody who knows every certificate; and each member's
//!     final block is one of those.
//! P2  where Byzantine weight is a third or more and P1 breaks: two certificates of one committee convict a third of it.
//! P3  every vote of an honest member: its round above, its source not below any before (no double, no surround vote).
//! P4  after every round: if everybody hears everything from now on, there is a new final block within three epochs.
//! P5  after every step: F's round does not fall, and F is on the member's selected chain.
//! P6  P1 to P4 where the two committees have no member in common.
//! P7  every recovery vote: its chain carries no certificate of this epoch or the one before.
//! P8  a chain contest without any certificate is left to Praos within k (unit test of `Contest`).
//! P9  in the synchronous future of P4 no member changes its branch more than twice.
//! P10 a list of choices leads to one state, bit for bit: counter-examples are such lists.
//! ```
//! # What it deliberately does not do
//! Blocks do not depend on certificates but through what the chain carries; no header rules, no network, no storage:
//! those are the simulator's. Recovery is explored where the branches part after the epoch that it starts from: F14
//! relies on Praos' common prefix over a whole epoch, and says so.

mod check;
mod model;
mod search;
mod steps;

pub use model::{Bounds, Model, World};
pub use search::{Outcome, Search, replay};

/// Three honest members and a Byzantine one of equal weight, the same in both committees.
const QUARTER: &[(u64, u8)] = &[(1, 3), (1, 3), (1, 3), (1, 3)];
/// Four honest members and a Byzantine one.
const FIFTH: &[(u64, u8)] = &[(1, 3), (1, 3), (1, 3), (1, 3), (1, 3)];
/// Two honest members and a Byzantine one in each of two committees without a common member.
const DISJOINT: &[(u64, u8)] = &[(2, 1), (2, 1), (2, 2), (2, 2), (1, 1), (1, 2)];
/// Two honest members and two liars: half of the weight.
const HALF: &[(u64, u8)] = &[(1, 3), (1, 3), (1, 3), (1, 3)];

const fn bounds(name: &'static str, members: &'static [(u64, u8)], byzantine: usize) -> Bounds {
    Bounds {
        name,
        members,
        byzantine,
        epoch_rounds: 3,
        fork: 1,
        start: 1,
        rounds: 4,
        stale: false,
        crashes: false,
        inclusion: false,
        states_max: 1 << 25,
    }
}

/// What every test run explores, within seconds.
pub const SMALL: &[Bounds] = &[
    bounds("one liar in four", QUARTER, 1),
    Bounds { rounds: 3, crashes: true, ..bounds("crashes", QUARTER, 1) },
    Bounds { epoch_rounds: 2, rounds: 3, ..bounds("committees without a common member", DISJOINT, 2) },
    Bounds { fork: 4, start: 6, rounds: 8, inclusion: true, ..bounds("recovery", QUARTER, 1) },
    bounds("half lies", HALF, 2),
];

/// What the bin explores, within minutes.
pub const LARGE: &[Bounds] = &[
    Bounds { rounds: 5, ..bounds("one liar in four", QUARTER, 1) },
    Bounds { stale: true, crashes: true, ..bounds("crashes", QUARTER, 1) },
    bounds("one liar in five", FIFTH, 1),
    Bounds { epoch_rounds: 2, ..bounds("committees without a common member", DISJOINT, 2) },
    Bounds {
        fork: 4,
        start: 6,
        rounds: 8,
        inclusion: true,
        stale: true,
        crashes: true,
        ..bounds("recovery", QUARTER, 1)
    },
    Bounds { stale: true, crashes: true, ..bounds("half lies", HALF, 2) },
];
