//! One counter of any kind, and several checked as one.

use std::sync::Arc;

use crate::gcra::{Gcra, GcraState};
use crate::lease::{Hub, Lease, LeaseTake, Rule};
use crate::quota::{Period, Quota, QuotaState};
use crate::time::{Level, Moment};
use crate::window::{Window, WindowState};

/// What a counter counts by. Two that are equal may share a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spec {
    /// See [`Gcra`].
    Gcra {
        limit: u32,
        window_s: u32,
        burst: u32,
        count_denied: bool,
    },
    /// See [`Window`].
    SlidingWindow {
        limit: u32,
        window_s: u32,
        count_denied: bool,
    },
    /// See [`Quota`].
    Quota { limit: u64, period: Period },
}

impl Spec {
    #[must_use]
    pub const fn is_quota(&self) -> bool {
        matches!(self, Self::Quota { .. })
    }

    /// How nodes share it.
    #[must_use]
    pub const fn rule(&self) -> Rule {
        match *self {
            Self::Gcra {
                limit,
                window_s,
                burst,
                ..
            } => Rule::Bucket {
                limit,
                window_s,
                burst,
            },
            Self::SlidingWindow {
                limit, window_s, ..
            } => Rule::Window { limit, window_s },
            Self::Quota { limit, period } => Rule::Calendar { limit, period },
        }
    }

    const fn counts_denied(&self) -> bool {
        match *self {
            Self::Gcra { count_denied, .. } | Self::SlidingWindow { count_denied, .. } => {
                count_denied
            }
            Self::Quota { .. } => false,
        }
    }
}

/// A counter. Its callers keep it: a check looks nothing up.
#[derive(Debug)]
pub struct Counter {
    spec: Spec,
    kind: Kind,
    lease: Option<Arc<Lease>>,
}

#[derive(Debug)]
enum Kind {
    Gcra(Gcra, GcraState),
    Window(Window, WindowState),
    Quota(Quota, Arc<QuotaState>),
}

impl Counter {
    /// A counter of this node alone.
    #[must_use]
    pub fn new(spec: Spec) -> Self {
        let kind = match spec {
            Spec::Gcra {
                limit,
                window_s,
                burst,
                ..
            } => Kind::Gcra(Gcra::new(limit, window_s, burst), GcraState::default()),
            Spec::SlidingWindow {
                limit, window_s, ..
            } => Kind::Window(Window::new(limit, window_s), WindowState::default()),
            Spec::Quota { limit, period } => Kind::Quota(Quota::new(limit, period), Arc::default()),
        };
        Self {
            spec,
            kind,
            lease: None,
        }
    }

    /// A counter that nodes share under `name`. This node's own count goes on beside it, and holds
    /// on its own while the shared one is away.
    #[must_use]
    pub fn shared(spec: Spec, hub: Arc<Hub>, name: impl Into<Box<str>>) -> Self {
        Self::new(spec).with_lease(hub, name.into())
    }

    /// A counter with another limit that goes on with this one's count, for a quota whose limit
    /// was changed. `None` for other kinds.
    #[must_use]
    pub fn resized(&self, limit: u64) -> Option<Self> {
        let Kind::Quota(quota, state) = &self.kind else {
            return None;
        };
        let period = quota.period();
        let resized = Self {
            spec: Spec::Quota { limit, period },
            kind: Kind::Quota(Quota::new(limit, period), Arc::clone(state)),
            lease: None,
        };
        Some(match &self.lease {
            Some(lease) => resized.with_lease(Arc::clone(lease.hub()), lease.name().into()),
            None => resized,
        })
    }

    fn with_lease(self, hub: Arc<Hub>, name: Box<str>) -> Self {
        let known = match &self.kind {
            Kind::Quota(quota, state) => Some((*quota, Arc::clone(state))),
            Kind::Gcra(..) | Kind::Window(..) => None,
        };
        let lease = Lease::new(hub, self.spec.rule(), name, known);
        Self {
            lease: Some(lease),
            ..self
        }
    }

    #[must_use]
    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// What the counter says about a call now, without taking.
    #[must_use]
    pub fn peek(&self, cost: u32, now: Moment) -> Level {
        match &self.kind {
            Kind::Gcra(limit, state) => limit.peek(state, cost, now.mono_ns),
            Kind::Window(limit, state) => limit.peek(state, cost, now.mono_ns),
            Kind::Quota(limit, state) => limit.peek(state, cost, now.unix_s),
        }
    }

    /// Takes back what a check that passed at `taken` took.
    pub fn give_back(&self, cost: u32, taken: Moment) {
        self.give_back_here(cost, taken);
        if let Some(lease) = &self.lease {
            lease.give_back(cost);
        }
    }

    /// Adds to a quota what was counted before this process began: see [`Quota::restore`]. Nothing
    /// for other kinds.
    pub fn restore(&self, calls: u64, unix_s: i64) {
        if let Kind::Quota(limit, state) = &self.kind {
            limit.restore(state, calls, unix_s);
        }
    }

