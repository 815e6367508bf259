//! Somebody gets hold of keys that nobody used for long, wakes them, and votes the treasury to itself. Whoever is silent
//! leaves every sum, and comes back from the next epoch start on only; a jump of the electorate counts from before it
//! (governance.md §2.2, §6).

use super::ledger::{Person, UNIT, World};
use super::society::{all, live, pay, power, proposal, propose, settle, until, until_final, vote};
use super::story::{Story, percent, units};
use crate::sim::Dice;
use anyhow::Result;
use nupeer_primitives::governance::{ProposalId, VoteOption};
use nupeer_primitives::{Action, AssetId};

const PEOPLE: u64 = 12;
const STAKE: u64 = 10_000 * UNIT;
/// The thief's own: enough to sponsor among everybody.
const OWN: u64 = 3_000 * UNIT;
const LOOT: u64 = 100_000 * UNIT;
/// Longer than `power.liveness` on devnet.
const SLEEP: u64 = 32;

fn wake(world: &mut World, keys: &[&Person]) -> Result<()> {
    all(world, &keys.iter().map(|key| (*key, Action::Ping {})).collect::<Vec<_>>())
}

fn raid(world: &mut World, thief: &Person) -> Result<()> {
    let raid = propose(None, vec![pay(thief.account, LOOT)], 10 * UNIT);
    all(world, &[(thief, raid), (thief, Action::Sponsor { proposal: ProposalId(1) })])?;
    until(world, 1, "Voting")
}

pub fn play(dice: &mut Dice) -> Result<Story> {
    let mut story = Story::new(
        "dormant-keys",
        "a silent account leaves every sum, and waking many at once gives them no voice yet",
    );
    let thief = Person::new("thief", 0);
    let (people, keys) = (Person::many("voter", PEOPLE), Person::many("sleeper", 8 + dice.below(4)));
    let (honest, sleepers): (Vec<&Person>, Vec<&Person>) = (people.iter().collect(), keys.iter().collect());
    let everybody: Vec<&Person> = honest.iter().chain(&sleepers).copied().chain([&thief]).collect();
    let mut world = World::new(&everybody, &super::offender::pools(1_000 * UNIT)[..1])?;
    settle(&mut world, &honest, STAKE)?;
    settle(&mut world, &sleepers, STAKE)?;
    settle(&mut world, &[&thief], OWN)?;
    world.until_epoch(2)?;
    let awake: Vec<&Person> = honest.iter().copied().chain([&thief]).collect();
    live(&mut world, &awake, SLEEP)?;
    wake(&mut world, &awake)?;
    let asleep = power(&world, sleepers[0])?;
    let before = world.purse(&[thief.account])?;
    let voters = &honest[..usize::try_from(4 + dice.below(6))?];

    let mut late = world.clone();
    raid(&mut late, &thief)?;
    wake(&mut late, &sleepers)?;
    let refused = late.why_not(sleepers[0], &Action::Vote { proposal: ProposalId(1), option: VoteOption::For })?;
    vote(&mut late, &[&thief], 1, VoteOption::For)?;
    vote(&mut late, voters, 1, VoteOption::Against)?;
    let late_end = until_final(&mut late, 1)?;
    story.agent("wakes them for the vote", &before, &late.purse(&[thief.account])?);

    let mut early = world;
    wake(&mut early, &sleepers)?;
    let counts = early.epoch() + 1 + dice.below(3);
    early.until_epoch(counts)?;
    let woken = power(&early, sleepers[0])?;
    raid(&mut early, &thief)?;
    vote(&mut early, &[&thief], 1, VoteOption::For)?;
    let ballot = Action::Vote { proposal: ProposalId(1), option: VoteOption::For };
    let steps: Vec<(&Person, Action)> = sleepers.iter().map(|key| (*key, ballot.clone())).collect();
    let counted = early.block(1, &steps)?.iter().filter(|held| **held).count();
    let (yes, ..) = proposal(&early, 1)?.shares;
    vote(&mut early, voters, 1, VoteOption::Against)?;
    let early_end = until_final(&mut early, 1)?;
    story.agent("wakes them before", &before, &early.purse(&[thief.account])?);

    let fair = OWN * 1_000_000 / (OWN + PEOPLE * STAKE);
    story.fact("keys woken", sleepers.len());
    story.fact("power of a key asleep and woken", format!("{} and {}", units(asleep.into()), units(woken.into())));
    story.fact("votes of woken keys that counted", counted);
    story.fact("share that voted for", percent(yes));
    story.fact("ends", format!("{late_end} and {early_end}"));
    story.promise(asleep == 0, || format!("a silent key has {asleep}"));
    story.promise(woken == STAKE, || format!("a woken key has {woken}"));
    story
        .promise(refused.is_some_and(|rule| rule.ends_with("NoPower")), || format!("woken after opening: {refused:?}"));
    story.promise(yes <= fair, || format!("woken keys voted: {yes} ppm, fair are {fair}"));
    for (end, at) in [(late_end, 0), (early_end, 1)] {
        story.promise(end != "Executed", || "the raid went through".into());
        let gain = story.gain(at, AssetId::ADA);
        story.promise(gain < 0, || format!("the thief gained {gain}"));
    }
    Ok(story)
}
