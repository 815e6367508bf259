//! Columns in memory: tests and the simulator. A clone is the same disk seen by the next life of a node.

use super::columns::Entry;
use super::{Column, Columns, Reader, StorageError, Write};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Maps = BTreeMap<Column, BTreeMap<Vec<u8>, Vec<u8>>>;

/// A disk that holds exactly what was written to it.
#[derive(Clone, Debug, Default)]
pub struct MemoryColumns {
    maps: Arc<Mutex<Arc<Maps>>>,
    full: Arc<AtomicBool>,
}

impl MemoryColumns {
    /// Makes every further write fail with [`StorageError::DiskFull`], or ends that.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Maps>> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Columns for MemoryColumns {
    fn reader(&self) -> Box<dyn Reader + '_> {
        Box::new(MemoryReader(Arc::clone(&self.lock())))
    }

    fn check_room(&self) -> Result<(), StorageError> {
        let full = self.full.load(Ordering::SeqCst);
        if full { Err(StorageError::DiskFull { available: 0, reserve: 0 }) } else { Ok(()) }
    }

    fn write(&self, batch: Vec<Write>) -> Result<(), StorageError> {
        self.check_room()?;
        let mut guard = self.lock();
        // Copies everything if a reader is still looking at the old maps: readers of the simulator are short-lived.
        let maps = Arc::make_mut(&mut guard);
        for Write { column, key, value } in batch {
            let map = maps.entry(column).or_default();
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        Ok(())
    }
}

struct MemoryReader(Arc<Maps>);

impl Reader for MemoryReader {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.get(&column).and_then(|map| map.get(key)).cloned())
    }

    fn scan(
        &self,
        column: Column,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StorageError> {
        let Some(map) = self.0.get(&column) else { return Ok(()) };
        for (key, value) in map.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)) {
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn last_below(&self, column: Column, key: &[u8]) -> Result<Option<Entry>, StorageError> {
        let Some(map) = self.0.get(&column) else { return Ok(None) };
        let mut below = map.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(key)));
        Ok(below.next_back().map(|(key, value)| (key.clone(), value.clone())))
    }
}
