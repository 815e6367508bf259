//! The pause: one module, a few ticks, at once; it ends by itself (governance.md §8).

use crate::error::GovernanceError;
use nupeer_primitives::governance::RoleId;
use nupeer_primitives::proposal::Module;

/// Who wants to pause what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// The seat; none for the council.
    pub role: Option<RoleId>,
    /// Whether the seat is ACTIVE.
    pub is_active: bool,
    /// Whether this instance has paused before.
    pub is_used: bool,
    /// a: endorsing share of the other executives, ppm.
    pub agreed: u32,
    /// What; none for anything that cannot be paused.
    pub module: Option<Module>,
    /// For how long.
    pub ticks: u64,
}

/// Tick at which the pause ends.
pub fn until(request: &Request, tick: u64, agree: u32, ticks_max: u64) -> Result<u64, GovernanceError> {
    let role = request.role.unwrap_or(RoleId::CISO);
    if !request.is_active {
        return Err(GovernanceError::SeatNotActive { role });
    }
    if request.module.is_none() {
        return Err(GovernanceError::NotPausable);
    }
    if !(1..=ticks_max).contains(&request.ticks) {
        return Err(GovernanceError::OutOfBounds { value: request.ticks, min: 1, max: ticks_max });
    }
    if request.is_used {
        return Err(GovernanceError::PauseUsed { role });
    }
    if request.agreed < agree {
        return Err(GovernanceError::NotAgreed { agreed: request.agreed, needed: agree });
    }
    Ok(tick.saturating_add(request.ticks))
}
