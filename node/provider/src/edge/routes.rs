//! Who may be reached (market.md §10): names to leases to tunnels. Hosts announce, the chain decides.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nupeer_primitives::{LeaseId, VerificationKey};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::limits::{Bucket, IN_FLIGHT_MAX, LEASE_RATE};
use crate::core::Held;
use crate::ports::{Chain, ChainError, LeaseRoute, LeaseState};
use crate::tunnel::count::Counts;
use crate::tunnel::mux::Opener;
use crate::tunnel::wire::{NAME_BYTES_MAX, Route, Verdict};

/// A workload that can be reached.
#[derive(Debug)]
pub struct Entry {
    /// Which.
    pub held: Held,
    /// Session key of its host.
    pub host: VerificationKey,
    /// Names it answers to.
    pub names: Vec<String>,
    /// Where it says that it is healthy.
    pub health: Option<String>,
    /// Its tunnel.
    pub opener: Opener,
    /// What it sent.
    pub counts: Arc<Counts>,
    /// Requests in flight.
    pub slots: Arc<Semaphore>,
    /// Requests a second.
    pub bucket: Mutex<Bucket>,
    /// Missed probes in a row.
    pub misses: AtomicU32,
    /// Two probes were missed.
    pub suspect: AtomicBool,
    /// Own port; 0 = none yet.
    pub port: AtomicU32,
    /// Ends the listener of the own port.
    pub alive: watch::Sender<bool>,
}

/// Workloads remembered; when full, the one that was silent longest is forgotten.
const KNOWN_MAX: usize = 65_536;

/// What is remembered of a workload beyond its route.
#[derive(Debug)]
struct Known {
    counts: Arc<Counts>,
    /// Who the chain last said holds it, so that a host may come back while no node answers.
    confirmed: Option<VerificationKey>,
    seen: Instant,
}

impl Known {
    fn of(counts: Arc<Counts>) -> Self {
        Self { counts, confirmed: None, seen: Instant::now() }
    }
}

/// Names and what is known are bounded: a lease has the names of its last route, an epoch ends those before it.
#[derive(Debug, Default)]
struct Table {
    names: BTreeMap<String, LeaseId>,
    entries: BTreeMap<LeaseId, Arc<Entry>>,
    known: BTreeMap<Held, Known>,
}

impl Table {
    /// What is known of a workload, anew if need be.
    fn know(&mut self, held: Held) -> &mut Known {
        if !self.known.contains_key(&held) {
            self.make_room(held, KNOWN_MAX);
        }
        let known = self.known.entry(held).or_insert_with(|| Known::of(Arc::default()));
        known.seen = Instant::now();
        known
    }

    fn make_room(&mut self, held: Held, most: usize) {
        // Older epochs bill nothing any more (market.md §17, 9).
        self.known.retain(|old, _| old.lease != held.lease || old.epoch > held.epoch);
        while self.known.len() >= most {
            let is_live = |held: &Held| self.entries.get(&held.lease).is_some_and(|entry| entry.held == *held);
            let silent = self.known.iter().filter(|(held, _)| !is_live(held)).min_by_key(|(_, known)| known.seen);
            let oldest =
                silent.or_else(|| self.known.iter().min_by_key(|(_, known)| known.seen)).map(|(held, _)| *held);
            let Some(oldest) = oldest else { return };
            self.known.remove(&oldest);
            self.names.retain(|_, lease| *lease != oldest.lease);
        }
    }
}

/// The table.
#[derive(Debug)]
pub struct Routes(Mutex<Table>);

/// What a name leads to.
#[derive(Debug, Clone)]
pub enum Found {
    /// A workload.
    Entry(Arc<Entry>),
    /// A lease whose tunnel is down.
    Away(LeaseId),
    /// Nothing.
    Unknown,
}

/// Whether a state on chain lets requests in. Provisioning does: the host needs the edge's check to become ready.
const fn is_reachable(state: LeaseState) -> bool {
    state.is_served() || matches!(state, LeaseState::Provisioning)
}

