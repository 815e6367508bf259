//! The treasury's actions: paid within the class's cap of the window.

use crate::governance::Now;
use crate::governance::proposals::spending;
use alloc::vec::Vec;
use nupeer_governance::GovernanceError;
use nupeer_governance::treasury::{Stream, ledger};
use nupeer_primitives::governance::RoleId;
use nupeer_primitives::proposal::Class;
use nupeer_primitives::state::{Abort, Work};
use nupeer_primitives::{AccountId, Amount, AssetId};

/// When a stream pays.
#[derive(Clone, Copy, Debug)]
pub struct StreamTerms {
    /// First tick.
    pub start: u64,
    /// Ticks until all of it.
    pub ticks: u64,
    /// Ticks before any of it.
    pub cliff: u64,
}

/// SpendTreasury, Settlement.
pub fn pay(work: &mut Work<'_>, class: Class, asset: AssetId, to: &AccountId, amount: Amount) -> Result<(), Abort> {
    spending::spend(work, class, asset, amount)?;
    ledger::pay(work, asset, to, amount)?;
    crate::core::account::touch(work, to)?;
    Ok(())
}

/// Stream: the whole of it counts now.
pub fn stream(
    work: &mut Work<'_>,
    class: Class,
    asset: AssetId,
    to: &AccountId,
    amount: Amount,
    terms: StreamTerms,
) -> Result<(), Abort> {
    spending::spend(work, class, asset, amount)?;
    let StreamTerms { start, ticks, cliff } = terms;
    let (stop, claimed) = (None, Amount::ZERO);
    ledger::start_stream(work, Stream { asset, to: *to, total: amount, start, ticks, cliff, stop, claimed })?;
    Ok(())
}

/// StopStream.
pub fn stop(work: &mut Work<'_>, now: &Now, id: u64) -> Result<(), Abort> {
    ledger::stop_stream(work, id, now.tick)
}

/// Salary of a role that exists.
pub fn salary(work: &mut Work<'_>, role: RoleId, asset: AssetId, per_tick: Amount) -> Result<(), Abort> {
    if crate::governance::state::role(work, role)?.is_none() {
        return Err(GovernanceError::UnknownRole { role }.into());
    }
    ledger::set_salary(work, role, asset, per_tick)
}

/// Targets.
pub fn targets(work: &mut Work<'_>, targets: &[(AssetId, u32)]) -> Result<(), Abort> {
    ledger::set_targets(work, Vec::from(targets))
}
