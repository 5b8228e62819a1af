//! Findings in a series.

use crate::baseline::{Baseline, Expected};

/// What counts as unusual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Steps after which things repeat themselves, as 288 for days in steps of five minutes;
    /// 0: nothing does.
    pub season: usize,
    /// How many values are "just before".
    pub recent: usize,
    /// Deviations from what was expected, as multiples of the usual one: so far off that one value
    /// is enough.
    pub far: f64,
    /// So far off that two of three are.
    pub off: f64,
    /// Nothing is unusual that differs by a smaller share of what was expected.
    pub least_share: f64,
    /// Nothing is unusual that differs by less.
    pub least: f64,
    /// Values are counts, which differ by chance as counts do.
    pub are_counts: bool,
    /// Values are shares of their weight, which differ by chance as shares do: one failed call of
    /// twenty is nothing.
    pub are_shares: bool,
    /// Values below what was expected are unusual too.
    pub below: bool,
    /// Steps with less weight than this (calls) say nothing.
    pub least_weight: f64,
    /// Values that stay unusual for so many steps are the new usual.
    pub settled: usize,
}

impl Options {
    /// Numbers of calls, in steps of five or ten minutes.
    #[must_use]
    pub const fn counts() -> Self {
        Self {
            season: 288,
            recent: 12,
            far: 8.0,
            off: 5.0,
            least_share: 0.5,
            least: 20.0,
            are_counts: true,
            are_shares: false,
            below: true,
            least_weight: 0.0,
            settled: 36,
        }
    }

    /// Shares of calls that failed, 0 to 1.
    #[must_use]
    pub const fn error_rates() -> Self {
        Self {
            far: 12.0,
            least_share: 0.5,
            least: 0.03,
            are_counts: false,
            are_shares: true,
            below: false,
            least_weight: 10.0,
            ..Self::counts()
        }
    }