    /// Whether [`Counter::restore`] was called, or nothing has to be restored.
    #[must_use]
    pub fn is_restored(&self) -> bool {
        match &self.kind {
            Kind::Quota(limit, state) => limit.is_restored(state),
            Kind::Gcra(..) | Kind::Window(..) => true,
        }
    }

    /// Whether a new counter would decide the same from now on, so that this one may be forgotten.
    /// A quota never is: its count cannot be made again from nothing.
    #[must_use]
    pub fn is_idle(&self, now: Moment) -> bool {
        let is_idle_here = match &self.kind {
            Kind::Gcra(limit, state) => limit.is_idle(state, now.mono_ns),
            Kind::Window(limit, state) => limit.is_idle(state, now.mono_ns),
            Kind::Quota(..) => false,
        };
        is_idle_here && self.lease.as_ref().is_none_or(|lease| lease.is_idle())
    }

    #[inline]
    fn take_here(&self, cost: u32, now: Moment) -> Level {
        match &self.kind {
            Kind::Gcra(limit, state) => limit.take(state, cost, now.mono_ns),
            Kind::Window(limit, state) => limit.take(state, cost, now.mono_ns),
            Kind::Quota(limit, state) => limit.take(state, cost, now.unix_s),
        }
    }

    fn give_back_here(&self, cost: u32, taken: Moment) {
        match &self.kind {
            Kind::Gcra(limit, state) => limit.give_back(state, cost),
            Kind::Window(limit, state) => limit.give_back(state, cost, taken.mono_ns),
            Kind::Quota(limit, state) => limit.give_back(state, cost, taken.unix_s),
        }
    }

    fn note_denied(&self, cost: u32, now: Moment) {
        match &self.kind {
            Kind::Gcra(limit, state) => limit.note_denied(state, cost, now.mono_ns),
            Kind::Window(limit, state) => limit.note_denied(state, cost, now.mono_ns),
            Kind::Quota(..) => {}
        }
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every counter has taken the call.
    Allowed,
    /// At least one forbids it, and none has taken it.
    Refused,
    /// None has taken it; what other nodes took is being asked for. Try again when it is known. Who
    /// does not want to wait takes it as refused: the levels say so.
    Pending,
}

/// Checks a call of `cost` against all `counters` at once: it passes when every one lets it, and
/// only then is it taken from any. `levels` gets what each says, in their order; on
/// [`Verdict::Refused`] those that forbid it are marked.
///
/// Counters are looked at before any is touched, so that a call that is refused takes nothing
/// that another, at the same moment, could have had; only when two calls race for the last place
/// is something taken and given back at once.
pub fn check<'a, I>(counters: I, cost: u32, now: Moment, levels: &mut Vec<Level>) -> Verdict
where
    I: Iterator<Item = &'a Counter> + Clone,
{
    levels.clear();
    let mut rest = counters.clone();
    let is_single = rest.next().is_some() && rest.next().is_none();
    if !is_single {
        for counter in counters.clone() {
            levels.push(counter.peek(cost, now));
        }
        if levels.iter().any(|level| level.is_refused) {
            note_denied(counters, cost, now);
            return Verdict::Refused;
        }
        levels.clear();
    }
    for (taken, counter) in counters.clone().enumerate() {
        let level = counter.take_here(cost, now);
        if level.is_refused {
            for earlier in counters.clone().take(taken) {
                earlier.give_back_here(cost, now);
            }
            levels.clear();
            levels.extend(counters.clone().map(|counter| counter.peek(cost, now)));
            // Another's call may have made room again since.
            levels[taken] = level;
            note_denied(counters, cost, now);
            return Verdict::Refused;
        }
        levels.push(level);
    }
    check_leases(counters, cost, now, levels)
}

/// The shared counts' part of [`check`], after this node's own.
fn check_leases<'a, I>(counters: I, cost: u32, now: Moment, levels: &mut [Level]) -> Verdict
where
    I: Iterator<Item = &'a Counter> + Clone,
{
    for (at, counter) in counters.clone().enumerate() {
        let Some(lease) = &counter.lease else {
            continue;
        };
        let verdict = match lease.take(cost, now.mono_ns) {
            LeaseTake::Taken => continue,
            LeaseTake::Refused { retry_ns } => {
                levels[at] = Level::refused(0, retry_ns);
                Verdict::Refused
            }
            LeaseTake::Pending => {
                levels[at] = Level::refused(0, lease.rule().hold_ns());
                Verdict::Pending
            }
        };
        for (number, counter) in counters.clone().enumerate() {
            counter.give_back_here(cost, now);
            if number < at
                && let Some(lease) = &counter.lease
            {
                lease.give_back(cost);
            }
        }
        if verdict == Verdict::Refused {
            note_denied(counters, cost, now);
        }
        return verdict;
    }
    Verdict::Allowed
}

fn note_denied<'a>(counters: impl Iterator<Item = &'a Counter>, cost: u32, now: Moment) {
    for counter in counters {
        if counter.spec.counts_denied() {
            counter.note_denied(cost, now);
        }
    }
}
