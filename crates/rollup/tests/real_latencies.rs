//! Percentiles of latencies that something really took, as they were measured when this ran.

use std::sync::mpsc;
use std::time::Instant;

use apiverse_rollup::{Call, Cells, Question, Scan};

const CALLS: usize = 20_000;

/// How long a question to another thread took, in nanoseconds: short as a rule, with a tail of
/// whatever else the machine did.
fn measured() -> Vec<i64> {
    let (ask, asked) = mpsc::channel::<usize>();
    let (answer, answered) = mpsc::channel::<u64>();
    let other = std::thread::spawn(move || {
        for n in asked {
            let sum = (0..n as u64 % 500).fold(n as u64, |sum, n| sum.rotate_left(7) ^ n);
            if answer.send(sum).is_err() {
                return;
            }
        }
    });
    let took = (0..CALLS).map(|n| {
        let begun = Instant::now();
        ask.send(n).expect("is there");
        answered.recv().expect("answers");
        i64::try_from(begun.elapsed().as_nanos()).unwrap_or(i64::MAX)
    });
    let took = took.collect();
    drop(ask);
    other.join().expect("ends");
    took
}

#[test]
fn percentiles_of_a_real_sample_are_within_one_percent() {
    let mut sample = measured();
    // As calls come to it: in batches, each a block, summed up when they are asked for.
    let mut scan = Scan::new(Question {
        latency: true,
        ..Question::default()
    });
    for batch in sample.chunks(997) {
        let mut cells = Cells::default();
        for took in batch {
            cells.add(&Call {
                status: 200,
                latency_us: *took,
                ..Call::default()
            });
        }
        scan.block(0, &cells.encode()).expect("is a block");
    }
    let answer = scan.finish().total();
    assert_eq!(answer.latency.calls(), CALLS as u64);
    sample.sort_unstable();
    for percent in [0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100] {
        let q = f64::from(percent) / 100.0;
        let rank = (q * (CALLS - 1) as f64).floor() as usize;
        let exact = sample[rank] as f64;
        let read = answer.latency.quantile_us(q).expect("has calls");
        assert!(
            (read - exact).abs() <= exact * 0.01 + 1e-6,
            "p{percent}: {exact} read as {read}"
        );
    }
}
