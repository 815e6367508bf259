//! What stake and the DAO cost: votes, changes of support, claims and bonds a second and core, and the boundary of an
//! epoch with many pools and positions.
//!
//! Transactions are signed and checked before the clock starts: what is measured is their execution, fee and sequence
//! included, on one core and in memory. The boundary is what cannot wait: snapshot, committee, emission, slashes.

use super::report::{Goal, Row};
use super::{Limit, best, per_second, timed};
use crate::economy::ledger::{Operator, Person, TOKENS, UNIT, World};
use crate::economy::society::{all, bond, pay, propose, settle, stand, support, until};
use anyhow::{Result, ensure};
use nupeer_primitives::governance::{CandidateNo, ProposalId, RoleId, VoteOption};
use nupeer_primitives::hash::blake2b_224;
use nupeer_primitives::state::{Diff, MemoryState, Work, apply_diff};
use nupeer_primitives::{AccountId, Action, Amount, AssetId, PoolId, Slot};
use nupeer_runtime::{BlockContext, epoch};
use nupeer_tokens::asset::{self, AssetRecord};
use nupeer_tokens::bank::{self, Balance};
use nupeer_tokens::stake::position;
use std::time::Duration;

/// People of the first part.
const PEOPLE: u64 = 512;
const POOLS: u64 = 3_000;
const POSITIONS: u64 = 1_000_000;
/// Positions of a quick run.
const POSITIONS_QUICK: u64 = 100_000;
/// Positions written at once while the state is made; nothing is measured then.
const GROWTH: u64 = 20_000;
/// Whole tokens of a position.
const STAKE: u64 = 100;

/// See the module header.
pub fn measure(limit: &Limit) -> Result<Vec<Row>> {
    let mut rows = actions(limit)?;
    rows.push(boundary(limit)?);
    Ok(rows)
}

fn actions(limit: &Limit) -> Result<Vec<Row>> {
    let people = Person::many("bench", PEOPLE);
    let people: Vec<&Person> = people.iter().collect();
    let pool = Operator::new(0, 20_000 * UNIT);
    let mut world = World::new(&people, std::slice::from_ref(&pool))?;
    settle(&mut world, &people, 1_000 * UNIT)?;
    let delegate = Action::Delegate { token: AssetId::IAAS, pool: Some(pool.keys().pool()) };
    all(&mut world, &people.iter().map(|person| (*person, delegate.clone())).collect::<Vec<_>>())?;
    world.until_epoch(2)?;
    let no = stand(&mut world, people[0], RoleId::CTO)?;
    support(&mut world, &people, RoleId::CTO, Some(no))?;
    let other: CandidateNo = stand(&mut world, people[1], RoleId::CTO)?;
    // Somebody must want it, or it is evicted before anything is measured.
    support(&mut world, &people[1..3], RoleId::CTO, Some(other))?;
    let raid = propose(None, vec![pay(people[0].account, 100_000 * UNIT)], 10 * UNIT);
    all(&mut world, &[(people[0], raid)])?;
    let sponsor = Action::Sponsor { proposal: ProposalId(1) };
    all(&mut world, &people[..6].iter().map(|person| (*person, sponsor.clone())).collect::<Vec<_>>())?;
    until(&mut world, 1, "Voting")?;
    let measured = [
        ("votes", Action::Vote { proposal: ProposalId(1), option: VoteOption::For }),
        ("support changes", Action::Support { role: RoleId::CTO, candidate: Some(other) }),
        ("claims of pool rewards", Action::ClaimRewards { token: AssetId::IAAS }),
        ("bonds", bond(AssetId::IAAS, UNIT)),
    ];
    let mut rows = Vec::new();
    for (name, action) in measured {
        if name.starts_with("claims") {
            // Stake that became active in epoch 2 leads in epoch 3 and is paid in epoch 4.
            world.until_epoch(4)?;
            world.idle(2)?;
        }
        let steps: Vec<(&Person, Action)> = people.iter().map(|person| (*person, action.clone())).collect();
        let time = best(limit.rounds, || world.time(&steps))?;
        rows.push(Row::new(format!("{name} executed"), per_second(steps.len(), time), "/s").of(limit.per_second));
    }
    Ok(rows)
}

fn owner(n: u64) -> AccountId {
    AccountId(blake2b_224(&n.to_be_bytes()))
}

/// Positions that delegate to all pools in turn, made by the rules that people's actions use.
fn grow(state: &mut MemoryState, pools: &[PoolId], positions: u64) -> Result<()> {
    let (token, amount) = (TOKENS[0], Amount::new(STAKE * UNIT));
    let mut work = Work::new(state);
    let known: AssetRecord = work.expect(&asset::key(token), "record of a native token")?;
    let issued = known.issued + u128::from(positions) * u128::from(amount.get());
    work.put(asset::key(token), &AssetRecord { issued, ..known });
    let (diff, _) = work.finish();
    apply_diff(state, &diff);
    for first in (0..positions).step_by(usize::try_from(GROWTH)?) {
        let mut work = Work::new(state);
        for n in first..positions.min(first + GROWTH) {
            let (owner, pool) = (owner(n), pools.get(usize::try_from(n)? % pools.len()).copied());
            work.put(bank::key(&owner, token), &Balance { free: amount, locked: Amount::ZERO });
            let bonded = position::bond(&mut work, (&owner, token), 0, 0, amount);
            let delegated = bonded.and_then(|_| position::delegate(&mut work, (&owner, token), 0, pool));
            ensure!(delegated.is_ok(), "a position of the bench: {delegated:?}");
        }
        let (diff, _) = work.finish();
        apply_diff(state, &diff);
    }
    Ok(())
}

fn boundary(limit: &Limit) -> Result<Row> {
    let positions = if limit.rounds == 1 { POSITIONS_QUICK } else { POSITIONS };
    let operators: Vec<Operator> = (0..POOLS).map(|n| Operator::new(n, 1_000 * UNIT)).collect();
    let mut world = World::new(&[], &operators)?;
    let pools: Vec<PoolId> = operators.iter().map(|operator| operator.keys().pool()).collect();
    grow(&mut world.state, &pools, positions)?;
    let draft = world.draft(1);
    let mut ctx = BlockContext::of(&world.chain, &draft, world.tip.2);
    // The second boundary already: the first one has no snapshot to pay for.
    let mut time = Duration::MAX;
    for epoch in 1..=3 {
        ctx.slot = Slot(epoch * world.chain.constants.epoch_slots);
        let cross = || -> Result<(Duration, Diff)> {
            let mut work = Work::new(&world.state);
            let (crossed, time) = timed(|| Ok(epoch::cross(&mut work, &ctx)))?;
            ensure!(crossed.is_ok(), "a boundary of the bench: {crossed:?}");
            Ok((time, work.finish().0))
        };
        let (_, diff) = cross()?;
        if epoch == 3 {
            time = best(limit.rounds, || cross().map(|(time, _)| time))?;
        }
        apply_diff(&mut world.state, &diff);
        world.begin_epoch(epoch)?;
    }
    let name = format!("epoch boundary, {POOLS} pools, {positions} positions");
    Ok(Row::new(name, time.as_secs_f64() * 1_000.0, "ms").goal(Goal::AtMost(50.0)))
}
