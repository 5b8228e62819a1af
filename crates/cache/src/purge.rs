//! Forgetting stored answers before their time.
//!
//! A purge raises a mark; an answer that was asked for before that is void. So a purge costs one
//! store, reaches every variant for every audience, and also those answers that are on their way
//! while it is made. Marks are shared by what has the same hash: a purge may take an answer too
//! many with it, never one too few.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::RandomState;

use crate::entry::Entry;

/// Marks; a power of two.
const MARKS: usize = 1 << 17;

/// What is to be forgotten of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    pub api: u128,
    pub what: What,
}

/// Which of an API's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    All,
    /// A path below the API, with every query.
    Path(String),
    /// A path below the API with exactly this query, or none.
    Address(String),
    /// Every path that begins so.
    Prefix(String),
    /// What carries this tag.
    Tag(String),
}

impl Purge {
    /// Whether an answer is among them.
    #[must_use]
    pub fn covers(&self, entry: &Entry) -> bool {
        entry.api == self.api
            && match &self.what {
                What::All => true,
                What::Path(path) => without_query(&entry.path) == path,
                What::Address(address) => *entry.path == **address,
                What::Prefix(prefix) => entry.path.starts_with(prefix.as_str()),
                What::Tag(tag) => entry.tags.iter().any(|known| **known == **tag),
            }
    }
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

/// The marks of all purges.
#[derive(Debug)]
pub struct Purges {
    count: AtomicU64,
    marks: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Default for Purges {
    fn default() -> Self {
        Self {
            count: AtomicU64::new(0),
            marks: (0..MARKS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::default(),
        }
    }
}

/// What a mark is for.
#[derive(Hash)]
enum Mark<'a> {
    Api(u128),
    Path(u128, &'a str),
    Address(u128, &'a str),
    Tag(u128, &'a str),
    /// Answers of the API that were asked for before are not stored any more.
    Late(u128),
}

impl Purges {
    /// To be noted when an answer is asked for.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Voids what a purge covers, but for a prefix: what is stored already has to be searched for.
    /// The count of purges with this one.
    pub fn mark(&self, purge: &Purge) -> u64 {
        let count = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        let api = purge.api;
        let mark = match &purge.what {
            What::All => Mark::Api(api),
            What::Path(path) => Mark::Path(api, path),
            What::Address(address) => Mark::Address(api, address),
            What::Tag(tag) => Mark::Tag(api, tag),
            What::Prefix(_) => Mark::Late(api),
        };
        self.marks[self.slot(&mark) as usize].fetch_max(count, Ordering::SeqCst);
        count
    }

    /// Gives an answer its place among the marks.
    pub(crate) fn place(&self, entry: &mut Entry) {
        let api = entry.api;
        let mut slots = vec![
            self.slot(&Mark::Api(api)),
            self.slot(&Mark::Path(api, without_query(&entry.path))),
            self.slot(&Mark::Address(api, &entry.path)),
        ];
        slots.extend(entry.tags.iter().map(|tag| self.slot(&Mark::Tag(api, tag))));
        entry.marks = slots.into();
    }

    /// Whether a purge came after the answer was asked for.
    #[must_use]
    pub fn is_void(&self, entry: &Entry) -> bool {
        entry
            .marks
            .iter()
            .any(|slot| self.marks[*slot as usize].load(Ordering::Acquire) > entry.begun)
    }

    /// Whether an answer that has arrived may still be stored.
    pub(crate) fn is_late(&self, entry: &Entry) -> bool {
        let late = self.slot(&Mark::Late(entry.api));
        self.is_void(entry) || self.marks[late as usize].load(Ordering::SeqCst) > entry.begun
    }

    fn slot(&self, mark: &Mark<'_>) -> u32 {
        let hash = self.hasher.hash_one(mark);
        // Fits: there are fewer marks than that.
        (hash as usize & (MARKS - 1)) as u32
    }
}
