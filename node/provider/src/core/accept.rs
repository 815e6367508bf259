//! Whether to take a matched lease (spec/provider.md §2 step 3): capacity, devices, the owner's policy.

use std::collections::{BTreeMap, BTreeSet};

use nupeer_primitives::AccountId;
use nupeer_primitives::market::Family;

use super::{Holder, JournalHealth, State};
use crate::ports::LeaseView;

/// Workloads of one daemon (spec/provider.md §8).
pub const WORKLOADS_MAX: usize = 256;

/// The owner's rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// If not empty, only these.
    pub allow_accounts: BTreeSet<AccountId>,
    /// Never these.
    pub deny_accounts: BTreeSet<AccountId>,
    /// No new leases.
    pub draining: bool,
}

/// Why a matched lease is declined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The owner does not want this tenant, or anybody at present.
    Policy,
    /// The lots are not there.
    Capacity,
    /// The journal takes nothing, so the lease could not be billed.
    Journal,
}

/// What is left of the machine.
#[derive(Debug, Clone)]
pub struct Room {
    lots: BTreeMap<Family, u32>,
    workloads: usize,
}

impl Room {
    /// Declared lots less those of leases that were accepted.
    #[must_use]
    pub fn of(state: &State) -> Self {
        let mut lots = state.host.as_ref().map(|host| host.lots.clone()).unwrap_or_default();
        let mut workloads = WORKLOADS_MAX;
        for w in state.workloads.values() {
            let accepted = w.holder != Holder::Absent || w.is_accepted();
            if let Some(view) = w.view.as_ref().filter(|_| accepted) {
                take(&mut lots, view);
                workloads = workloads.saturating_sub(1);
            }
        }
        Self { lots, workloads }
    }

    /// Reserves room for a lease or says why not.
    pub fn take(&mut self, lease: &LeaseView, policy: &Policy, journal: JournalHealth) -> Result<(), Refusal> {
        let denied = policy.deny_accounts.contains(&lease.tenant)
            || (!policy.allow_accounts.is_empty() && !policy.allow_accounts.contains(&lease.tenant));
        if denied || policy.draining {
            return Err(Refusal::Policy);
        }
        match journal {
            JournalHealth::Healthy => {}
            JournalHealth::Full | JournalHealth::Corrupt => return Err(Refusal::Journal),
        }
        let free = self.lots.get(&lease.family).copied().unwrap_or(0);
        if free < lease.lots || self.workloads == 0 {
            return Err(Refusal::Capacity);
        }
        take(&mut self.lots, lease);
        self.workloads = self.workloads.saturating_sub(1);
        Ok(())
    }
}

fn take(lots: &mut BTreeMap<Family, u32>, lease: &LeaseView) {
    if let Some(free) = lots.get_mut(&lease.family) {
        *free = free.saturating_sub(lease.lots);
    }
}
