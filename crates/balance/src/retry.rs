//! Whether a failed try is repeated.

use parking_lot::Mutex;

use crate::window::Window;

/// The window of a budget.
const BUDGET_MS: u64 = 10_000;

/// Why a try failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There was no connection: nothing was sent.
    Connect,
    /// The upstream closed the connection before its answer began.
    Closed,
    /// The answer did not begin in time.
    Timeout,
    /// An answer whose status says that it failed; milliseconds of its `Retry-After`.
    Status { retry_after_ms: Option<u64> },
}

/// What is known of a try when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub failure: Failure,
    /// Some of the request was, or may have been, sent.
    pub is_sent: bool,
    /// The method may be repeated (RFC 9110, 9.2.2).
    pub is_idempotent: bool,
    /// All of the body, if there is one, is still at hand.
    pub is_replayable: bool,
    /// Tries so far, this one included.
    pub tries: u32,
}

/// How long to wait before a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait before the second try, at most.
    pub base_ms: u64,
    /// The longest wait; also how long a `Retry-After` is waited for.
    pub max_ms: u64,
}

impl Backoff {
    /// A wait before the try that follows `tries` of them, anywhere between none and twice as much
    /// as the last could be ("full jitter").
    #[must_use]
    pub fn wait_ms(&self, tries: u32, random: u64) -> u64 {
        let doubled = self.base_ms.saturating_mul(
            1_u64
                .checked_shl(tries.saturating_sub(1))
                .unwrap_or(u64::MAX),
        );
        let most = doubled.min(self.max_ms);
        let scaled = (u128::from(random) * (u128::from(most) + 1)) >> 64;
        u64::try_from(scaled).unwrap_or(most)
    }
}

/// Why a try is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRetry {
    /// As often as allowed already.
    Tries,
    /// The upstream may have acted on it, and it must not act twice.
    Unsafe,
    /// The body is gone.
    Body,
    /// Too many of the last calls were retries.
    Budget,
    /// The upstream wants more time than there is.
    RetryAfter,
}

/// Milliseconds to wait before the next try, if there may be one. The budget is asked last.
///
/// # Errors
/// Why not.
pub fn permit(
    attempt: &Attempt,
    max_tries: u32,
    backoff: Backoff,
    budget: &Budget,
    random: u64,
    now_ms: u64,
) -> Result<u64, NoRetry> {
    if attempt.tries >= max_tries {
        return Err(NoRetry::Tries);
    }
    if attempt.is_sent && !attempt.is_idempotent {
        return Err(NoRetry::Unsafe);
    }
    if !attempt.is_replayable {
        return Err(NoRetry::Body);
    }
    let mut wait_ms = backoff.wait_ms(attempt.tries, random);
    if let Failure::Status {
        retry_after_ms: Some(asked_ms),
    } = attempt.failure
    {
        if asked_ms > backoff.max_ms {
            return Err(NoRetry::RetryAfter);
        }
        wait_ms = wait_ms.max(asked_ms);
    }
    if !budget.take(now_ms) {
        return Err(NoRetry::Budget);
    }
    Ok(wait_ms)
}

/// How many retries there may be: a share of the calls of the last ten seconds, and a few more, so
/// that an API with little traffic has some.
#[derive(Debug)]
pub struct Budget {
    percent: u64,
    /// Of the whole window.
    min: u64,
    /// Calls are good, retries bad.
    window: Window,
    /// Two retries must not both take the last place.
    taking: Mutex<()>,
}

impl Budget {
    /// `percent` of the calls, and `min_per_second` beside them.
    #[must_use]
    pub fn new(percent: u32, min_per_second: u32) -> Self {
        Self {
            percent: u64::from(percent),
            min: u64::from(min_per_second) * (BUDGET_MS / 1000),
            window: Window::new(BUDGET_MS),
            taking: Mutex::new(()),
        }
    }

    /// Whether it was made with these numbers.
    #[must_use]
    pub const fn is_of(&self, percent: u32, min_per_second: u32) -> bool {
        self.percent == percent as u64 && self.min == min_per_second as u64 * (BUDGET_MS / 1000)
    }

    /// Counts a call.
    pub fn note_call(&self, now_ms: u64) {
        self.window.add(false, now_ms);
    }

    /// Takes a retry, if there is one.
    pub fn take(&self, now_ms: u64) -> bool {
        let _one_at_a_time = self.taking.lock();
        let (calls, retries) = self.window.counts(now_ms);
        if retries >= self.min + calls * self.percent / 100 {
            return false;
        }
        self.window.add(true, now_ms);
        true
    }
}

