//! Prefixes that no key has.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::Prefix;

/// Most entries of one generation.
const HALF: usize = 32_768;

/// Remembered so that a wrong text is looked up in the database once. Bounded by two generations:
/// when the young one is full, it becomes the old one.
#[derive(Default)]
pub(super) struct Absent {
    young: HashSet<Prefix, RandomState>,
    old: HashSet<Prefix, RandomState>,
}

impl Absent {
    pub(super) fn contains(&self, prefix: &Prefix) -> bool {
        self.young.contains(prefix) || self.old.contains(prefix)
    }

    pub(super) fn note(&mut self, prefix: Prefix) {
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(prefix);
    }

    /// A key has the prefix now.
    pub(super) fn forget(&mut self, prefix: &Prefix) {
        self.young.remove(prefix);
        self.old.remove(prefix);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(number: u32) -> Prefix {
        let mut prefix = *b"apv_live_00000000000-";
        prefix[..4].copy_from_slice(&number.to_be_bytes());
        prefix
    }

    #[test]
    fn it_is_bounded_and_forgets_the_oldest() {
        let mut absent = Absent::default();
        for number in 0..200_000 {
            absent.note(prefix(number));
        }
        assert!(absent.young.len() + absent.old.len() <= 2 * HALF);
        assert!(absent.contains(&prefix(199_999)));
        assert!(!absent.contains(&prefix(0)));
        absent.forget(&prefix(199_999));
        assert!(!absent.contains(&prefix(199_999)));
    }
}
