//! A bounded map of what was used lately.
//!
//! Two generations: what is put or found lives in the young one; when that is full it becomes the old one, and what lay
//! in the old one until then unused is forgotten. A look-up costs at most two hashes, and nothing is ever sorted.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// See the module header.
#[derive(Clone, Debug)]
pub struct Recent<K, V> {
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
    bytes: usize,
    bytes_max: usize,
}

impl<K: Hash + Eq, V: Clone> Recent<K, V> {
    /// Keeps between half of `bytes_max` and all of it, by the sizes that callers give.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), bytes: 0, bytes_max: bytes_max.div_euclid(2) }
    }

    /// Sets a value of `size` bytes.
    pub fn put(&mut self, key: K, value: V, size: usize) {
        if self.bytes.saturating_add(size) > self.bytes_max {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.old.remove(&key);
        if let Some((_, before)) = self.young.insert(key, (value, size)) {
            self.bytes = self.bytes.saturating_sub(before);
        }
        self.bytes = self.bytes.saturating_add(size);
    }

    /// A value, which counts as used.
    pub fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        if let Some((value, _)) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, size)) = self.old.remove_entry(key)?;
        self.put(key, value.clone(), size);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_is_forgotten() {
        let mut recent: Recent<u32, u32> = Recent::new(20);
        for n in 0..1_000 {
            recent.put(n, n, 1);
            assert_eq!(recent.get(&0), Some(0), "used all the time");
        }
        assert_eq!(recent.get(&999), Some(999));
        assert_eq!(recent.get(&900), None);
        assert!(recent.young.len() + recent.old.len() <= 20);
        recent.put(999, 1, 1);
        assert_eq!(recent.get(&999), Some(1), "the newer value wins");
    }

    #[test]
    fn a_new_value_hides_the_old_generation() {
        let mut recent: Recent<u32, u32> = Recent::new(4);
        recent.put(1, 1, 1);
        recent.put(2, 2, 1);
        recent.put(3, 3, 1);
        recent.put(1, 9, 1);
        for n in 4..6 {
            recent.put(n, n, 1);
        }
        assert_ne!(recent.get(&1), Some(1));
    }
}
