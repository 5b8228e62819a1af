//! What became of an address's last answer: whether it is worth waiting for another's exchange.
//!
//! A hint may be forgotten or be another address's; then a request waits for nothing, or asks
//! where it could have waited.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::RandomState;

const SLOTS: usize = 1 << 14;
/// How long a hint counts, in milliseconds.
const LASTS_MS: i64 = 60_000;

/// What an address's answers are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    Unknown,
    /// They are for everybody.
    Shared,
    /// They are for the key that asks.
    Own,
    /// They are not stored.
    NotStored,
}

/// The hints of all addresses.
pub(crate) struct Hints {
    /// Until when, and which in the lowest two bits.
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Default for Hints {
    fn default() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::default(),
        }
    }
}

impl Hints {
    pub(super) fn get(&self, address: &[u8], now_ms: i64) -> Hint {
        let slot = self.slot(address).load(Ordering::Relaxed);
        if (slot >> 2) < u64::try_from(now_ms).unwrap_or(0) {
            return Hint::Unknown;
        }
        match slot & 3 {
            1 => Hint::Shared,
            2 => Hint::Own,
            3 => Hint::NotStored,
            _ => Hint::Unknown,
        }
    }

    pub(super) fn set(&self, address: &[u8], hint: Hint, now_ms: i64) {
        let until = u64::try_from(now_ms.saturating_add(LASTS_MS)).unwrap_or(0);
        let kind = match hint {
            Hint::Unknown => 0,
            Hint::Shared => 1,
            Hint::Own => 2,
            Hint::NotStored => 3,
        };
        self.slot(address)
            .store(until << 2 | kind, Ordering::Relaxed);
    }

    fn slot(&self, address: &[u8]) -> &AtomicU64 {
        let hash = self.hasher.hash_one(address) as usize;
        &self.slots[hash & (SLOTS - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_forgotten() {
        let hints = Hints::default();
        assert_eq!(hints.get(b"a", 1000), Hint::Unknown);
        for hint in [Hint::Shared, Hint::Own, Hint::NotStored] {
            hints.set(b"a", hint, 1000);
            assert_eq!(hints.get(b"a", 61_000), hint);
            assert_eq!(hints.get(b"a", 61_001), Hint::Unknown);
        }
    }
}
