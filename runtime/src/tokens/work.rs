//! Paid work of a block: each `FeePaid` of the market counts for its provider (tokens.md §5).

use super::rules;
use crate::context::BlockContext;
use crate::preset;
use alloc::vec::Vec;
use nupeer_primitives::event::Event;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{Amount, AssetId, Epoch};
use nupeer_tokens::credential::nft::{self, At, Role};
use nupeer_tokens::stake::{epoch32, position};
use nupeer_tokens::work_ledger::{self, FeeEarned};

/// Counts the fees of this block's events, once all transactions have run.
pub fn count(work: &mut Work<'_>, ctx: &BlockContext) -> Result<(), Abort> {
    let now = epoch32(ctx.epoch())?;
    let fees: Vec<FeeEarned> = work.events().iter().filter_map(fee_earned).collect();
    if fees.is_empty() {
        return Ok(());
    }
    let rules = rules::work_rewards(work)?;
    for mut fee in fees {
        fee.bond = bond(work, &fee, now)?;
        work_ledger::earn(work, now, &fee, &rules)?;
    }
    Ok(())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "one event of many counts")]
fn fee_earned(event: &Event) -> Option<FeeEarned> {
    match event {
        Event::FeePaid { class, provider, up_ppm, asset, treasury, .. } => Some(FeeEarned {
            account: *provider,
            token: Some(AssetId(u16::from(*class))).filter(|token| token.is_staking_token())?,
            treasury_part: quote_units(*asset, treasury.get()),
            service_ppm: u64::from(*up_ppm),
            bond: 0,
        }),
        _ => None,
    }
}

/// The quote asset counts one to one; others have no rate and count nothing.
fn quote_units(asset: AssetId, amount: u64) -> u64 {
    if asset == preset::USD { amount } else { 0 }
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
