//! The memory tier: stored answers, bounded in bytes.

use std::cell::{Cell, RefCell};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::RandomState;
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use crate::entry::{Asked, Entry};
use crate::key::KeyWriter;
use crate::purge::{Purge, Purges};
use crate::rules::Rules;

/// Answers kept of one key; more push out the oldest.
const VARIANTS: usize = 32;
/// What an answer is taken to weigh before there are any: only how tables begin depends on it.
const TYPICAL: u64 = 8 * 1024;
const WRITERS: usize = 64;
/// The cache is cut into as many parts at most, and no answer is larger than a part.
const SHARDS: usize = 8;

/// All variants of one key, the newest first.
pub type Resource = Arc<[Arc<Entry>]>;

/// What became of an answer that was to be stored.
#[derive(Clone, Debug)]
pub enum Stored {
    Yes(Arc<Entry>),
    /// A purge came while it was on its way.
    Purged,
}

/// What was found for a request.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub entry: Option<Arc<Entry>>,
    /// One of the answers at the address, perhaps selected by other requests.
    pub sample: Option<Arc<Entry>>,
}

#[derive(Clone, Copy)]
struct Weight;

impl Weighter<Box<[u8]>, Resource> for Weight {
    fn weight(&self, key: &Box<[u8]>, resource: &Resource) -> u64 {
        let sizes: usize = resource.iter().map(|entry| entry.size()).sum();
        (key.len() + sizes) as u64
    }
}

#[derive(Clone)]
struct Evictions(Arc<AtomicU64>);

impl Lifecycle<Box<[u8]>, Resource> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _key: Box<[u8]>, resource: Resource) {
        self.0.fetch_add(resource.len() as u64, Ordering::Relaxed);
    }
}

/// Stored answers. All threads share one.
pub struct Memory {
    cache: Cache<Box<[u8]>, Resource, Weight, RandomState, Evictions>,
    purges: Purges,
    evicted: Arc<AtomicU64>,
    /// Two that add a variant to a key take turns.
    writers: Box<[Mutex<()>]>,
    hasher: RandomState,
}

impl Memory {
    /// Room for `capacity` bytes.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let evicted = Arc::new(AtomicU64::new(0));
        let items = usize::try_from(capacity / TYPICAL)
            .unwrap_or(usize::MAX)
            .clamp(16, 1 << 20);
        let mut options = OptionsBuilder::new();
        options
            .estimated_items_capacity(items)
            .weight_capacity(capacity)
            .shards(SHARDS);
        let cache = match options.build() {
            Ok(options) => Cache::with_options(
                options,
                Weight,
                RandomState::default(),
                Evictions(Arc::clone(&evicted)),
            ),
            // Never: what it needs is set above.
            Err(_) => Cache::with(
                items,
                capacity,
                Weight,
                RandomState::default(),
                Evictions(Arc::clone(&evicted)),
            ),
        };
        Self {
            cache,
            purges: Purges::default(),
            evicted,
            writers: (0..WRITERS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::default(),
        }
    }

    /// The answer that a request selects. Among several, one that is fresh comes first, then the
    /// one for the narrowest audience.
    #[must_use]
    pub fn find(
        &self,
        keys: &mut KeyWriter,
        asked: &Asked<'_>,
        rules: &Rules,
        now_ms: i64,
    ) -> Found {
        let mut found = Found::default();
        for audience in asked.visitor.audiences(rules).into_iter().flatten() {
            let Some(resource) = self.cache.get(keys.key(&audience)) else {
                continue;
            };
            for entry in &*resource {
                if self.purges.is_void(entry) {
                    continue;
                }
                if found.sample.is_none() {
                    found.sample = Some(Arc::clone(entry));
                }
                if !entry.is_for(asked) {
                    continue;
                }
                if entry.freshness.left_ms(now_ms) > 0 {
                    found.entry = Some(Arc::clone(entry));
                    return found;
                }
                if found.entry.is_none() {
                    found.entry = Some(Arc::clone(entry));
                }
            }
        }
        found
    }

