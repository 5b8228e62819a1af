//! What one check costs: `cargo bench -p apiverse-limits`.

use std::time::Instant;

use apiverse_limits::{Counter, Keyed, Moment, Period, Spec, check, header};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

/// Far above what a benchmark takes, so that every call passes.
const GCRA: Spec = Spec::Gcra {
    limit: 1_000_000_000,
    window_s: 1,
    burst: 1_000_000_000,
    count_denied: false,
};
const WINDOW: Spec = Spec::SlidingWindow {
    limit: 4_000_000_000,
    window_s: 1,
    count_denied: false,
};
const QUOTA: Spec = Spec::Quota {
    limit: 1 << 50,
    period: Period::Month,
};
const UNIX_S: i64 = 1_790_000_000;

fn run(bencher: Bencher<'_, '_>, specs: &[Spec]) {
    let counters: Vec<Counter> = specs.iter().map(|spec| Counter::new(*spec)).collect();
    let start = Instant::now();
    bencher.bench(|| {
        let mono_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(0);
        let mut levels = Vec::with_capacity(4);
        let now = Moment {
            mono_ns,
            unix_s: UNIX_S,
        };
        check(black_box(counters.iter()), 1, now, &mut levels)
    });
}

/// The clock and the buffer, which every benchmark below includes.
#[divan::bench]
fn nothing(bencher: Bencher<'_, '_>) {
    let start = Instant::now();
    bencher.bench(|| {
        let mono_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(0);
        black_box(Vec::<u64>::with_capacity(12));
        mono_ns
    });
}

#[divan::bench(threads = [1, 2])]
fn one_gcra(bencher: Bencher<'_, '_>) {
    run(bencher, &[GCRA]);
}

#[divan::bench(threads = [1, 2])]
fn one_sliding_window(bencher: Bencher<'_, '_>) {
    run(bencher, &[WINDOW]);
}

#[divan::bench(threads = [1, 2])]
fn one_quota(bencher: Bencher<'_, '_>) {
    run(bencher, &[QUOTA]);
}

#[divan::bench(threads = [1, 2])]
fn three_gcra(bencher: Bencher<'_, '_>) {
    run(bencher, &[GCRA, GCRA, GCRA]);
}

#[divan::bench(threads = [1, 2])]
fn gcra_window_and_quota(bencher: Bencher<'_, '_>) {
    run(bencher, &[GCRA, WINDOW, QUOTA]);
}

#[divan::bench(threads = [1, 2])]
fn find_by_address(bencher: Bencher<'_, '_>) {
    let table: Keyed<u128> = Keyed::new(100_000);
    let now = Moment::mono(1);
    for address in 0..50_000 {
        table.get(&address, now, || Counter::new(GCRA));
    }
    bencher.bench(|| table.get(black_box(&25_000), now, || Counter::new(GCRA)));
}

#[divan::bench]
fn write_three_fields(bencher: Bencher<'_, '_>) {
    let policies = ["burst", "hourly", "monthly"].map(|name| header::Policy::of(name, &GCRA));
    let counter = Counter::new(GCRA);
    let level = counter.peek(1, Moment::mono(1));
    let mut out = Vec::with_capacity(256);
    bencher.bench_local(move || {
        out.clear();
        for policy in &policies {
            header::write_rate_limit(&mut out, policy, black_box(&level));
        }
        out.len()
    });
}
