//! Key -> slot, in key order, for a tree in memory.
//!
//! The first 16 bytes of a key are compared as a number, which reads no other memory; keys that share them stand in one
//! short sorted list. Padding with zeroes keeps the order: a key is never below its own prefix.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

type Entry = (Arc<[u8]>, u64);

/// An ordered map from keys to slots.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct SlotIndex {
    lists: BTreeMap<u128, Vec<Entry>>,
    len: usize,
}

fn prefix(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(key) {
        *to = *from;
    }
    u128::from_be_bytes(bytes)
}

fn place(list: &[Entry], key: &[u8]) -> Result<usize, usize> {
    list.binary_search_by(|(other, _)| other.as_ref().cmp(key))
}

impl SlotIndex {
    pub fn get(&self, key: &[u8]) -> Option<u64> {
        let list = self.lists.get(&prefix(key))?;
        let at = place(list, key).ok()?;
        list.get(at).map(|(_, slot)| *slot)
    }

    pub fn insert(&mut self, key: &Arc<[u8]>, slot: u64) {
        let list = self.lists.entry(prefix(key)).or_default();
        match place(list, key) {
            Ok(at) => {
                if let Some(entry) = list.get_mut(at) {
                    entry.1 = slot;
                }
            }
            Err(at) => {
                list.insert(at, (Arc::clone(key), slot));
                self.len = self.len.saturating_add(1);
            }
        }
    }

    pub fn remove(&mut self, key: &[u8]) {
        let prefix = prefix(key);
        let Some(list) = self.lists.get_mut(&prefix) else { return };
        if let Ok(at) = place(list, key) {
            list.remove(at);
            self.len = self.len.saturating_sub(1);
        }
        if list.is_empty() {
            self.lists.remove(&prefix);
        }
    }

    /// The greatest key below `key`, and its slot.
    pub fn below(&self, key: &[u8]) -> Option<(&[u8], u64)> {
        let prefix = prefix(key);
        let near = self.lists.get(&prefix).and_then(|list| {
            let count = list.partition_point(|(other, _)| other.as_ref() < key);
            list.get(count.checked_sub(1)?)
        });
        let found = near.or_else(|| self.lists.range(..prefix).next_back().and_then(|(_, list)| list.last()));
        found.map(|(key, slot)| (key.as_ref(), *slot))
    }

    pub fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Keys that share 16 bytes, are prefixes of one another, or end in zeroes behave as in a plain map.
        #[test]
        fn it_is_an_ordered_map(
            steps in prop::collection::vec((0usize..20, prop::collection::vec(0u8..2, 0..4), any::<bool>()), 0..60),
        ) {
            let (mut index, mut map) = (SlotIndex::default(), BTreeMap::<Vec<u8>, u64>::new());
            for (slot, (zeroes, tail, insert)) in (0u64..).zip(steps) {
                let key = [alloc::vec![0; zeroes], tail].concat();
                if insert {
                    index.insert(&Arc::from(key.as_slice()), slot);
                    map.insert(key.clone(), slot);
                } else {
                    index.remove(&key);
                    map.remove(&key);
                }
                let below = map.range(..key.clone()).next_back().map(|(key, slot)| (key.as_slice(), *slot));
                prop_assert_eq!(index.below(&key), below);
                prop_assert_eq!(index.get(&key), map.get(&key).copied());
                prop_assert_eq!(index.len(), map.len());
            }
        }
    }
}
