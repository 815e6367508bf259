//! Somebody takes part to complete the quorum of a veto that others could not reach. In `Filled` mode silence fills the
//! quorum, so taking part otherwise than against never blocks (governance.md §5; §13, 5).

use super::ledger::{Person, UNIT, World};
use super::society::{elect, pay, propose, settle, status, until, until_final, vote};
use super::story::Story;
use crate::sim::Dice;
use anyhow::Result;
use nupeer_primitives::governance::{RoleId, VoteOption};
use nupeer_primitives::{AccountId, AssetId};

const LARGE: u64 = 10;
const SMALL: u64 = 10;
const PAYEE: AccountId = AccountId([77; 28]);

pub fn play(dice: &mut Dice) -> Result<Story> {
    let mut story =
        Story::new("quorum-griefing", "in Filled mode a vote for, or to abstain, never blocks what silence would not");
    let (large, small) = (Person::many("large", LARGE), Person::many("small", SMALL));
    let (large, small): (Vec<&Person>, Vec<&Person>) = (large.iter().collect(), small.iter().collect());
    let everybody: Vec<&Person> = large.iter().chain(&small).copied().collect();
    let mut world = World::new(&everybody, &super::offender::pools(1_000 * UNIT)[..1])?;
    settle(&mut world, &large, (8_000 + dice.below(2_000)) * UNIT)?;
    settle(&mut world, &small, 1_000 * UNIT)?;
    world.until_epoch(2)?;
    elect(&mut world, &everybody, large[0], RoleId::CFO)?;
    let before = world.purse(&[large[1].account])?;
    world.act(&[(large[0], propose(None, vec![pay(PAYEE, 5_000 * UNIT)], 10 * UNIT))])?;
    until(&mut world, 1, "Voting")?;
    let against = usize::try_from(dice.below(7))?;
    vote(&mut world, &small[..against], 1, VoteOption::Against)?;

    let mut ends = Vec::new();
    let options = [("silent", None), ("votes for", Some(VoteOption::For)), ("abstains", Some(VoteOption::Abstain))];
    let griefers = &large[1..usize::try_from(2 + dice.below(3))?];
    for (name, option) in options {
        let mut fork = world.clone();
        if let Some(option) = option {
            vote(&mut fork, griefers, 1, option)?;
        }
        ends.push(until_final(&mut fork, 1)?);
        story.agent(
            format!("griefer that {}", if option.is_none() { "is silent" } else { name }),
            &before,
            &fork.purse(&[large[1].account])?,
        );
    }
    story.fact("small voters against", against);
    story.fact("griefers", griefers.len());
    story.fact("ends when silent, for, abstaining", ends.join(", "));
    let silent = ends[0];
    for (end, (name, _)) in ends.iter().zip(options) {
        story.promise(*end != "Blocked" || silent == "Blocked", || {
            format!("whoever {name} blocked what silence would not")
        });
    }
    story.promise(ends.iter().all(|end| ["Blocked", "Executed"].contains(end)), || format!("{ends:?}"));
    story.promise(status(&world, 1)? == "Voting", || "a fork moved its origin".into());
    for at in 0..ends.len() {
        let gain = story.gain(at, AssetId::ADA);
        story.promise(gain <= 0, || format!("a griefer gained {gain}"));
    }
    Ok(story)
}