/// Milliseconds of a `Retry-After` in seconds (RFC 9110, 10.2.3). One that is a date is for the
/// caller to turn into a number: there is no calendar here.
#[must_use]
pub fn parse_retry_after(value: &[u8]) -> Option<u64> {
    let text = value.trim_ascii();
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut seconds: u64 = 0;
    for digit in text {
        seconds = seconds
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'));
    }
    Some(seconds.saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff = Backoff {
        base_ms: 25,
        max_ms: 1_000,
    };

    fn get() -> Attempt {
        Attempt {
            failure: Failure::Closed,
            is_sent: true,
            is_idempotent: true,
            is_replayable: true,
            tries: 1,
        }
    }

    fn ask(attempt: &Attempt) -> Result<u64, NoRetry> {
        permit(attempt, 3, BACKOFF, &Budget::new(0, 100), u64::MAX, 0)
    }

    #[test]
    fn only_what_is_safe_is_repeated() {
        assert_eq!(ask(&get()), Ok(25));
        let post = Attempt {
            is_idempotent: false,
            ..get()
        };
        assert_eq!(ask(&post), Err(NoRetry::Unsafe));
        let unsent = Attempt {
            failure: Failure::Connect,
            is_sent: false,
            ..post
        };
        assert_eq!(ask(&unsent), Ok(25));
        assert_eq!(
            ask(&Attempt {
                is_replayable: false,
                ..get()
            }),
            Err(NoRetry::Body)
        );
        assert_eq!(ask(&Attempt { tries: 2, ..get() }), Ok(50));
        assert_eq!(ask(&Attempt { tries: 3, ..get() }), Err(NoRetry::Tries));
    }

    #[test]
    fn the_upstreams_wish_is_kept() {
        let asked = |ms| Attempt {
            failure: Failure::Status {
                retry_after_ms: Some(ms),
            },
            ..get()
        };
        assert_eq!(ask(&asked(600)), Ok(600));
        assert_eq!(ask(&asked(1_001)), Err(NoRetry::RetryAfter));
        assert_eq!(ask(&asked(0)), Ok(25));
        assert_eq!(parse_retry_after(b" 2 "), Some(2_000));
        assert_eq!(parse_retry_after(b"Fri, 31 Dec 1999 23:59:59 GMT"), None);
        assert_eq!(parse_retry_after(b""), None);
        assert_eq!(parse_retry_after(&[b'9'; 40]), Some(u64::MAX));
    }

    #[test]
    fn a_budget_is_a_share_of_the_calls() {
        let budget = Budget::new(20, 0);
        assert!(!budget.take(0), "no calls, no retries");
        for _ in 0..100 {
            budget.note_call(0);
        }
        let taken = (0..100).filter(|_| budget.take(0)).count();
        assert_eq!(taken, 20);
        assert!(!budget.take(BUDGET_MS * 2), "those calls are long ago");
        let least = Budget::new(0, 1);
        assert_eq!((0..100).filter(|_| least.take(5)).count(), 10);
    }

    /// Every call fails, every retry too: what reaches the upstream stays within the budget.
    #[test]
    fn an_outage_is_not_multiplied() {
        let budget = Budget::new(20, 1);
        let mut upstream = 0_u64;
        let calls = 10_000_u64;
        for number in 0..calls {
            let now_ms = number * 10;
            budget.note_call(now_ms);
            upstream += 1;
            for tries in 1..10 {
                let attempt = Attempt { tries, ..get() };
                if permit(&attempt, 10, BACKOFF, &budget, 0, now_ms).is_err() {
                    break;
                }
                upstream += 1;
            }
        }
        let seconds = calls / 100;
        assert!(upstream <= calls * 125 / 100 + seconds + 20, "{upstream}");
        assert!(upstream > calls * 115 / 100, "{upstream}");
    }

    proptest! {
        #[test]
        fn waits_are_bounded_and_spread(tries in 1_u32..100, random in any::<u64>(), base in 0_u64..5_000, max in 0_u64..5_000) {
            let backoff = Backoff { base_ms: base, max_ms: max };
            let most = base.saturating_mul(1_u64.checked_shl(tries - 1).unwrap_or(u64::MAX)).min(max);
            prop_assert!(backoff.wait_ms(tries, random) <= most);
            prop_assert_eq!(backoff.wait_ms(tries, u64::MAX), most);
            prop_assert_eq!(backoff.wait_ms(tries, 0), 0);
        }

        #[test]
        fn a_post_that_was_sent_is_never_repeated(tries in 0_u32..5, max in 0_u32..10, replayable in any::<bool>(), kind in 0_u8..4) {
            let failure = match kind {
                0 => Failure::Connect,
                1 => Failure::Closed,
                2 => Failure::Timeout,
                _ => Failure::Status { retry_after_ms: None },
            };
            let attempt = Attempt { failure, is_sent: true, is_idempotent: false, is_replayable: replayable, tries };
            prop_assert!(permit(&attempt, max, BACKOFF, &Budget::new(100, 100), 0, 0).is_err());
        }
    }
}
