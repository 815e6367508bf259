//! Memory and table caps. All requests of a workload draw their linear memory from one budget, so that many small
//! requests cannot take what one large one may not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::ResourceLimiter;

/// Elements of all tables of one request.
const TABLE_ELEMENTS_MAX: usize = 1 << 20;
/// Core instances, tables and memories of one request; a component is made of many modules.
const INSTANCES_MAX: usize = 512;

/// The workload's linear memory.
#[derive(Debug)]
pub struct Budget {
    total: usize,
    used: AtomicUsize,
}

impl Budget {
    /// A budget of `bytes`.
    #[must_use]
    pub fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self { total: usize::try_from(bytes).unwrap_or(usize::MAX), used: AtomicUsize::new(0) })
    }

    fn take(&self, bytes: usize) -> bool {
        let grown = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.total);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok()
    }

    fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// One request's share; given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    taken: usize,
    tables: usize,
    /// Whether a growth was refused, to explain a trap that follows.
    pub refused: bool,
}

impl Share {
    /// An empty share.
    #[must_use]
    pub const fn of(budget: Arc<Budget>) -> Self {
        Self { budget, taken: 0, tables: 0, refused: false }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.give(self.taken);
    }
}

impl ResourceLimiter for Share {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        if !self.budget.take(more) {
            self.refused = true;
            return Ok(false);
        }
        self.taken = self.taken.saturating_add(more);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let tables = self.tables.saturating_add(desired.saturating_sub(current));
        if tables > TABLE_ELEMENTS_MAX {
            self.refused = true;
            return Ok(false);
        }
        self.tables = tables;
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        INSTANCES_MAX
    }

    fn memories(&self) -> usize {
        INSTANCES_MAX
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn requests_share_one_budget_and_give_it_back() {
        let budget = Budget::new(100);
        let mut one = Share::of(Arc::clone(&budget));
        let mut two = Share::of(Arc::clone(&budget));
        assert!(one.memory_growing(0, 60, None).unwrap());
        assert!(!two.memory_growing(0, 60, None).unwrap() && two.refused);
        drop(one);
        assert!(two.memory_growing(0, 100, None).unwrap());
        assert!(!two.table_growing(0, TABLE_ELEMENTS_MAX + 1, None).unwrap());
    }
}
