//! What an executed proposal does (governance.md §4): its actions in order, all or nothing.
//!
//! Each action meets the module it changes through that module's own rule, so nothing here can do what a rule forbids.

mod assets;
mod market;
mod money;
mod people;

use super::proposals::record::Proposal;
use super::proposals::{acts, schedule, tables, upgrade};
use super::{Now, proposals};
use crate::context::BlockContext;
use alloc::vec::Vec;
use nupeer_governance::GovernanceError;
use nupeer_primitives::event::Event;
use nupeer_primitives::proposal::{Inner, Module};
use nupeer_primitives::state::{Abort, Work};

/// The module that must not be paused for an action.
#[must_use]
pub const fn module(action: &Inner) -> Option<Module> {
    match action {
        Inner::SpendTreasury { .. } | Inner::Stream { .. } | Inner::Settlement { .. } | Inner::Salary { .. } => {
            Some(Module::Treasury)
        }
        Inner::ScheduleUpgrade { .. } => Some(Module::Upgrade),
        Inner::Instrument { .. } => Some(Module::Market),
        Inner::Issuers { .. } | Inner::MintDeveloper { .. } => Some(Module::Registration),
        Inner::Text { .. }
        | Inner::StopStream { .. }
        | Inner::Targets { .. }
        | Inner::SetParam { .. }
        | Inner::Table { .. }
        | Inner::AssetRow { .. }
        | Inner::Role { .. }
        | Inner::Personnel { .. }
        | Inner::StrikeProposal { .. }
        | Inner::SlashRuling { .. }
        | Inner::StrikeSlash { .. }
        | Inner::IspoPools { .. }
        | Inner::RevokeNft { .. }
        | Inner::PauseRearm { .. } => None,
    }
}

/// Runs every action of a proposal.
pub fn run(work: &mut Work<'_>, now: &Now, ctx: &BlockContext, p: &Proposal) -> Result<(), Abort> {
    schedule::check(work, now, p.class, &p.actions)?;
    let sets: Vec<_> = p.actions.iter().filter_map(parameter).collect();
    schedule::set(work, now, p.id, &sets)?;
    for (number, action) in (0u8..).zip(&p.actions) {
        effect(work, now, ctx, p, number, action)?;
    }
    Ok(())
}

fn parameter(action: &Inner) -> Option<(alloc::string::String, u64, nupeer_primitives::Epoch)> {
    if let Inner::SetParam { name, value, at } = action { Some((name.clone(), *value, *at)) } else { None }
}

fn effect(
    work: &mut Work<'_>,
    now: &Now,
    ctx: &BlockContext,
    p: &Proposal,
    number: u8,
    action: &Inner,
) -> Result<(), Abort> {
    match action {
        Inner::Text { hash } => {
            work.emit(Event::Resolved { proposal: p.id, hash: *hash });
            Ok(())
        }
        // Scheduled together above.
        Inner::SetParam { .. } => Ok(()),
        Inner::SpendTreasury { asset, to, amount } => money::pay(work, p.class, *asset, to, *amount),
        Inner::Stream { asset, to, amount, start, ticks, cliff } => {
            let terms = money::StreamTerms { start: *start, ticks: *ticks, cliff: *cliff };
            money::stream(work, p.class, *asset, to, *amount, terms)
        }
        Inner::StopStream { id } => money::stop(work, now, *id),
        Inner::Salary { role, asset, per_tick } => money::salary(work, *role, *asset, *per_tick),
        Inner::Settlement { to, asset, amount, agreement } => {
            money::pay(work, p.class, *asset, to, *amount)?;
            work.emit(Event::ClaimSettled { proposal: p.id, to: *to, agreement: *agreement });
            Ok(())
        }
        Inner::Targets { targets } => money::targets(work, targets),
        Inner::Table { row } => tables::set(work, now, p.id, number, row),
        Inner::ScheduleUpgrade { version, height } => upgrade::schedule(work, ctx, *version, *height),
        Inner::AssetRow { op, row } => assets::row(work, *op, row),
        Inner::IspoPools { token, pools } => assets::ispo(work, *token, pools),
        Inner::Instrument { id, op, area } => market::instrument(work, *id, op, *area),
        Inner::Role { role, row } => people::role(work, now, *role, row.as_ref()),
        Inner::Personnel { role, instance, op } => people::personnel(work, now, *role, *instance, *op),
        Inner::PauseRearm { role } => people::rearm(work, *role),
        Inner::StrikeProposal { id } if *id == p.id => {
            Err(GovernanceError::InnerRefused { what: "a proposal cannot strike itself".into() }.into())
        }
        Inner::StrikeProposal { id } => acts::strike(work, now, *id),
        Inner::SlashRuling { target, kind, ppm, evidence: _ } => people::ruling(work, now, target, *kind, *ppm),
        Inner::StrikeSlash { id } => people::strike_slash(work, *id),
        Inner::Issuers { op, issuer, key, level } => people::issuer(work, *op, issuer, *key, *level),
        Inner::MintDeveloper { holder, scope, level } => people::developer(work, now, holder, *scope, *level),
        Inner::RevokeNft { nft } => people::revoke(work, nft),
    }
}

/// What follows for a pending slash from the life of a proposal that would strike it (tokens.md §7): past Funding it
/// waits once, final without execution it goes on.
pub fn slash_waits(work: &mut Work<'_>, now: &Now, p: &Proposal) -> Result<(), Abort> {
    for action in &p.actions {
        if let Inner::StrikeSlash { id } = action {
            people::slash_waits(work, now, *id, p.id, proposals::acts::is_pending(p))?;
        }
    }
    Ok(())
}
