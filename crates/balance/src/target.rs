//! Whether one target takes calls.
//!
//! Two things speak on it, and both must agree: checks that are made for the purpose (active), and
//! how calls end (passive). A target that calls fail on is *ejected* for a time; after that single
//! *trial* calls go to it, and the first one that succeeds ends the ejection, while a failed one
//! prolongs it.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use parking_lot::Mutex;

use crate::window::Window;

/// How a call to a target ended, as far as the target is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Success,
    Failure,
    /// It says nothing of the target: the caller hung up.
    Neutral,
}

/// When a target is ejected for how its calls end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EjectionRules {
    /// Failures one after the other; 0: this does not eject.
    pub consecutive_failures: u32,
    /// Failed calls of a hundred; 0: this does not eject.
    pub failure_percent: u64,
    /// The window in which they are counted.
    pub window_ms: u64,
    /// Calls in the window below which their share says nothing.
    pub min_calls: u64,
    /// The first ejection's length; each further one doubles it.
    pub base_ms: u64,
    pub max_ms: u64,
}

impl Default for EjectionRules {
    fn default() -> Self {
        Self {
            consecutive_failures: 3,
            failure_percent: 50,
            window_ms: 10_000,
            min_calls: 20,
            base_ms: 2_000,
            max_ms: 60_000,
        }
    }
}

/// When active checks change their mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckRules {
    /// Good checks in a row after which a target is well again.
    pub healthy: u32,
    /// Bad checks in a row after which it is not.
    pub unhealthy: u32,
}

/// Whether a target takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Healthy,
    /// Active checks fail.
    Unhealthy,
    /// Calls failed; until then (on the clock of the parameters) none go there.
    Ejected {
        until_ms: u64,
    },
    /// The ejection is over but for a trial call that succeeds.
    OnTrial,
}

/// What became of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Ejected {
        for_ms: u64,
    },
    /// A trial succeeded.
    Returned,
    /// Active checks found it well, or not.
    Checked {
        is_healthy: bool,
    },
}

const SERVING: u8 = 0;
const EJECTED: u8 = 1;

/// What is known of one target.
#[derive(Debug)]
pub(crate) struct Target {
    /// Calls under way.
    under_way: AtomicU32,
    /// Active checks fail.
    is_down: AtomicBool,
    passive: AtomicU8,
    consecutive: AtomicU32,
    window: Window,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    until_ms: u64,
    is_under_trial: bool,
    /// Ejections of which each was soon after the one before.
    ejections: u32,
    returned_ms: u64,
    good_checks: u32,
    bad_checks: u32,
}

/// Whether a call may go to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Calls,
    /// One call, which decides.
    Trial,
    None,
}

impl Target {
    pub(crate) fn new(window_ms: u64) -> Self {
        Self {
            under_way: AtomicU32::new(0),
            is_down: AtomicBool::new(false),
            passive: AtomicU8::new(SERVING),
            consecutive: AtomicU32::new(0),
            window: Window::new(window_ms),
            inner: Mutex::default(),
        }
    }

