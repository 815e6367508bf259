//! A delegate whom many lend their vote takes a bribe. What is lent counts up to a tenth of the electorate, and everybody
//! who votes takes their own part back, before or after the delegate (governance.md §2.4, §7).

use super::ledger::{Person, UNIT, World};
use super::society::{all, pay, proposal, propose, settle, until, until_final, vote};
use super::story::{Story, percent, units};
use crate::sim::Dice;
use anyhow::Result;
use nupeer_primitives::governance::{Area, ProposalId, VoteOption};
use nupeer_primitives::{Action, Amount, AssetId};

const PEOPLE: u64 = 20;
const STAKE: u64 = 10_000 * UNIT;
const LOOT: u64 = 100_000 * UNIT;
/// A person's share of the electorate, and `power.delegate_cap`.
const OWN: u64 = 50_000;
const CAP: u64 = 100_000;

pub fn play(dice: &mut Dice) -> Result<Story> {
    let mut story = Story::new(
        "bribed-delegate",
        "one delegate moves at most a tenth of the electorate, and whoever lent may overrule it",
    );
    let briber = Person::new("briber", 0);
    let people = Person::many("voter", PEOPLE);
    let honest: Vec<&Person> = people.iter().collect();
    let everybody: Vec<&Person> = honest.iter().copied().chain([&briber]).collect();
    let mut world = World::new(&everybody, &super::offender::pools(1_000 * UNIT)[..1])?;
    settle(&mut world, &honest, STAKE)?;
    world.until_epoch(2)?;
    let (delegate, others) = (honest[0], &honest[1..]);
    let lenders = &others[..usize::try_from(4 + dice.below(8))?];
    let lend = Action::DelegateVote { area: Area::Finance, to: Some(delegate.account) };
    all(&mut world, &lenders.iter().map(|lender| (*lender, lend.clone())).collect::<Vec<_>>())?;
    world.until_epoch(3)?;

    let (own, theirs) = (world.purse(&[briber.account])?, world.purse(&[delegate.account])?);
    let bribe = (100 + dice.below(5_000)) * UNIT;
    let transfer = Action::Transfer { to: delegate.account, asset: AssetId::ADA, amount: Amount::new(bribe) };
    let raid = propose(None, vec![pay(briber.account, LOOT)], 10 * UNIT);
    let sponsor = Action::Sponsor { proposal: ProposalId(1) };
    all(&mut world, &[(&briber, transfer), (&briber, raid), (delegate, sponsor)])?;
    until(&mut world, 1, "Voting")?;
    vote(&mut world, &[delegate], 1, VoteOption::For)?;
    let mut shares = vec![proposal(&world, 1)?.shares.0];
    for lender in lenders {
        vote(&mut world, &[lender], 1, VoteOption::Against)?;
        shares.push(proposal(&world, 1)?.shares.0);
    }
    let end = until_final(&mut world, 1)?;
    story.agent("briber", &own, &world.purse(&[briber.account])?);
    story.agent("bribed delegate", &theirs, &world.purse(&[delegate.account])?);
    let (first, last) = (shares.first().copied().unwrap_or(0), shares.last().copied().unwrap_or(0));
    story.fact("lent", percent(OWN * u64::try_from(lenders.len())?));
    story.fact("moved before and after all overruled", format!("{} and {}", percent(first), percent(last)));
    story.fact("bribe", units(bribe.into()));
    story.fact("end", end);
    story.promise(first <= OWN + CAP, || format!("the delegate moved {first} ppm"));
    story.promise(last <= OWN, || format!("overruled by all, it still moved {last} ppm"));
    let falls = shares.windows(2).all(|pair| matches!(pair, [a, b] if a >= b));
    story.promise(falls, || format!("somebody overruled and it moved more: {shares:?}"));
    story.promise(end != "Executed", || "the raid went through".into());
    let lost = story.gain(0, AssetId::ADA);
    story.promise(lost <= -i128::from(bribe), || format!("the briber lost only {lost}"));
    Ok(story)
}
