//! What an ended epoch mints (tokens.md §2): the treasury's part at once, work by what was eligible, pools in a round
//! over the next blocks, the ISPO's part into its budget. Whatever is not earned is never minted.

use super::rules;
use crate::governance::proposals::tables;
use crate::params;
use nupeer_primitives::event::Event;
use nupeer_primitives::ids::SystemAccount;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, Epoch};
use nupeer_tokens::emission::GENESIS_RATE_PPB;
use nupeer_tokens::stake::{bonded, kind, stake_key};
use nupeer_tokens::supply::{self, NATIVE};
use nupeer_tokens::{ispo_ledger, reward_round, work_ledger};

/// The rate of a token's emission, parts per billion a year.
pub fn rate(work: &Work<'_>, token: AssetId) -> Result<u32, Bug> {
    Ok(work.get(&stake_key(kind::RATE).u16(token.0))?.unwrap_or(GENESIS_RATE_PPB))
}

/// Step 3 of the epoch boundary.
pub fn close(work: &mut Work<'_>, ended: u32) -> Result<(), Abort> {
    let (mut pots, mut supplies) = ([0; 3], [0; 3]);
    for ((token, pot), supply) in NATIVE.into_iter().zip(&mut pots).zip(&mut supplies) {
        (*pot, *supply) = close_token(work, token, ended)?;
    }
    let (pools, target) = (rules::pools(work)?, params::get(work, "emit.target")?);
    reward_round::open(work, ended, pots, supplies, &pools, target)?;
    ispo_ledger::turn(work, ended.saturating_add(1), params::get(work, "ispo.saturation")?)?;
    Ok(ispo_ledger::column(work, u64::from(ended))?)
}

/// Everything of one token; gives the pot of its pools and the supply that it was measured by.
fn close_token(work: &mut Work<'_>, token: AssetId, ended: u32) -> Result<(u64, u64), Abort> {
    let rules = rules::emission(work)?;
    let (supply, rate) = (supply::supply(work, token)?, rate(work, token)?);
    let bonded = bonded(work, token, ended)?.value();
    let bonded = u64::try_from(bonded).map_err(|_| Bug::Arithmetic { what: "bonded stake" })?;
    let limit = rules.emission(supply, rate);
    let shares = tables::shares(work, token)?.split(limit);
    let next = rules.next_rate(rate, bonded, supply);
    work.put(stake_key(kind::RATE).u16(token.0), &next);
    let treasury = Amount::new(shares.treasury);
    if treasury > Amount::ZERO {
        supply::mint(work, token, &AccountId::system(SystemAccount::Treasury), treasury)?;
    }
    let earned = work_ledger::close(work, token, ended, shares.work, &rules::work_rewards(work)?)?;
    ispo_ledger::accrue(work, token, shares.ispo)?;
    let (epoch, limit) = (Epoch(u64::from(ended)), Amount::new(limit));
    work.emit(Event::Emitted { token, epoch, limit, treasury, work: earned, rate_ppb: next });
    Ok((shares.pools, supply))
}
