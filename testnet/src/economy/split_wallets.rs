//! Somebody spreads the same stake over many wallets: for pool rewards, ISPO entitlements, work rewards and votes
//! (tokens.md §13, 7; governance.md §2.2).

use super::ledger::{Operator, Person, TOKENS, UNIT, World};
use super::society::{all, bond, certify_as, power};
use super::story::{Purse, Story, units};
use crate::sim::Dice;
use anyhow::{Context, Result};
use nupeer_primitives::{AccountId, Action, AssetId};
use nupeer_tokens::ispo::{PoolDelegations, Table};
use nupeer_tokens::work_reward::WorkParameters;

/// Epochs for which the stake earns.
const EPOCHS: u64 = 7;

/// Parts of a whole, none of nothing.
fn parts(dice: &mut Dice, whole: u64, count: usize) -> Vec<u64> {
    let mut left = whole;
    let mut parts: Vec<u64> = (1..count)
        .map(|_| {
            let part = 1 + dice.below(left / 2);
            left -= part;
            part
        })
        .collect();
    parts.push(left);
    parts
}

/// Bonds and delegates the parts, earns, claims.
fn earn(first: &World, pool: &Operator, wallets: &[(&Person, u64)], accounts: &[AccountId]) -> Result<(Purse, u64)> {
    let (mut world, pool) = (first.clone(), Some(pool.keys().pool()));
    let issuer = Person::issuer();
    let (one, _) = wallets.first().context("a wallet")?;
    all(&mut world, &[(&issuer, certify_as(one, b"one person"))])?;
    for token in TOKENS {
        let steps = wallets
            .iter()
            .flat_map(|(wallet, part)| [(*wallet, bond(token, *part)), (*wallet, Action::Delegate { token, pool })]);
        all(&mut world, &steps.collect::<Vec<_>>())?;
    }
    world.until_epoch(EPOCHS)?;
    let mut voice = 0;
    for (wallet, _) in wallets {
        voice += power(&world, wallet)?;
    }
    for token in TOKENS {
        // Whoever has nothing to claim is refused; that is no failure of the play.
        world.block(
            1,
            &wallets.iter().map(|(wallet, _)| (*wallet, Action::ClaimRewards { token })).collect::<Vec<_>>(),
        )?;
    }
    Ok((world.purse(accounts)?, voice))
}

/// What delegators of a pot are entitled to, all of them together.
fn entitled(pot: u64, wallets: &[u64], others: u64) -> u64 {
    let account = |n: usize| AccountId([u8::try_from(n).unwrap_or(u8::MAX); 28]);
    let own = wallets.iter().enumerate().map(|(n, lovelace)| (account(n + 1), *lovelace));
    let delegations = own.chain([(AccountId([0; 28]), others)]).collect();
    let table = Table::new(Vec::new()).accumulate(&[PoolDelegations { pots: [pot, 0, 0], delegations }]);
    table.entries().iter().filter(|(id, _)| *id != AccountId([0; 28])).map(|(_, [iaas, ..])| iaas).sum()
}

pub fn play(dice: &mut Dice) -> Result<Story> {
    let mut story = Story::new("split-wallets", "splitting a wallet never raises entitlements, rewards or votes");
    let wallets = Person::many("wallet", 2 + dice.below(5));
    let whole = (1_000 + dice.below(20_000)) * UNIT + dice.below(UNIT);
    let shares = parts(dice, whole, wallets.len());
    let pool = Operator::new(0, 20_000 * UNIT);
    let world = World::new(&wallets.iter().collect::<Vec<_>>(), std::slice::from_ref(&pool))?;
    let accounts: Vec<AccountId> = wallets.iter().map(|wallet| wallet.account).collect();
    let before = world.purse(&accounts)?;
    let split: Vec<(&Person, u64)> = wallets.iter().zip(shares.iter().copied()).collect();
    let (many, many_voice) = earn(&world, &pool, &split, &accounts)?;
    let (one, voice) = earn(&world, &pool, &[(&wallets[0], whole)], &accounts)?;
    story.agent("as many wallets", &before, &many);
    story.agent("as one wallet", &before, &one);
    story.fact("wallets", wallets.len());
    story.fact("stake of each token", units(whole.into()));
    for token in TOKENS {
        let (split, whole) = (story.gain(0, token), story.gain(1, token));
        story.promise(split <= whole && whole > 0, || format!("{token}: {split} split, {whole} whole"));
    }
    story.fact("voice split and whole", format!("{} and {}", units(many_voice.into()), units(voice.into())));
    story.promise(many_voice <= voice && voice == whole, || format!("voice {many_voice} split, {voice} whole"));
    let mut twice = world.clone();
    all(&mut twice, &[(&Person::issuer(), certify_as(&wallets[0], b"one person"))])?;
    let refused = twice.why_not(&Person::issuer(), &certify_as(&wallets[1], b"one person"))?;
    story.promise(refused.is_some_and(|rule| rule.ends_with("NullifierInUse")), || {
        format!("a second voice: {refused:?}")
    });

    let (pot, others) = (1_000_000 * UNIT + dice.below(UNIT), dice.below(10_000_000) * UNIT);
    let (ispo_split, ispo) = (entitled(pot, &shares, others), entitled(pot, &[whole], others));
    story.fact("ISPO split and whole", format!("{} and {}", units(ispo_split.into()), units(ispo.into())));
    story.promise(ispo_split <= ispo, || format!("ISPO: {ispo_split} split, {ispo} whole"));
    let rules = WorkParameters { cap_per_quote: 10, leverage: 10 };
    let fee = (10 + dice.below(1_000_000)) * UNIT;
    let fees = parts(dice, fee, shares.len());
    let apart: u64 = fees.iter().zip(&shares).map(|(fee, bond)| rules.eligible(*fee, *bond)).sum();
    let together = rules.eligible(fees.iter().sum(), whole);
    story.promise(apart <= together, || format!("work: {apart} eligible split, {together} whole"));
    let (many, one) = (story.gain(0, AssetId::ADA), story.gain(1, AssetId::ADA));
    story.promise(many <= one, || format!("many wallets paid {many}, one {one}"));
    Ok(story)
}
