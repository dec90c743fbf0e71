//! Maps as sorted vectors: one for few entries, or for entries that mostly come in order, and one
//! for any number.

use crate::heap::HeapBytes;

/// A vector of entries, sorted by key. Inserting and removing move what is behind, which costs less
/// than a tree up to some thousand entries. A tree would also add ten kilobytes to the module for
/// each type it is compiled for.
#[derive(Clone, Debug)]
pub(crate) struct FlatMap<K, V>(Vec<(K, V)>);

/// A [`FlatMap`] without values.
pub(crate) type FlatSet<K> = FlatMap<K, ()>;

impl<K, V> Default for FlatMap<K, V> {
    fn default() -> FlatMap<K, V> {
        FlatMap(Vec::new())
    }
}

impl<K: Copy + Ord, V> FlatMap<K, V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
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

    /// Inserts an entry, or replaces the one with the same key: that is `false`.
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

    pub(crate) fn retain(&mut self, keep: &dyn Fn(&K) -> bool) {
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
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// In the order of keys.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    fn place(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(found, _)| found.cmp(key))
    }
}

/// A [`FlatMap`] for any number of entries, split into parts. No part is empty, and the keys of
/// each come after those of the part before.
#[derive(Clone, Debug)]
pub(crate) struct ChunkedMap<K, V>(Vec<FlatMap<K, V>>);

/// A [`ChunkedMap`] without values.
pub(crate) type ChunkedSet<K> = ChunkedMap<K, ()>;

/// A part with so many entries is split. It is a power of two because vectors grow to one without
/// waste, and small because inserting moves half of a part. Chosen without a measurement.
const PART: usize = 256;

impl<K, V> Default for ChunkedMap<K, V> {
    fn default() -> ChunkedMap<K, V> {
        ChunkedMap(Vec::new())
    }
}

impl<K: Copy + Ord, V> ChunkedMap<K, V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|part| part.0.len()).sum()
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0.get(self.part_of(key))?.get(key)
    }

    /// Inserts an entry, or replaces the one with the same key: that is `false`.
    pub(crate) fn insert(&mut self, key: K, value: V) -> bool {
        // A key behind all others belongs to the last part.
        let index = self.part_of(&key).min(self.0.len().saturating_sub(1));
        let Some(part) = self.0.get_mut(index) else {
            self.0.push(FlatMap(vec![(key, value)]));
            return true;
        };
        let is_new = part.insert(key, value);
        if part.0.len() == PART {
            // Keys that come in order leave full parts behind.
            let is_last = part.0.last().is_some_and(|(last, _)| *last == key);
            let end = if is_last { PART - 1 } else { PART / 2 };
            let rest = part.0.split_off(end);
            self.0.insert(index + 1, FlatMap(rest));
        }
        is_new
    }

    pub(crate) fn extend(&mut self, entries: impl IntoIterator<Item = (K, V)>) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }

    pub(crate) fn remove(&mut self, key: &K) {
        let index = self.part_of(key);
        if let Some(part) = self.0.get_mut(index) {
            part.remove(key);
            self.drop_if_empty(index);
        }
    }

    /// Takes out the first entries that `is_wanted` accepts, at most this many.
    pub(crate) fn take_first(
        &mut self,
        most: usize,
        is_wanted: &dyn Fn(&K, &V) -> bool,
    ) -> Vec<(K, V)> {
        let mut taken = Vec::new();
        for part in &mut self.0 {
            if taken.len() == most {
                break;
            }
            let fits = |(key, value): &mut (K, V)| is_wanted(key, value);
            taken.extend(part.0.extract_if(.., fits).take(most - taken.len()));
        }
        self.0.retain(|part| !part.is_empty());
        taken
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The index of the only part in which this key can be.
    fn part_of(&self, key: &K) -> usize {
        let is_before = |part: &FlatMap<K, V>| part.0.last().is_some_and(|(last, _)| last < key);
        self.0.partition_point(is_before)
    }

    fn drop_if_empty(&mut self, index: usize) {
        if self.0[index].is_empty() {
            self.0.remove(index);
        }
    }
}

impl<K: Copy + Ord> ChunkedSet<K> {
    pub(crate) fn insert_all(&mut self, keys: impl IntoIterator<Item = K>) {
        self.extend(keys.into_iter().map(|key| (key, ())));
    }

    /// In ascending order.
    pub(crate) fn into_keys(self) -> Vec<K> {
        let mut keys = Vec::with_capacity(self.len());
        for part in self.0 {
            for (key, ()) in part.0 {
                keys.push(key);
            }
        }
        keys
    }
}

impl<K: HeapBytes, V: HeapBytes> HeapBytes for FlatMap<K, V> {
    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

impl<K: HeapBytes, V: HeapBytes> HeapBytes for ChunkedMap<K, V> {
    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_in_order_and_each_key_has_one() {
        let mut map = FlatMap::default();
        let inserted = [5, 1, 9, 5, 3].map(|key| map.insert(key, 10 * key));
        assert_eq!(inserted, [true, true, true, false, true]);
        assert!(map.keys().eq(&[1, 3, 5, 9]));
        assert!(!map.insert(3, 31));
        assert!(map.keys().eq(&[1, 3, 5, 9]));
        assert_eq!(map.get(&3), Some(&31));
        map.remove(&1);
        map.remove(&2);
        assert!(!map.contains(&1) && map.contains(&9));
        map.retain(&|key| *key < 9);
        assert!(map.keys().eq(&[3, 5]));
        map.iter_mut().for_each(|(_, value)| *value += 1);
        assert_eq!(map.get_mut(&5), Some(&mut 51));
        map.clear();
        assert!(map.is_empty());
    }

    #[test]
    fn a_chunked_map_is_a_map_whatever_the_order_in_which_entries_come_and_go() {
        let steps = [1, 7, 4_095, 2_047];
        for step in steps {
            let keys = || (0..4_096u32).map(|index| index * step % 4_096);
            let mut map = ChunkedMap::default();
            assert!(keys().all(|key| map.insert(key, 2 * key)));
            assert!(!keys().any(|key| map.insert(key, 3 * key)));
            assert_eq!(map.len(), 4_096);
            assert!(map.0.iter().all(|part| part.0.len() < PART));
            keys().filter(|key| key % 3 > 0).for_each(|key| {
                map.remove(&key);
                map.remove(&key);
            });
            assert!(keys().all(|key| map.contains(&key) == (key % 3 == 0)));
            let odd = map.take_first(700, &|key, value| key % 2 == 1 && *value == 3 * key);
            let odd_keys = (3..4_096).step_by(6);
            assert!(odd.into_iter().eq(odd_keys.map(|key| (key, 3 * key))));
            let first = map.take_first(1, &|_, _| true);
            assert_eq!(first, [(0, 0)]);
            let left = map.take_first(usize::MAX, &|_, _| true);
            let even_keys = (6..4_096).step_by(6);
            assert!(left.into_iter().eq(even_keys.map(|key| (key, 3 * key))));
            assert!(map.is_empty() && map.take_first(1, &|_, _| true).is_empty());
        }
    }

    #[test]
    fn a_chunked_map_that_is_filled_in_order_has_full_parts() {
        let mut map = ChunkedSet::default();
        map.insert_all(0..10_000);
        assert_eq!(map.0.len(), 10_000usize.div_ceil(PART - 1));
        assert!(map.into_keys().into_iter().eq(0..10_000));
    }
}
