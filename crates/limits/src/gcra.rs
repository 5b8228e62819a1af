//! The generic cell rate algorithm: one number, one compare-and-swap.
//!
//! The state is the *theoretical arrival time*: the moment at which the limit will be as if it had
//! never been used. A call moves it on by the time that one call takes to come back; a call that
//! would move it further ahead of now than a full burst takes is refused. So over any stretch of
//! length `t` at most `burst + t * limit / window` calls pass: `burst` at once, the rest one by one.
//!
//! Nothing is approximated but the time of one call, which is rounded up to a sixteenth of a
//! nanosecond: the limit errs on the strict side by less than one call in `window / limit * 16`
//! (at 1,000,000 calls a second: 0.006 %).

use std::sync::atomic::{AtomicU64, Ordering};

use crate::time::{Level, NS_PER_SECOND, STEP_BACK_NS};

/// Parts of a nanosecond that times are kept in: 2⁶⁴ of them are 36 years.
const TICKS_PER_NS: u64 = 16;
/// Later moments count as this one, in 18 years of uptime; then nothing comes back any more.
const LATEST: u64 = u64::MAX / 2;
/// The most that a burst may stand for, 9 years: with it no sum overflows.
const MOST: u64 = u64::MAX / 4;

/// What a GCRA limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    /// Ticks until one call has come back.
    emission: u64,
    /// Ticks that a full burst stands for.
    capacity: u64,
}

/// The state of one counter.
#[derive(Debug, Default)]
pub struct GcraState(AtomicU64);

impl Gcra {
    /// `limit` calls in `window_s` seconds, `burst` of them at once. A limit, window or burst of 0
    /// lets nothing pass.
    #[must_use]
    pub fn new(limit: u32, window_s: u32, burst: u32) -> Self {
        let window = u64::from(window_s)
            .saturating_mul(NS_PER_SECOND)
            .saturating_mul(TICKS_PER_NS);
        let emission = match u64::from(limit) {
            0 => u64::MAX,
            limit => window.div_ceil(limit).max(1),
        };
        let capacity = if limit == 0 || window == 0 {
            0
        } else {
            emission.saturating_mul(u64::from(burst)).min(MOST)
        };
        Self { emission, capacity }
    }

    /// Takes `cost` calls if they fit.
    #[inline]
    pub fn take(&self, state: &GcraState, cost: u32, now_ns: u64) -> Level {
        let now = ticks(now_ns);
        let full = now.saturating_add(self.capacity);
        let step = self.emission.saturating_mul(u64::from(cost));
        let mut seen = state.0.load(Ordering::Relaxed);
        loop {
            let next = self.from(seen, now).saturating_add(step);
            if next > full || step > self.capacity {
                return self.refused(state, seen, step, now);
            }
            match state
                .0
                .compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return self.level(next, now),
                Err(other) => seen = other,
            }
        }
    }

    /// What `take` would say, without taking.
    #[inline]
    pub fn peek(&self, state: &GcraState, cost: u32, now_ns: u64) -> Level {
        let now = ticks(now_ns);
        let seen = state.0.load(Ordering::Relaxed);
        let step = self.emission.saturating_mul(u64::from(cost));
        let next = self.from(seen, now).saturating_add(step);
        if next > now.saturating_add(self.capacity) || step > self.capacity {
            return self.refused(state, seen, step, now);
        }
        self.level(self.from(seen, now), now)
    }

    /// Takes back what a `take` of `cost` took. A counter that has forgotten the call meanwhile is
    /// as if unused, and cannot become more than that.
    pub fn give_back(&self, state: &GcraState, cost: u32) {
        let step = self.emission.saturating_mul(u64::from(cost));
        let _ = state
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| {
                Some(seen.saturating_sub(step))
            });
    }

    /// Counts a refused call: as many as fit are taken, so that who keeps on trying stays refused.
    pub fn note_denied(&self, state: &GcraState, cost: u32, now_ns: u64) {
        let now = ticks(now_ns);
        let full = now.saturating_add(self.capacity);
        let step = self.emission.saturating_mul(u64::from(cost));
        let _ = state
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| {
                Some(
                    self.from(seen, now)
                        .saturating_add(step)
                        .min(full)
                        .max(seen.min(full)),
                )
            });
    }

    /// Whether a new counter would decide the same from now on.
    pub fn is_idle(&self, state: &GcraState, now_ns: u64) -> bool {
        state.0.load(Ordering::Relaxed) <= ticks(now_ns)
    }

    /// Where the arrival time counts from. More than a full burst ahead of now it can only be
    /// when the clock went back; then the burst is used up, and comes back from now on.
    fn from(&self, seen: u64, now: u64) -> u64 {
        seen.max(now).min(now.saturating_add(self.capacity))
    }

    fn level(&self, next: u64, now: u64) -> Level {
        let used = next - now;
        let remaining = self.capacity.saturating_sub(used) / self.emission;
        let reset = if remaining == 0 {
            // Until one call fits.
            used.saturating_add(self.emission)
                .saturating_sub(self.capacity)
        } else {
            used
        };
        Level {
            remaining,
            reset_ns: reset.div_ceil(TICKS_PER_NS),
            is_refused: false,
        }
    }

    #[cold]
    fn refused(&self, state: &GcraState, seen: u64, step: u64, now: u64) -> Level {
        let from = self.from(seen, now);
        if seen > from.saturating_add(STEP_BACK_NS * TICKS_PER_NS) {
            // Another thread may have seen it first, and there is nothing to add then.
            let _ = state
                .0
                .compare_exchange(seen, from, Ordering::Relaxed, Ordering::Relaxed);
        }
        let used = from - now;
        let remaining = self.capacity.saturating_sub(used) / self.emission;
        if step > self.capacity {
            return Level::refused(remaining, u64::MAX);
        }
        let wait = used.saturating_add(step).saturating_sub(self.capacity);
        Level::refused(remaining, wait.div_ceil(TICKS_PER_NS))
    }
}

fn ticks(ns: u64) -> u64 {
    ns.saturating_mul(TICKS_PER_NS).min(LATEST)
}
