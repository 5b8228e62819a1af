//! Exactness with many threads at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use apiverse_limits::{Counter, Gate, Keyed, Moment, Period, Spec, Verdict, check};

const THREADS: usize = 8;

/// Runs `call` in every thread until it has been refused `refusals` times there; counts what passed.
fn hammer(refusals: u32, call: impl Fn(usize) -> bool + Sync) -> u64 {
    let passed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (call, passed) = (&call, &passed);
            scope.spawn(move || {
                let mut refused = 0;
                while refused < refusals {
                    if call(thread) {
                        passed.fetch_add(1, Ordering::Relaxed);
                    } else {
                        refused += 1;
                    }
                }
            });
        }
    });
    passed.into_inner()
}

fn specs(limit: u32) -> [Spec; 4] {
    [
        Spec::Gcra {
            limit,
            window_s: 3_600,
            burst: limit,
            count_denied: false,
        },
        Spec::SlidingWindow {
            limit,
            window_s: 3_600,
            count_denied: false,
        },
        Spec::Quota {
            limit: u64::from(limit),
            period: Period::Day,
        },
        Spec::Quota {
            limit: u64::from(limit),
            period: Period::Month,
        },
    ]
}

#[test]
fn exactly_the_limit_passes() {
    for limit in [1, 50, 64, 65, 20_000] {
        for spec in specs(limit) {
            let counter = Counter::new(spec);
            let passed = hammer(1_000, |_| {
                let mut levels = Vec::new();
                check([&counter].into_iter(), 1, Moment::mono(5), &mut levels) == Verdict::Allowed
            });
            assert_eq!(passed, u64::from(limit), "{spec:?}");
        }
    }
}

#[test]
fn exactly_the_least_of_several_passes_and_the_others_keep_theirs() {
    let tight = Counter::new(specs(1_000)[1]);
    let wide: Vec<Counter> = specs(50_000).map(Counter::new).into();
    let now = Moment::mono(5);
    let passed = hammer(2_000, |thread| {
        let mut all: Vec<&Counter> = wide.iter().collect();
        all.insert(thread % 5, &tight);
        let mut levels = Vec::new();
        check(all.into_iter(), 1, now, &mut levels) == Verdict::Allowed
    });
    assert_eq!(passed, 1_000);
    for counter in &wide {
        assert_eq!(
            counter.peek(0, now).remaining,
            49_000,
            "{:?}",
            counter.spec()
        );
    }
}

#[test]
fn what_threads_read_from_the_clock_may_be_out_of_order() {
    let clock = AtomicU64::new(1);
    let limit = 5_000;
    for spec in [specs(limit)[0], specs(limit)[1]] {
        let counter = Counter::new(spec);
        let passed = hammer(1_000, |thread| {
            let now = clock
                .fetch_add(1, Ordering::Relaxed)
                .saturating_sub(thread as u64 * 50);
            let mut levels = Vec::new();
            let now = Moment::mono(now);
            check([&counter].into_iter(), 1, now, &mut levels) == Verdict::Allowed
        });
        assert_eq!(passed, u64::from(limit), "{spec:?}");
    }
}

#[test]
fn no_more_are_inside_than_the_gate_allows() {
    let gate = Arc::new(Gate::default());
    let most = AtomicU32::new(0);
    let calls = AtomicU32::new(0);
    hammer(1, |_| {
        if let Some(permit) = gate.enter(3) {
            most.fetch_max(gate.open(), Ordering::Relaxed);
            std::thread::yield_now();
            drop(permit);
        }
        calls.fetch_add(1, Ordering::Relaxed) < 100_000
    });
    let most = most.into_inner();
    assert!((1..=3).contains(&most), "{most}");
    assert_eq!(gate.open(), 0);
    assert!(gate.enter(0).is_none());
}

#[test]
fn a_flood_of_keys_pushes_no_busy_counter_out() {
    let spec = Spec::Gcra {
        limit: 10,
        window_s: 60,
        burst: 10,
        count_denied: false,
    };
    let table: Keyed<u64> = Keyed::new(640);
    let now = Moment::mono(1_000);
    let mut levels = Vec::new();
    let hot = table.get(&u64::MAX, now, || Counter::new(spec)).unwrap();
    while check([&*hot].into_iter(), 1, now, &mut levels) == Verdict::Allowed {}
    drop(hot);

    let mut without = 0;
    for key in 0..100_000 {
        match table.get(&key, now, || Counter::new(spec)) {
            Some(counter) => {
                check([&*counter].into_iter(), 1, now, &mut levels);
            }
            None => without += 1,
        }
    }
    assert!(table.len() <= 640, "{}", table.len());
    assert!(without > 99_000, "{without}");
    let hot = table.find(&u64::MAX).expect("a busy counter stays");
    assert!(hot.peek(1, now).is_refused);
    drop(hot);

    // An hour later all of them are idle: new keys take their places, and a sweep empties the rest.
    let later = Moment::mono(3_600_000_000_000);
    for key in 200_000..201_000 {
        assert!(table.get(&key, later, || Counter::new(spec)).is_some());
    }
    assert!(table.len() <= 640);
    table.sweep(later);
    assert!(table.is_empty());
}

#[test]
fn a_counter_that_is_held_is_not_forgotten() {
    let spec = Spec::Gcra {
        limit: 10,
        window_s: 60,
        burst: 10,
        count_denied: false,
    };
    let table: Keyed<u64> = Keyed::new(64);
    let held = table
        .get(&1, Moment::mono(0), || Counter::new(spec))
        .unwrap();
    table.sweep(Moment::mono(1));
    let again = table
        .get(&1, Moment::mono(1), || Counter::new(spec))
        .unwrap();
    assert!(Arc::ptr_eq(&held, &again));
}
