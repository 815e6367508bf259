//! What may happen next, and what it leads to.

use super::model::{Honest, Model, World, certificate, descends, pool};
use nupeer_consensus::finality::voter::{Voter, decide};
use nupeer_consensus::finality::{ChainView, Voted};
use nupeer_consensus::select::Contest;
use nupeer_primitives::finality::committee::is_quorum;
use nupeer_primitives::{BlockId, Epoch, Link};
use std::collections::BTreeSet;

/// Security parameter of the model: its branches are shorter, so rule 2 never keeps a member.
const K: u64 = 100;

/// A property does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken(pub String);

/// What happened, for people.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// A member acted.
    Acted {
        /// In which round.
        round: u64,
        /// Which.
        member: usize,
        /// Certificates that it heard.
        heard: usize,
        /// The branch that it is on.
        branch: u8,
        /// What it wrote down to vote for, and whether it crashed before sending.
        vote: Option<(Link, bool)>,
    },
    /// A round ended; the next bodies on these branches carry every certificate.
    Ended {
        /// Which.
        round: u64,
        /// (first, second) branch.
        carry: (bool, bool),
    },
}

impl std::fmt::Display for Deed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Acted { round, member, heard, branch, vote } => {
                write!(f, "round {round} member {member}: hears {heard} certificates, on branch {branch}")?;
                match vote {
                    Some((link, crashed)) => {
                        write!(f, ", votes {}{}", show(link), if *crashed { ", crashes before sending" } else { "" })
                    }
                    None => write!(f, ", no vote"),
                }
            }
            Self::Ended { round, carry } => write!(f, "round {round} ends, bodies carry certificates: {carry:?}"),
        }
    }
}

/// One possible next state, and what led there.
#[derive(Debug)]
pub struct Step {
    /// The state.
    pub world: World,
    /// Its key.
    pub key: [u8; 32],
    /// For people.
    pub deed: Deed,
}

/// Every next state, in an order that depends on the state alone.
pub fn options(model: &Model, world: &World) -> Result<Vec<Step>, Broken> {
    let out = if world.turn < world.members.len() { act(model, world)? } else { next_round(model, world) };
    let mut seen = BTreeSet::new();
    let steps = out.into_iter().map(|(world, deed)| Step { key: world.key(model), world, deed });
    Ok(steps.filter(|step| seen.insert(step.key)).collect())
}

/// Certificates that a member could hear, grouped into deliveries: nothing, everything, or one.
fn deliveries(world: &World, member: &Honest) -> Vec<Vec<(Link, Epoch)>> {
    let new = |(link, epoch): &&(Link, Epoch)| {
        link.round > member.checkpoints.last().round && !member.checkpoints.has(link, *epoch)
    };
    let all: Vec<(Link, Epoch)> = world.formed.iter().filter(new).copied().collect();
    let mut out = vec![Vec::new()];
    if all.len() > 1 {
        out.extend(all.iter().map(|one| vec![*one]));
    }
    if !all.is_empty() {
        out.push(all);
    }
    out
}

/// What rules 2 and 3 of chain selection say about leaving `from` for the other branch.
pub fn contest(model: &Model, world: &World, member: &Honest, from: u8) -> Option<bool> {
    let (ours, other) = (model.block(from, world.round), model.block(1 - from, world.round));
    let both = |block: Option<BlockId>| {
        block.map_or((false, false), |block| (descends(&other, &block), descends(&ours, &block)))
    };
    let contest = Contest {
        depth: world.round.saturating_sub(model.bounds.fork),
        proven: both(member.checkpoints.proven().map(|checkpoint| checkpoint.block)),
        justified: both(Some(member.checkpoints.best().block)),
    };
    contest.decide(K)
}

