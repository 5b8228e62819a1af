//! The counters beside slow models that are easy to believe.

use apiverse_limits::{Counter, EXACT, Level, Moment, Period, Spec, Verdict, check};
use chrono::{DateTime, Datelike, TimeZone, Utc};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn take(counter: &Counter, cost: u32, now: Moment) -> Level {
    let mut levels = Vec::new();
    check([counter].into_iter(), cost, now, &mut levels);
    levels[0]
}

/// A bucket in sixteenths of a nanosecond, refilled step by step.
struct Bucket {
    emission: u128,
    capacity: u128,
    left: u128,
    now: u128,
}

impl Bucket {
    fn new(limit: u32, window_s: u32, burst: u32) -> Self {
        let window = u128::from(window_s) * u128::from(SECOND) * 16;
        let emission = window.div_ceil(u128::from(limit));
        let capacity = emission * u128::from(burst);
        Self {
            emission,
            capacity,
            left: capacity,
            now: 0,
        }
    }

    fn allows(&mut self, cost: u32, now_ns: u64) -> bool {
        let now = u128::from(now_ns) * 16;
        self.left = (self.left + now - self.now).min(self.capacity);
        self.now = now;
        let step = self.emission * u128::from(cost);
        if step > self.left {
            return false;
        }
        self.left -= step;
        true
    }
}

/// Every call that passed, for ever.
#[derive(Default)]
struct Log(Vec<(u64, u32)>);

impl Log {
    fn within(&self, span_ns: u64, now_ns: u64) -> u64 {
        self.0
            .iter()
            .filter(|(at, _)| at + span_ns > now_ns)
            .map(|(_, cost)| u64::from(*cost))
            .sum()
    }
}

/// Pauses from nothing to about two windows.
fn steps(window_s: u32) -> impl Strategy<Value = Vec<(u64, u32)>> {
    let window = u64::from(window_s) * SECOND;
    let pause = prop_oneof![
        3 => Just(0),
        3 => 0..window / 50 + 1,
        2 => 0..window / 3 + 1,
        1 => 0..window * 2,
        1 => Just(window),
    ];
    prop::collection::vec((pause, prop_oneof![8 => Just(1u32), 2 => 0u32..5]), 1..400)
}

fn gcra_case() -> impl Strategy<Value = ((u32, u32, u32), Vec<(u64, u32)>)> {
    (1u32..200, 1u32..100, 1u32..50)
        .prop_flat_map(|(limit, window, burst)| (Just((limit, window, burst)), steps(window)))
}

fn window_case() -> impl Strategy<Value = ((u32, u32), Vec<(u64, u32)>)> {
    (1u32..200, 1u32..100).prop_flat_map(|(limit, window)| (Just((limit, window)), steps(window)))
}

