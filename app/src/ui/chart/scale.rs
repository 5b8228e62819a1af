//! Where ticks go.

use chrono::{DateTime, Utc};

/// Round values from 0 up to at least `max`, three to five of them.
pub fn ticks(max: f64, whole: bool) -> Vec<f64> {
    let max = if max <= 0.0 { 1.0 } else { max };
    let rough = max / 4.0;
    let magnitude = 10_f64.powf(rough.log10().floor());
    let mut step = magnitude;
    for factor in [1.0, 2.0, 2.5, 5.0, 10.0] {
        step = magnitude * factor;
        if step >= rough {
            break;
        }
    }
    if whole && step < 1.0 {
        step = 1.0;
    }
    if whole {
        step = step.ceil();
    }
    let mut values = vec![0.0];
    let mut value = 0.0;
    while value < max {
        value += step;
        values.push(value);
    }
    values
}

/// Times to write below the axis: at round hours or days, at most `most` of them.
pub fn time_ticks(from: DateTime<Utc>, to: DateTime<Utc>, most: i64) -> (i64, Vec<DateTime<Utc>>) {
    const STEPS: [i64; 14] = [
        60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000,
        604_800,
    ];
    let span = (to - from).num_seconds().max(1);
    let step = STEPS
        .into_iter()
        .find(|step| span / step <= most)
        .unwrap_or(2_592_000);
    let mut at = from.timestamp().div_euclid(step) * step;
    if at < from.timestamp() {
        at += step;
    }
    let mut ticks = Vec::new();
    while at <= to.timestamp() {
        ticks.extend(DateTime::from_timestamp(at, 0));
        at += step;
    }
    (step, ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_the_top() {
        assert_eq!(ticks(10.0, true), [0.0, 3.0, 6.0, 9.0, 12.0]);
        assert_eq!(ticks(3.0, true), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(ticks(0.0, true), [0.0, 1.0]);
        assert_eq!(ticks(400.0, false), [0.0, 100.0, 200.0, 300.0, 400.0]);
        for max in [0.003, 0.7, 1.0, 7.0, 23.0, 99.0, 101.0, 12_345.0, 9e9] {
            let ticks = ticks(max, false);
            assert!(ticks.len() <= 6, "{max}: {ticks:?}");
            assert!(ticks.last().is_some_and(|last| *last >= max), "{max}");
        }
    }

    #[test]
    fn times_are_round() {
        let from = "2025-11-05T14:03:00Z".parse().expect("a time");
        let to = "2025-11-06T14:03:00Z".parse().expect("a time");
        let (step, ticks) = time_ticks(from, to, 6);
        assert_eq!(step, 21_600);
        let shown: Vec<String> = ticks.iter().map(|at| at.to_rfc3339()).collect();
        assert_eq!(shown.len(), 4);
        assert_eq!(shown[0], "2025-11-05T18:00:00+00:00");
    }
}
