//! A map for a few entries, or for entries that mostly come in order.

/// A vector of entries, sorted by key. Inserting and removing move what is behind, which costs less than a tree up to some
/// thousand entries; and each tree that is compiled is ten kilobytes of module.
#[derive(Clone, Debug)]
pub(crate) struct SortedMap<K, V>(Vec<(K, V)>);

/// As [`SortedMap`], without values.
pub(crate) type SortedSet<K> = SortedMap<K, ()>;

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> SortedMap<K, V> {
        SortedMap(Vec::new())
    }
}

impl<K: Copy + Ord, V> SortedMap<K, V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.place(key).is_ok()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let place = self.place(key).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.place(key).ok()?;
        self.0.get_mut(place).map(|(_, value)| value)
    }

    /// Inserts an entry, in the place of one with the same key: that is `false`.
    pub(crate) fn insert(&mut self, key: K, value: V) -> bool {
        let place = self.place(&key);
        match place {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.0.insert(place, (key, value)),
        }
        place.is_err()
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Ok(place) = self.place(key) {
            self.0.remove(place);
        }
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) {
        self.0.retain(|(key, _)| keep(key));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// In the order of keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    /// In the order of keys.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    fn place(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(found, _)| found.cmp(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_in_order_and_each_key_has_one() {
        let mut map = SortedMap::default();
        let inserted = [5, 1, 9, 5, 3].map(|key| map.insert(key, 10 * key));
        assert_eq!(inserted, [true, true, true, false, true]);
        assert!(map.keys().eq(&[1, 3, 5, 9]));
        assert!(!map.insert(3, 31));
        assert_eq!(map.get(&3), Some(&31));
        map.remove(&1);
        map.remove(&2);
        assert!(!map.contains(&1) && map.contains(&9));
        map.retain(|key| *key < 9);
        assert!(map.keys().eq(&[3, 5]));
        map.iter_mut().for_each(|(_, value)| *value += 1);
        assert_eq!(map.get_mut(&5), Some(&mut 51));
        map.clear();
        assert!(map.is_empty());
    }
}
