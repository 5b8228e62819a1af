//! Counters that are found by key or address.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::counter::Counter;
use crate::time::Moment;

const SHARDS: usize = 64;
/// Entries looked at for an idle one when there is no room.
const SEARCH: usize = 16;

/// Counters by key: at most so many, and none is forgotten while it counts anything.
///
/// When there is room for no more, a new key takes the place of a counter that is idle, of which
/// nothing is lost. When none is found to be, it gets no counter of its own: whoever floods the
/// table with keys can neither grow it nor push a busy counter out.
pub struct Keyed<K> {
    shards: Box<[Mutex<Shard<K>>]>,
    hasher: RandomState,
    most_per_shard: usize,
}

struct Shard<K> {
    counters: HashMap<K, Arc<Counter>, RandomState>,
    /// All keys, in the order in which they are looked at for idleness.
    order: VecDeque<K>,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    /// Room for about `most` counters: 64 times as many as fit each part.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let hasher = RandomState::default();
        let shards = (0..SHARDS)
            .map(|_| {
                Mutex::new(Shard {
                    counters: HashMap::with_hasher(hasher.clone()),
                    order: VecDeque::new(),
                })
            })
            .collect();
        Self {
            shards,
            hasher,
            most_per_shard: most.div_ceil(SHARDS).max(1),
        }
    }

    /// The counter of `key`, made by `make` when there is none; `None`: no room.
    pub fn get(
        &self,
        key: &K,
        now: Moment,
        make: impl FnOnce() -> Counter,
    ) -> Option<Arc<Counter>> {
        let mut shard = self.shard(key).lock();
        if let Some(counter) = shard.counters.get(key) {
            return Some(Arc::clone(counter));
        }
        if shard.counters.len() >= self.most_per_shard && !shard.make_room(now) {
            return None;
        }
        let counter = Arc::new(make());
        shard.counters.insert(key.clone(), Arc::clone(&counter));
        shard.order.push_back(key.clone());
        Some(counter)
    }

    /// The counter of `key`, if there is one.
    pub fn find(&self, key: &K) -> Option<Arc<Counter>> {
        self.shard(key).lock().counters.get(key).cloned()
    }

    /// Forgets counters that are idle and that nobody else holds.
    pub fn sweep(&self, now: Moment) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            let Shard { counters, order } = &mut *shard;
            counters.retain(|_, counter| !may_go(counter, now));
            order.retain(|key| counters.contains_key(key));
            if order.len() * 4 < order.capacity() {
                order.shrink_to_fit();
                counters.shrink_to_fit();
            }
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().counters.len())
            .sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: &K) -> &Mutex<Shard<K>> {
        // The maps use the lower bits of the same hash.
        let hash = self.hasher.hash_one(key) >> 40;
        &self.shards[usize::try_from(hash).unwrap_or(0) % SHARDS]
    }
}

impl<K: Hash + Eq + Clone> Shard<K> {
    fn make_room(&mut self, now: Moment) -> bool {
        for _ in 0..SEARCH.min(self.order.len()) {
            let Some(key) = self.order.pop_front() else {
                return false;
            };
            match self.counters.get(&key) {
                Some(counter) if !may_go(counter, now) => self.order.push_back(key),
                _ => {
                    self.counters.remove(&key);
                    return true;
                }
            }
        }
        false
    }
}

/// Under the shard's lock nobody gets hold of it in between: a counter that somebody holds could
/// be counted in after it was forgotten.
fn may_go(counter: &Arc<Counter>, now: Moment) -> bool {
    Arc::strong_count(counter) == 1 && counter.is_idle(now)
}
