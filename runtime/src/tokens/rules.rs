//! Parameters of the token rules as they stand.

use crate::params;
use nupeer_primitives::Amount;
use nupeer_primitives::state::{Bug, Work};
use nupeer_tokens::bond::UnbondingTerms;
use nupeer_tokens::emission::EmissionParameters;
use nupeer_tokens::pool_reward::PoolParameters;
use nupeer_tokens::stake::SnapshotRules;
use nupeer_tokens::work_reward::WorkParameters;

fn small(work: &Work<'_>, name: &'static str) -> Result<u32, Bug> {
    u32::try_from(params::get(work, name)?).map_err(|_| Bug::Arithmetic { what: name })
}

/// Epochs until a bond counts.
pub fn activation(work: &Work<'_>) -> Result<u32, Bug> {
    small(work, "power.activation")
}

/// Limits of an unbonding of an account whose votes hold its stake until `locked_until`.
pub fn unbonding(work: &Work<'_>, locked_until: u64) -> Result<UnbondingTerms, Bug> {
    let entries_max = params::get(work, "bond.max_unbonding")?;
    Ok(UnbondingTerms { epochs: small(work, "unbonding_epochs")?, entries_max, locked_until })
}

/// Least pledge of a pool in some token.
pub fn pledge_min(work: &Work<'_>) -> Result<Amount, Bug> {
    params::get(work, "pledge_min").map(Amount::new)
}

/// Emission and its controller.
pub fn emission(work: &Work<'_>) -> Result<EmissionParameters, Bug> {
    Ok(EmissionParameters {
        base: params::get(work, "emit.base")?,
        target_ppm: params::get(work, "emit.target")?,
        step_ppm: params::get(work, "emit.step")?,
        max_ppm: params::get(work, "emit.max")?,
        epochs_per_year: params::get(work, "emit.epochs_per_year")?,
    })
}

/// Pool rewards.
pub fn pools(work: &Work<'_>) -> Result<PoolParameters, Bug> {
    Ok(PoolParameters {
        target_count: params::get(work, "pool.target_count")?,
        a0_ppm: params::get(work, "pool.a0")?,
        leverage: params::get(work, "leverage")?,
        pledge_min: params::get(work, "pledge_min")?,
        perf_cap_ppm: params::get(work, "pool.perf_cap")?,
    })
}

/// Work rewards.
pub fn work_rewards(work: &Work<'_>) -> Result<WorkParameters, Bug> {
    let cap_per_quote = params::get(work, "work.cap_per_quote")?;
    Ok(WorkParameters { cap_per_quote, leverage: params::get(work, "work.leverage")? })
}

/// The weight formula; `mark`, `set` and `go` are kept beyond the epochs whose offences may still be proven.
pub fn snapshots(work: &Work<'_>) -> Result<SnapshotRules, Bug> {
    Ok(SnapshotRules {
        share_ppm: [
            params::get(work, "share_iaas_ppm")?,
            params::get(work, "share_paas_ppm")?,
            params::get(work, "share_saas_ppm")?,
        ],
        floor_ppm: params::get(work, "floor_ppm")?,
        leverage: params::get(work, "leverage")?,
        kept: params::get(work, "evidence_epochs")?.saturating_add(4),
    })
}
