//! Whether calls go upstream at all.

use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::Mutex;

use crate::window::Window;

/// When a circuit opens and closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// The window in which failures are counted.
    pub window_ms: u64,
    /// Calls in the window below which it never opens.
    pub min_calls: u64,
    /// Failed calls of a hundred at which it opens.
    pub failure_percent: u64,
    /// How long it stays open before calls are tried.
    pub open_ms: u64,
    /// Calls that are tried at once while it is half open, and have to succeed for it to close.
    pub trials: u32,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            window_ms: 10_000,
            min_calls: 20,
            failure_percent: 50,
            open_ms: 10_000,
            trials: 3,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// A few calls are tried.
    HalfOpen,
}

/// What a call was told. A call that was admitted is settled once, by [`Breaker::settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Pass,
    /// It decides whether the circuit closes.
    Trial,
    /// Milliseconds until calls are tried again.
    Refused(u64),
}

const CLOSED: u8 = 0;
const NOT_CLOSED: u8 = 1;

/// One circuit.
#[derive(Debug)]
pub struct Breaker {
    rules: BreakerRules,
    window: Window,
    /// Read by every call, so that a closed circuit costs no lock.
    state: AtomicU8,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// When trials begin; `None`: closed.
    open_until_ms: Option<u64>,
    under_trial: u32,
    succeeded: u32,
    /// Rises with every opening, so that a trial of an earlier one decides nothing.
    times_opened: u64,
}

impl Breaker {
    #[must_use]
    pub fn new(rules: BreakerRules) -> Self {
        Self {
            rules,
            window: Window::new(rules.window_ms),
            state: AtomicU8::new(CLOSED),
            inner: Mutex::default(),
        }
    }

    #[must_use]
    pub const fn rules(&self) -> BreakerRules {
        self.rules
    }

    /// Whether a call may go upstream.
    pub fn admit(&self, now_ms: u64) -> Admission {
        if self.state.load(Ordering::Acquire) == CLOSED {
            return Admission::Pass;
        }
        let mut inner = self.inner.lock();
        let Some(until_ms) = inner.open_until_ms else {
            return Admission::Pass;
        };
        if now_ms < until_ms {
            return Admission::Refused(until_ms - now_ms);
        }
        if inner.under_trial + inner.succeeded >= self.rules.trials.max(1) {
            // They are answered soon, or not at all.
            return Admission::Refused(1_000);
        }
        inner.under_trial += 1;
        Admission::Trial
    }

    /// How an admitted call ended; `None`: it ended without the upstream's doing. Tells the new
    /// state when it changed.
    pub fn settle(
        &self,
        admission: Admission,
        is_failure: Option<bool>,
        now_ms: u64,
    ) -> Option<BreakerState> {
        match admission {
            Admission::Refused(_) => None,
            Admission::Trial => self.settle_trial(is_failure, now_ms),
            Admission::Pass => {
                let is_failure = is_failure?;
                self.window.add(is_failure, now_ms);
                if !is_failure || self.state.load(Ordering::Acquire) != CLOSED {
                    return None;
                }
                let (good, bad) = self.window.counts(now_ms);
                let all = good + bad;
                let is_over = all >= self.rules.min_calls.max(1)
                    && bad * 100 >= all * self.rules.failure_percent.max(1);
                if !is_over {
                    return None;
                }
                let mut inner = self.inner.lock();
                if inner.open_until_ms.is_some() {
                    return None;
                }
                self.open(&mut inner, now_ms);
                Some(BreakerState::Open)
            }
        }
    }

    fn settle_trial(&self, is_failure: Option<bool>, now_ms: u64) -> Option<BreakerState> {
        let mut inner = self.inner.lock();
        let until_ms = inner.open_until_ms?;
        if now_ms < until_ms || inner.under_trial == 0 {
            // Another trial has opened it again meanwhile.
            return None;
        }
        inner.under_trial -= 1;
        match is_failure? {
            true => {
                self.open(&mut inner, now_ms);
                Some(BreakerState::Open)
            }
            false => {
                inner.succeeded += 1;
                if inner.succeeded < self.rules.trials.max(1) {
                    return Some(BreakerState::HalfOpen);
                }
                inner.open_until_ms = None;
                inner.succeeded = 0;
                inner.under_trial = 0;
                self.window.clear();
                self.state.store(CLOSED, Ordering::Release);
                Some(BreakerState::Closed)
            }
        }
    }

    fn open(&self, inner: &mut Inner, now_ms: u64) {
        inner.open_until_ms = Some(now_ms.saturating_add(self.rules.open_ms));
        inner.under_trial = 0;
        inner.succeeded = 0;
        inner.times_opened += 1;
        self.state.store(NOT_CLOSED, Ordering::Release);
    }

