//! Parameters that change at the start of an epoch (governance.md §4, SetParam): bounds and guardrails at submission and
//! again when they take effect. What one proposal sets for one epoch stands or falls together.

use super::record::{ParamSet, constitution, key};
use super::rules;
use crate::governance::Now;
use crate::params;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use nupeer_governance::GovernanceError;
use nupeer_governance::params::{ParamChange, check_change};
use nupeer_primitives::Epoch;
use nupeer_primitives::event::Event;
use nupeer_primitives::governance::ProposalId;
use nupeer_primitives::proposal::{Class, Inner};
use nupeer_primitives::state::{Abort, Bug, Work};

/// Changes of one epoch: at most eight a proposal, and few proposals.
const CHANGES_MAX: usize = 512;

/// Refuses what breaks bounds or guardrails, on the parameters as they stand with all of the proposal's changes.
pub fn check(work: &mut Work<'_>, now: &Now, class: Class, actions: &[Inner]) -> Result<(), Abort> {
    let is_mainnet = constitution(work)?.is_mainnet;
    let mut by_epoch: BTreeMap<Epoch, Vec<(String, u64)>> = BTreeMap::new();
    for action in actions {
        if let Inner::SetParam { name, value, at } = action {
            check_change(&ParamChange { name, value: *value }, params::row(name), class, is_mainnet)?;
            let at = (*at).max(Epoch(u64::from(now.epoch).saturating_add(1)));
            by_epoch.entry(at).or_default().push((name.clone(), *value));
        }
    }
    let mut changes: Vec<(String, u64)> = Vec::new();
    for later in by_epoch.into_values() {
        changes.extend(later);
        if let Some(guardrail) = broken(work, &changes)? {
            return Err(GovernanceError::GuardrailBroken { guardrail }.into());
        }
    }
    Ok(())
}

/// The first guardrail that the parameters break with `changes`.
fn broken(work: &Work<'_>, changes: &[(String, u64)]) -> Result<Option<&'static str>, Bug> {
    let value = |name: &'static str| match changes.iter().rev().find(|(changed, _)| changed == name) {
        Some((_, value)) => Ok(*value),
        None => params::get(work, name),
    };
    params::broken_guardrail(value, rules::largest_window(work)?)
}

/// Schedules changes for the start of an epoch, the next one at the earliest.
pub fn set(
    work: &mut Work<'_>,
    now: &Now,
    proposal: ProposalId,
    changes: &[(String, u64, Epoch)],
) -> Result<(), Abort> {
    let next = Epoch(u64::from(now.epoch).saturating_add(1));
    for (number, (name, value, at)) in (0u8..).zip(changes) {
        let epoch = (*at).max(next);
        work.put(key::param(epoch, proposal, number), &ParamSet { name: name.clone(), value: *value });
        work.emit(Event::ParamScheduled { name: name.clone(), value: *value, epoch });
    }
    Ok(())
}

/// Step 9 of an epoch boundary: what is scheduled for `epoch` takes effect, proposal by proposal. A group that would
/// break a guardrail by now is dropped whole.
pub fn activate(work: &mut Work<'_>, epoch: Epoch) -> Result<(), Bug> {
    let rows = work.scan::<ParamSet>(&key::params_of(epoch), &[], CHANGES_MAX)?;
    let mut groups: BTreeMap<u64, Vec<(String, u64)>> = BTreeMap::new();
    for (at, set) in rows {
        let proposal = at.get(10..18).and_then(|b| <[u8; 8]>::try_from(b).ok()).map(u64::from_be_bytes);
        let proposal = proposal.ok_or(Bug::Corrupt { prefix: 0x1D })?;
        let number = at.last().copied().unwrap_or(0);
        work.remove(key::param(epoch, ProposalId(proposal), number));
        groups.entry(proposal).or_default().push((set.name, set.value));
    }
    for changes in groups.into_values() {
        let guardrail = broken(work, &changes)?;
        for (name, value) in changes {
            match guardrail {
                None => {
                    work.put(params::key(&name), &value);
                    work.emit(Event::ParamChanged { name, value });
                }
                Some(guardrail) => work.emit(Event::ParamDropped { name, guardrail: guardrail.into() }),
            }
        }
    }
    Ok(())
}

/// What is scheduled, by epoch.
pub fn scheduled(work: &Work<'_>) -> Result<Vec<(Epoch, String, u64)>, Bug> {
    let rows = work.scan::<ParamSet>(&key::all_params(), &[], CHANGES_MAX)?;
    rows.into_iter()
        .map(|(at, set)| {
            let epoch = at.get(2..10).and_then(|b| <[u8; 8]>::try_from(b).ok()).map(u64::from_be_bytes);
            Ok((Epoch(epoch.ok_or(Bug::Corrupt { prefix: 0x1D })?), set.name, set.value))
        })
        .collect()
}
