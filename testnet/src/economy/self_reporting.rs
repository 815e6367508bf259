//! An operator that is about to be caught reports itself, by its own account and by another wallet of its own, to keep
//! the reporter's part (tokens.md §7).

use super::ledger::{Operator, Person, TOKENS, UNIT, World};
use super::offender::{evidence, pools, slashed};
use super::story::{Purse, Story, units};
use crate::sim::Dice;
use anyhow::Result;

/// Slot of the offence.
const SLOT: u64 = 3;

/// The worlds' ends: what the operator and its other wallet own, and the slash with its reporter's part.
fn end(first: &World, offender: &Operator, puppet: &Person, by: &Person) -> Result<(Purse, [(i128, i128); 3])> {
    let mut world = first.clone();
    let proof = evidence(&world, offender, SLOT)?;
    world.idle(1)?;
    world.act(&[(by, proof)])?;
    let executed = world.epoch() + 3;
    world.until_epoch(executed)?;
    Ok((world.purse(&[offender.owner.account, puppet.account])?, TOKENS.map(|token| slashed(&world, token))))
}

pub fn play(dice: &mut Dice) -> Result<Story> {
    let mut story = Story::new(
        "self-reporting",
        "a reporter never gains from its own bond; another wallet's part is at most a tenth of what is lost",
    );
    let pools = pools((200 + dice.below(60_000)) * UNIT);
    let offender = &pools[usize::try_from(1 + dice.below(8))?];
    let (puppet, honest) = (Person::new("puppet", 0), Person::new("reporter", 0));
    let world = World::new(&[&puppet, &honest], &pools)?;
    let before = world.purse(&[offender.owner.account, puppet.account])?;
    let (caught, _) = end(&world, offender, &puppet, &honest)?;
    let (own, of_own) = end(&world, offender, &puppet, &offender.owner)?;
    let (other, of_other) = end(&world, offender, &puppet, &puppet)?;
    story.agent("operator reports itself", &before, &own);
    story.agent("its other wallet reports", &before, &other);
    story.agent("somebody else reports", &before, &caught);
    story.fact("pledge of each token", units(i128::from(offender.pledge)));
    for (at, token) in TOKENS.into_iter().enumerate() {
        let ((slash, paid), (second, part)) = (of_own[at], of_other[at]);
        story.promise(paid == 0, || format!("{token}: its own account was paid {paid} for its own slash"));
        let (alone, caught) = (story.gain(0, token), story.gain(2, token));
        story.promise(alone == -slash && slash > 0, || format!("{token}: lost {alone}, slashed {slash}"));
        story.promise(alone <= caught, || format!("{token}: {alone} by reporting itself, {caught} when caught"));
        story.promise(part * 10 <= second, || format!("{token}: a reporter got {part} of {second}"));
        let lost = story.gain(1, token);
        story.promise(lost * 10 <= -second * 9, || format!("{token}: lost only {lost} of a slash of {second}"));
    }
    story.fact("slashed of $IaaS", units(of_own[0].0));
    story.fact("reporter's part of $IaaS", units(of_other[0].1));
    Ok(story)
}
