//! How many labelled incidents are found, and how much that is none, beside a plain z-score.
//!
//! Two weeks in steps of five minutes, as the series of the Numenta Anomaly Benchmark: days and
//! weeks of traffic, flat and noisy gauges, latencies with a heavy tail, few calls; some without
//! any incident. A finding counts as right when it begins within an incident or up to six steps
//! after; several in one incident count once.

use apiverse_insight::{Options, detect};

const DAY: usize = 288;
const STEPS: usize = 14 * DAY;
/// Steps after an incident in which a finding still belongs to it.
const SLACK: usize = 6;

/// SplitMix64: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.next().max(1e-12).ln()).sqrt();
        radius * (self.next() * std::f64::consts::TAU).cos()
    }

    /// By counting, for small means; by its normal limit for large ones.
    fn poisson(&mut self, mean: f64) -> f64 {
        if mean > 50.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let (limit, mut product, mut count) = ((-mean).exp(), self.next(), 0.0);
        while product > limit {
            product *= self.next();
            count += 1.0;
        }
        count
    }
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Calls over days that are alike.
    Days,
    /// Calls over days and weekends.
    Weeks,
    /// A gauge that stays where it is, as a machine's load.
    Flat,
    /// A latency with a heavy tail.
    Latency,
    /// Few calls.
    Few,
}

const SHAPES: [Shape; 5] = [
    Shape::Days,
    Shape::Weeks,
    Shape::Flat,
    Shape::Latency,
    Shape::Few,
];

#[derive(Clone, Copy)]
enum Incident {
    Times(f64),
    /// Falls or rises step by step to so many times.
    Slope(f64),
}

struct Labelled {
    values: Vec<f64>,
    incidents: Vec<(usize, usize)>,
    options: Options,
}

fn level(shape: Shape, at: usize, random: &mut Random) -> f64 {
    // Quiet before dawn.
    let day = ((at as f64 / DAY as f64 - 0.4) * std::f64::consts::TAU).sin();
    match shape {
        Shape::Days => (400.0 + 300.0 * day) * (1.0 + 0.06 * random.normal()),
        Shape::Weeks => {
            // Friday's evening and Monday's morning are in between.
            let hour = (at % (7 * DAY)) as f64 / DAY as f64 * 24.0;
            let into = ((hour - 118.0) / 5.0).clamp(0.0, 1.0);
            let out = ((hour - 163.0) / 5.0).clamp(0.0, 1.0);
            let weekend = 1.0 - 0.6 * (into - out);
            (900.0 + 600.0 * day) * weekend * (1.0 + 0.05 * random.normal())
        }
        Shape::Flat => 40.0 + 2.0 * random.normal(),
        Shape::Latency => {
            let tail = if random.next() < 0.01 {
                1.0 + 2.0 * random.next()
            } else {
                1.0
            };
            120.0 * (0.12 * random.normal()).exp() * tail
        }
        Shape::Few => 12.0 + 6.0 * day,
    }
}

