//! A sum that changes now or at later epoch starts and remembers past epoch starts (governance.md §2.1).
//!
//! Votable stake, support, delegated votes and the stake of pools are such sums: bonding schedules what counts later,
//! unbonding acts at once, and a vote reads what stood at the start of its epoch. No timer touches any of them; who
//! reads or writes advances the sum first.
//!
//! # Invariants
//! - Deltas lie after `epoch`, none of them is 0.
//! - History ascends by epoch, neighbours differ, at most [`HISTORY_MAX`] entries.
//! - After every operation of the rules `value` is at least 0 (their invariant; this type only refuses overflow).

use alloc::{collections::BTreeMap, vec::Vec};
use nupeer_primitives::cbor::{Cbor, Reader, Writer};
use nupeer_primitives::error::Malformed;
use nupeer_primitives::state::Bug;

/// Epoch starts remembered.
pub const HISTORY_MAX: usize = 48;
/// Deltas that an encoding may hold: a sum over many accounts has one per later epoch in which anything changes.
const DELTAS_MAX: usize = 8_192;
const OUT_OF_RANGE: Bug = Bug::Arithmetic { what: "epoch sum" };

/// Whether a merge adds or takes away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merge {
    /// Adds.
    Add,
    /// Takes away.
    Subtract,
}

/// `EpochSum` of governance.md §2.1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EpochSum {
    epoch: u32,
    value: i128,
    deltas: BTreeMap<u32, i128>,
    hist: Vec<(u32, i128)>,
}

impl Default for EpochSum {
    fn default() -> Self {
        Self { epoch: 0, value: 0, deltas: BTreeMap::new(), hist: alloc::vec![(0, 0)] }
    }
}

impl EpochSum {
    /// Nothing, as of `epoch`.
    #[must_use]
    pub fn at(epoch: u32) -> Self {
        Self { epoch, ..Self::default() }
    }

    /// A sum that holds `value` since before epoch 0: genesis.
    #[must_use]
    pub fn from_genesis(value: i128) -> Self {
        Self { epoch: 0, value, deltas: BTreeMap::new(), hist: alloc::vec![(0, value)] }
    }

    /// `advance(e)`: takes in what was scheduled up to the start of `epoch` and remembers what changed.
    pub fn advance(&mut self, epoch: u32) -> Result<(), Bug> {
        if epoch <= self.epoch {
            return Ok(());
        }
        let next = self.epoch.saturating_add(1);
        let later = self.deltas.split_off(&epoch.saturating_add(1));
        let mut due = core::mem::replace(&mut self.deltas, later);
        if epoch == u32::MAX {
            due.append(&mut self.deltas);
        }
        due.entry(next).or_insert(0);
        for (at, delta) in due {
            self.value = self.value.checked_add(delta).ok_or(OUT_OF_RANGE)?;
            if self.hist.last().map(|(_, value)| *value) != Some(self.value) {
                self.hist.push((at, self.value));
            }
        }
        let surplus = self.hist.len().saturating_sub(HISTORY_MAX);
        self.hist.drain(..surplus);
        self.epoch = epoch;
        Ok(())
    }

    /// `now(x)`.
    pub fn now(&mut self, x: i128) -> Result<(), Bug> {
        self.value = self.value.checked_add(x).ok_or(OUT_OF_RANGE)?;
        Ok(())
    }

    /// `sched(k, x)`, k after the sum's epoch. What is scheduled for the present or past happens now.
    pub fn sched(&mut self, epoch: u32, x: i128) -> Result<(), Bug> {
        if epoch <= self.epoch {
            return self.now(x);
        }
        let changed = self.deltas.get(&epoch).copied().unwrap_or(0).checked_add(x).ok_or(OUT_OF_RANGE)?;
        if changed == 0 {
            self.deltas.remove(&epoch);
        } else {
            self.deltas.insert(epoch, changed);
        }
        Ok(())
    }

