//! A map in pieces that are shared between one version and the next.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::RandomState;

type Shard<K, V> = Arc<HashMap<K, V, RandomState>>;

/// A hash map cut into shards. A clone shares all of them; a change copies the one it touches, so
/// that a single change among a million entries costs a thousandth of the map.
pub(crate) struct Shards<K, V> {
    shards: Arc<Vec<Shard<K, V>>>,
    hasher: RandomState,
    len: usize,
}

impl<K, V> Clone for Shards<K, V> {
    fn clone(&self) -> Self {
        Self {
            shards: Arc::clone(&self.shards),
            hasher: self.hasher.clone(),
            len: self.len,
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    /// An empty map of `count` shards.
    pub(crate) fn new(count: usize) -> Self {
        let hasher = RandomState::default();
        let shards = (0..count.max(1))
            .map(|_| Arc::new(HashMap::with_hasher(hasher.clone())))
            .collect();
        Self {
            shards: Arc::new(shards),
            hasher,
            len: 0,
        }
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.shards[self.index(key)].get(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let old = self.shard_mut(&key).insert(key, value);
        self.len += usize::from(old.is_none());
        old
    }

    pub(crate) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        // Looking first keeps a removal of nothing from copying a shard.
        self.get(key)?;
        let old = self.shard_mut(key).remove(key);
        self.len -= usize::from(old.is_some());
        old
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.shards.iter().flat_map(|shard| shard.values())
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    fn shard_mut<Q>(&mut self, key: &Q) -> &mut HashMap<K, V, RandomState>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let index = self.index(key);
        Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[index])
    }

    fn index<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        // The map itself uses the low and the topmost bits of the same hash.
        let hash = self.hasher.hash_one(key) >> 24;
        usize::try_from(hash % self.shards.len() as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_change_copies_one_shard() {
        let mut map = Shards::new(64);
        for key in 0..10_000u32 {
            map.insert(key, key);
        }
        let before = map.clone();
        map.insert(7, 8);
        map.remove(&70_000);
        let copied = before
            .shards
            .iter()
            .zip(map.shards.iter())
            .filter(|(a, b)| !Arc::ptr_eq(a, b))
            .count();
        assert_eq!(copied, 1);
        assert_eq!(before.get(&7), Some(&7));
        assert_eq!(map.get(&7), Some(&8));
    }

    #[test]
    fn entries_spread_over_the_shards() {
        let mut map = Shards::new(64);
        for key in 0..10_000u32 {
            map.insert(key, ());
        }
        let fullest = map.shards.iter().map(|shard| shard.len()).max();
        assert!(fullest < Some(300), "{fullest:?}");
    }

    proptest! {
        #[test]
        fn behaves_as_a_map(steps: Vec<(u8, Option<u16>)>) {
            let mut map = Shards::new(8);
            let mut model = HashMap::new();
            for (key, value) in steps {
                match value {
                    Some(value) => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                    None => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                }
                prop_assert_eq!(map.len(), model.len());
            }
            for key in 0..=u8::MAX {
                prop_assert_eq!(map.get(&key), model.get(&key));
            }
        }
    }
}
