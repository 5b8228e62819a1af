//! The sliding window: never more than `limit` calls in any stretch of `window` seconds.
//!
//! The state is a log of the calls that passed. Up to [`EXACT`] calls a window each call has its
//! own entry, and the limit is exact to the nanosecond. Above that, calls that are less than a
//! 63rd of the window apart share an entry, which leaves as a whole when its *last* call does. So
//! the log stays short, and the limit errs on the strict side only: a call is counted for at least
//! one window and at most 64/63 of one.
//!
//! (Two fixed counters, the older one weighted, would fit one word. But the weight supposes that
//! the calls of the older window came evenly; when they came at its end, up to twice the limit
//! passes. That is not a limit.)
//!
//! More than one word changes at once, so a mutex of a few nanoseconds guards the log. It is held
//! for one short computation, never across an await, and there is one for each counter.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::time::{Level, NS_PER_SECOND, STEP_BACK_NS};

/// Up to this limit each call has an entry of its own.
pub const EXACT: u32 = 64;
/// Parts of a window that calls are told apart by, above that.
const GRAINS: u64 = 63;

/// What a sliding window allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    limit: u32,
    window_ns: u64,
    /// Length of time whose calls share an entry.
    grain_ns: u64,
}

/// The state of one counter.
#[derive(Debug, Default)]
pub struct WindowState(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    /// The oldest first.
    entries: VecDeque<Entry>,
    /// Calls of all entries.
    total: u64,
    /// The latest moment seen.
    latest_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    begun_ns: u64,
    last_ns: u64,
    count: u32,
}

impl Window {
    /// `limit` calls in any `window_s` seconds. A limit or window of 0 lets nothing pass.
    #[must_use]
    pub fn new(limit: u32, window_s: u32) -> Self {
        let window_ns = u64::from(window_s).saturating_mul(NS_PER_SECOND);
        Self {
            limit: if window_s == 0 { 0 } else { limit },
            window_ns,
            grain_ns: if limit <= EXACT {
                0
            } else {
                window_ns / GRAINS
            },
        }
    }

    /// Takes `cost` calls if they fit.
    pub fn take(&self, state: &WindowState, cost: u32, now_ns: u64) -> Level {
        let mut log = state.0.lock();
        let now = self.advance(&mut log, now_ns);
        if !self.fits(&log, cost) {
            return self.refused(&log, cost, now);
        }
        self.push(&mut log, cost, now);
        self.level(&log, now)
    }

    /// What `take` would say, without taking.
    pub fn peek(&self, state: &WindowState, cost: u32, now_ns: u64) -> Level {
        let mut log = state.0.lock();
        let now = self.advance(&mut log, now_ns);
        if !self.fits(&log, cost) {
            return self.refused(&log, cost, now);
        }
        self.level(&log, now)
    }

    /// Takes back what a `take` of `cost` at `taken_ns` took, or an earlier call of another thread
    /// in its place: ours then counts for it, and longer. When the calls have left the window
    /// meanwhile, nothing is there to take back.
    pub fn give_back(&self, state: &WindowState, cost: u32, taken_ns: u64) {
        let mut log = state.0.lock();
        if log.latest_ns.saturating_sub(taken_ns) >= self.window_ns {
            return;
        }
        let mut left = cost;
        let mut given = 0;
        for entry in &mut log.entries {
            if entry.last_ns >= taken_ns {
                let part = entry.count.min(left);
                entry.count -= part;
                left -= part;
                given += u64::from(part);
            }
        }
        log.total -= given;
        log.entries.retain(|entry| entry.count > 0);
    }

    /// Counts a refused call in the place of the oldest: who keeps on trying stays refused.
    pub fn note_denied(&self, state: &WindowState, cost: u32, now_ns: u64) {
        let mut log = state.0.lock();
        let now = self.advance(&mut log, now_ns);
        self.push(&mut log, cost.min(self.limit), now);
        while log.total > u64::from(self.limit) {
            let excess = log.total - u64::from(self.limit);
            let Some(oldest) = log.entries.front_mut() else {
                break;
            };
            let part = u32::try_from(excess).unwrap_or(u32::MAX).min(oldest.count);
            oldest.count -= part;
            let is_empty = oldest.count == 0;
            log.total -= u64::from(part);
            if is_empty {
                log.entries.pop_front();
            }
        }
    }

    /// Whether a new counter would decide the same from now on.
    pub fn is_idle(&self, state: &WindowState, now_ns: u64) -> bool {
        let mut log = state.0.lock();
        self.advance(&mut log, now_ns);
        log.total == 0
    }

    /// Lets calls leave that are older than the window; gives the moment to go by.
    fn advance(&self, log: &mut Log, now_ns: u64) -> u64 {
        // So far from the end of numbers, and of time, no sum overflows.
        let now_ns = now_ns.min(u64::MAX / 2);
        if log.latest_ns > now_ns.saturating_add(self.window_ns.max(STEP_BACK_NS)) {
            log.latest_ns = now_ns;
            for entry in &mut log.entries {
                entry.begun_ns = entry.begun_ns.min(now_ns);
                entry.last_ns = entry.last_ns.min(now_ns);
            }
        }
        // Threads read the clock before they come here; the later reading holds.
        let now = now_ns.max(log.latest_ns);
        log.latest_ns = now;
        while let Some(oldest) = log.entries.front() {
            if self.leaves_in(oldest, now) > 0 {
                break;
            }
            log.total -= u64::from(oldest.count);
            log.entries.pop_front();
        }
        now
    }

    fn leaves_in(&self, entry: &Entry, now: u64) -> u64 {
        entry
            .last_ns
            .saturating_add(self.window_ns)
            .saturating_sub(now)
    }

    fn fits(&self, log: &Log, cost: u32) -> bool {
        log.total + u64::from(cost) <= u64::from(self.limit)
    }

    fn push(&self, log: &mut Log, cost: u32, now: u64) {
        if cost == 0 {
            return;
        }
        log.total += u64::from(cost);
        if let Some(entry) = log.entries.back_mut()
            && now - entry.begun_ns <= self.grain_ns
            && let Some(count) = entry.count.checked_add(cost)
        {
            entry.count = count;
            entry.last_ns = now;
            return;
        }
        log.entries.push_back(Entry {
            begun_ns: now,
            last_ns: now,
            count: cost,
        });
    }

    fn level(&self, log: &Log, now: u64) -> Level {
        let remaining = u64::from(self.limit).saturating_sub(log.total);
        let entry = if remaining == 0 {
            log.entries.front()
        } else {
            log.entries.back()
        };
        Level {
            remaining,
            reset_ns: entry.map_or(0, |entry| self.leaves_in(entry, now)),
            is_refused: false,
        }
    }

    #[cold]
    fn refused(&self, log: &Log, cost: u32, now: u64) -> Level {
        let limit = u64::from(self.limit);
        let remaining = limit.saturating_sub(log.total);
        let mut excess = (log.total + u64::from(cost)).saturating_sub(limit);
        for entry in &log.entries {
            excess = excess.saturating_sub(u64::from(entry.count));
            if excess == 0 {
                return Level::refused(remaining, self.leaves_in(entry, now));
            }
        }
        Level::refused(remaining, u64::MAX)
    }
}