proptest! {
    #[test]
    fn gcra_is_a_bucket(((limit, window_s, burst), steps) in gcra_case()) {
        let spec = Spec::Gcra { limit, window_s, burst, count_denied: false };
        let counter = Counter::new(spec);
        let mut model = Bucket::new(limit, window_s, burst);
        // A counter that was never used is full, however early it is.
        let mut now = 0;
        for (pause, cost) in steps {
            now += pause;
            let level = take(&counter, cost, Moment::mono(now));
            prop_assert_eq!(!level.is_refused, model.allows(cost, now));
            prop_assert_eq!(u128::from(level.remaining), model.left / model.emission);
        }
    }

    /// `Retry-After` is neither a lie nor too careful.
    #[test]
    fn a_refused_call_passes_when_it_was_told_to_come_back(
        ((limit, window_s, burst), steps) in gcra_case(), sliding in any::<bool>(),
    ) {
        let counter = Counter::new(if sliding {
            Spec::SlidingWindow { limit, window_s, count_denied: false }
        } else {
            Spec::Gcra { limit, window_s, burst, count_denied: false }
        });
        let mut now = 0;
        for (pause, cost) in steps {
            now += pause;
            let level = take(&counter, cost, Moment::mono(now));
            if level.is_refused && level.retry_ns() != u64::MAX {
                prop_assert!(level.retry_ns() > 0);
                let early = Moment::mono(now + level.retry_ns() - 1);
                if !sliding {
                    prop_assert!(counter.peek(cost, early).is_refused);
                }
                let then = Moment::mono(now + level.retry_ns());
                prop_assert!(!counter.peek(cost, then).is_refused);
                now += level.retry_ns();
            }
        }
    }

    #[test]
    fn a_window_never_holds_more_than_its_limit(((limit, window_s), steps) in window_case()) {
        let counter = Counter::new(Spec::SlidingWindow { limit, window_s, count_denied: false });
        let window = u64::from(window_s) * SECOND;
        // How much longer a call may count than it should.
        let longest = if limit <= EXACT { window } else { window + window / 63 + 1 };
        let mut log = Log::default();
        let mut now = 0;
        for (pause, cost) in steps {
            now += pause;
            let level = take(&counter, cost, Moment::mono(now));
            if level.is_refused {
                prop_assert!(log.within(longest, now) + u64::from(cost) > u64::from(limit));
            } else {
                log.0.push((now, cost));
                prop_assert!(log.within(window, now) <= u64::from(limit));
                if limit <= EXACT {
                    let left = u64::from(limit) - log.within(window, now);
                    prop_assert_eq!(level.remaining, left);
                }
            }
        }
    }

    /// All or none, for any mix of limits.
    #[test]
    fn several_limits_are_one(
        specs in prop::collection::vec((1u32..30, 1u32..20, 1u32..10), 1..5),
        steps in steps(5),
    ) {
        let counters: Vec<Counter> = specs
            .iter()
            .map(|&(limit, window_s, burst)| {
                Counter::new(Spec::Gcra { limit, window_s, burst, count_denied: false })
            })
            .collect();
        let mut models: Vec<Bucket> = specs
            .iter()
            .map(|&(limit, window_s, burst)| Bucket::new(limit, window_s, burst))
            .collect();
        let mut now = 0;
        let mut levels = Vec::new();
        for (pause, cost) in steps {
            now += pause;
            let verdict = check(counters.iter(), cost, Moment::mono(now), &mut levels);
            prop_assert_eq!(levels.len(), counters.len());
            let fits: Vec<bool> = models
                .iter_mut()
                .map(|model| {
                    model.allows(0, now);
                    model.emission * u128::from(cost) <= model.left
                })
                .collect();
            let all = fits.iter().all(|fits| *fits);
            prop_assert_eq!(verdict == Verdict::Allowed, all);
            if all {
                for model in &mut models {
                    model.allows(cost, now);
                }
            }
            for (level, fits) in levels.iter().zip(fits) {
                prop_assert_eq!(level.is_refused, !fits);
            }
        }
    }

    /// What is given back is there again, and not more.
    #[test]
    fn giving_back_undoes_taking(
        (limit, window_s, burst) in (1u32..100, 1u32..50, 1u32..60),
        kind in 0..3, before in 0u32..50, cost in 0u32..10,
    ) {
        let counter = Counter::new(match kind {
            0 => Spec::Gcra { limit, window_s, burst, count_denied: false },
            1 => Spec::SlidingWindow { limit, window_s, count_denied: false },
            _ => Spec::Quota { limit: u64::from(limit), period: Period::Day },
        });
        let now = Moment { mono_ns: 77, unix_s: 1_000 };
        for _ in 0..before {
            take(&counter, 1, now);
        }
        let was = counter.peek(0, now);
        if !take(&counter, cost, now).is_refused {
            counter.give_back(cost, now);
        }
        prop_assert_eq!(counter.peek(0, now), was);
    }

    /// Any numbers, and clocks that run wild: nothing breaks, and nothing passes a full counter.
    #[test]
    fn no_number_does_harm(
        limit in any::<u32>(), window_s in any::<u32>(), burst in any::<u32>(),
        quota in any::<u64>(), count_denied in any::<bool>(),
        calls in prop::collection::vec((any::<u32>(), any::<u64>(), any::<i64>()), 1..60),
        last in prop_oneof![any::<u64>(), Just(u64::MAX)],
    ) {
        let counters = [
            Counter::new(Spec::Gcra { limit, window_s, burst, count_denied }),
            Counter::new(Spec::SlidingWindow { limit, window_s, count_denied }),
            Counter::new(Spec::Quota { limit: quota, period: Period::Day }),
            Counter::new(Spec::Quota { limit: quota, period: Period::Month }),
        ];
        let mut levels = Vec::new();
        for (cost, mono_ns, unix_s) in calls {
            let now = Moment { mono_ns, unix_s };
            for counter in &counters {
                let level = take(counter, cost, now);
                if !level.is_refused {
                    prop_assert!(level.remaining <= u64::from(limit.max(burst)).max(quota));
                }
                counter.give_back(cost / 2, now);
                counter.restore(quota, unix_s);
                let _may_be_either = counter.is_idle(now);
            }
            check(counters.iter(), cost, now, &mut levels);
            let _may_be_any = apiverse_limits::header::retry_after(&levels);
        }
        // However late it is, a limit is a limit.
        for spec in [
            Spec::Gcra { limit: 10, window_s: 60, burst: 10, count_denied },
            Spec::SlidingWindow { limit: 10, window_s: 60, count_denied },
        ] {
            let counter = Counter::new(spec);
            let passed = (0..20).filter(|_| !take(&counter, 1, Moment::mono(last)).is_refused);
            prop_assert_eq!(passed.count(), 10);
        }
    }

    /// A step of the clock costs a caller no more than a burst or a window, and gives no more.
    #[test]
    fn a_step_of_the_clock_is_soon_forgotten(
        (limit, window_s) in (1u32..100, 1u32..100),
        sliding in any::<bool>(), step in any::<u32>(),
    ) {
        let counter = Counter::new(if sliding {
            Spec::SlidingWindow { limit, window_s, count_denied: false }
        } else {
            Spec::Gcra { limit, window_s, burst: limit, count_denied: false }
        });
        let window = u64::from(window_s) * SECOND;
        let high = 1_000 + u64::from(step) * SECOND;
        for _ in 0..limit {
            prop_assert!(!take(&counter, 1, Moment::mono(high)).is_refused);
        }
        prop_assert!(take(&counter, 1, Moment::mono(high)).is_refused);
        prop_assert!(take(&counter, 1, Moment::mono(1_000)).is_refused);
        // Less than ten seconds may be a thread that is late; time heals that.
        let later = Moment::mono(1_000 + (2 * window).max(20 * SECOND));
        prop_assert!(!take(&counter, 1, later).is_refused || high < later.mono_ns + window);
    }

    #[test]
    fn periods_are_the_calendars(unix_s in 0i64..253_402_300_800) {
        let time: DateTime<Utc> = Utc.timestamp_opt(unix_s, 0).unwrap();
        let midnight = |date: chrono::NaiveDate| {
            date.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp()
        };
        let day = Period::Day.span(unix_s);
        prop_assert_eq!(day.start_s, midnight(time.date_naive()));
        prop_assert_eq!(day.end_s - day.start_s, 86_400);
        let month = Period::Month.span(unix_s);
        let first = time.date_naive().with_day(1).unwrap();
        prop_assert_eq!(month.start_s, midnight(first));
        let next = first.checked_add_months(chrono::Months::new(1));
        if let Some(next) = next {
            prop_assert_eq!(month.end_s, midnight(next));
        }
    }
}

