//! Quotas: so many calls in a day or month of the calendar, UTC.
//!
//! The state is one word: which period it counts, and how many calls. Where a count comes from
//! before this process began is not the engine's to know: the caller adds it with
//! [`Quota::restore`], and until then it is counted from nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::time::{Level, NS_PER_SECOND};

/// The calendar's stretch that a quota is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    Day,
    Month,
}

/// What a quota allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    limit: u64,
    period: Period,
}

/// The state of one counter.
#[derive(Debug, Default)]
pub struct QuotaState {
    /// The period's number in the upper bits, the calls in the lower.
    word: AtomicU64,
    restored: AtomicBool,
}

/// Bits for the calls: 2⁵¹ are more than any quota may be. 13 are left for the period, which are
/// 22 years of days before a number comes again.
const COUNT_BITS: u32 = 51;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const PERIODS: u64 = 1 << (64 - COUNT_BITS);
const SECONDS_PER_DAY: i64 = 86_400;

/// One day or month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First second, since 1970.
    pub start_s: i64,
    /// First second of the next one.
    pub end_s: i64,
    /// Counts the periods since 1970.
    number: u64,
}

impl Period {
    /// The period that a moment lies in. Moments before 1970 or after the year 9999 count as the
    /// nearest of those between.
    #[must_use]
    pub fn span(self, unix_s: i64) -> Span {
        let last = 253_402_300_799;
        let unix_s = unix_s.clamp(0, last);
        let day = unix_s / SECONDS_PER_DAY;
        let (start, end, number) = match self {
            Self::Day => (day, day + 1, day),
            Self::Month => {
                let (year, month) = year_and_month(day);
                let number = (year - 1970) * 12 + month - 1;
                let next = if month == 12 {
                    day_of(year + 1, 1)
                } else {
                    day_of(year, month + 1)
                };
                (day_of(year, month), next, number)
            }
        };
        Span {
            start_s: start * SECONDS_PER_DAY,
            end_s: end * SECONDS_PER_DAY,
            number: number.unsigned_abs(),
        }
    }
}

impl Quota {
    /// `limit` calls a period; at most 2⁵¹ - 1.
    #[must_use]
    pub fn new(limit: u64, period: Period) -> Self {
        Self {
            limit: limit.min(COUNT_MASK),
            period,
        }
    }

    #[must_use]
    pub const fn period(&self) -> Period {
        self.period
    }

    /// Takes `cost` calls if they are left.
    pub fn take(&self, state: &QuotaState, cost: u32, unix_s: i64) -> Level {
        let span = self.period.span(unix_s);
        let mut seen = state.word.load(Ordering::Relaxed);
        loop {
            let (number, used) = current(seen, span);
            let next = used + u64::from(cost);
            if next > self.limit {
                return self.level(used, cost, span, unix_s);
            }
            match state.word.compare_exchange_weak(
                seen,
                number << COUNT_BITS | next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return self.level(next, 0, span, unix_s),
                Err(other) => seen = other,
            }
        }
    }

    /// What `take` would say, without taking.
    pub fn peek(&self, state: &QuotaState, cost: u32, unix_s: i64) -> Level {
        let span = self.period.span(unix_s);
        let (_, used) = current(state.word.load(Ordering::Relaxed), span);
        self.level(used, cost, span, unix_s)
    }

    /// Takes back what a `take` of `cost` took at `unix_s`, unless a new period has begun since.
    pub fn give_back(&self, state: &QuotaState, cost: u32, unix_s: i64) {
        let number = self.period.span(unix_s).number % PERIODS;
        let _ = state
            .word
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| {
                let used = (seen & COUNT_MASK).checked_sub(u64::from(cost))?;
                (seen >> COUNT_BITS == number).then_some(number << COUNT_BITS | used)
            });
    }

    /// Adds calls of the period of `unix_s` that were counted elsewhere: once, however often it is
    /// called. They are added whatever the limit is, and not when a new period has begun since.
    pub fn restore(&self, state: &QuotaState, calls: u64, unix_s: i64) {
        if state.restored.swap(true, Ordering::AcqRel) {
            return;
        }
        let span = self.period.span(unix_s);
        let _ = state
            .word
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| {
                let (number, used) = current(seen, span);
                (number == span.number % PERIODS)
                    .then(|| number << COUNT_BITS | used.saturating_add(calls).min(COUNT_MASK))
            });
    }

    /// Calls counted in the period of `unix_s`.
    #[must_use]
    pub fn used(&self, state: &QuotaState, unix_s: i64) -> u64 {
        current(state.word.load(Ordering::Relaxed), self.period.span(unix_s)).1
    }

    /// Whether [`Quota::restore`] was called. A counter that was not is exact only for what this
    /// process has seen.
    #[must_use]
    pub fn is_restored(&self, state: &QuotaState) -> bool {
        state.restored.load(Ordering::Acquire)
    }

    fn level(&self, used: u64, cost: u32, span: Span, unix_s: i64) -> Level {
        let seconds = u64::try_from(span.end_s.saturating_sub(unix_s)).unwrap_or(0);
        let reset_ns = seconds.saturating_mul(NS_PER_SECOND);
        let remaining = self.limit.saturating_sub(used);
        if u64::from(cost) > self.limit {
            return Level::refused(remaining, u64::MAX);
        }
        if u64::from(cost) > remaining {
            return Level::refused(remaining, reset_ns);
        }
        Level {
            remaining,
            reset_ns,
            is_refused: false,
        }
    }
}

/// The period and calls to go on from. A clock that was set back over midnight does not make the
/// calls of the later period forgotten: that one is counted on.
fn current(word: u64, span: Span) -> (u64, u64) {
    let number = span.number % PERIODS;
    let (stored, used) = (word >> COUNT_BITS, word & COUNT_MASK);
    let ahead = stored.wrapping_sub(number) % PERIODS;
    if word != 0 && (ahead == 0 || ahead <= CLOCK_BACK) {
        (stored, used)
    } else {
        (number, 0)
    }
}

/// Periods that the calendar may be set back before the count begins anew.
const CLOCK_BACK: u64 = 2;

/// Year and month of a day since 1970 (the proleptic Gregorian calendar).
fn year_and_month(day: i64) -> (i64, i64) {
    // Years are counted from March, so that the leap day is the last of its year.
    let since = day + 719_468;
    let era = since.div_euclid(146_097);
    let day_of_era = since.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month)
}

/// The first day of a month, since 1970.
fn day_of(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * from_march + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}
