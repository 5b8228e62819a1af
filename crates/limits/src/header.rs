//! The fields that tell a caller of limits: `RateLimit-Policy` and `RateLimit`
//! (draft-ietf-httpapi-ratelimit-headers-10), `Retry-After` (RFC 9110, 10.2.3), and the older
//! `X-RateLimit-*`.
//!
//! What depends on the configuration only is made once, by [`Policy::new`] and [`policies`], as
//! structured fields (RFC 9651). For each answer only numbers are written behind names.

use std::borrow::Cow;

use sfv::{Integer, KeyRef, ListSerializer, StringRef};

use crate::counter::Spec;
use crate::quota::Period;
use crate::time::{Level, NS_PER_SECOND};

/// The largest integer of a structured field (RFC 9651, 3.3.1).
const MAX_INTEGER: u64 = 999_999_999_999_999;
const SECONDS_PER_DAY: u64 = 86_400;

/// What a policy counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Requests,
    /// Calls under way at once.
    ConcurrentRequests,
}

/// One limit, as callers see it.
#[derive(Clone, Debug)]
pub struct Policy {
    /// As a structured field's string, with its quotation marks.
    name: Box<str>,
    text: Box<str>,
    limit: u64,
}

impl Policy {
    /// `window_s`: seconds that the limit is for, where that is a fixed number of them. Characters
    /// that a structured field's string cannot have are left out of `name`.
    #[must_use]
    pub fn new(name: &str, limit: u64, window_s: Option<u64>, unit: Unit) -> Self {
        let name = printable(name);
        let mut list = ListSerializer::new();
        {
            let mut item = list.bare_item(string(&name));
            item = item.parameter(KeyRef::constant("q"), integer(limit));
            if unit == Unit::ConcurrentRequests {
                let unit = StringRef::constant("concurrent-requests");
                item = item.parameter(KeyRef::constant("qu"), unit);
            }
            if let Some(window) = window_s {
                item = item.parameter(KeyRef::constant("w"), integer(window));
            }
            let _the_list = item.finish();
        }
        let mut alone = ListSerializer::new();
        let _the_list = alone.bare_item(string(&name)).finish();
        Self {
            name: alone.finish().unwrap_or_default().into(),
            text: list.finish().unwrap_or_default().into(),
            limit,
        }
    }

    /// The policy of a counter.
    #[must_use]
    pub fn of(name: &str, spec: &Spec) -> Self {
        let (limit, window_s) = match *spec {
            // What may be called at once counts for the caller, not what the rate is made of.
            Spec::Gcra {
                limit, window_s, ..
            }
            | Spec::SlidingWindow {
                limit, window_s, ..
            } => (u64::from(limit), Some(u64::from(window_s))),
            Spec::Quota {
                limit,
                period: Period::Day,
            } => (limit, Some(SECONDS_PER_DAY)),
            // Months differ in length.
            Spec::Quota {
                limit,
                period: Period::Month,
            } => (limit, None),
        };
        Self::new(name, limit, window_s, Unit::Requests)
    }

    /// `"burst";q=100;w=60`
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }
}

/// The value of `RateLimit-Policy`; empty when there are none.
#[must_use]
pub fn policies<'a>(all: impl IntoIterator<Item = &'a Policy>) -> String {
    let mut text = String::new();
    for policy in all {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&policy.text);
    }
    text
}

/// Adds one member to the value of `RateLimit`: `"burst";r=50;t=30`. Without a time that is known,
/// `t` is left out.
pub fn write_rate_limit(out: &mut Vec<u8>, policy: &Policy, level: &Level) {
    if !out.is_empty() {
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(policy.name.as_bytes());
    out.extend_from_slice(b";r=");
    write_number(out, level.remaining);
    if level.reset_ns != u64::MAX {
        out.extend_from_slice(b";t=");
        write_number(out, seconds(level.reset_ns));
    }
}

/// The place of the level that leaves the least room: of those that forbid the call the one with
/// the longest wait, else the one with the fewest calls left. `None`: there are none.
#[must_use]
pub fn tightest(levels: &[Level]) -> Option<usize> {
    let mut found: Option<(usize, &Level)> = None;
    for (at, level) in levels.iter().enumerate() {
        let is_tighter = match found {
            None => true,
            Some((_, other)) if level.is_refused != other.is_refused => level.is_refused,
            Some((_, other)) if level.is_refused => level.reset_ns > other.reset_ns,
            Some((_, other)) => {
                level.remaining < other.remaining
                    || (level.remaining == other.remaining && level.reset_ns > other.reset_ns)
            }
        };
        if is_tighter {
            found = Some((at, level));
        }
    }
    found.map(|(at, _)| at)
}

/// Seconds for `Retry-After`: after them no limit forbids the same call, if nobody else calls.
/// `None`: nothing forbids it, or waiting does not help.
#[must_use]
pub fn retry_after(levels: &[Level]) -> Option<u64> {
    let longest = levels.iter().map(Level::retry_ns).max()?;
    (longest != 0 && longest != u64::MAX).then(|| seconds(longest).max(1))
}

/// Whole seconds, none too few.
#[must_use]
pub fn seconds(ns: u64) -> u64 {
    ns.div_ceil(NS_PER_SECOND)
}

/// Appends a number as a structured field's integer.
pub fn write_number(out: &mut Vec<u8>, number: u64) {
    let mut number = number.min(MAX_INTEGER);
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn integer(number: u64) -> Integer {
    let number = i64::try_from(number.min(MAX_INTEGER)).unwrap_or(i64::MAX);
    Integer::try_from(number).unwrap_or(Integer::MAX)
}

fn printable(text: &str) -> Cow<'_, str> {
    if StringRef::from_str(text).is_ok() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| matches!(c, ' '..='~')).collect())
}

fn string(text: &str) -> &StringRef {
    StringRef::from_str(text).unwrap_or(StringRef::constant(""))
}