/// Takes certificates in and looks at them; F follows if the branch allows it.
pub fn hear(model: &Model, world: &World, member: &mut Honest, heard: &[(Link, Epoch)]) {
    for (link, epoch) in heard {
        member.checkpoints.take(certificate(*link, *epoch));
    }
    let view = world.view(model, member.branch, world.round);
    member.checkpoints.evaluate(&view);
    member.checkpoints.finalise(&view);
}

/// P5, after the member may have moved.
fn check_final(model: &Model, world: &World, before: &Honest, after: &Honest) -> Result<(), Broken> {
    let (old, new) = (before.checkpoints.last(), after.checkpoints.last());
    if new.round < old.round || !descends(&new.block, &old.block) {
        return Err(Broken(format!("P5: F moved from {old:?} to {new:?}")));
    }
    if !descends(&model.block(after.branch, world.round), &new.block) {
        return Err(Broken(format!("P5: branch {} lacks F {new:?}", after.branch)));
    }
    Ok(())
}

/// Moves to the other branch, if selection permits it.
pub fn switched(model: &Model, world: &World, member: &Honest) -> Option<Honest> {
    let keeps_final = descends(&model.block(1 - member.branch, world.round), &member.checkpoints.last().block);
    if !keeps_final || contest(model, world, member, member.branch) == Some(false) {
        return None;
    }
    let mut member = Honest { branch: 1 - member.branch, ..member.clone() };
    hear(model, world, &mut member, &[]);
    Some(member)
}

/// Whether selection makes it move.
#[must_use]
pub fn must_switch(model: &Model, world: &World, member: &Honest) -> bool {
    contest(model, world, member, member.branch) == Some(true)
}

/// Every way in which the member whose turn it is can act.
fn act(model: &Model, world: &World) -> Result<Vec<(World, Deed)>, Broken> {
    let mut out = Vec::new();
    let Some(before) = world.members.get(world.turn) else { return Ok(out) };
    for heard in deliveries(world, before) {
        let mut member = before.clone();
        hear(model, world, &mut member, &heard);
        let other = switched(model, world, &member);
        for member in std::iter::once(member).chain(other) {
            check_final(model, world, before, &member)?;
            out.push(acted(world, &member, heard.len(), None));
            let oldest = if model.bounds.stale { 2 } else { 1 };
            for age in 1..=oldest {
                let Some(newest) = world.round.checked_sub(age) else { continue };
                let Some((voted, link)) = vote(model, world, world.turn, &member, newest)? else { continue };
                let member = Honest { voted: Some(voted), ..member.clone() };
                out.push(acted(world, &member, heard.len(), Some((link, false))));
                if model.bounds.crashes {
                    out.push(acted(world, &member, heard.len(), Some((link, true))));
                }
            }
        }
    }
    Ok(out)
}

fn acted(world: &World, member: &Honest, heard: usize, vote: Option<(Link, bool)>) -> (World, Deed) {
    let deed = Deed::Acted { round: world.round, member: world.turn, heard, branch: member.branch, vote };
    let mut world = world.clone();
    let turn = world.turn;
    if let Some(slot) = world.members.get_mut(turn) {
        slot.clone_from(member);
    }
    world.cast.extend(vote.filter(|(_, crashed)| !crashed).map(|(link, _)| (turn, link)));
    world.turn = turn + 1;
    (world, deed)
}

/// The vote of a member whose newest block is of round `newest`. P3, P7.
pub fn vote(
    model: &Model,
    world: &World,
    index: usize,
    member: &Honest,
    newest: u64,
) -> Result<Option<(Voted, Link)>, Broken> {
    let view = world.view(model, member.branch, newest);
    let slot = model.rounds.first_slot(world.round);
    let pool = pool(index);
    let voter = Voter { pool: &pool, voted: member.voted, committees: &model.committees };
    let Some(ballot) = decide(&voter, slot, &member.checkpoints, &view) else { return Ok(None) };
    let link = ballot.link;
    let voted = Voted { round: link.round, source: link.src_round };
    if member.voted.is_some_and(|old| old.round >= voted.round || old.source > voted.source) {
        return Err(Broken(format!("P3: {:?} after {:?}", link, member.voted)));
    }
    let known = member.checkpoints.justified().any(|justified| link.starts_at(justified));
    let certified = view.facts(&link.dst_hash).and_then(|facts| facts.certified);
    let e = model.rounds.epoch(link.round);
    if !known && certified.is_some_and(|round| model.rounds.epoch(round) + 1 >= e) {
        return Err(Broken(format!(
            "P7: recovery {link:?} where the chain carries a certificate of round {certified:?}"
        )));
    }
    Ok(Some((voted, link)))
}

