//! Explaining calls: what every call notes on its way, and what is made of that for those that
//! are kept.
//!
//! Noting costs a call two readings of the clock. The document is made for calls that failed and
//! for the first few of each second, within a budget for each thread, so that a flood of refused
//! calls does not become a flood of documents.

mod build;
mod dry_run;
mod limits;
mod policies;
mod sink;

use std::borrow::Cow;
use std::cell::Cell;

use apiverse_cache::StatusLine;
use apiverse_contract::ErrorCode;
use apiverse_contract::policies::{PolicyKind, PolicyLevel};
use apiverse_limits::Level;

use crate::targets::{TryNote, UpstreamNote};

pub(crate) use build::explanation;
pub(crate) use sink::{Explained, start};

/// Tries of one call that are noted; later ones take the last place.
const TRIES: usize = 2;
/// Calls without failure that one thread explains a second.
const PASSED: u32 = 5;
/// Failed calls that one thread explains a second.
const FAILED: u32 = 50;

/// When the phases of a call ended, in microseconds since its beginning.
#[derive(Clone, Default)]
pub(crate) struct Notes {
    /// The key is known and may call the API.
    pub(crate) admitted_us: Option<u32>,
    /// The limits were asked.
    pub(crate) limited_us: Option<u32>,
    /// What the cache said, and when; `None`: the call has no cache policy.
    pub(crate) cache: Option<(StatusLine, u32)>,
    /// The upstream's request is ready.
    pub(crate) prepared_us: Option<u32>,
    /// The upstream's answer has begun.
    pub(crate) answered_us: Option<u32>,
    pub(crate) tries: [Option<Try>; TRIES],
    /// `None`: the call has no upstream policy, or did not come that far.
    pub(crate) upstream: Option<UpstreamNote>,
    /// Those of a call that has several targets, instead of `tries`.
    pub(crate) tried: Vec<TryNote>,
    /// What policies did, in their order.
    pub(crate) policies: Vec<PolicyNote>,
    /// What the limits said that refused the call.
    pub(crate) refused_levels: Vec<Level>,
}

/// One try to reach the upstream.
#[derive(Clone, Copy, Default)]
pub(crate) struct Try {
    pub(crate) began_us: u32,
    /// `None` while connecting, and for a connection of the pool.
    pub(crate) connected_us: Option<u32>,
    pub(crate) reused: bool,
    pub(crate) answered_us: Option<u32>,
}

/// What one policy did to the call.
#[derive(Clone, Debug)]
pub(crate) struct PolicyNote {
    pub(crate) kind: PolicyKind,
    /// Where it is attached.
    pub(crate) level: PolicyLevel,
    pub(crate) began_us: u32,
    pub(crate) took_us: u32,
    /// The call ended there.
    pub(crate) code: Option<ErrorCode>,
    /// What it came to, for people.
    pub(crate) said: Cow<'static, str>,
}

impl Notes {
    pub(crate) fn begin_try(&mut self, began_us: u32, reused: bool) {
        let free = self.tries.iter().position(Option::is_none);
        self.tries[free.unwrap_or(TRIES - 1)] = Some(Try {
            began_us,
            reused,
            ..Try::default()
        });
    }

    pub(crate) fn connected(&mut self, at_us: u32) {
        if let Some(last) = self.last_try() {
            last.connected_us = Some(at_us);
        }
    }

    pub(crate) fn answered(&mut self, at_us: u32) {
        self.answered_us = Some(at_us);
        if let Some(last) = self.last_try() {
            last.answered_us = Some(at_us);
        }
    }

    pub(crate) fn last(&self) -> Option<Try> {
        self.tries.iter().rev().flatten().next().copied()
    }

    fn last_try(&mut self) -> Option<&mut Try> {
        self.tries.iter_mut().rev().flatten().next()
    }
}

/// How many calls one thread may still explain in this second.
#[derive(Default)]
pub(crate) struct Budget {
    second: Cell<i64>,
    passed: Cell<u32>,
    failed: Cell<u32>,
}

impl Budget {
    /// Whether a call that began at `at_us` (since 1970) is to be explained.
    pub(crate) fn allows(&self, at_us: i64, status: u16, error: Option<ErrorCode>) -> bool {
        let second = at_us / 1_000_000;
        if self.second.replace(second) != second {
            self.passed.set(0);
            self.failed.set(0);
        }
        let (used, most) = if error.is_some() || status >= 400 {
            (&self.failed, FAILED)
        } else {
            (&self.passed, PASSED)
        };
        let is_within = used.get() < most;
        used.set(used.get() + u32::from(is_within));
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_budget() {
        let budget = Budget::default();
        let kept = |at_us, status, calls: u32| {
            (0..calls)
                .filter(|_| budget.allows(at_us, status, None))
                .count()
        };
        assert_eq!(kept(1_000_000, 200, 100), PASSED as usize);
        assert_eq!(kept(1_500_000, 502, 100), FAILED as usize);
        assert_eq!(kept(1_999_999, 200, 1), 0);
        assert_eq!(kept(2_000_000, 200, 1), 1);
    }

    #[test]
    fn tries_beyond_the_places_take_the_last() {
        let mut notes = Notes::default();
        for began in [10, 20, 30] {
            notes.begin_try(began, false);
            notes.connected(began + 1);
        }
        notes.answered(40);
        let began: Vec<u32> = notes
            .tries
            .iter()
            .flatten()
            .map(|one| one.began_us)
            .collect();
        assert_eq!(began, [10, 30]);
        assert_eq!(notes.tries[1].and_then(|one| one.answered_us), Some(40));
        assert_eq!(notes.tries[0].and_then(|one| one.answered_us), None);
    }
}