    #[must_use]
    pub fn state(&self, now_ms: u64) -> BreakerState {
        match self.inner.lock().open_until_ms {
            None => BreakerState::Closed,
            Some(until_ms) if now_ms < until_ms => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
        }
    }

    /// Milliseconds for which calls are refused; `None`: the next one passes, or is tried.
    #[must_use]
    pub fn refuses_for(&self, now_ms: u64) -> Option<u64> {
        let until_ms = self.inner.lock().open_until_ms?;
        until_ms.checked_sub(now_ms).filter(|left| *left > 0)
    }

    /// How often it has opened.
    #[must_use]
    pub fn times_opened(&self) -> u64 {
        self.inner.lock().times_opened
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: BreakerRules = BreakerRules {
        window_ms: 1_000,
        min_calls: 4,
        failure_percent: 50,
        open_ms: 500,
        trials: 2,
    };

    fn opened() -> Breaker {
        let breaker = Breaker::new(RULES);
        for _ in 0..4 {
            assert_eq!(breaker.admit(0), Admission::Pass);
        }
        for _ in 0..3 {
            assert_eq!(breaker.settle(Admission::Pass, Some(true), 0), None);
        }
        let last = breaker.settle(Admission::Pass, Some(true), 0);
        assert_eq!(last, Some(BreakerState::Open));
        breaker
    }

    #[test]
    fn it_opens_tries_and_closes() {
        let breaker = opened();
        assert_eq!(breaker.admit(0), Admission::Refused(500));
        assert_eq!(breaker.admit(499), Admission::Refused(1));
        assert_eq!(breaker.refuses_for(499), Some(1));
        assert_eq!(breaker.refuses_for(500), None);
        assert_eq!(breaker.state(500), BreakerState::HalfOpen);
        assert_eq!(breaker.admit(500), Admission::Trial);
        assert_eq!(breaker.admit(500), Admission::Trial);
        assert!(
            matches!(breaker.admit(500), Admission::Refused(_)),
            "no third trial"
        );
        breaker.settle(Admission::Trial, Some(false), 501);
        let last = breaker.settle(Admission::Trial, Some(false), 502);
        assert_eq!(last, Some(BreakerState::Closed));
        assert_eq!(breaker.admit(502), Admission::Pass);
        // What failed before is forgotten.
        assert_eq!(breaker.settle(Admission::Pass, Some(true), 502), None);
    }

    #[test]
    fn a_failed_trial_opens_it_again() {
        let breaker = opened();
        assert_eq!(breaker.admit(500), Admission::Trial);
        assert_eq!(breaker.admit(500), Admission::Trial);
        let failed = breaker.settle(Admission::Trial, Some(true), 510);
        assert_eq!(failed, Some(BreakerState::Open));
        assert_eq!(breaker.admit(511), Admission::Refused(499));
        // The other trial came too late to say anything.
        assert_eq!(breaker.settle(Admission::Trial, Some(false), 512), None);
        assert_eq!(breaker.times_opened(), 2);
    }

    #[test]
    fn a_trial_that_says_nothing_makes_room_for_another() {
        let breaker = opened();
        assert_eq!(breaker.admit(500), Admission::Trial);
        assert_eq!(breaker.admit(500), Admission::Trial);
        assert_eq!(breaker.settle(Admission::Trial, None, 501), None);
        assert_eq!(breaker.admit(501), Admission::Trial);
    }

    #[test]
    fn few_calls_never_open_it() {
        let breaker = Breaker::new(RULES);
        for second in 0..100 {
            for _ in 0..3 {
                assert_eq!(
                    breaker.settle(Admission::Pass, Some(true), second * 2_000),
                    None
                );
            }
        }
    }

    proptest! {
        /// Whatever happens, a circuit whose upstream is well again closes.
        #[test]
        fn it_always_closes_again(
            history in proptest::collection::vec((0_u64..400, 0_u8..3), 0..200),
        ) {
            let breaker = Breaker::new(RULES);
            let mut now = 0;
            for (step, outcome) in history {
                now += step;
                let admission = breaker.admit(now);
                let outcome = match outcome { 0 => Some(true), 1 => Some(false), _ => None };
                breaker.settle(admission, outcome, now);
            }
            let mut refused_ms = 0;
            while breaker.state(now) != BreakerState::Closed {
                match breaker.admit(now) {
                    Admission::Refused(wait) => { refused_ms += wait; now += wait; }
                    admission => { breaker.settle(admission, Some(false), now); }
                }
                prop_assert!(refused_ms <= 10_000, "it does not close");
            }
        }
    }
}