    /// `at_start(e)`: what stood at the start of `epoch`, 0 before everything remembered.
    #[must_use]
    pub fn at_start(&self, epoch: u32) -> i128 {
        self.hist.iter().rev().find(|(at, _)| *at <= epoch).map_or(0, |(_, value)| *value)
    }

    /// `merge(o, ±)`; both sums must have been advanced to the same epoch.
    pub fn merge(&mut self, other: &Self, how: Merge) -> Result<(), Bug> {
        let signed = |x: i128| match how {
            Merge::Add => Ok(x),
            Merge::Subtract => x.checked_neg().ok_or(OUT_OF_RANGE),
        };
        self.now(signed(other.value)?)?;
        for (epoch, delta) in &other.deltas {
            self.sched(*epoch, signed(*delta)?)?;
        }
        Ok(())
    }

    /// Makes what was added before the first epoch start stand at it: genesis.
    pub fn begin(&mut self) {
        if self.epoch == 0 {
            self.hist = alloc::vec![(0, self.value)];
        }
    }

    /// Forgets starts that no question about `epoch` or later needs; sums of many owners are read often.
    pub fn forget_before(&mut self, epoch: u32) {
        let known = self.hist.iter().rposition(|(at, _)| *at <= epoch).unwrap_or(0);
        self.hist.drain(..known);
    }

    /// The epoch advanced to.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The sum now.
    #[must_use]
    pub const fn value(&self) -> i128 {
        self.value
    }

    /// What changes at later epoch starts, ascending.
    pub fn deltas(&self) -> impl Iterator<Item = (u32, i128)> + '_ {
        self.deltas.iter().map(|(epoch, delta)| (*epoch, *delta))
    }

    /// Number of later changes.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.deltas.len()
    }

    /// Remembered epoch starts, ascending: from that epoch on the sum was that value.
    #[must_use]
    pub fn history(&self) -> &[(u32, i128)] {
        &self.hist
    }

    /// Nothing now and nothing later; the history may still matter.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.value == 0 && self.deltas.is_empty()
    }
}

/// Sign in the lowest bit, then high and low halves: small sums stay small, and each has one encoding.
fn write_wide(w: &mut Writer, x: i128) {
    let folded = x.wrapping_shl(1) ^ x.wrapping_shr(127);
    let bytes = folded.to_be_bytes();
    let half = |at: usize| bytes.get(at..).and_then(|b| b.first_chunk::<8>()).map_or(0, |b| u64::from_be_bytes(*b));
    w.uint(half(0)).uint(half(8));
}

fn read_wide(r: &mut Reader<'_>) -> Result<i128, Malformed> {
    let (high, low) = (r.uint()?, r.uint()?);
    let folded = u128::from(high).wrapping_shl(64) | u128::from(low);
    let magnitude = i128::from_be_bytes(folded.wrapping_shr(1).to_be_bytes());
    Ok(if low & 1 == 1 { !magnitude } else { magnitude })
}

impl Cbor for EpochSum {
    fn write(&self, w: &mut Writer) {
        w.array(5).put(&self.epoch);
        write_wide(w, self.value);
        w.array(self.deltas.len());
        for (epoch, delta) in &self.deltas {
            write_wide(w.array(3).put(epoch), *delta);
        }
        w.array(self.hist.len());
        for (epoch, value) in &self.hist {
            write_wide(w.array(3).put(epoch), *value);
        }
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(5)?;
        let (epoch, value) = (r.get()?, read_wide(r)?);
        let mut deltas = BTreeMap::new();
        for _ in 0..r.array_max(DELTAS_MAX)? {
            r.array(3)?;
            deltas.insert(r.get()?, read_wide(r)?);
        }
        let mut hist = Vec::new();
        for _ in 0..r.array_max(HISTORY_MAX)? {
            r.array(3)?;
            hist.push((r.get()?, read_wide(r)?));
        }
        Ok(Self { epoch, value, deltas, hist })
    }
}

#[cfg(test)]
mod tests;