#[test]
fn a_denied_call_counts_where_that_is_asked() {
    for sliding in [false, true] {
        for count_denied in [false, true] {
            let counter = Counter::new(if sliding {
                Spec::SlidingWindow {
                    limit: 3,
                    window_s: 10,
                    count_denied,
                }
            } else {
                Spec::Gcra {
                    limit: 3,
                    window_s: 10,
                    burst: 3,
                    count_denied,
                }
            });
            let mut passed = 0;
            // One call a second for a minute: 3 at once and then one every 10/3 s, or none.
            for second in 0..60 {
                let level = take(&counter, 1, Moment::mono(second * SECOND));
                passed += u32::from(!level.is_refused);
            }
            match (sliding, count_denied) {
                (false, false) => assert!((19..=21).contains(&passed), "{passed}"),
                (true, false) => assert_eq!(passed, 18),
                (_, true) => assert_eq!(passed, 3),
            }
            let rested = Moment::mono(200 * SECOND);
            assert!(
                !take(&counter, 3, rested).is_refused,
                "rest is what it takes"
            );
        }
    }
}

#[test]
fn a_quota_begins_anew_with_the_calendar() {
    let counter = Counter::new(Spec::Quota {
        limit: 2,
        period: Period::Month,
    });
    let at = |text: &str| Moment {
        mono_ns: 0,
        unix_s: DateTime::parse_from_rfc3339(text).unwrap().timestamp(),
    };
    let january = at("2024-01-31T23:59:59Z");
    counter.restore(1, january.unix_s);
    counter.restore(1, january.unix_s);
    assert_eq!(take(&counter, 1, january).remaining, 0);
    let refused = take(&counter, 1, january);
    assert!(refused.is_refused);
    assert_eq!(refused.retry_ns(), SECOND);
    let february = at("2024-02-01T00:00:00Z");
    assert_eq!(take(&counter, 1, february).remaining, 1);
    // A clock set back over the turn of the month does not make February forgotten.
    assert_eq!(take(&counter, 1, january).remaining, 0);
    assert!(take(&counter, 1, february).is_refused);
    counter.give_back(1, february);
    assert!(!take(&counter, 1, february).is_refused);
    counter.give_back(1, january);
    assert!(
        take(&counter, 1, february).is_refused,
        "another month's call is not given back"
    );
}
