//! Moments, as the engine is told them.

/// When a call is decided: two clocks, read once by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Nanoseconds since any fixed moment of this process, from a clock that is never set. Rates
    /// are measured by it.
    pub mono_ns: u64,
    /// Seconds since 1970, UTC. Only quotas look at it, for the calendar's sake.
    pub unix_s: i64,
}

impl Moment {
    /// A moment for which only rates matter.
    #[must_use]
    pub const fn mono(mono_ns: u64) -> Self {
        Self { mono_ns, unix_s: 0 }
    }
}

pub(crate) const NS_PER_SECOND: u64 = 1_000_000_000;

/// Threads read the clock before they count, so moments may come out of order. That no thread is so
/// late: then the clock itself went back, and what was counted is taken to be of now.
pub(crate) const STEP_BACK_NS: u64 = 10 * NS_PER_SECOND;

/// What is left of a limit after a check, and when that changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Calls that may follow at once.
    pub remaining: u64,
    /// Nanoseconds until `remaining` is outdated in the caller's favour: until a call is possible
    /// again when nothing is left, and until the limit is as if unused otherwise.
    pub reset_ns: u64,
    /// The limit forbids the call.
    pub is_refused: bool,
}

impl Level {
    /// What a limit says that forbids the call; `u64::MAX`: no waiting helps.
    pub(crate) const fn refused(remaining: u64, retry_ns: u64) -> Self {
        Self {
            remaining,
            reset_ns: retry_ns,
            is_refused: true,
        }
    }

    /// Nanoseconds after which the same call may pass; 0 for a call that did.
    #[must_use]
    pub const fn retry_ns(&self) -> u64 {
        if self.is_refused { self.reset_ns } else { 0 }
    }
}
