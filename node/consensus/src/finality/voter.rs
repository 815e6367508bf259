//! F1, F6-F10, F14: what a member votes for. Pure: who calls it persists before anything is signed.

use super::chain::ChainView;
use super::checkpoints::Checkpoints;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use nupeer_primitives::finality::Committee;
use nupeer_primitives::{Epoch, Link, PoolId, record};

record! {
    /// What is durable about own votes (F6, F9).
    #[derive(Copy)]
    pub struct Voted {
        /// Round of the last vote.
        pub round: u64,
        /// Highest source round of any vote.
        pub source: u64,
    }
}

/// One vote that the agent is asked to sign. It derives the digest itself, and refuses a second link for a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VoteRequest {
    /// Epoch of the committee.
    pub committee: Epoch,
    /// Our index in it.
    pub index: u16,
    /// What to sign.
    pub link: Link,
}

/// The vote of one round, once per committee that we sit in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ballot {
    /// Source and target.
    pub link: Link,
    /// Committee epochs and our index in each.
    pub seats: Vec<(Epoch, u16)>,
}

/// Who votes, and what it voted for before.
#[derive(Clone, Copy, Debug)]
pub struct Voter<'v> {
    /// Our pool.
    pub pool: &'v PoolId,
    /// From disk.
    pub voted: Option<Voted>,
    /// Committees by epoch.
    pub committees: &'v BTreeMap<Epoch, Arc<Committee>>,
}

/// The vote to cast in `slot`, if there is one to cast.
#[must_use]
pub fn decide(voter: &Voter<'_>, slot: u64, checkpoints: &Checkpoints, chain: &dyn ChainView) -> Option<Ballot> {
    let rounds = checkpoints.rounds();
    let round = rounds.at(slot);
    // F1, F6.
    if !rounds.is_first_half(slot) || voter.voted.is_some_and(|voted| voted.round >= round) {
        return None;
    }
    // F8.
    let target = chain.newest_selected(rounds.deadline(round)?)?;
    let (src_round, src_hash) = source(round, target.id, checkpoints, chain)?;
    // F9.
    if voter.voted.is_some_and(|voted| voted.source > src_round) {
        return None;
    }
    let link = Link { round, src_round, src_hash, dst_height: target.height, dst_hash: target.id };
    rounds.check(&link, &target).ok()?;
    // F10: the committees that must carry a link are those that vote for it.
    let seat = |epoch: Epoch| voter.committees.get(&epoch)?.index_of(voter.pool).map(|index| (epoch, index));
    let seats: Vec<_> = rounds.committees(&link).filter_map(seat).collect();
    (!seats.is_empty()).then_some(Ballot { link, seats })
}

/// F7, and F14 where F7's source lies too far back for F2.
fn source(
    round: u64,
    target: nupeer_primitives::BlockId,
    checkpoints: &Checkpoints,
    chain: &dyn ChainView,
) -> Option<(u64, nupeer_primitives::BlockId)> {
    let rounds = checkpoints.rounds();
    let e = rounds.epoch(round);
    let best = checkpoints.source(round, chain)?;
    if rounds.epoch(best.round).saturating_add(1) >= e {
        return Some((best.round, best.block));
    }
    let first = rounds.first_of(e);
    let block = chain.facts(&target)?.recovery_block(e, rounds)?;
    (first < round).then_some((first, block))
}