const fn is_live(state: LeaseState) -> bool {
    match state {
        LeaseState::Closing | LeaseState::Purging | LeaseState::Closed => false,
        LeaseState::Queued
        | LeaseState::Matched
        | LeaseState::Provisioning
        | LeaseState::Active
        | LeaseState::Reclaiming
        | LeaseState::Grace
        | LeaseState::Failover => true,
    }
}

/// Whether a text can be a name here: lower case, dots and dashes, nothing that a header or a path would mind.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    name.len() <= NAME_BYTES_MAX && name.split('.').all(label)
}

impl Routes {
    /// Empty, with the counts of an earlier life.
    #[must_use]
    pub fn new(counts: BTreeMap<Held, Arc<Counts>>) -> Self {
        let known = counts.into_iter().map(|(held, counts)| (held, Known::of(counts))).collect();
        Self(Mutex::new(Table { known, ..Table::default() }))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a name leads to.
    #[must_use]
    pub fn find(&self, name: &str) -> Found {
        let table = self.table();
        match table.names.get(name) {
            None => Found::Unknown,
            Some(lease) => match table.entries.get(lease).filter(|entry| !entry.opener.is_closed()) {
                Some(entry) => Found::Entry(Arc::clone(entry)),
                None => Found::Away(*lease),
            },
        }
    }

    /// A lease's workload.
    #[must_use]
    pub fn entry(&self, lease: LeaseId) -> Option<Arc<Entry>> {
        self.table().entries.get(&lease).filter(|entry| !entry.opener.is_closed()).cloned()
    }

    /// Everything that can be reached.
    #[must_use]
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        self.table().entries.values().cloned().collect()
    }

    /// Counts of everything that is remembered.
    #[must_use]
    pub fn counts(&self) -> Vec<(Held, Arc<Counts>)> {
        self.table().known.iter().map(|(held, known)| (*held, Arc::clone(&known.counts))).collect()
    }

    /// Counts of one.
    #[must_use]
    pub fn counts_of(&self, held: Held) -> Option<Arc<Counts>> {
        self.table().known.get(&held).map(|known| Arc::clone(&known.counts))
    }

    /// Cuts everything.
    pub fn clear(&self) {
        let mut table = self.table();
        for entry in table.entries.values() {
            entry.alive.send_replace(false);
        }
        table.entries.clear();
    }

    /// Takes a host's whole list: what is not in it any more is cut.
    pub async fn announce<C: Chain>(
        &self,
        chain: &C,
        host: VerificationKey,
        opener: &Opener,
        routes: Vec<Route>,
    ) -> Vec<Verdict> {
        let leases: Vec<LeaseId> = routes.iter().map(|route| route.held.lease).collect();
        self.drop_where(|entry| entry.host == host && !leases.contains(&entry.held.lease));
        let mut verdicts = Vec::new();
        for route in routes {
            let held = route.held;
            let verdict = self.judge(chain, host, opener, route).await;
            let (refusal, port) = match verdict {
                Ok(entry) => (String::new(), u16::try_from(entry.port.load(Ordering::Relaxed)).unwrap_or(0)),
                Err(refusal) => (refusal, 0),
            };
            verdicts.push(Verdict { held, refusal, port });
        }
        verdicts
    }

    /// Cuts what a closed tunnel carried; names stay with their leases.
    pub fn tunnel_closed(&self, opener: &Opener) {
        self.drop_where(|entry| entry.opener.is_same(opener));
    }

    fn drop_where(&self, gone: impl Fn(&Entry) -> bool) {
        self.table().entries.retain(|_, entry| {
            let keep = !gone(entry);
            if !keep {
                entry.alive.send_replace(false);
            }
            keep
        });
    }

