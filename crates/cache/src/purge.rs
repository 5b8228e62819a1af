//! Forgetting stored answers before their time.
//!
//! A purge raises a mark; an answer that was asked for before that is void. So a purge costs one
//! store, reaches every variant for every audience, and also those answers that are on their way
//! while it is made. Marks are shared by what has the same hash: a purge may take an answer too
//! many with it, never one too few.

use std::sync::atomic::{AtomicU64, Ordering};

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
    /// This path and every path below it, segment by segment: `/a` covers `/a/b` and not `/ab`.
    Prefix(String),
    /// What carries this tag.
    Tag(String),
}

impl Purge {
    /// A number by which other nodes can void what this covers.
    #[must_use]
    pub fn sign(&self) -> u64 {
        self.mark().hash()
    }

    fn mark(&self) -> Mark<'_> {
        let api = self.api;
        match &self.what {
            What::All => Mark::Api(api),
            What::Path(path) => Mark::Path(api, path),
            What::Address(address) => Mark::Address(api, address),
            What::Tag(tag) => Mark::Tag(api, tag),
            What::Prefix(prefix) => Mark::Below(api, shortened(prefix)),
        }
    }

    /// Whether an answer is among them.
    #[must_use]
    pub fn covers(&self, entry: &Entry) -> bool {
        entry.api == self.api
            && match &self.what {
                What::All => true,
                What::Path(path) => without_query(&entry.path) == path,
                What::Address(address) => *entry.path == **address,
                What::Prefix(prefix) => is_below(without_query(&entry.path), prefix),
                What::Tag(tag) => entry.tags.iter().any(|known| **known == **tag),
            }
    }
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

/// Segments by which an answer can be found; a longer prefix takes all below its first ones.
const SEGMENTS: usize = 16;

/// Where the first segments of a path end.
fn segment_ends(path: &str) -> impl Iterator<Item = usize> {
    let inner = path.match_indices('/').map(|(at, _)| at).skip(1);
    let is_folder = path.ends_with('/');
    inner
        .chain((!is_folder).then_some(path.len()))
        .take(SEGMENTS)
}

/// A prefix without its last slash, and with as many segments as answers have marks for.
fn shortened(prefix: &str) -> &str {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let end = segment_ends(prefix).last().unwrap_or(0);
    &prefix[..end]
}

fn is_below(path: &str, prefix: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The marks of all purges.
#[derive(Debug)]
pub struct Purges {
    count: AtomicU64,
    marks: Box<[AtomicU64]>,
    /// Of the last purge of everything.
    everything: AtomicU64,
}

impl Default for Purges {
    fn default() -> Self {
        Self {
            count: AtomicU64::new(0),
            marks: (0..MARKS).map(|_| AtomicU64::new(0)).collect(),
            everything: AtomicU64::new(0),
        }
    }
}

/// What a mark is for.
#[derive(Clone, Copy)]
enum Mark<'a> {
    Api(u128),
    Path(u128, &'a str),
    Address(u128, &'a str),
    Tag(u128, &'a str),
    Below(u128, &'a str),
}

impl Purges {
    /// To be noted when an answer is asked for.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Voids all there is.
    pub fn mark_all(&self) {
        let count = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        self.everything.fetch_max(count, Ordering::SeqCst);
    }

    /// Does what [`Purge::sign`] of another node stands for.
    pub fn mark_sign(&self, sign: u64) {
        let count = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        self.marks[slot(sign) as usize].fetch_max(count, Ordering::SeqCst);
    }

    /// Voids what a purge covers. The count of purges with this one.
    pub fn mark(&self, purge: &Purge) -> u64 {
        let count = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        self.marks[slot(purge.sign()) as usize].fetch_max(count, Ordering::SeqCst);
        count
    }

    /// Gives an answer its place among the marks.
    pub(crate) fn place(&self, entry: &mut Entry) {
        entry.marks = entry.signs().into_iter().map(slot).collect();
    }

    /// Whether a purge came after the answer was asked for.
    #[must_use]
    pub fn is_void(&self, entry: &Entry) -> bool {
        self.everything.load(Ordering::Acquire) > entry.begun
            || entry
                .marks
                .iter()
                .any(|slot| self.marks[*slot as usize].load(Ordering::Acquire) > entry.begun)
    }
}

impl Entry {
    /// The signs of all purges that cover it; see [`Purge::sign`]. It is prepared.
    #[must_use]
    pub fn signs(&self) -> Vec<u64> {
        let api = self.api;
        let path = without_query(&self.path);
        let mut signs = vec![
            Mark::Api(api).hash(),
            Mark::Path(api, path).hash(),
            Mark::Address(api, &self.path).hash(),
        ];
        signs.extend(self.tags.iter().map(|tag| Mark::Tag(api, tag).hash()));
        signs.push(Mark::Below(api, "").hash());
        for end in segment_ends(path) {
            signs.push(Mark::Below(api, &path[..end]).hash());
        }
        signs
    }
}

impl Mark<'_> {
    /// The same on every node.
    fn hash(self) -> u64 {
        let (kind, api, text) = match self {
            Self::Api(api) => (0, api, ""),
            Self::Path(api, path) => (1, api, path),
            Self::Address(api, address) => (2, api, address),
            Self::Tag(api, tag) => (3, api, tag),
            Self::Below(api, prefix) => (4, api, prefix),
        };
        let mut hash = blake3::Hasher::new();
        hash.update(&[kind]);
        hash.update(&api.to_le_bytes());
        hash.update(text.as_bytes());
        let hash = hash.finalize();
        let first = hash.as_bytes().first_chunk().copied().unwrap_or_default();
        u64::from_le_bytes(first)
    }
}

fn slot(hash: u64) -> u32 {
    // Fits: there are fewer marks than that.
    (hash & (MARKS as u64 - 1)) as u32
}
