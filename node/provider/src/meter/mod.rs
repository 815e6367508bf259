//! From counters to a receipt body (spec/provider.md §1 Metering, market.md §8).
//!
//! 1. Each source (plugin, own relay) counts cumulative totals in generations; [`Counters`] folds them.
//! 2. A plugin is believed only about what a host cannot see (fuel, service units); bytes and requests are the relay's.
//!    Where both count the same and differ by more than 5 %, the lower is billed and the receipt says DEGRADED.
//! 3. [`receipt::draft`] turns totals into the next body, within the caps of the terms, never below the last.
//!
//! Not here: signatures, disks, money beyond the amount of a body.

pub mod receipt;

use std::collections::BTreeMap;

use nupeer_plugin_protocol::fold::Fold;
use nupeer_plugin_protocol::v1::{Counter, Sample};
use nupeer_primitives::LeaseId;
use nupeer_primitives::cbor::{Cbor, Reader, Writer};
use nupeer_primitives::error::Malformed;

/// Cumulative totals by meter kind.
pub type Totals = BTreeMap<u32, u64>;

/// Meter kinds of one workload that are folded; the protocol's samples carry fewer.
pub const KINDS_MAX: usize = 64;
/// Difference between two sources above which the lower is billed, per million.
pub const DISAGREEMENT_PPM_MAX: u64 = 50_000;

/// Who counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The runtime plugin.
    Plugin,
    /// The daemon's own port relay.
    Relay,
}

/// Who is believed about a kind (market.md §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Believed {
    Relay,
    Plugin,
    Nobody,
}

const fn believed(kind: u8) -> Believed {
    match kind {
        1..=3 => Believed::Relay,
        4 | 9 => Believed::Plugin,
        // 5-8 are read from the host's own cgroup and quota counters; until those are read, they bill nothing.
        _ => Believed::Nobody,
    }
}

/// A total and what has to be said about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Billable total.
    pub total: u64,
    /// |plugin - relay| in ppm of the larger, where both count.
    pub disagreement_ppm: u64,
}

/// Folded counters of one workload in one epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    plugin: Fold,
    relay: Fold,
}

impl Counters {
    /// Takes a sample; kinds beyond the limit are ignored.
    pub fn take(&mut self, source: Source, generation: u64, totals: &Totals) {
        let counters =
            totals.iter().take(KINDS_MAX).map(|(kind, total)| Counter { kind: *kind, total: *total }).collect();
        let sample = Sample { generation, counters, ..Sample::default() };
        match source {
            Source::Plugin => self.plugin.take(&sample),
            Source::Relay => self.relay.take(&sample),
        };
    }

    /// The billable reading of a kind.
    #[must_use]
    pub fn read(&self, kind: u8) -> Reading {
        let (plugin, relay) = (self.plugin.total(kind.into()), self.relay.total(kind.into()));
        match believed(kind) {
            Believed::Plugin => Reading { total: plugin, disagreement_ppm: 0 },
            Believed::Nobody => Reading { total: 0, disagreement_ppm: 0 },
            Believed::Relay if plugin == 0 => Reading { total: relay, disagreement_ppm: 0 },
            Believed::Relay => {
                let larger = u128::from(plugin.max(relay).max(1));
                let ppm = u128::from(plugin.abs_diff(relay)).saturating_mul(1_000_000).div_euclid(larger);
                let disagreement_ppm = u64::try_from(ppm).unwrap_or(u64::MAX);
                let total = if disagreement_ppm > DISAGREEMENT_PPM_MAX { plugin.min(relay) } else { relay };
                Reading { total, disagreement_ppm }
            }
        }
    }

    /// Whether a counter ever fell within a generation.
    #[must_use]
    pub const fn was_reset(&self) -> bool {
        self.plugin.was_reset() || self.relay.was_reset()
    }

    /// The generation under which a source that starts anew has to count.
    #[must_use]
    pub const fn next_relay_generation(&self) -> u64 {
        self.relay.generation().saturating_add(1)
    }
}

/// What a receipt is built from, as the journal keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SampleRecord {
    /// The lease.
    pub lease: Option<LeaseId>,
    /// Its epoch.
    pub epoch: u32,
    /// Folded counters.
    pub counters: Counters,
    /// Time up.
    pub up_ms: u64,
    /// Market time up to which it was counted.
    pub up_mark_ms: Option<u64>,
}

fn write_fold(w: &mut Writer, fold: &Fold) {
    let (generation, closed, current, reset) = fold.parts();
    let pairs = |map: &BTreeMap<u32, u64>| map.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>();
    w.array(4).uint(generation).put(&pairs(closed)).put(&pairs(current)).put(&reset);
}

fn read_fold(r: &mut Reader<'_>) -> Result<Fold, Malformed> {
    r.array(4)?;
    let generation = r.get()?;
    let closed: Vec<(u32, u64)> = r.list(KINDS_MAX)?;
    let current: Vec<(u32, u64)> = r.list(KINDS_MAX)?;
    Ok(Fold::from_parts(generation, closed.into_iter().collect(), current.into_iter().collect(), r.get()?))
}

impl Cbor for SampleRecord {
    fn write(&self, w: &mut Writer) {
        w.array(6).put(&self.lease).put(&self.epoch);
        write_fold(w, &self.counters.plugin);
        write_fold(w, &self.counters.relay);
        w.put(&self.up_ms).put(&self.up_mark_ms);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(6)?;
        Ok(Self {
            lease: r.get()?,
            epoch: r.get()?,
            counters: Counters { plugin: read_fold(r)?, relay: read_fold(r)? },
            up_ms: r.get()?,
            up_mark_ms: r.get()?,
        })
    }
}

#[cfg(test)]
mod tests;
