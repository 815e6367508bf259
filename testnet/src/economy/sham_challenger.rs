//! A group puts up a candidate nobody wants, to push an executive below what keeps the seat. Support for others below 1.5
//! times the holder's own never does that, and a candidate without support pays to leave (governance.md §3; §13, 9).

use super::ledger::{Person, UNIT, World};
use super::society::{elect, seat, settle, stand, support};
use super::story::{Story, percent, units};
use crate::sim::Dice;
use anyhow::Result;
use nupeer_primitives::governance::RoleId;
use nupeer_primitives::{AccountId, AssetId};

const PEOPLE: u64 = 12;
const STAKE: u64 = 10_000 * UNIT;
const ROLE: RoleId = RoleId::CTO;
/// `bond.role` on devnet and the part of it that an evicted candidate loses, ppm.
const BOND: u64 = 100 * UNIT;
const FEE_PPM: u64 = 50_000;

pub fn play(dice: &mut Dice) -> Result<Story> {
    let mut story = Story::new(
        "sham-challenger",
        "no incumbent falls through support for others below 1.5 times its own; a candidate nobody supports pays and goes",
    );
    let people = Person::many("voter", PEOPLE);
    let everybody: Vec<&Person> = people.iter().collect();
    let loyal = usize::try_from(3 + dice.below(4))?;
    let sham = usize::try_from(1 + dice.below(u64::try_from(loyal)?))?;
    let (loyal, rest) = everybody.split_at(loyal);
    let sham = &rest[..sham];
    let mut world = World::new(&everybody, &super::offender::pools(1_000 * UNIT)[..1])?;
    settle(&mut world, &everybody, STAKE)?;
    world.until_epoch(2)?;
    elect(&mut world, loyal, loyal[0], ROLE)?;
    world.idle(100)?;
    let elected = seat(&world, ROLE)?.seat.instance;
    let accounts: Vec<AccountId> = sham.iter().map(|person| person.account).collect();
    let before = world.purse(&accounts)?;
    let holder = world.purse(&[loyal[0].account])?;

    let no = stand(&mut world, sham[0], ROLE)?;
    support(&mut world, sham, ROLE, Some(no))?;
    let mut fallen = Vec::new();
    for _ in 0..60 + dice.below(60) {
        world.idle(1)?;
        let now = seat(&world, ROLE)?;
        if now.weight_ppm == 0 || now.seat.instance != elected || now.holder != Some(loyal[0].account) {
            fallen.push(world.tick()?);
        }
    }
    let steady = seat(&world, ROLE)?;
    support(&mut world, sham, ROLE, None)?;
    world.idle(14)?;
    let left = seat(&world, ROLE)?.candidates.iter().all(|candidate| candidate.no != no);
    // The rest of its bond unbonds; nothing is lost but the fee.
    story.agent("sham candidate and friends", &before, &world.purse(&accounts)?);
    story.agent("incumbent", &holder, &world.purse(&[loyal[0].account])?);
    story.fact("supporters of incumbent and sham", format!("{} and {}", loyal.len(), sham.len()));
    story.fact(
        "incumbent's support and what keeps the seat",
        format!("{} and {}", percent(steady.support_ppm), percent(steady.retain_ppm)),
    );
    story.fact("role bond", units(BOND.into()));
    story.promise(fallen.is_empty(), || format!("the incumbent fell at ticks {fallen:?}"));
    story.promise(left, || "a candidate without support stays".into());
    let (lost, fee) = (story.gain(0, AssetId::IAAS), i128::from(BOND * FEE_PPM / 1_000_000));
    story.promise(lost == -fee, || format!("the sham candidate lost {lost}, not the fee of {fee}"));
    let kept = story.gain(1, AssetId::IAAS);
    story.promise(kept == 0, || format!("the incumbent's stake changed by {kept}"));
    Ok(story)
}
