//! Where the chain stands for the DAO, and its parameters as records of their rules.

use super::state;
use crate::context::BlockContext;
use crate::params::get;
use nupeer_governance::clock::Tick;
use nupeer_governance::power::spike::SpikeRules;
use nupeer_governance::power::{Maturity, PowerRules};
use nupeer_governance::seat::SeatRules;
use nupeer_primitives::Epoch;
use nupeer_primitives::state::{Bug, Work};

/// Epoch, governance time and tick of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Consensus epoch.
    pub epoch: u32,
    /// Governance time.
    pub gt: u64,
    /// Tick of governance time.
    pub tick: Tick,
}

impl Now {
    /// As of the block of `ctx`, after its tick prologue.
    pub fn of(work: &Work<'_>, ctx: &BlockContext) -> Result<Self, Bug> {
        Self::at(work, ctx.epoch())
    }

    /// As of the state, in `epoch`.
    pub fn at(work: &Work<'_>, epoch: Epoch) -> Result<Self, Bug> {
        let clock = state::clock(work)?;
        Ok(Self { epoch: small(epoch.0)?, gt: clock.gt, tick: clock.tick(get(work, "time.tick_gt")?) })
    }

    /// The consensus epoch.
    #[must_use]
    pub const fn consensus_epoch(&self) -> Epoch {
        Epoch(self.epoch as u64)
    }
}

/// Epochs of governance are 32 bits wide: at a second each they last a century.
pub fn small(epoch: u64) -> Result<u32, Bug> {
    u32::try_from(epoch).map_err(|_| Bug::Arithmetic { what: "epoch above 32 bits" })
}

/// Activation and dormancy.
pub fn power_rules(work: &Work<'_>) -> Result<PowerRules, Bug> {
    Ok(PowerRules {
        liveness: small(get(work, "power.liveness")?)?,
        expiry_step: small(get(work, "power.expiry_step")?)?,
    })
}

/// Epochs until a bond counts.
pub fn activation(work: &Work<'_>) -> Result<u32, Bug> {
    small(get(work, "power.activation")?)
}

/// When a token weighs fully.
pub fn maturity(work: &Work<'_>) -> Result<Maturity, Bug> {
    Ok(Maturity { min: get(work, "power.maturity_min")?, ppm: get(work, "power.maturity_ppm")? })
}

/// The guard against a jumping electorate.
pub fn spike_rules(work: &Work<'_>) -> Result<SpikeRules, Bug> {
    Ok(SpikeRules {
        factor_ppm: get(work, "power.spike_factor")?,
        lookback: small(get(work, "power.spike_lookback")?)?,
    })
}

/// How seats are won and lost.
pub fn seat_rules(work: &Work<'_>) -> Result<SeatRules, Bug> {
    Ok(SeatRules {
        e_min: get(work, "seat.e_min")?,
        k_min: get(work, "seat.k_min")?,
        kappa: get(work, "seat.kappa")?,
        weight_ref: get(work, "seat.weight_ref")?,
        ema_div: get(work, "seat.ema_div")?,
        confirm: get(work, "seat.confirm")?,
        grace: get(work, "seat.grace")?,
        suspend: get(work, "seat.suspend")?,
        min_tenure: get(work, "seat.min_tenure")?,
        need_start: get(work, "seat.need_start")?,
        need_step: get(work, "seat.need_step")?,
        need_floor: get(work, "seat.need_floor")?,
        challenge_margin: get(work, "seat.challenge_margin")?,
        challenge_share: get(work, "seat.challenge_share")?,
        challenge_confirm: get(work, "seat.challenge_confirm")?,
    })
}
