//! Which texts were verified, so that Argon2 runs once for each key and thread.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A text's keyed hash. Without the process's random key nobody can choose texts that collide,
/// and what is in memory says nothing about the text.
pub(crate) type TextHash = [u8; 16];

/// Texts refused are remembered too, but apart and fewer: whoever sends many wrong ones must not
/// displace the right ones.
const REFUSED_SHARE: usize = 8;

/// What is known about a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the current secret of the key record.
    Current,
    /// It is the one before the last rotation.
    Previous,
    /// It is neither.
    Wrong,
}

#[derive(Clone, Copy)]
struct Entry {
    /// The key record it was verified against; another one, and the entry is void.
    stamp: u64,
    verdict: Verdict,
}

/// Bounded by two generations: when the young one is full it becomes the old one, and what was
/// old and not asked for meanwhile is forgotten.
pub(crate) struct VerifiedKeys {
    valid: Generations,
    wrong: Generations,
}

impl VerifiedKeys {
    /// Remembers about `capacity` texts.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            valid: Generations::new(capacity),
            wrong: Generations::new(capacity / REFUSED_SHARE),
        }
    }

    pub(crate) fn get(&mut self, hash: &TextHash, stamp: u64) -> Option<Verdict> {
        let entry = self.valid.get(hash).or_else(|| self.wrong.get(hash))?;
        (entry.stamp == stamp).then_some(entry.verdict)
    }

    pub(crate) fn put(&mut self, hash: TextHash, stamp: u64, verdict: Verdict) {
        let entry = Entry { stamp, verdict };
        match verdict {
            Verdict::Current | Verdict::Previous => self.valid.put(hash, entry),
            Verdict::Wrong => self.wrong.put(hash, entry),
        }
    }
}

type Generation = HashMap<TextHash, Entry, BuildHasherDefault<AsIs>>;

struct Generations {
    young: Generation,
    old: Generation,
    /// Most entries of one generation.
    half: usize,
}

impl Generations {
    fn new(capacity: usize) -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
            half: (capacity / 2).max(1),
        }
    }

    fn get(&mut self, hash: &TextHash) -> Option<Entry> {
        if let Some(entry) = self.young.get(hash) {
            return Some(*entry);
        }
        let entry = self.old.remove(hash)?;
        self.put(*hash, entry);
        Some(entry)
    }

    fn put(&mut self, hash: TextHash, entry: Entry) {
        if self.young.len() >= self.half && !self.young.contains_key(&hash) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, entry);
    }
}

/// Keyed hashes are as random as a hasher could make them.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    // Called with the length first and the hash after it; what comes last stays.
    fn write(&mut self, bytes: &[u8]) {
        if let Some((first, _)) = bytes.split_first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u32) -> TextHash {
        let mut hash = [0; 16];
        hash[..4].copy_from_slice(&number.to_le_bytes());
        hash
    }

    #[test]
    fn an_entry_is_void_for_another_record() {
        let mut cache = VerifiedKeys::new(8);
        cache.put(hash(1), 7, Verdict::Current);
        assert_eq!(cache.get(&hash(1), 7), Some(Verdict::Current));
        assert_eq!(cache.get(&hash(1), 8), None);
        cache.put(hash(1), 8, Verdict::Previous);
        assert_eq!(cache.get(&hash(1), 8), Some(Verdict::Previous));
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let mut cache = VerifiedKeys::new(64);
        cache.put(hash(0), 1, Verdict::Current);
        for number in 1..10_000 {
            cache.put(hash(number), 1, Verdict::Current);
            assert_eq!(cache.get(&hash(0), 1), Some(Verdict::Current), "{number}");
        }
        assert!(cache.valid.young.len() + cache.valid.old.len() <= 65);
        assert_eq!(cache.get(&hash(1), 1), None);
    }

    #[test]
    fn wrong_texts_do_not_displace_right_ones() {
        let mut cache = VerifiedKeys::new(64);
        cache.put(hash(0), 1, Verdict::Current);
        for number in 1..10_000 {
            cache.put(hash(number), 1, Verdict::Wrong);
        }
        assert_eq!(cache.get(&hash(0), 1), Some(Verdict::Current));
        assert_eq!(cache.get(&hash(9_999), 1), Some(Verdict::Wrong));
        assert_eq!(cache.get(&hash(1), 1), None);
    }
}