fn series(shape: Shape, seed: u64, with_incidents: bool) -> Labelled {
    let mut random = Random(seed * 7919 + shape as u64);
    let mut plan: Vec<(usize, usize, Incident)> = Vec::new();
    if with_incidents {
        let kinds = [
            Incident::Times(3.0),
            Incident::Times(0.1),
            Incident::Slope(2.5),
            Incident::Times(6.0),
        ];
        for (n, kind) in kinds.into_iter().enumerate() {
            let day = 5 + n * 2;
            let start = day * DAY + (random.next() * 200.0) as usize;
            let length = [3, 12, 24, 2][n] + (random.next() * 6.0) as usize;
            let kind = match (shape, kind) {
                // Where less is not seen as trouble, it is not one.
                (Shape::Latency, Incident::Times(times)) if times < 1.0 => Incident::Times(2.2),
                (Shape::Few, Incident::Times(times)) if times < 1.0 => Incident::Times(5.0),
                (Shape::Few, Incident::Slope(times)) => Incident::Slope(times * 2.5),
                (Shape::Few, Incident::Times(3.0)) => Incident::Times(5.0),
                (_, kind) => kind,
            };
            plan.push((start, start + length, kind));
        }
    }
    let values = (0..STEPS)
        .map(|at| {
            let mut value = level(shape, at, &mut random);
            for (start, end, kind) in &plan {
                if (*start..*end).contains(&at) {
                    value *= match kind {
                        Incident::Times(times) => *times,
                        Incident::Slope(times) => {
                            let way = (at - start + 1) as f64 / (end - start) as f64;
                            1.0 + (times - 1.0) * way
                        }
                    };
                }
            }
            match shape {
                Shape::Days | Shape::Weeks | Shape::Few => random.poisson(value.max(0.0)),
                Shape::Flat | Shape::Latency => value.max(0.0),
            }
        })
        .collect();
    Labelled {
        values,
        incidents: plan
            .into_iter()
            .map(|(start, end, _)| (start, end))
            .collect(),
        options: match shape {
            Shape::Latency => Options::latencies(),
            Shape::Flat => Options {
                are_counts: false,
                least: 5.0,
                ..Options::counts()
            },
            _ => Options::counts(),
        },
    }
}

/// Beginnings of stretches that are further than three standard deviations from the mean of the
/// day before.
fn z_score(values: &[f64]) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    let mut last = None::<usize>;
    for at in DAY..values.len() {
        let day = &values[at - DAY..at];
        let mean = day.iter().sum::<f64>() / DAY as f64;
        let variance = day.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / DAY as f64;
        if (values[at] - mean).abs() > 3.0 * variance.sqrt() {
            if last.is_none_or(|last| at - last > 12) {
                found.push(at);
            }
            last = Some(at);
        }
    }
    found
}

#[derive(Default, Clone, Copy)]
struct Tally {
    right: usize,
    wrong: usize,
    missed: usize,
}

impl Tally {
    fn add(&mut self, found: &[usize], incidents: &[(usize, usize)]) {
        let within = |at: usize, (start, end): (usize, usize)| {
            (start.saturating_sub(1)..end + SLACK).contains(&at)
        };
        for incident in incidents {
            if found.iter().any(|at| within(*at, *incident)) {
                self.right += 1;
            } else {
                self.missed += 1;
            }
        }
        let none = |at: &&usize| !incidents.iter().any(|incident| within(**at, *incident));
        self.wrong += found.iter().filter(none).count();
    }

    fn precision(self) -> f64 {
        self.right as f64 / (self.right + self.wrong).max(1) as f64
    }

    fn recall(self) -> f64 {
        self.right as f64 / (self.right + self.missed).max(1) as f64
    }
}

#[test]
fn incidents_are_found_and_little_else() {
    let (mut all, mut plain) = (Tally::default(), Tally::default());
    println!(
        "{:<10} {:>22} {:>22}",
        "", "here: precision recall", "z-score"
    );
    for shape in SHAPES {
        let (mut ours, mut theirs) = (Tally::default(), Tally::default());
        for seed in 0..12 {
            let labelled = series(shape, seed, seed % 3 != 2);
            let found: Vec<usize> = detect(&labelled.values, &labelled.options)
                .iter()
                .map(|finding| finding.start)
                .collect();
            let by_score = z_score(&labelled.values);
            ours.add(&found, &labelled.incidents);
            theirs.add(&by_score, &labelled.incidents);
            all.add(&found, &labelled.incidents);
            plain.add(&by_score, &labelled.incidents);
        }
        row(&format!("{shape:?}"), ours, theirs);
    }
    row("all", all, plain);
    assert!(all.precision() >= 0.9, "precision {}", all.precision());
    assert!(all.recall() >= 0.85, "recall {}", all.recall());
    assert!(all.precision() > plain.precision());
}

fn row(name: &str, ours: Tally, theirs: Tally) {
    println!(
        "{name:<10} {:>14.2} {:>7.2} {:>14.2} {:>7.2}",
        ours.precision(),
        ours.recall(),
        theirs.precision(),
        theirs.recall()
    );
}
