//! Governed tables (governance.md §4, Table): class table, area weights, voices, emission shares, consensus shares, quote
//! rates.

use super::record::key;
use super::{rules, schedule};
use crate::governance::{Now, power};
use crate::params;
use alloc::string::ToString;
use nupeer_governance::GovernanceError;
use nupeer_governance::class::table_fault;
use nupeer_governance::params::broken_guardrail;
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::ProposalId;
use nupeer_primitives::proposal::TableRow;
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AssetId, Epoch};
use nupeer_tokens::emission::Shares;

const WHOLE: u64 = 1_000_000;
/// Most that a consensus share moves in an epoch, ppm (consensus.md §15).
const SHARE_STEP_PPM: u64 = 20_000;
/// Most voice of a seat, ppm: ten times the plain one.
const VOICE_MAX: u32 = 10_000_000;
const SHARES: [&str; 3] = ["share_iaas_ppm", "share_paas_ppm", "share_saas_ppm"];

fn refuse(guardrail: &'static str) -> Abort {
    GovernanceError::GuardrailBroken { guardrail }.into()
}

fn check_whole(parts: impl IntoIterator<Item = u32>) -> Result<(), Abort> {
    let sum = parts.into_iter().fold(0u64, |sum, part| sum.saturating_add(u64::from(part)));
    if sum == WHOLE { Ok(()) } else { Err(refuse("SumToWhole")) }
}

/// Refuses rows that break a guardrail.
pub fn check(work: &Work<'_>, row: &TableRow) -> Result<(), Abort> {
    match row {
        TableRow::Class(class, row) => {
            let mut rows = rules::rows(work)?;
            for (_, own) in rows.iter_mut().filter(|(known, _)| known == class) {
                *own = row.clone();
            }
            if let Some(guardrail) = table_fault(*class, &rows) {
                return Err(refuse(guardrail));
            }
            let window = rows.iter().map(|(_, row)| row.window).max().unwrap_or(0);
            match broken_guardrail(|name| params::get(work, name), window)? {
                Some(guardrail) => Err(refuse(guardrail)),
                None => Ok(()),
            }
        }
        TableRow::Area(_, (a, b, c)) => check_whole([*a, *b, *c]),
        TableRow::Weight(_, _, ppm) if *ppm > VOICE_MAX => Err(refuse("VoiceCap")),
        TableRow::Weight(..) => Ok(()),
        TableRow::Emission(token, shares) => {
            if !token.is_staking_token() || shares.len() != 5 {
                return Err(refuse("EmissionShares"));
            }
            check_whole(shares.iter().copied())
        }
        TableRow::Consensus((a, b, c)) => {
            check_whole([*a, *b, *c])?;
            for (name, new) in SHARES.into_iter().zip([*a, *b, *c]) {
                if params::get(work, name)?.abs_diff(u64::from(new)) > SHARE_STEP_PPM {
                    return Err(refuse("ShareStep"));
                }
            }
            Ok(())
        }
        TableRow::QuoteRate(asset, _) => {
            if asset.is_staking_token() {
                return Err(nupeer_tokens::TokensError::NotPaymentAsset { asset: *asset }.into());
            }
            nupeer_tokens::asset::require_active(work, *asset)
        }
    }
}

/// Writes a row. Consensus shares wait for the next epoch, as they are parameters.
pub fn set(work: &mut Work<'_>, now: &Now, proposal: ProposalId, number: u8, row: &TableRow) -> Result<(), Abort> {
    check(work, row)?;
    let table = match row {
        TableRow::Class(class, row) => {
            work.put(key::class_row(*class), row);
            "class"
        }
        TableRow::Area(area, weights) => {
            work.put(power::area_key(*area), weights);
            "area"
        }
        TableRow::Weight(class, role, ppm) => {
            work.put(key::voice(*class, *role), ppm);
            "voice"
        }
        TableRow::Emission(token, shares) => {
            work.put(key::shares(*token), shares);
            "emission"
        }
        TableRow::Consensus((a, b, c)) => {
            let changes: alloc::vec::Vec<_> = SHARES
                .into_iter()
                .zip([*a, *b, *c])
                .map(|(name, value)| (name.to_string(), u64::from(value), Epoch(0)))
                .collect();
            // Eight actions of three changes each stay apart.
            schedule::set(work, now, ProposalId(proposal.0 | u64::from(number.saturating_add(1)) << 56), &changes)?;
            "consensus"
        }
        TableRow::QuoteRate(asset, rate) => {
            work.put(key::quote_rate(*asset), rate);
            "quote rate"
        }
    };
    work.emit(Event::TableChanged { table: table.to_string() });
    Ok(())
}

/// Emission shares of a token as the constitution has them.
pub fn shares(work: &Work<'_>, token: AssetId) -> Result<Shares, Bug> {
    let changed: Option<alloc::vec::Vec<u32>> = work.get(&key::shares(token))?;
    Ok(match changed.as_deref() {
        Some([ispo, pools, work, developers, treasury]) => Shares {
            ispo: u64::from(*ispo),
            pools: u64::from(*pools),
            work: u64::from(*work),
            developers: u64::from(*developers),
            treasury: u64::from(*treasury),
        },
        Some(_) | None => Shares::of(token),
    })
}

/// Quote units that 10^6 units of a payment asset are worth; 0 where nothing is said.
pub fn quote_rate(work: &Work<'_>, asset: AssetId) -> Result<u64, Bug> {
    Ok(work.get(&key::quote_rate(asset))?.unwrap_or(0))
}