    /// An answer that is to be stored, with what its purges need to know. `begun` is what
    /// [`Memory::purges`] counted when it was asked for.
    #[must_use]
    pub fn prepare(&self, mut entry: Entry, api: u128, begun: u64) -> Entry {
        entry.api = api;
        entry.begun = begun;
        self.purges.place(&mut entry);
        entry
    }

    /// Stores an answer that was prepared, in place of the one for the same requests.
    pub fn store(&self, keys: &mut KeyWriter, entry: Entry, now_ms: i64) -> Stored {
        let key = keys.key(&entry.audience);
        let writer = self.hasher.hash_one(key) as usize % WRITERS;
        let _turn = self.writers[writer].lock();
        if self.purges.is_void(&entry) {
            return Stored::Purged;
        }
        let entry = Arc::new(entry);
        let mut variants = vec![Arc::clone(&entry)];
        if let Some(older) = self.cache.peek(key) {
            let is_kept = |other: &&Arc<Entry>| {
                let is_of_use = other.etag().is_some()
                    || other.last_modified().is_some()
                    || other.freshness.useful_ms(now_ms) > 0;
                is_of_use && !entry.replaces(other) && !self.purges.is_void(other)
            };
            let others = older.iter().filter(is_kept).cloned();
            variants.extend(others.take(VARIANTS - 1));
        }
        self.cache.insert(key.into(), variants.into());
        Stored::Yes(entry)
    }

    /// Forgets one answer, whatever is stored beside it.
    pub fn forget(&self, keys: &mut KeyWriter, entry: &Entry) {
        let key = keys.key(&entry.audience);
        let writer = self.hasher.hash_one(key) as usize % WRITERS;
        let _turn = self.writers[writer].lock();
        let Some(resource) = self.cache.peek(key) else {
            return;
        };
        let left: Vec<Arc<Entry>> = resource
            .iter()
            .filter(|other| !entry.replaces(other))
            .cloned()
            .collect();
        if left.is_empty() {
            self.cache.remove(key);
        } else {
            self.cache.insert(key.into(), left.into());
        }
    }

    /// Voids what a purge covers, at once and without looking through what is stored.
    pub fn mark(&self, purge: &Purge) {
        self.purges.mark(purge);
    }

    /// Does a purge, and gives its memory back: looks through all that is stored. How many answers
    /// went.
    pub fn purge(&self, purge: &Purge) -> u64 {
        let count = self.purges.mark(purge);
        // What was asked for since is not meant.
        let is_covered = |entry: &Arc<Entry>| entry.begun < count && purge.covers(entry);
        let gone = Cell::new(0);
        let mixed: RefCell<Vec<Box<[u8]>>> = RefCell::default();
        self.cache.retain(|key, resource| {
            let covered = resource.iter().filter(|entry| is_covered(entry)).count();
            gone.set(gone.get() + covered as u64);
            if covered > 0 && covered < resource.len() {
                mixed.borrow_mut().push(key.clone());
            }
            covered < resource.len()
        });
        for key in mixed.into_inner() {
            let writer = self.hasher.hash_one(&key[..]) as usize % WRITERS;
            let _turn = self.writers[writer].lock();
            if let Some(resource) = self.cache.peek(&key[..]) {
                let left = resource.iter().filter(|entry| !is_covered(entry));
                let left: Vec<Arc<Entry>> = left.cloned().collect();
                self.cache.insert(key, left.into());
            }
        }
        gone.get()
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.purges.mark_all();
        self.cache.clear();
    }

    /// Does what another node's purge covers; see [`Purge::sign`].
    pub fn purge_by_sign(&self, sign: u64) {
        self.purges.mark_sign(sign);
    }

    #[must_use]
    pub const fn purges(&self) -> &Purges {
        &self.purges
    }

