//! Paid work of a block: each `FeePaid` of the market counts for its provider (tokens.md §5).

use super::rules;
use crate::context::BlockContext;
use crate::governance::proposals::tables;
use crate::preset;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use nupeer_primitives::event::Event;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, Amount, AssetId, Epoch};
use nupeer_tokens::credential::nft::{self, At, Role};
use nupeer_tokens::stake::{epoch32, position};
use nupeer_tokens::work_ledger::{self, FeeEarned};

/// Counts the fees of this block's events, once all transactions have run.
pub fn count(work: &mut Work<'_>, ctx: &BlockContext) -> Result<(), Abort> {
    let now = epoch32(ctx.epoch())?;
    let mut fees = Vec::new();
    for event in work.events() {
        fees.extend(fee_earned(work, event)?);
    }
    if fees.is_empty() {
        return Ok(());
    }
    let rules = rules::work_rewards(work)?;
    // Earning moves no bond, and a block pays the same few providers again and again.
    let mut bonds: BTreeMap<(AccountId, AssetId), u64> = BTreeMap::new();
    for mut fee in fees {
        let of = (fee.account, fee.token);
        fee.bond = match bonds.get(&of) {
            Some(known) => *known,
            None => bond(work, &fee, now)?,
        };
        bonds.insert(of, fee.bond);
        work_ledger::earn(work, now, &fee, &rules)?;
    }
    Ok(())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "one event of many counts")]
fn fee_earned(work: &Work<'_>, event: &Event) -> Result<Option<FeeEarned>, Bug> {
    Ok(match event {
        Event::FeePaid { class, provider, up_ppm, asset, treasury, .. } => {
            let token = AssetId(u16::from(*class));
            let treasury_part = quote_units(work, *asset, treasury.get())?;
            let (account, service_ppm, bond) = (*provider, u64::from(*up_ppm), 0);
            let fee = FeeEarned { account, token, treasury_part, service_ppm, bond };
            Some(fee).filter(|_| token.is_staking_token())
        }
        _ => None,
    })
}

/// The quote asset counts one to one; others as the table of quote rates says, nothing where it says nothing.
fn quote_units(work: &Work<'_>, asset: AssetId, amount: u64) -> Result<u64, Bug> {
    if asset == preset::USD {
        return Ok(amount);
    }
    let rate = tables::quote_rate(work, asset)?;
    let units = u128::from(amount).saturating_mul(u128::from(rate)) / 1_000_000;
    Ok(u64::try_from(units).unwrap_or(u64::MAX))
}

/// The provider's own active position in the token; 0 without the NFT that the area asks for.
fn bond(work: &Work<'_>, fee: &FeeEarned, now: u32) -> Result<u64, Bug> {
    let bond = position::load(work, &fee.account, fee.token)?.bond.active_in(now);
    let at = At { epoch: Epoch(u64::from(now)), bond: Amount::new(bond) };
    let wanted = |role: &Role| match role {
        Role::Hardware { .. } => fee.token == AssetId::IAAS,
        Role::Developer { .. } | Role::Organization { .. } => fee.token != AssetId::IAAS,
        Role::Executive { .. } => false,
    };
    Ok(if nft::holds_valid(work, &fee.account, at, wanted)? { bond } else { 0 })
}
