//! Totals and series.

use apiverse_contract::OrganizationId;
use apiverse_contract::usage::{
    Granularity, LatencyBar, LatencyReport, MAX_SERIES, UsagePeriod, UsagePoint, UsageQuery,
    UsageReport, UsageTotals,
};
use apiverse_rollup::{Filter, Group, Question, Sum};
use chrono_tz::Tz;

use super::{Span, UsageError, at, filter, milliseconds, steps};
use crate::actor::Actor;
use crate::fault::Invalid;
use crate::permissions::Permission;
use crate::platform::Platform;

/// Buckets of one bar: four bars are a doubling.
const BAR: u16 = 9;

/// How a range is cut.
#[derive(Clone, Copy)]
struct Cut {
    granularity: Granularity,
    zone: Tz,
}

impl Platform {
    /// Totals and a series of equal steps over a time range. Steps begin at whole minutes, hours
    /// or days of the time zone; the first and last may lie partly outside the range.
    ///
    /// # Errors
    /// See [`UsageError`].
    pub async fn usage_report(
        &self,
        actor: &Actor,
        query: UsageQuery,
    ) -> Result<UsageReport, UsageError> {
        let permit = actor.require(Permission::UsageRead)?;
        let organization_id = permit.organization_id();
        let range = query
            .range(self.now())
            .map_err(|error| Invalid(vec![error]))?;
        let cut = Cut {
            granularity: range.granularity,
            zone: steps::zone(query.tz.as_deref())?,
        };
        let wanted = filter::of_sums(&query)?;
        let span = Span::of((range.from, range.to));
        let (starts, group) = self.series(organization_id, &wanted, span, cut).await?;
        let mut previous = None;
        if query.compare == Some(true) {
            // By whole steps, so that the two series stand one above the other.
            let step_us = cut.granularity.seconds() * 1_000_000;
            let shift = span
                .length_us()
                .saturating_add(step_us - 1)
                .div_euclid(step_us);
            let before = span.earlier(shift.saturating_mul(step_us));
            let (before_starts, group) = self.series(organization_id, &wanted, before, cut).await?;
            let mut series = points(&before_starts, &group);
            // A day that is longer or shorter than others can make a step more or less.
            series.truncate(starts.len());
            previous = Some(UsagePeriod {
                from: at(before.from_us),
                to: at(before.to_us),
                totals: totals(&group.total),
                series,
            });
        }
        Ok(UsageReport {
            from: range.from,
            to: range.to,
            granularity: range.granularity,
            totals: totals(&group.total),
            series: points(&starts, &group),
            previous,
        })
    }

    async fn series(
        &self,
        organization_id: OrganizationId,
        wanted: &Filter,
        span: Span,
        cut: Cut,
    ) -> Result<(Vec<i64>, Group), UsageError> {
        let starts = steps::steps(span, cut.granularity, cut.zone, most_steps());
        let question = Question {
            filter: wanted.clone(),
            steps: starts.clone(),
            latency: true,
            ..Question::default()
        };
        let answer = self.ask(organization_id, question, span).await?;
        Ok((starts, answer.single()))
    }

    /// How long calls took, as a histogram.
    ///
    /// # Errors
    /// See [`UsageError`].
    pub async fn usage_latency(
        &self,
        actor: &Actor,
        query: UsageQuery,
    ) -> Result<LatencyReport, UsageError> {
        let permit = actor.require(Permission::UsageRead)?;
        let span = self.span(&query)?;
        let question = Question {
            filter: filter::of_sums(&query)?,
            latency: true,
            ..Question::default()
        };
        let answer = self.ask(permit.organization_id(), question, span).await?;
        let total = answer.single().total;
        let bars = total.latency.bars(BAR).into_iter();
        Ok(LatencyReport {
            from: at(span.from_us),
            to: at(span.to_us),
            totals: totals(&total),
            bars: bars
                .map(|(to_us, calls)| LatencyBar {
                    to_ms: milliseconds(to_us),
                    calls,
                })
                .collect(),
        })
    }
}

