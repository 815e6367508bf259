//! Parameters and tables as proposals use them: the class table as it stands, lengths, the price of a deposit.

use super::record::{Terms, key};
use crate::governance::seats::role_ids;
use crate::params::get;
use alloc::vec::Vec;
use nupeer_governance::class::{first_row, first_weight};
use nupeer_governance::deposit::PriceRules;
use nupeer_governance::proposal::LifeRules;
use nupeer_primitives::governance::RoleId;
use nupeer_primitives::proposal::{Class, ClassRow, Inner, PersonnelOp};
use nupeer_primitives::state::{Bug, Work};

/// Row of the class table.
pub fn row(work: &Work<'_>, class: Class) -> Result<ClassRow, Bug> {
    Ok(work.get(&key::class_row(class))?.unwrap_or_else(|| first_row(class)))
}

/// The whole class table.
pub fn rows(work: &Work<'_>) -> Result<Vec<(Class, ClassRow)>, Bug> {
    Class::ALL.iter().map(|class| row(work, *class).map(|row| (*class, row))).collect()
}

/// Longest voting window of any class.
pub fn largest_window(work: &Work<'_>) -> Result<u64, Bug> {
    Ok(rows(work)?.into_iter().map(|(_, row)| row.window).max().unwrap_or(0))
}

/// U of a role in a class, ppm.
pub fn voice(work: &Work<'_>, class: Class, role: RoleId) -> Result<u32, Bug> {
    Ok(work.get(&key::voice(class, role))?.unwrap_or_else(|| first_weight(class, role)))
}

/// Lengths of a class.
pub fn life(work: &Work<'_>, class: Class) -> Result<LifeRules, Bug> {
    let rules = LifeRules {
        review: 0,
        window: 0,
        timelock: 0,
        extension: get(work, "prop.extension")?,
        extension_max: get(work, "prop.extension_max")?,
        exec_window: get(work, "prop.exec_window")?,
        exec_tries: get(work, "prop.exec_tries")?,
        adopt_window: get(work, "prop.adopt_window")?,
        expedite: get(work, "agree.expedite")?,
    };
    Ok(rules.with_row(&row(work, class)?))
}

/// What a proposal keeps from its activation on.
pub fn terms(work: &Work<'_>, class: Class, actions: &[Inner]) -> Result<Terms, Bug> {
    let mut voices = Vec::new();
    for role in role_ids() {
        voices.push((role, voice(work, class, role)?));
    }
    let disciplines =
        actions.iter().any(|action| matches!(action, Inner::Personnel { op: PersonnelOp::Discipline(..), .. }));
    let min_t = if disciplines { get(work, "prop.discipline_t")? } else { 0 };
    Ok(Terms {
        row: row(work, class)?,
        voices,
        min_committee: get(work, "agree.min_committee")?,
        forfeit_part: get(work, "prop.forfeit_part")?,
        forfeit_against: get(work, "prop.forfeit_against")?,
        mature_sum: get(work, "power.mature_sum")?,
        delegate_cap: get(work, "power.delegate_cap")?,
        min_t: u32::try_from(min_t).unwrap_or(u32::MAX),
    })
}

/// How the deposit moves.
pub fn price(work: &Work<'_>) -> Result<PriceRules, Bug> {
    Ok(PriceRules {
        floor: get(work, "prop.deposit_floor")?,
        up: get(work, "prop.deposit_up")?,
        down: get(work, "prop.deposit_down")?,
        target: get(work, "prop.deposit_target")?,
    })
}