    pub(crate) fn under_way(&self) -> u32 {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Counts a call, unless `most` (0: no limit) are under way.
    pub(crate) fn begin(&self, most: u32) -> bool {
        if most == 0 {
            self.under_way.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        let more = |count: u32| (count < most).then_some(count + 1);
        self.under_way
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
    }

    pub(crate) fn end(&self) {
        let less = |count: u32| Some(count.saturating_sub(1));
        let _ = self
            .under_way
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    pub(crate) fn is_ejected(&self) -> bool {
        self.passive.load(Ordering::Acquire) == EJECTED
    }

    /// Whether nothing is said against it. Costs no lock.
    pub(crate) fn is_serving(&self) -> bool {
        !self.is_down.load(Ordering::Acquire) && !self.is_ejected()
    }

    /// `is_repeatable`: a failed trial would cost the caller nothing. Where no such call comes for
    /// `patience_ms` after the ejection, any other is taken.
    pub(crate) fn takes(&self, is_repeatable: bool, patience_ms: u64, now_ms: u64) -> Takes {
        if self.is_serving() {
            return Takes::Calls;
        }
        if self.is_down.load(Ordering::Acquire) {
            return Takes::None;
        }
        let inner = self.inner.lock();
        let from_ms = if is_repeatable {
            inner.until_ms
        } else {
            inner.until_ms.saturating_add(patience_ms)
        };
        if now_ms < from_ms || inner.is_under_trial {
            return Takes::None;
        }
        Takes::Trial
    }

    /// Takes the place of the one trial call; false when another has it.
    pub(crate) fn claim_trial(&self) -> bool {
        let mut inner = self.inner.lock();
        self.is_ejected() && !std::mem::replace(&mut inner.is_under_trial, true)
    }

    /// Notes how a call ended; true: the rules want it ejected.
    pub(crate) fn note(&self, outcome: Outcome, rules: &EjectionRules, now_ms: u64) -> bool {
        match outcome {
            Outcome::Neutral => false,
            Outcome::Success => {
                if self.consecutive.load(Ordering::Relaxed) != 0 {
                    self.consecutive.store(0, Ordering::Relaxed);
                }
                self.window.add(false, now_ms);
                false
            }
            Outcome::Failure => {
                let row = self
                    .consecutive
                    .fetch_add(1, Ordering::Relaxed)
                    .saturating_add(1);
                self.window.add(true, now_ms);
                if self.is_ejected() {
                    return false;
                }
                if rules.consecutive_failures > 0 && row >= rules.consecutive_failures {
                    return true;
                }
                let (good, bad) = self.window.counts(now_ms);
                let all = good + bad;
                rules.failure_percent > 0
                    && all >= rules.min_calls.max(1)
                    && bad * 100 >= all * rules.failure_percent
            }
        }
    }

    /// Ejects it; the caller has made sure that this one may be.
    pub(crate) fn eject(&self, rules: &EjectionRules, now_ms: u64) -> Change {
        let mut inner = self.inner.lock();
        let was_well_for = now_ms.saturating_sub(inner.returned_ms);
        if inner.ejections > 0 && was_well_for >= rules.max_ms {
            inner.ejections = 0;
        }
        self.lengthen(&mut inner, rules, now_ms)
    }

    /// How a trial call ended.
    pub(crate) fn settle_trial(
        &self,
        outcome: Outcome,
        rules: &EjectionRules,
        now_ms: u64,
    ) -> Option<Change> {
        let mut inner = self.inner.lock();
        inner.is_under_trial = false;
        if !self.is_ejected() {
            return None;
        }
        match outcome {
            Outcome::Neutral => None,
            Outcome::Success => {
                self.restore(&mut inner, now_ms);
                Some(Change::Returned)
            }
            Outcome::Failure => Some(self.lengthen(&mut inner, rules, now_ms)),
        }
    }

    /// The result of an active check.
    pub(crate) fn check(&self, is_good: bool, rules: CheckRules, now_ms: u64) -> Option<Change> {
        let mut inner = self.inner.lock();
        let is_down = self.is_down.load(Ordering::Acquire);
        if is_good {
            inner.bad_checks = 0;
            inner.good_checks = inner.good_checks.saturating_add(1);
            if !is_down || inner.good_checks < rules.healthy.max(1) {
                return None;
            }
            // What calls found before is answered by this.
            self.restore(&mut inner, now_ms);
            self.is_down.store(false, Ordering::Release);
            return Some(Change::Checked { is_healthy: true });
        }
        inner.good_checks = 0;
        inner.bad_checks = inner.bad_checks.saturating_add(1);
        if is_down || inner.bad_checks < rules.unhealthy.max(1) {
            return None;
        }
        self.is_down.store(true, Ordering::Release);
        Some(Change::Checked { is_healthy: false })
    }

    /// There are no active checks any more: what they said is forgotten.
    pub(crate) fn forget_checks(&self) {
        self.is_down.store(false, Ordering::Release);
    }

    fn lengthen(&self, inner: &mut Inner, rules: &EjectionRules, now_ms: u64) -> Change {
        let doubled = 1_u64.checked_shl(inner.ejections).unwrap_or(u64::MAX);
        let for_ms = rules
            .base_ms
            .max(1)
            .saturating_mul(doubled)
            .min(rules.max_ms.max(1));
        inner.ejections = inner.ejections.saturating_add(1);
        inner.until_ms = now_ms.saturating_add(for_ms);
        self.passive.store(EJECTED, Ordering::Release);
        Change::Ejected { for_ms }
    }

    fn restore(&self, inner: &mut Inner, now_ms: u64) {
        inner.returned_ms = now_ms;
        inner.is_under_trial = false;
        self.consecutive.store(0, Ordering::Relaxed);
        self.window.clear();
        self.passive.store(SERVING, Ordering::Release);
    }

    pub(crate) fn health(&self, now_ms: u64) -> Health {
        if self.is_down.load(Ordering::Acquire) {
            return Health::Unhealthy;
        }
        if !self.is_ejected() {
            return Health::Healthy;
        }
        let until_ms = self.inner.lock().until_ms;
        if now_ms < until_ms {
            Health::Ejected { until_ms }
        } else {
            Health::OnTrial
        }
    }

    /// Calls that went well and that failed, in the window.
    pub(crate) fn counts(&self, now_ms: u64) -> (u64, u64) {
        self.window.counts(now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: EjectionRules = EjectionRules {
        consecutive_failures: 3,
        failure_percent: 0,
        window_ms: 1_000,
        min_calls: 10,
        base_ms: 100,
        max_ms: 1_000,
    };

    #[test]
    fn failures_in_a_row_and_a_trial() {
        let target = Target::new(RULES.window_ms);
        assert!(!target.note(Outcome::Failure, &RULES, 0));
        assert!(!target.note(Outcome::Failure, &RULES, 0));
        assert!(!target.note(Outcome::Success, &RULES, 0));
        assert!(!target.note(Outcome::Neutral, &RULES, 0));
        assert!(!target.note(Outcome::Failure, &RULES, 0));
        assert!(!target.note(Outcome::Failure, &RULES, 0));
        assert!(target.note(Outcome::Failure, &RULES, 0));
        assert_eq!(target.eject(&RULES, 0), Change::Ejected { for_ms: 100 });
        assert_eq!(target.health(99), Health::Ejected { until_ms: 100 });
        assert_eq!(target.takes(true, 50, 99), Takes::None);
        assert_eq!(target.takes(false, 50, 149), Takes::None);
        assert_eq!(target.takes(false, 50, 150), Takes::Trial);
        assert_eq!(target.takes(true, 50, 100), Takes::Trial);
        assert!(target.claim_trial());
        assert!(!target.claim_trial());
        assert_eq!(target.takes(true, 50, 100), Takes::None);
        let longer = target.settle_trial(Outcome::Failure, &RULES, 110);
        assert_eq!(longer, Some(Change::Ejected { for_ms: 200 }));
        assert!(target.claim_trial());
        assert_eq!(target.settle_trial(Outcome::Neutral, &RULES, 320), None);
        assert_eq!(target.health(320), Health::OnTrial);
        assert!(target.claim_trial());
        let back = target.settle_trial(Outcome::Success, &RULES, 330);
        assert_eq!(back, Some(Change::Returned));
        assert_eq!(target.takes(false, 50, 330), Takes::Calls);
        // Soon again: longer. After a long time: as the first time.
        assert_eq!(target.eject(&RULES, 400), Change::Ejected { for_ms: 400 });
        assert!(target.claim_trial());
        target.settle_trial(Outcome::Success, &RULES, 900);
        assert_eq!(target.eject(&RULES, 1_900), Change::Ejected { for_ms: 100 });
    }

    #[test]
    fn a_share_of_failures_counts_from_a_volume_on() {
        let rules = EjectionRules {
            consecutive_failures: 0,
            failure_percent: 40,
            ..RULES
        };
        let target = Target::new(rules.window_ms);
        let mut wanted_at = None;
        for number in 0..20 {
            target.note(Outcome::Success, &rules, 0);
            if target.note(Outcome::Failure, &rules, 0) && wanted_at.is_none() {
                wanted_at = Some(number);
            }
        }
        assert_eq!(wanted_at, Some(4), "ten calls are the first that count");
    }

    #[test]
    fn checks_change_their_mind_by_thresholds() {
        let target = Target::new(1_000);
        let rules = CheckRules {
            healthy: 2,
            unhealthy: 3,
        };
        let checks = |results: &[bool]| {
            results
                .iter()
                .map(|good| target.check(*good, rules, 0))
                .collect::<Vec<_>>()
        };
        let down = Some(Change::Checked { is_healthy: false });
        let up = Some(Change::Checked { is_healthy: true });
        assert_eq!(checks(&[false, false, true, false, false]), [None; 5]);
        assert_eq!(checks(&[false, false]), [down, None]);
        assert_eq!(target.health(0), Health::Unhealthy);
        assert_eq!(target.takes(true, 0, u64::MAX), Takes::None);
        target.eject(&RULES, 0);
        assert_eq!(checks(&[true, false, true, true]), [None, None, None, up]);
        assert_eq!(
            target.health(0),
            Health::Healthy,
            "checks answer the ejection too"
        );
    }

    #[test]
    fn calls_under_way_never_fall_below_none() {
        let target = Target::new(1_000);
        assert!(target.begin(0));
        target.end();
        target.end();
        assert_eq!(target.under_way(), 0);
    }
}
