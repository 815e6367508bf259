//! Somebody with enough power to sponsor floods the agenda by many accounts. The deposit that each next proposal asks for
//! rises by a fifth, and what nobody wants is forfeited (governance.md §6).

use super::ledger::{Person, UNIT, World};
use super::society::{all, proposal, propose, settle, text, until, until_final, vote};
use super::story::{Story, units};
use crate::sim::Dice;
use anyhow::Result;
use nupeer_primitives::governance::{ProposalId, VoteOption};
use nupeer_primitives::{AccountId, Action, AssetId};

const PEOPLE: u64 = 12;
const STAKE: u64 = 10_000 * UNIT;
/// Proposals of one proposer, `prop.max_per_proposer`.
const EACH: u64 = 4;
/// Open proposals from which on the deposit rises, `prop.deposit_target`.
const TARGET: u64 = 8;
/// `prop.deposit_floor` on devnet.
const FLOOR: u64 = 10 * UNIT;

fn sponsor(id: u64) -> Action {
    Action::Sponsor { proposal: ProposalId(id) }
}

pub fn play(dice: &mut Dice) -> Result<Story> {
    let mut story =
        Story::new("deposit-spam", "the price of the agenda rises by a fifth a proposal, and spam forfeits it");
    let whale = Person::new("whale", 0);
    let helpers = Person::many("helper", 3 + dice.below(5));
    let people = Person::many("voter", PEOPLE);
    let honest: Vec<&Person> = people.iter().collect();
    let spammers: Vec<&Person> = helpers.iter().chain([&whale]).collect();
    let everybody: Vec<&Person> = honest.iter().chain(&spammers).copied().collect();
    let mut world = World::new(&everybody, &super::offender::pools(1_000 * UNIT)[..1])?;
    settle(&mut world, &honest, STAKE)?;
    settle(&mut world, &[&whale], 5_000 * UNIT)?;
    world.until_epoch(2)?;
    world.idle(1)?;
    let accounts: Vec<AccountId> = spammers.iter().map(|person| person.account).collect();
    let (before, start) = (world.purse(&accounts)?, world.purse(&[honest[0].account])?);

    let mut asked = Vec::new();
    for helper in &helpers {
        for _ in 0..EACH {
            let id = u64::try_from(asked.len())? + 1;
            let deposit = 1_000 * UNIT;
            all(&mut world, &[(helper, propose(None, vec![text(id)], deposit)), (&whale, sponsor(id))])?;
            asked.push(proposal(&world, id)?.proposal.deposited());
        }
        let more = world.why_not(helper, &propose(None, vec![text(999)], 1_000 * UNIT))?;
        story.promise(more.is_some_and(|rule| rule.ends_with("TooManyByProposer")), || format!("a fifth: {more:?}"));
    }
    let spam = u64::try_from(asked.len())?;
    // In the middle of it, somebody has something to say.
    let honest_id = spam + 1;
    all(
        &mut world,
        &[(honest[0], propose(None, vec![text(honest_id)], 1_000 * UNIT)), (honest[0], sponsor(honest_id))],
    )?;
    let paid = proposal(&world, honest_id)?.proposal.deposited();
    until(&mut world, honest_id, "Voting")?;
    let voters = &honest[..usize::try_from(4 + dice.below(6))?];
    for id in 1..=spam {
        vote(&mut world, voters, id, VoteOption::Against)?;
    }
    vote(&mut world, &honest, honest_id, VoteOption::For)?;
    let end = until_final(&mut world, honest_id)?;
    for id in 1..=spam {
        let end = until_final(&mut world, id)?;
        story.promise(end == "Blocked", || format!("spam {id} is {end}"));
    }
    world.idle(4)?;

    story.agent("spammers", &before, &world.purse(&accounts)?);
    story.agent("an honest proposer", &start, &world.purse(&[honest[0].account])?);
    story.fact("spam", spam);
    story.fact(
        "asked first and last",
        format!("{} and {}", units(asked[0].into()), units((*asked.last().unwrap_or(&0)).into())),
    );
    story.fact("asked of the honest one", units(paid.into()));
    let total: i128 = asked.iter().map(|amount| i128::from(*amount)).sum();
    let (lost, kept) = (story.gain(0, AssetId::ADA), story.gain(1, AssetId::ADA));
    story.promise(lost <= -total, || format!("spammers lost {lost} of deposits {total}"));
    story.promise(end == "Executed" && kept > -i128::from(UNIT), || format!("the honest one: {end}, {kept}"));
    for (open, amount) in (0u64..).zip(&asked) {
        let least = if open > TARGET { FLOOR } else { 0 };
        story.promise(*amount > least || open <= TARGET, || format!("with {open} open only {amount} were asked"));
    }
    let rises = asked.windows(2).all(|pair| matches!(pair, [a, b] if a <= b));
    story.promise(rises, || format!("the price fell while the agenda was full: {asked:?}"));
    Ok(story)
}
