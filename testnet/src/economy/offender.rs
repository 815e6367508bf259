//! A pool that signs two headers of one slot, and what that costs it.

use super::ledger::{Operator, Person, TOKENS, World};
use anyhow::{Context, Result};
use nupeer_consensus::forge::sign_header;
use nupeer_primitives::event::Event;
use nupeer_primitives::finality::Evidence;
use nupeer_primitives::{Action, Amount, AssetId, BlockId, Header, HeaderBody, Slot};

/// Pools of a play, all of the same pledge.
pub const POOLS: u64 = 10;

/// Ten pools.
pub fn pools(pledge: u64) -> Vec<Operator> {
    (0..POOLS).map(|n| Operator::new(n, pledge)).collect()
}

fn header(world: &World, by: &Operator, slot: u64, mark: u8) -> Result<Header> {
    let (mut keys, chain) = (by.keys(), &world.chain);
    let opcert = keys.certify(&chain.genesis, 0, 0);
    let body = HeaderBody {
        slot: Slot(slot),
        parent: BlockId([mark; 32]),
        issuer: keys.issuer(),
        vrf_key: keys.vrf.public(),
        opcert,
        ..world.draft(1)
    };
    Ok(sign_header(&mut keys.kes, body, &chain.genesis, &chain.constants)?)
}

/// The evidence against a pool that signed twice in a slot.
pub fn evidence(world: &World, by: &Operator, slot: u64) -> Result<Action> {
    let (a, b) = (header(world, by, slot, 1)?, header(world, by, slot, 2)?);
    Ok(Action::Evidence { evidence: Evidence::of_headers(&a, &b).context("two headers of one slot")? })
}

/// Everything that the operator pledged starts its way out.
pub fn unpledge(world: &mut World, by: &Operator) -> Result<()> {
    let (pool, amount) = (by.keys().pool(), Amount::new(by.pledge));
    let steps = TOKENS.map(|token| (&by.owner, Action::Unpledge { pool, token, amount }));
    world.act_after(1, &steps)
}

/// Takes back what may leave of a token, if any rule permits.
pub fn release(world: &World, by: &Person, token: AssetId) -> Result<Option<&'static str>> {
    world.why_not(by, &Action::Release { token })
}

/// What slashes have taken of a token so far: all of it, the reporter's part.
pub fn slashed(world: &World, wanted: AssetId) -> (i128, i128) {
    #[expect(clippy::wildcard_enum_match_arm, reason = "one event of many counts")]
    let of = |event: &Event| match event {
        Event::SlashExecuted { token, amount, reporter, .. } if *token == wanted => {
            Some((i128::from(amount.get()), i128::from(reporter.get())))
        }
        _ => None,
    };
    world.events.iter().filter_map(of).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}
