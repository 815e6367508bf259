//! What must hold after every block (market.md §17: 1, 2, 4, 12; ledger.md I2), as far as state shows it.

use super::lease::Lease;
use super::pairs;
use super::state::{AskEntry, BidEntry, Bond, Capacity, Deal, Edge, Host, PairEntry, key, pair};
use crate::invariants::Held;
use alloc::collections::BTreeMap;
use alloc::format;
use nupeer_primitives::state::{Bug, Key, Work};
use nupeer_primitives::{AccountId, AssetId, HostId, LeaseId};

fn corrupt(at: &[u8]) -> Bug {
    Bug::Corrupt { prefix: at.first().copied().unwrap_or(0) }
}

fn account_in(at: &[u8]) -> Result<AccountId, Bug> {
    at.get(1..29).and_then(|b| <[u8; 28]>::try_from(b).ok()).map(AccountId).ok_or_else(|| corrupt(at))
}

fn lease_in(at: &[u8]) -> Result<LeaseId, Bug> {
    at.get(1..33).and_then(|b| <[u8; 32]>::try_from(b).ok()).map(LeaseId).ok_or_else(|| corrupt(at))
}

fn u16_at(at: &[u8], from: usize) -> Result<u16, Bug> {
    let bytes = at.get(from..from.saturating_add(2)).and_then(|b| <[u8; 2]>::try_from(b).ok());
    bytes.map(u16::from_be_bytes).ok_or_else(|| corrupt(at))
}

/// Adds what the exchange's records hold for each owner.
pub fn held(work: &Work<'_>, held: &mut Held) -> Result<(), Bug> {
    let mut add = |owner: AccountId, asset: AssetId, amount: u64| {
        let sum = held.entry((owner, asset)).or_default();
        *sum = sum.saturating_add(u128::from(amount));
    };
    for (at, bond) in work.scan::<Bond>(&Key::new(0x27), &[], usize::MAX)? {
        add(account_in(&at)?, AssetId(u16_at(&at, 29)?), bond.total.get());
    }
    for (at, lease) in work.scan::<Lease>(&Key::new(0x2D), &[], usize::MAX)? {
        let deal: Deal = work.expect(&key::deal(&lease_in(&at)?), "deal of a lease")?;
        add(deal.owner, deal.asset, lease.balance);
    }
    for (at, edge) in work.scan::<Edge>(&Key::new(0x33), &[], usize::MAX)? {
        add(account_in(&at)?, edge.asset, edge.bond.get());
    }
    for (at, entry) in work.scan::<PairEntry>(&Key::new(0x3A), &[], usize::MAX)? {
        let listed = pair(work, u16_at(&at, 1)?)?.ok_or_else(|| corrupt(&at))?;
        let (owner, asset, amount) = pairs::holdings(&entry, &listed);
        add(owner, asset, amount.get());
    }
    Ok(())
}

/// Checks the exchange's own invariants.
pub fn check(work: &Work<'_>) -> Result<(), Bug> {
    let mut uses = Uses::default();
    for (at, lease) in work.scan::<Lease>(&Key::new(0x2D), &[], usize::MAX)? {
        let id = lease_in(&at)?;
        let deal: Deal = work.expect(&key::deal(&id), "deal of a lease")?;
        check_lease(&id, &lease)?;
        for holder in lease.holder.iter().chain(lease.former.iter().map(|former| &former.holder)) {
            let host: Host = work.expect(&key::host(holder.host), "host of a lease")?;
            uses.bond(host.provider, deal.asset, holder.bond_left);
            uses.lots(holder.host, deal.family.code(), deal.terms.lots);
        }
    }
    for (at, ask) in work.scan::<AskEntry>(&Key::new(0x2C), &[], usize::MAX)? {
        let id = at.get(1..5).and_then(|b| <[u8; 4]>::try_from(b).ok()).map(u32::from_be_bytes);
        let id = nupeer_primitives::InstrumentId(id.ok_or_else(|| corrupt(&at))?);
        let listed = super::state::instrument(work, id)?.ok_or_else(|| corrupt(&at))?;
        uses.bond(ask.provider, listed.quote, ask.held.get());
        uses.lots(ask.host, listed.family.code(), ask.lots);
    }
    uses.check(work)?;
    for (at, bid) in work.scan::<BidEntry>(&Key::new(0x2B), &[], usize::MAX)? {
        let lease: Lease = work.expect(&key::lease(&bid.lease), "lease of a bid")?;
        if lease.state != super::lease::LeaseState::Queued {
            let what =
                format!("bid {:?} of lease {} in state {:?} is in the book", at.get(5..), bid.lease, lease.state);
            return Err(Bug::Invariant { what });
        }
    }
    Ok(())
}

/// 1: deposited = balance + refunded + paid.
fn check_lease(id: &LeaseId, lease: &Lease) -> Result<(), Bug> {
    let totals = lease.totals;
    let out = lease.balance.checked_add(totals.refunded).and_then(|sum| sum.checked_add(totals.paid));
    if out == Some(totals.deposited) {
        return Ok(());
    }
    let what = format!("lease {id}: {totals:?} and balance {} do not sum up", lease.balance);
    Err(Bug::Invariant { what })
}

/// What asks and leases use of bonds and hosts.
#[derive(Default)]
struct Uses {
    bonds: BTreeMap<(AccountId, AssetId), u128>,
    lots: BTreeMap<(HostId, u8), u128>,
}

impl Uses {
    fn bond(&mut self, provider: AccountId, asset: AssetId, amount: u64) {
        let sum = self.bonds.entry((provider, asset)).or_default();
        *sum = sum.saturating_add(u128::from(amount));
    }

    fn lots(&mut self, host: HostId, family: u8, lots: u64) {
        let sum = self.lots.entry((host, family)).or_default();
        *sum = sum.saturating_add(u128::from(lots));
    }

    /// 4: Σ lots in asks and leases = lots in use ≤ declared. 2, 12: Σ held parts = bond held ≤ bond.
    fn check(&self, work: &Work<'_>) -> Result<(), Bug> {
        for (at, bond) in work.scan::<Bond>(&Key::new(0x27), &[], usize::MAX)? {
            let owner = (account_in(&at)?, AssetId(u16_at(&at, 29)?));
            let sum = self.bonds.get(&owner).copied().unwrap_or(0);
            if sum != u128::from(bond.held.get()) || bond.held > bond.total {
                let what = format!("bond of {} in asset {}: {bond:?}, records hold {sum}", owner.0, owner.1);
                return Err(Bug::Invariant { what });
            }
        }
        if let Some((owner, sum)) =
            self.bonds.iter().find(|(owner, sum)| **sum > 0 && !work.has(&key::bond(&owner.0, owner.1)))
        {
            return Err(Bug::Invariant { what: format!("no bond of {} in asset {} for {sum}", owner.0, owner.1) });
        }
        for (at, host) in work.scan::<Host>(&Key::new(0x28), &[], usize::MAX)? {
            let id = at.get(1..5).and_then(|b| <[u8; 4]>::try_from(b).ok()).map(u32::from_be_bytes);
            let id = HostId(id.ok_or_else(|| corrupt(&at))?);
            for Capacity { family, declared, used } in &host.capacity {
                let sum = self.lots.get(&(id, family.code())).copied().unwrap_or(0);
                if sum != u128::from(*used) || used > declared {
                    let what = format!("host {id}: {used} of {declared} lots of {family:?} in use, records use {sum}");
                    return Err(Bug::Invariant { what });
                }
            }
        }
        Ok(())
    }
}