    async fn judge<C: Chain>(
        &self,
        chain: &C,
        host: VerificationKey,
        opener: &Opener,
        route: Route,
    ) -> Result<Arc<Entry>, String> {
        let held = route.held;
        let known = self.entry(held.lease).filter(|entry| {
            entry.held == held && entry.host == host && entry.opener.is_same(opener) && entry.names == route.names
        });
        match chain.lease(held.lease).await {
            Ok(Some(on_chain)) => {
                if let Err(why) = may_serve(&on_chain, held, host) {
                    if let Some(known) = self.table().known.get_mut(&held) {
                        known.confirmed = None;
                    }
                    self.drop_where(|entry| entry.held == held && entry.host == host);
                    return Err(why);
                }
                self.table().know(held).confirmed = Some(host);
            }
            Ok(None) => {
                self.drop_where(|entry| entry.held == held && entry.host == host);
                return Err("the chain knows no such lease".to_owned());
            }
            // A silent node changes nothing for what it confirmed before, and lets nothing new in.
            Err(
                error @ (ChainError::NodeUnreachable { .. }
                | ChainError::ProofInvalid { .. }
                | ChainError::Refused { .. }),
            ) => {
                let confirmed = self.table().known.get(&held).and_then(|known| known.confirmed);
                if known.is_none() && confirmed != Some(host) {
                    return Err(error.to_string());
                }
            }
        }
        if let Some(entry) = known {
            return Ok(entry);
        }
        for name in &route.names {
            if !is_name(name) {
                return Err(format!("`{name}` is not a host name"));
            }
            self.claim(chain, name, held.lease).await?;
        }
        Ok(self.insert(host, opener, route))
    }

    /// First come: a name stays with its lease for as long as the chain calls that lease live.
    async fn claim<C: Chain>(&self, chain: &C, name: &str, lease: LeaseId) -> Result<(), String> {
        let holder = self.table().names.get(name).copied().filter(|holder| *holder != lease);
        if let Some(holder) = holder {
            let live = match chain.lease(holder).await {
                Ok(found) => found.is_some_and(|found| is_live(found.state)),
                Err(_) => true,
            };
            if live {
                return Err(format!("name `{name}` belongs to lease {holder}"));
            }
        }
        self.table().names.insert(name.to_owned(), lease);
        Ok(())
    }

    fn insert(&self, host: VerificationKey, opener: &Opener, route: Route) -> Arc<Entry> {
        let mut table = self.table();
        let lease = route.held.lease;
        table.names.retain(|name, owner| *owner != lease || route.names.contains(name));
        let counts = Arc::clone(&table.know(route.held).counts);
        let entry = Arc::new(Entry {
            held: route.held,
            host,
            names: route.names,
            health: route.health,
            opener: opener.clone(),
            counts,
            slots: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
            bucket: Mutex::new(Bucket::new(LEASE_RATE)),
            misses: AtomicU32::new(0),
            suspect: AtomicBool::new(false),
            port: AtomicU32::new(0),
            alive: watch::Sender::new(true),
        });
        if let Some(old) = table.entries.insert(route.held.lease, Arc::clone(&entry)) {
            old.alive.send_replace(false);
        }
        entry
    }
}

fn may_serve(on_chain: &LeaseRoute, held: Held, host: VerificationKey) -> Result<(), String> {
    if on_chain.epoch != held.epoch {
        return Err(format!("EpochStale: epoch {} was announced, the chain is at {}", held.epoch, on_chain.epoch));
    }
    if on_chain.session_key != Some(host) {
        return Err("another host holds this lease".to_owned());
    }
    if !is_reachable(on_chain.state) {
        return Err(format!("the lease is {}", on_chain.state.name()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn held(lease: u8, epoch: u32) -> Held {
        Held { lease: LeaseId([lease; 32]), epoch }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_a_new_epoch_ends_the_old() {
        let mut table = Table::default();
        for epoch in 1..5 {
            table.know(held(1, epoch)).confirmed = Some(VerificationKey([1; 32]));
        }
        assert_eq!(table.known.keys().copied().collect::<Vec<_>>(), [held(1, 4)]);
        table.names.insert("one.nup".into(), held(1, 4).lease);
        table.know(held(2, 1));
        table.know(held(3, 1));
        table.make_room(held(4, 1), 3);
        assert_eq!(table.known.keys().copied().collect::<Vec<_>>(), [held(2, 1), held(3, 1)]);
        assert!(table.names.is_empty(), "its name is free again");
        let counts = Arc::clone(&table.know(held(2, 1)).counts);
        assert!(Arc::ptr_eq(&counts, &table.know(held(2, 1)).counts), "counts go on where they were");
    }
}
