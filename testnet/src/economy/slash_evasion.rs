//! A pool signs twice, then moves its pledge out before anybody reports it. Unbonding takes longer than evidence counts,
//! and what unbonds can be slashed (tokens.md §7; §13, 8).

use super::ledger::{Person, TOKENS, UNIT, World};
use super::offender::{self, evidence, pools, release, unpledge};
use super::story::{Story, units};
use crate::sim::Dice;
use anyhow::Result;
use nupeer_primitives::AssetId;

/// Slot of the offence.
const SLOT: u64 = 3;

pub fn play(dice: &mut Dice) -> Result<Story> {
    let mut story =
        Story::new("slash-evasion", "unbonding stake is slashable until released, and held stake pays nothing out");
    let pools = pools((200 + dice.below(2_000)) * UNIT);
    let offender = &pools[3];
    let reporter = Person::new("reporter", 0);
    let wait = dice.below(3);
    let first = World::new(&[&reporter], &pools)?;
    let (mut stays, mut runs) = (first.clone(), first);
    let before = runs.purse(&[offender.owner.account])?;
    let proof = evidence(&runs, offender, SLOT)?;
    for world in [&mut stays, &mut runs] {
        world.idle(1)?;
    }
    unpledge(&mut runs, offender)?;
    for world in [&mut stays, &mut runs] {
        world.until_epoch(wait)?;
        world.act(&[(&reporter, proof.clone())])?;
    }
    let held = release(&runs, &offender.owner, AssetId::IAAS)?;
    for world in [&mut stays, &mut runs] {
        let executed = world.epoch() + 3;
        world.until_epoch(executed)?;
    }
    story.agent("operator that unbonds", &before, &runs.purse(&[offender.owner.account])?);
    story.agent("operator that stays", &before, &stays.purse(&[offender.owner.account])?);
    story.fact("pledge of each token", units(i128::from(offender.pledge)));
    story.fact("reported after epochs", wait);
    story.promise(held.is_some_and(|rule| rule.ends_with("StakeHeld")), || format!("release while held: {held:?}"));
    for token in TOKENS {
        let (lost, would) = (story.gain(0, token), story.gain(1, token));
        story.promise(lost == would && lost < 0, || {
            format!("unbonding changed the slash of {token}: {lost}, not {would}")
        });
        let (taken, _) = offender::slashed(&runs, token);
        story.promise(-lost == taken, || format!("{token}: lost {lost}, slashed {taken}"));
    }
    Ok(story)
}
