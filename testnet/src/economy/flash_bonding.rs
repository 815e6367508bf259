//! Somebody bonds a multiple of everybody's stake for one vote: after the proposal is made, or early enough to count but
//! just before it opens. Bonds count two epochs later, a vote weighs the least of two epoch starts (governance.md §2.2,
//! §6, §7).

use super::ledger::{Person, TOKENS, UNIT, World};
use super::society::{all, bond, live, pay, proposal, propose, settle, status, until, until_final, vote};
use super::story::{Story, percent};
use crate::sim::Dice;
use anyhow::Result;
use nupeer_primitives::governance::{ProposalId, VoteOption};
use nupeer_primitives::{Action, Amount};

const PEOPLE: u64 = 12;
const STAKE: u64 = 10_000 * UNIT;
const LOOT: u64 = 100_000 * UNIT;
/// More than a proposal asks for; only what is missing is taken.
const DEPOSIT: u64 = 10 * UNIT;

fn raid(world: &mut World, attacker: &Person) -> Result<()> {
    world.act_after(1, &[(attacker, propose(None, vec![pay(attacker.account, LOOT)], DEPOSIT))])?;
    world.act_after(1, &[(attacker, Action::Sponsor { proposal: ProposalId(1) })])
}

fn flash(world: &mut World, attacker: &Person, amount: u64) -> Result<()> {
    all(world, &TOKENS.map(|token| (attacker, bond(token, amount))))
}

/// Votes, and the share that the attacker's voice has of the electorate.
fn decide(world: &mut World, attacker: &Person, honest: &[&Person]) -> Result<(u64, &'static str)> {
    until(world, 1, "Voting")?;
    vote(world, &[attacker], 1, VoteOption::For)?;
    let (yes, ..) = proposal(world, 1)?.shares;
    vote(world, honest, 1, VoteOption::Against)?;
    Ok((yes, until_final(world, 1)?))
}

pub fn play(dice: &mut Dice) -> Result<Story> {
    let mut story = Story::new(
        "flash-bonding",
        "a bond counts two epochs later, and a jump of the electorate counts from before it",
    );
    let old = (1_500 + dice.below(1_500)) * UNIT;
    let amount = (70_000 + dice.below(25_000)) * UNIT;
    let attacker = Person::new("attacker", 0);
    let people = Person::many("voter", PEOPLE);
    let honest: Vec<&Person> = people.iter().collect();
    let everybody: Vec<&Person> = honest.iter().copied().chain([&attacker]).collect();
    let mut world = World::new(&everybody, &super::offender::pools(1_000 * UNIT)[..1])?;
    settle(&mut world, &honest, STAKE)?;
    settle(&mut world, &[&attacker], old)?;
    world.until_epoch(2)?;
    live(&mut world, &everybody, 14)?;
    let before = world.purse(&[attacker.account])?;
    let voters = &honest[..usize::try_from(4 + dice.below(6))?];

    let mut late = world.clone();
    raid(&mut late, &attacker)?;
    flash(&mut late, &attacker, amount)?;
    let (late_yes, late_end) = decide(&mut late, &attacker, voters)?;
    story.agent("bonds after proposing", &before, &late.purse(&[attacker.account])?);

    let mut early = world;
    flash(&mut early, &attacker, amount)?;
    let counts = early.epoch() + 2;
    early.until_epoch(counts)?;
    raid(&mut early, &attacker)?;
    let (early_yes, early_end) = decide(&mut early, &attacker, voters)?;
    let kept = early.why_not(&attacker, &Action::Unbond { token: TOKENS[0], amount: Amount::new(amount + old + 1) })?;
    story.agent("bonds two epochs before", &before, &early.purse(&[attacker.account])?);

    let fair = old * 1_000_000 / (old + PEOPLE * STAKE);
    let bought = (amount + old) * 1_000_000 / (amount + old + PEOPLE * STAKE);
    story.fact("share of old stake", percent(fair));
    story.fact("share that was bought", percent(bought));
    story.fact("share that voted, late and early", format!("{} and {}", percent(late_yes), percent(early_yes)));
    story.fact("ends", format!("{late_end} and {early_end}"));
    for (name, yes, end) in [("late", late_yes, late_end), ("early", early_yes, early_end)] {
        story.promise(yes <= fair, || format!("{name}: voted with {yes} ppm, its old stake is {fair}"));
        story.promise(end != "Executed", || format!("{name}: the raid went through"));
    }
    story.promise(status(&early, 1)? == early_end, || "a final proposal moved".into());
    story.promise(kept.is_some(), || "more left than was bonded".into());
    for at in 0..2 {
        let lost = story.gain(at, nupeer_primitives::AssetId::ADA);
        story.promise(lost <= -i128::from(DEPOSIT), || format!("the deposit came back: {lost}"));
    }
    Ok(story)
}