/// `(2,A1)->(3,A2)`.
fn show(link: &Link) -> String {
    let name = |id: &BlockId| {
        let (branch, round) = super::model::parts(id);
        format!("{}{round}", ["A", "B", ""].get(usize::from(branch)).copied().unwrap_or("?"))
    };
    format!("({},{})->({},{})", link.src_round, name(&link.src_hash), link.round, name(&link.dst_hash))
}

/// Which certificates the votes of this round make, with every liar in them.
pub fn form(model: &Model, world: &mut World) {
    let links: BTreeSet<Link> = world.cast.iter().map(|(_, link)| *link).collect();
    for link in links {
        for epoch in model.rounds.committees(&link) {
            let Some(committee) = model.committees.get(&epoch) else { continue };
            let voters = world.cast.iter().filter(|(_, cast)| *cast == link);
            let seats: BTreeSet<u16> = voters.filter_map(|(n, _)| committee.index_of(&pool(*n))).collect();
            let weight = committee.weight_of(seats) + model.lying(committee);
            if is_quorum(weight, committee.total()) {
                world.formed.insert((link, epoch));
            }
        }
    }
    world.cast.clear();
}

/// The round ends; the schedule decides what the next bodies carry.
fn next_round(model: &Model, world: &World) -> Vec<(World, Deed)> {
    let mut next = world.clone();
    form(model, &mut next);
    (next.round, next.turn) = (world.round + 1, 0);
    let choices: &[(bool, bool)] = if model.bounds.inclusion {
        &[(false, false), (true, false), (false, true), (true, true)]
    } else {
        &[(false, false)]
    };
    let ended = |carry: &(bool, bool)| {
        let mut world = next.clone();
        for (branch, _) in [(0, carry.0), (1, carry.1)].into_iter().filter(|(_, carries)| *carries) {
            include(model, &mut world, branch);
        }
        (world, Deed::Ended { round: next.round - 1, carry: *carry })
    };
    choices.iter().map(ended).collect()
}

/// The next body on a branch carries every certificate that its ledger takes: source justified there, target on it.
pub fn include(model: &Model, world: &mut World, branch: u8) {
    let tip = model.block(branch, world.round);
    let mut known = Honest { checkpoints: fresh(model), voted: None, branch };
    let on_chain = world.formed.iter().filter(|(link, _)| descends(&tip, &link.dst_hash));
    let heard: Vec<(Link, Epoch)> = on_chain.copied().collect();
    hear(model, world, &mut known, &heard);
    let justified: BTreeSet<u64> = known.checkpoints.justified().map(|checkpoint| checkpoint.round).collect();
    let starts = |link: &Link| {
        let old = link.src_round <= known.checkpoints.last().round;
        old || justified.contains(&link.src_round) || justified.contains(&link.round)
    };
    let highest = heard.iter().filter(|(link, _)| starts(link)).map(|(link, _)| link.round).max();
    if let Some(highest) = highest.filter(|highest| world.certified(&tip) < Some(*highest)) {
        world.carried.insert((super::model::parts(&tip).0, world.round), highest);
    }
}

fn fresh(model: &Model) -> nupeer_consensus::finality::Checkpoints {
    nupeer_consensus::finality::Checkpoints::new(model.rounds, model.genesis(), Vec::new())
}
