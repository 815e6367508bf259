//! The properties that are looked at between rounds.

use super::model::{Model, World, descends, parts};
use super::steps::{Broken, form, hear, include, must_switch, switched, vote};
use nupeer_consensus::finality::ChainView;
use nupeer_primitives::finality::evidence::conflict;
use nupeer_primitives::{BlockId, Link};
use std::collections::BTreeSet;

/// What every certificate together makes final, worked out anew and in another way than `Checkpoints` does: a set that
/// grows until nothing is added.
fn finals(model: &Model, world: &World) -> BTreeSet<(u64, BlockId)> {
    let genesis = (0, model.block(0, 0));
    let (mut justified, mut finals) = (BTreeSet::from([genesis]), BTreeSet::from([genesis]));
    let view = world.view(model, 0, world.round);
    let links: BTreeSet<Link> = world.formed.iter().map(|(link, _)| *link).collect();
    loop {
        let before = (justified.len(), finals.len());
        for link in &links {
            let carried = model.rounds.committees(link).all(|epoch| world.formed.contains(&(*link, epoch)));
            let Some(place) = view.place(&link.dst_hash) else { continue };
            let well_formed = model.rounds.check(link, &place).is_ok() && descends(&link.dst_hash, &link.src_hash);
            let normal = justified.contains(&(link.src_round, link.src_hash));
            let e = model.rounds.epoch(link.round);
            let recovers = link.src_round == model.rounds.first_of(e)
                && view.facts(&link.dst_hash).and_then(|facts| facts.recovery_block(e, &model.rounds))
                    == Some(link.src_hash);
            if !carried || !well_formed || !(normal || recovers) {
                continue;
            }
            justified.insert((link.round, link.dst_hash));
            if normal && link.round == link.src_round + 1 {
                finals.insert((link.src_round, link.src_hash));
            }
        }
        if before == (justified.len(), finals.len()) {
            return finals;
        }
    }
}

/// What a look between two rounds found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// All is well.
    Fine {
        /// Highest final round.
        last: u64,
    },
    /// Two final blocks contradict each other, and enough liars stand convicted.
    Convicted,
}

/// P1 and P2, and that members know nothing else.
pub fn agreement(model: &Model, world: &World) -> Result<Look, Broken> {
    let finals = finals(model, world);
    for member in &world.members {
        let last = member.checkpoints.last();
        if !finals.contains(&(last.round, last.block)) {
            return Err(Broken(format!("a member holds {last:?} for final, the certificates say {finals:?}")));
        }
    }
    let blocks: Vec<&BlockId> = finals.iter().map(|(_, block)| block).collect();
    let agree = |a: &BlockId, b: &BlockId| descends(a, b) || descends(b, a);
    let broken = blocks.iter().any(|a| blocks.iter().any(|b| !agree(a, b)));
    if !broken {
        return Ok(Look::Fine { last: finals.iter().map(|(round, _)| *round).max().unwrap_or(0) });
    }
    let names: Vec<(u64, (u8, u64))> = finals.iter().map(|(round, block)| (*round, parts(block))).collect();
    if model.is_safe() {
        return Err(Broken(format!("P1: final blocks contradict each other: {names:?}")));
    }
    // Honest members never contradict themselves (P3), so whoever is in both certificates is a liar.
    let convicted = world.formed.iter().any(|(a, epoch)| {
        let against = world.formed.iter().any(|(b, other)| epoch == other && conflict(a, b).is_some());
        let committee = model.committees.get(epoch);
        against && committee.is_some_and(|committee| 3 * model.lying(committee) >= committee.total())
    });
    if convicted { Ok(Look::Convicted) } else { Err(Broken(format!("P2: {names:?} convict too few"))) }
}

/// P4 and P9: from here on everybody hears everything, sees every block, and votes; liars are silent.
pub fn liveness(model: &Model, world: &World, last: u64) -> Result<(), Broken> {
    let mut world = world.clone();
    let mut moves = vec![0u32; world.members.len()];
    let patience = 3 * model.bounds.epoch_rounds + 4;
    for _ in 0..patience {
        let everything: Vec<_> = world.formed.iter().copied().collect();
        let mut next = world.clone();
        for (index, member) in next.members.iter_mut().enumerate() {
            hear(model, &world, member, &everything);
            // Heights tie: where finality does not decide, the lower branch stands for the lower VRF output.
            let moves_on = must_switch(model, &world, member) || member.branch == 1;
            if let Some(moved) = moves_on.then(|| switched(model, &world, member)).flatten() {
                *member = moved;
                if let Some(moves) = moves.get_mut(index) {
                    *moves += 1;
                }
            }
            if let Some((voted, link)) = vote(model, &world, index, member, world.round - 1)? {
                member.voted = Some(voted);
                next.cast.push((index, link));
            }
        }
        if let Some(restless) = moves.iter().position(|moves| *moves > 2) {
            return Err(Broken(format!("P9: member {restless} moves to and fro")));
        }
        if next.members.iter().any(|member| member.checkpoints.last().round > last) {
            return Ok(());
        }
        form(model, &mut next);
        next.round += 1;
        include(model, &mut next, 0);
        include(model, &mut next, 1);
        world = next;
    }
    Err(Broken(format!(
        "P4: nothing final above round {last} after {patience} synchronous rounds from round {}",
        world.round
    )))
}
