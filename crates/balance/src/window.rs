//! How many things of two sorts happened lately.

use std::sync::atomic::{AtomicU64, Ordering};

/// Cells of a window: what is older than a tenth of it is forgotten at once.
const CELLS: usize = 10;
const COUNT_BITS: u32 = 20;
const MOST: u64 = (1 << COUNT_BITS) - 1;
const EPOCHS: u64 = 1 << (64 - 2 * COUNT_BITS);

/// Counts of good and bad things in the last milliseconds, without a lock.
///
/// A cell that is full is halved, so that the ratio stays when the numbers cannot.
#[derive(Debug)]
pub struct Window {
    cell_ms: u64,
    /// `epoch | good | bad`: the epoch is the number of the tenth that the counts are of.
    cells: [AtomicU64; CELLS],
}

impl Window {
    /// A window of about `length_ms`, 10 at least.
    #[must_use]
    pub fn new(length_ms: u64) -> Self {
        Self {
            cell_ms: (length_ms / CELLS as u64).max(1),
            cells: [const { AtomicU64::new(0) }; CELLS],
        }
    }

    /// Counts one.
    pub fn add(&self, is_bad: bool, now_ms: u64) {
        let (epoch, cell) = self.cell(now_ms);
        // The epoch 0 of an empty cell is that of the first tenth: its counts are 0 all the same.
        let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| {
            let (known, mut good, mut bad) = unpack(packed);
            if known != epoch {
                (good, bad) = (0, 0);
            }
            if good.max(bad) >= MOST {
                (good, bad) = (good / 2, bad / 2);
            }
            if is_bad {
                bad += 1;
            } else {
                good += 1;
            }
            Some(pack(epoch, good, bad))
        });
    }

    /// Good and bad ones of the last window.
    #[must_use]
    pub fn counts(&self, now_ms: u64) -> (u64, u64) {
        let last = now_ms / self.cell_ms;
        let (mut all_good, mut all_bad) = (0, 0);
        for back in 0..(CELLS as u64).min(last.saturating_add(1)) {
            let (epoch, cell) = self.cell_of(last - back);
            let (known, good, bad) = unpack(cell.load(Ordering::Relaxed));
            if known == epoch {
                all_good += good;
                all_bad += bad;
            }
        }
        (all_good, all_bad)
    }

    /// Forgets all.
    pub fn clear(&self) {
        for cell in &self.cells {
            cell.store(0, Ordering::Relaxed);
        }
    }

    fn cell(&self, now_ms: u64) -> (u64, &AtomicU64) {
        self.cell_of(now_ms / self.cell_ms)
    }

    fn cell_of(&self, number: u64) -> (u64, &AtomicU64) {
        let index = usize::try_from(number % CELLS as u64).unwrap_or(0);
        (number % EPOCHS, &self.cells[index])
    }
}

const fn pack(epoch: u64, good: u64, bad: u64) -> u64 {
    (epoch << (2 * COUNT_BITS)) | (good << COUNT_BITS) | bad
}

const fn unpack(packed: u64) -> (u64, u64, u64) {
    (
        packed >> (2 * COUNT_BITS),
        (packed >> COUNT_BITS) & MOST,
        packed & MOST,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_old_is_forgotten() {
        let window = Window::new(1_000);
        window.add(true, 50);
        window.add(false, 950);
        assert_eq!(window.counts(999), (1, 1));
        assert_eq!(window.counts(1_000), (1, 0));
        assert_eq!(window.counts(5_000), (0, 0));
        window.add(false, 5_000);
        assert_eq!(window.counts(5_000), (1, 0));
        window.clear();
        assert_eq!(window.counts(5_000), (0, 0));
    }

    #[test]
    fn a_full_cell_keeps_its_ratio() {
        let window = Window::new(10_000);
        for number in 0..(MOST * 2) {
            window.add(number % 4 == 0, 1);
        }
        let (good, bad) = window.counts(1);
        let ratio = bad as f64 / (good + bad) as f64;
        assert!((ratio - 0.25).abs() < 0.01, "{good} {bad}");
    }

    proptest! {
        /// Against a plain list: nothing of the last nine tenths is missed, nothing older than the
        /// whole is counted.
        #[test]
        fn it_counts_what_a_list_counts(
            length in 10_u64..100_000,
            steps in proptest::collection::vec((0_u64..5_000, any::<bool>()), 1..100),
        ) {
            let window = Window::new(length);
            let whole = (length / 10).max(1) * 10;
            let (mut now, mut list) = (0, Vec::new());
            for (step, is_bad) in steps {
                now += step;
                window.add(is_bad, now);
                list.push((now, is_bad));
                let of = |age: u64, bad: bool| list.iter()
                    .filter(|(at, is_bad)| now - at < age && *is_bad == bad).count() as u64;
                let (good, bad) = window.counts(now);
                prop_assert!(good >= of(whole / 10 * 9, false) && good <= of(whole, false));
                prop_assert!(bad >= of(whole / 10 * 9, true) && bad <= of(whole, true));
            }
        }

        #[test]
        fn any_numbers_do(length in any::<u64>(), now in any::<u64>()) {
            let window = Window::new(length);
            window.add(true, now);
            prop_assert_eq!(window.counts(now), (0, 1));
        }
    }
}