    /// Latencies in milliseconds.
    #[must_use]
    pub const fn latencies() -> Self {
        Self {
            // One slow step is soon over; what lasts is told.
            far: 25.0,
            least_share: 0.5,
            least: 5.0,
            are_counts: false,
            below: false,
            least_weight: 10.0,
            ..Self::counts()
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It lasts.
    Open,
    /// Values are as expected again.
    Passed,
    /// It stayed so: what was unusual is the new level.
    Level,
}

/// Something unusual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// The first unusual step, and the first that is not.
    pub start: usize,
    pub end: usize,
    pub kind: Kind,
    /// At its worst: which step, what it was and what was expected.
    pub worst: usize,
    pub value: f64,
    pub expected: f64,
    /// At its worst: how many times the usual deviation.
    pub score: f64,
}

impl Finding {
    #[must_use]
    pub fn is_above(&self) -> bool {
        self.value > self.expected
    }
}

/// Everything unusual in a series, in its order. A value that is no number is a gap, and says
/// nothing.
#[must_use]
pub fn detect(values: &[f64], options: &Options) -> Vec<Finding> {
    detect_weighted(values, &[], options)
}

/// The same, with how much each value stands for; without a weight, a value counts.
#[must_use]
pub fn detect_weighted(values: &[f64], weights: &[f64], options: &Options) -> Vec<Finding> {
    let mut baseline = Baseline::new(options.season, options.recent.max(6));
    let mut findings: Vec<Finding> = Vec::new();
    let mut open: Option<Open> = None;
    let mut ended: Option<usize> = None;
    // The two scores before, of values that were off.
    let mut before = [0.0_f64; 2];
    for (at, value) in values.iter().enumerate() {
        let weight = weights.get(at).copied().unwrap_or(f64::INFINITY);
        if !value.is_finite() || weight < options.least_weight {
            continue;
        }
        let Some(expected) = baseline.expected() else {
            baseline.learn(*value);
            continue;
        };
        let mut expected = expected;
        if open.is_none() && ended.is_none_or(|end| at - end > options.recent * 2) {
            // What was just before was no finding, so its level is one to go by.
            expected.settled = None;
        }
        let score = score(*value, weight, expected, options);
        match &mut open {
            None => {
                let same = |other: f64| other * score > 0.0 && other.abs() >= options.off;
                let again = score.abs() >= options.off && before.iter().any(|other| same(*other));
                if score.abs() >= options.far || again {
                    open = Some(Open::begin(
                        at,
                        *value,
                        expected.value,
                        score,
                        before,
                        options,
                    ));
                    baseline.learn(expected.value);
                } else {
                    // What is a little off is learned from, what is far off is not.
                    let most = expected.deviation * options.off;
                    let learned = (value - expected.value).clamp(-most, most) + expected.value;
                    baseline.learn(if most > 0.0 { learned } else { *value });
                }
            }
            Some(found) => {
                found.see(at, *value, expected.value, score, options);
                let is_over = found.calm >= 2;
                let is_settled = found.values.len() >= options.settled.max(3);
                if is_over || is_settled {
                    ended = Some(at);
                }
                if is_over {
                    baseline.learn(*value);
                    findings.push(found.end(Kind::Passed));
                    open = None;
                } else if is_settled {
                    baseline.learn(*value);
                    baseline.settle(&found.values);
                    findings.push(found.end(Kind::Level));
                    open = None;
                } else {
                    baseline.learn(expected.value);
                }
            }
        }
        before = [score, before[0]];
    }
    if let Some(found) = open {
        findings.push(found.end(Kind::Open));
    }
    findings
}

/// How far off a value is, as a multiple of what is usual; 0 within what never counts.
fn score(value: f64, weight: f64, expected: Expected, options: &Options) -> f64 {
    let score_of = |expected: f64, deviation: f64| {
        let chance = if options.are_shares {
            by_chance(expected, weight)
        } else {
            0.0
        };
        score_of(value, expected, deviation.max(chance), options)
    };
    let score = score_of(expected.value, expected.deviation);
    let Some(settled) = expected.settled else {
        return score;
    };
    // As it was all the season: whatever it was just now, this is usual.
    let other = score_of(settled, expected.deviation);
    if other == 0.0 { 0.0 } else { score }
}

/// The standard deviation of a share of `weight` calls when `share` is expected (the binomial
/// distribution). Where none is expected, one in the step is.
fn by_chance(share: f64, weight: f64) -> f64 {
    let share = share.clamp((1.0 / weight).min(0.5), 0.5);
    (share * (1.0 - share) / weight).sqrt()
}

fn score_of(value: f64, expected: f64, deviation: f64, options: &Options) -> f64 {
    let off = value - expected;
    let least = options.least.max(expected.abs() * options.least_share);
    if off.abs() < least || (off < 0.0 && !options.below) {
        return 0.0;
    }
    let mut deviation = deviation;
    if options.are_counts {
        deviation = deviation.max(expected.max(1.0).sqrt());
    }
    // A share of what never counts, so that a series without any noise has a scale.
    deviation = deviation.max(least / options.far);
    off / deviation
}

/// A finding that is not over.
struct Open {
    finding: Finding,
    /// Since it began, as they were.
    values: Vec<f64>,
    /// Values as expected, one after the other, and since when.
    calm: usize,
    calm_since: usize,
}

impl Open {
    fn begin(
        at: usize,
        value: f64,
        expected: f64,
        score: f64,
        before: [f64; 2],
        options: &Options,
    ) -> Self {
        let lead = before
            .iter()
            .rposition(|other| other * score > 0.0 && other.abs() >= options.off)
            .map_or(0, |back| back + 1);
        Self {
            finding: Finding {
                start: at.saturating_sub(lead),
                end: at + 1,
                kind: Kind::Open,
                worst: at,
                value,
                expected,
                score: score.abs(),
            },
            values: vec![value],
            calm: 0,
            calm_since: at,
        }
    }

    fn see(&mut self, at: usize, value: f64, expected: f64, score: f64, options: &Options) {
        self.values.push(value);
        let same_side = (value > expected) == self.finding.is_above();
        if score.abs() < options.off / 2.0 || !same_side {
            if self.calm == 0 {
                self.calm_since = at;
            }
            self.calm += 1;
            return;
        }
        self.calm = 0;
        self.finding.end = at + 1;
        if score.abs() > self.finding.score {
            self.finding = Finding {
                worst: at,
                value,
                expected,
                score: score.abs(),
                ..self.finding
            };
        }
    }