    /// Bytes in use.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.cache.weight()
    }

    /// Keys in use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Largest answer that there is room for, in bytes.
    #[must_use]
    pub fn largest(&self) -> usize {
        usize::try_from(self.cache.shard_capacity() / 2).unwrap_or(usize::MAX)
    }

    /// Answers that had to make room, since the beginning.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory")
            .field("keys", &self.len())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method};
    use proptest::prelude::*;

    use super::*;
    use crate::directives::RequestDirectives;
    use crate::freshness::Times;
    use crate::key::Visitor;
    use crate::purge::What;
    use crate::storable::{Answered, Candidate};

    const NOW: i64 = 1_700_000_000_000;
    const API: u128 = 5;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                name.parse::<http::HeaderName>().unwrap(),
                value.parse().unwrap(),
            );
        }
        headers
    }

    struct World {
        memory: Memory,
        rules: Rules,
    }

    /// Who asks, with what.
    type Who<'a> = (u128, &'a [(&'a str, &'a str)]);

    impl World {
        fn new() -> Self {
            Self {
                memory: Memory::new(1 << 20),
                rules: Rules::default(),
            }
        }

        fn visitor(&self, (key, fields): Who<'_>) -> Visitor {
            let find = |name| {
                fields
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| value.as_bytes())
            };
            Visitor::new(
                key,
                find("cookie"),
                find("authorization").is_some(),
                &self.rules,
            )
        }

        fn keys(&self, path: &str, fields: &HeaderMap) -> KeyWriter {
            let mut keys = KeyWriter::default();
            let (path, query) = match path.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (path, None),
            };
            keys.begin(
                &[&[1; 16]],
                ("http", b"h"),
                path,
                query,
                fields,
                &self.rules,
            );
            keys
        }

        fn put(
            &self,
            path: &str,
            who: Who<'_>,
            answer: &[(&str, &str)],
            begun: u64,
            body: &str,
        ) -> bool {
            let fields = map(who.1);
            let headers = map(answer);
            let candidate = Candidate {
                method: &Method::GET,
                visitor: self.visitor(who),
                directives: RequestDirectives::default(),
                fields: &fields,
                path,
            };
            let times = Times {
                asked_ms: NOW,
                came_ms: NOW,
            };
            let answered = Answered {
                status: 200,
                headers: &headers,
                times,
            };
            let Ok(draft) = candidate.judge(&answered, &self.rules) else {
                return false;
            };
            let entry = draft.with_body(Bytes::copy_from_slice(body.as_bytes()));
            let entry = self.memory.prepare(entry, API, begun);
            matches!(
                self.memory.store(&mut self.keys(path, &fields), entry, NOW),
                Stored::Yes(_)
            )
        }

        fn get(&self, path: &str, who: Who<'_>) -> Option<String> {
            let fields = map(who.1);
            let asked = Asked {
                visitor: self.visitor(who),
                directives: RequestDirectives::default(),
                fields: &fields,
            };
            let found = self
                .memory
                .find(&mut self.keys(path, &fields), &asked, &self.rules, NOW);
            found
                .entry
                .map(|entry| String::from_utf8(entry.body.to_vec()).unwrap())
        }

        fn purge(&self, what: What) -> u64 {
            self.memory.purge(&Purge { api: API, what })
        }
    }

    const FRESH: (&str, &str) = ("cache-control", "max-age=60");
    const PUBLIC: (&str, &str) = ("cache-control", "max-age=60, public");

    #[test]
    fn answers_stay_with_their_audience() {
        let world = World::new();
        assert!(world.put("/own", (1, &[]), &[FRESH], 0, "one"));
        assert!(world.put("/all", (1, &[]), &[PUBLIC], 0, "all"));
        assert!(world.put("/user", (1, &[("cookie", "a=1")]), &[FRESH], 0, "user"));
        assert_eq!(world.get("/own", (1, &[])).as_deref(), Some("one"));
        assert_eq!(
            world.get("/own", (1, &[("cookie", "a=1")])).as_deref(),
            Some("one")
        );
        assert_eq!(world.get("/own", (2, &[])), None);
        assert_eq!(world.get("/own", (1, &[("authorization", "x")])), None);
        assert_eq!(
            world.get("/all", (2, &[("authorization", "x")])).as_deref(),
            Some("all")
        );
        assert_eq!(world.get("/user", (1, &[])), None);
        assert_eq!(world.get("/user", (1, &[("cookie", "a=2")])), None);
        assert_eq!(world.get("/user", (2, &[("cookie", "a=1")])), None);
        assert_eq!(
            world.get("/user", (1, &[("cookie", "a=1")])).as_deref(),
            Some("user")
        );
        assert!(!world.put("/x", (1, &[("authorization", "x")]), &[FRESH], 0, "secret"));
    }

    #[test]
    fn variants_stand_beside_each_other() {
        let world = World::new();
        let answer = [FRESH, ("vary", "Lang")];
        for lang in ["a", "b"] {
            assert!(world.put("/x", (1, &[("lang", lang)]), &answer, 0, lang));
        }
        assert_eq!(world.get("/x", (1, &[("lang", "a")])).as_deref(), Some("a"));
        assert_eq!(world.get("/x", (1, &[("lang", "b")])).as_deref(), Some("b"));
        assert_eq!(world.get("/x", (1, &[])), None);
        assert!(world.put("/x", (1, &[("lang", "a")]), &answer, 0, "new"));
        assert_eq!(
            world.get("/x", (1, &[("lang", "a")])).as_deref(),
            Some("new")
        );
        assert_eq!(world.memory.len(), 1);
        for number in 0..100 {
            let lang = format!("x{number}");
            assert!(world.put("/x", (1, &[("lang", &lang)]), &answer, 0, "many"));
        }
        assert_eq!(
            world.get("/x", (1, &[("lang", "a")])),
            None,
            "the oldest had to go"
        );
    }

    #[test]
    fn purges_reach_every_variant_and_nothing_else() {
        let fill = || {
            let world = World::new();
            for key in [1, 2] {
                for lang in ["a", "b"] {
                    let answer = [FRESH, ("vary", "Lang"), ("cache-tag", "red, blue")];
                    assert!(world.put("/a/x?q=1", (key, &[("lang", lang)]), &answer, 0, "x"));
                }
            }
            assert!(world.put("/a/y", (1, &[]), &[PUBLIC], 0, "y"));
            assert!(world.put("/b", (1, &[]), &[PUBLIC], 0, "z"));
            world
        };
        let left = |world: &World| {
            let x = [1, 2]
                .into_iter()
                .flat_map(|key| ["a", "b"].map(|lang| (key, lang)));
            let x =
                x.filter(|(key, lang)| world.get("/a/x?q=1", (*key, &[("lang", lang)])).is_some());
            let y = world.get("/a/y", (9, &[])).is_some();
            (x.count(), y, world.get("/b", (9, &[])).is_some())
        };
        assert_eq!(left(&fill()), (4, true, true));
        for (what, count, expected) in [
            (What::All, 6, (0, false, false)),
            (What::Path("/a/x".into()), 4, (0, true, true)),
            (What::Path("/a/x?q=1".into()), 0, (4, true, true)),
            (What::Address("/a/x?q=1".into()), 4, (0, true, true)),
            (What::Address("/a/x".into()), 0, (4, true, true)),
            (What::Prefix("/a".into()), 5, (0, false, true)),
            (What::Prefix("/a/".into()), 5, (0, false, true)),
            (What::Prefix("/".into()), 6, (0, false, false)),
            (What::Prefix("/a/x".into()), 4, (0, true, true)),
            (What::Prefix("/a/xy".into()), 0, (4, true, true)),
            (What::Tag("blue".into()), 4, (0, true, true)),
            (What::Tag("green".into()), 0, (4, true, true)),
        ] {
            let world = fill();
            assert_eq!(world.purge(what.clone()), count, "{what:?}");
            assert_eq!(left(&world), expected, "{what:?}");
        }
        let world = fill();
        world.memory.purge(&Purge {
            api: 6,
            what: What::All,
        });
        assert_eq!(left(&world), (4, true, true), "another api's");
    }

    #[test]
    fn what_was_on_its_way_at_a_purge_is_not_stored() {
        for what in [
            What::All,
            What::Path("/x".into()),
            What::Prefix("/".into()),
            What::Address("/x".into()),
        ] {
            let world = World::new();
            let begun = world.memory.purges().count();
            world.purge(what.clone());
            assert!(
                !world.put("/x", (1, &[]), &[FRESH], begun, "old"),
                "{what:?}"
            );
            let begun = world.memory.purges().count();
            assert!(
                world.put("/x", (1, &[]), &[FRESH], begun, "new"),
                "{what:?}"
            );
            assert_eq!(world.get("/x", (1, &[])).as_deref(), Some("new"));
        }
    }

    #[test]
    fn a_sign_does_on_another_node_what_the_purge_did() {
        for (what, is_left) in [
            (What::All, false),
            (What::Path("/a/x".into()), false),
            (What::Address("/a/x?q".into()), false),
            (What::Tag("red".into()), false),
            (What::Prefix("/a".into()), false),
            (What::Prefix("/".into()), false),
            (What::Prefix("/a/x".into()), false),
            (What::Prefix("/a/x/y".into()), true),
            (What::Prefix("/b".into()), true),
            (What::Path("/a".into()), true),
            (What::Tag("blue".into()), true),
        ] {
            let world = World::new();
            assert!(world.put("/a/x?q", (1, &[]), &[FRESH, ("cache-tag", "red")], 0, "x"));
            let purge = Purge { api: API, what };
            world.memory.purge_by_sign(purge.sign());
            assert_eq!(
                world.get("/a/x?q", (1, &[])).is_some(),
                is_left,
                "{purge:?}"
            );
        }
        let world = World::new();
        assert!(world.put("/x", (1, &[]), &[FRESH], 0, "x"));
        world.memory.clear();
        assert_eq!(world.get("/x", (1, &[])), None);
        assert!(!world.put("/x", (1, &[]), &[FRESH], 0, "old"));
        // Deeper than there are marks.
        let deep = format!("/{}", "a/".repeat(30));
        let count = world.memory.purges().count();
        assert!(world.put(&deep, (1, &[]), &[FRESH], count, "x"));
        let what = What::Prefix(format!("/{}", "a/".repeat(20)));
        world.memory.purge_by_sign(Purge { api: API, what }.sign());
        assert_eq!(world.get(&deep, (1, &[])), None);
    }

    #[test]
    fn memory_is_bounded_in_bytes() {
        let world = World::new();
        let body = "x".repeat(10_000);
        for number in 0..1000 {
            assert!(world.put(&format!("/{number}"), (1, &[]), &[FRESH], 0, &body));
        }
        assert!(world.memory.bytes() <= 1 << 20, "{}", world.memory.bytes());
        assert!(world.memory.bytes() > 1 << 18);
        assert!(world.memory.evicted() > 800);
    }

    proptest! {
        /// Whoever gets an answer is in its audience, and sent what selected it.
        #[test]
        fn nobody_gets_anothers(
            calls in proptest::collection::vec((0u128..3, 0usize..3, 0usize..2, 0usize..3, 0usize..5), 1..40)
        ) {
            let world = World::new();
            let cookies = [None, Some(("cookie", "a=1")), Some(("cookie", "a=2"))];
            let auth = [None, Some(("authorization", "x"))];
            let langs = [None, Some(("lang", "a")), Some(("lang", "b"))];
            let answers: [&[(&str, &str)]; 5] = [
                &[FRESH], &[PUBLIC], &[FRESH, ("vary", "lang")], &[PUBLIC, ("vary", "Lang")],
                &[PUBLIC, ("set-cookie", "s=1")],
            ];
            for (key, cookie, authorized, lang, answer) in calls {
                let fields: Vec<_> = [cookies[cookie], auth[authorized], langs[lang]].into_iter().flatten().collect();
                let body = format!("{key} {cookie} {authorized} {lang} {answer}");
                if let Some(found) = world.get("/x", (key, &fields)) {
                    let of: Vec<usize> = found.split(' ').map(|part| part.parse().unwrap()).collect();
                    let is_for_all = matches!(of[4], 1 | 3);
                    prop_assert!(is_for_all || of[0] as u128 == key, "{} got {}", body, found);
                    prop_assert!(is_for_all || of[1] == cookie || of[1] == 0, "{} got {}", body, found);
                    prop_assert!(is_for_all || (authorized == 0 && of[2] == 0), "{} got {}", body, found);
                    prop_assert!(of[4] < 2 || of[4] == 4 || of[3] == lang, "{} got {}", body, found);
                }
                world.put("/x", (key, &fields), answers[answer], 0, &body);
            }
        }
    }
}