/// A step at either end may lie partly outside the range.
pub(super) fn most_steps() -> usize {
    usize::try_from(MAX_SERIES)
        .unwrap_or(usize::MAX)
        .saturating_add(2)
}

pub(super) fn points(starts: &[i64], group: &Group) -> Vec<UsagePoint> {
    let steps = starts.iter().zip(&group.series);
    steps.map(|(start, sum)| point(*start, sum)).collect()
}

fn point(start_us: i64, sum: &Sum) -> UsagePoint {
    let [s2xx, s3xx, s4xx, s5xx] = sum.classes;
    UsagePoint {
        start: at(start_us),
        calls: sum.calls,
        errors: sum.errors,
        refused: sum.refused,
        s2xx,
        s3xx,
        s4xx,
        s5xx,
        bytes_in: sum.bytes_in,
        bytes_out: sum.bytes_out,
        cache_lookups: sum.cache_lookups,
        cache_hits: sum.cache_hits,
        p50_ms: percentile(sum, 0.50),
        p95_ms: percentile(sum, 0.95),
        p99_ms: percentile(sum, 0.99),
    }
}

pub(super) fn totals(sum: &Sum) -> UsageTotals {
    #[expect(clippy::cast_precision_loss, reason = "a mean of latencies")]
    let avg_ms = (sum.calls > 0).then(|| milliseconds(sum.latency_us as f64 / sum.calls as f64));
    UsageTotals {
        calls: sum.calls,
        errors: sum.errors,
        refused: sum.refused,
        bytes_in: sum.bytes_in,
        bytes_out: sum.bytes_out,
        cache_lookups: sum.cache_lookups,
        cache_hits: sum.cache_hits,
        tokens_in: sum.tokens_in,
        tokens_out: sum.tokens_out,
        avg_ms,
        p50_ms: percentile(sum, 0.50),
        p95_ms: percentile(sum, 0.95),
        p99_ms: percentile(sum, 0.99),
    }
}

pub(super) fn percentile(sum: &Sum, q: f64) -> Option<f64> {
    sum.latency.quantile_us(q).map(milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use apiverse_rollup::{Call, Cells, Scan};

    #[test]
    fn percentiles_are_of_all_calls_and_every_step_is_there() {
        let mut cells = [Cells::default(), Cells::default()];
        for _ in 0..9 {
            cells[0].add(&Call {
                status: 200,
                latency_us: 1_000,
                ..Call::default()
            });
        }
        cells[1].add(&Call {
            status: 500,
            latency_us: 500_000,
            ..Call::default()
        });
        let starts = [0, 60, 120, 180];
        let mut scan = Scan::new(Question {
            steps: starts.to_vec(),
            latency: true,
            ..Question::default()
        });
        scan.block(0, &cells[0].encode()).expect("is a block");
        scan.block(120, &cells[1].encode()).expect("is a block");
        let group = scan.finish().single();
        let series = points(&starts, &group);
        let calls: Vec<u64> = series.iter().map(|point| point.calls).collect();
        assert_eq!(calls, [9, 0, 1, 0]);
        assert_eq!(series[1].p95_ms, None);
        let totals = totals(&group.total);
        assert_eq!((totals.calls, totals.errors), (10, 1));
        let near = |ms: Option<f64>, exact: f64| {
            ms.is_some_and(|ms| (ms - exact).abs() <= exact * 0.01 + 0.001)
        };
        // Of ten calls nine took a millisecond: a mean of the steps' percentiles would be wrong.
        assert!(near(totals.p50_ms, 1.0), "{totals:?}");
        assert!(near(totals.avg_ms, 50.9), "{totals:?}");
        assert!(near(series[2].p50_ms, 500.0), "{series:?}");
    }
}