    fn end(&self, kind: Kind) -> Finding {
        Finding {
            kind,
            end: match kind {
                Kind::Passed => self.calm_since.max(self.finding.start + 1),
                Kind::Open | Kind::Level => self.finding.end,
            },
            ..self.finding
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn options() -> Options {
        Options {
            season: 48,
            ..Options::counts()
        }
    }

    fn days(days: usize) -> Vec<f64> {
        (0..days * 48)
            .map(|n| {
                let day = (n as f64 / 48.0 * std::f64::consts::TAU).sin();
                let noise = ((n * 7919) % 31) as f64 - 15.0;
                500.0 + 350.0 * day + noise
            })
            .collect()
    }

    #[test]
    fn a_few_failures_among_few_calls_are_chance() {
        let mut rates = vec![0.0; 600];
        let calls = vec![20.0; 600];
        // One call of twenty fails now and then; later eleven, and eleven again.
        for at in [310, 350, 400, 401] {
            rates[at] = 0.05;
        }
        let quiet = detect_weighted(&rates, &calls, &Options::error_rates());
        assert_eq!(quiet, []);
        rates[500] = 0.55;
        rates[501] = 0.55;
        let found = detect_weighted(&rates, &calls, &Options::error_rates());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].start, found[0].end), (500, 502));
        // Of many calls, a share of one in twenty is no chance.
        let many = vec![20_000.0; 600];
        let found = detect_weighted(&rates, &many, &Options::error_rates());
        assert!(found.len() > 1, "{found:?}");
    }

    #[test]
    fn ordinary_days_have_no_findings() {
        assert_eq!(detect(&days(14), &options()), []);
        assert_eq!(detect(&[], &options()), []);
        assert_eq!(detect(&[5.0; 500], &options()), []);
        assert_eq!(detect(&[0.0; 500], &options()), []);
    }

    #[test]
    fn an_outage_is_found_when_it_begins_and_ends_when_it_does() {
        let mut values = days(10);
        let at = 8 * 48 + 10;
        for value in &mut values[at..at + 6] {
            *value = 0.0;
        }
        let findings = detect(&values, &options());
        assert_eq!(findings.len(), 1, "{findings:?}");
        let found = findings[0];
        assert_eq!((found.start, found.end), (at, at + 6));
        assert_eq!(found.kind, Kind::Passed);
        assert!(!found.is_above() && found.expected > 400.0, "{found:?}");
        let only_above = Options {
            below: false,
            ..options()
        };
        assert_eq!(detect(&values, &only_above), []);
    }

    #[test]
    fn a_new_level_is_found_once() {
        let mut values = days(14);
        let at = 7 * 48;
        for value in &mut values[at..] {
            *value *= 3.0;
        }
        let findings = detect(&values, &options());
        assert!(!findings.is_empty() && findings.len() <= 2, "{findings:?}");
        assert!((at..at + 6).contains(&findings[0].start), "{findings:?}");
        assert_eq!(findings[0].kind, Kind::Level);
    }

    #[test]
    fn steps_with_few_calls_say_nothing() {
        let mut rates = vec![0.01; 400];
        let mut weights = vec![100.0; 400];
        rates[300] = 1.0;
        weights[300] = 3.0;
        let options = Options::error_rates();
        assert_eq!(detect_weighted(&rates, &weights, &options), []);
        weights[300] = 300.0;
        let found = detect_weighted(&rates, &weights, &options);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].start, 300);
    }

    proptest! {
        #[test]
        fn anything_goes(values in prop::collection::vec(any::<f64>(), 0..300), season in 0usize..60) {
            let options = Options { season, ..Options::counts() };
            for found in detect(&values, &options) {
                prop_assert!(found.start < found.end && found.end <= values.len());
                prop_assert!((found.start..found.end.max(found.worst + 1)).contains(&found.worst));
            }
        }

        #[test]
        fn a_growing_series_keeps_its_findings(cut in 300usize..480) {
            let mut values = days(10);
            for value in &mut values[250..256] {
                *value *= 4.0;
            }
            let whole = detect(&values, &options());
            let part = detect(&values[..cut], &options());
            prop_assert_eq!(part.first(), whole.first());
        }
    }
}
