//! A map of bounded memory that forgets what was not used lately.

use std::collections::HashMap;
use std::hash::Hash;

/// Two generations: what is used moves to the young one; when that is full the old one is dropped and the young one
/// becomes old. Hashed with std's keyed hash, since keys come from the guarded side.
pub(crate) struct Cache<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// Bytes of the young generation, as callers count them.
    bytes: usize,
    limit_bytes: usize,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    /// Holds about `limit_bytes`, half of them in each generation.
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), bytes: 0, limit_bytes: limit_bytes / 2 }
    }

    /// The value of a key. `bytes` is what the entry counts for, as at [`Cache::insert`].
    pub(crate) fn get(&mut self, key: &K, bytes: usize) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value.clone(), bytes);
        Some(value)
    }

    /// Remembers a value that counts for `bytes`.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) {
        if self.bytes + bytes > self.limit_bytes {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.young.insert(key, value);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.bytes = 0;
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut cache = Cache::new(200);
        for key in 0..1000 {
            cache.insert(key, key, 10);
            assert_eq!(cache.get(&0, 10), Some(0));
            assert!(cache.len() <= 21, "{}", cache.len());
        }
        assert_eq!(cache.get(&999, 10), Some(999));
        assert_eq!(cache.get(&500, 10), None);
        cache.clear();
        assert_eq!(cache.get(&0, 10), None);
    }
}
