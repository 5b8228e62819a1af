//! Usage: what went through the gateway, answered from the stored events.

use std::collections::HashMap;

use apiverse_contract::latency::quantile;
use apiverse_contract::page::check_limit;
use apiverse_contract::usage::{
    CallView, Granularity, TopRow, UsageDimension, UsagePoint, UsageQuery, UsageRange, UsageReport,
    UsageTotals,
};
use apiverse_contract::{OrganizationId, Page};
use apiverse_store::{LatencyRow, SeriesRow, UsageFilter};
use chrono::{DateTime, Duration, Utc};

use crate::actor::Actor;
use crate::cursor;
use crate::fault::{Invalid, operation_error};
use crate::permissions::Permission;
use crate::platform::Platform;

operation_error! {
    /// Why a question about usage was not answered.
    UsageError { Forbidden, Invalid }
}

/// Rows of a ranking when the caller names no limit.
const TOP: u32 = 10;

impl Platform {
    /// Totals and a series of equal steps over a time range. Steps begin at whole minutes, hours
    /// or days in UTC; the first and last may lie partly outside the range.
    ///
    /// # Errors
    /// See [`UsageError`].
    pub async fn usage_report(
        &self,
        actor: &Actor,
        query: UsageQuery,
    ) -> Result<UsageReport, UsageError> {
        let permit = actor.require(Permission::UsageRead)?;
        let range = self.range(&query)?;
        let filter = filter(permit.organization_id(), &query, range);
        let step_us = range.granularity.seconds() * 1_000_000;
        let counts = self.store().usage_series(&filter, step_us).await?;
        let latency = self.store().usage_latency(&filter, step_us).await?;
        Ok(report(range, step_us, &counts, &latency))
    }

    /// Single calls, newest first.
    ///
    /// # Errors
    /// See [`UsageError`].
    pub async fn usage_calls(
        &self,
        actor: &Actor,
        query: UsageQuery,
    ) -> Result<Page<CallView>, UsageError> {
        let permit = actor.require(Permission::UsageRead)?;
        let limit = check_limit(query.limit).map_err(|error| Invalid(vec![error]))?;
        let before = cursor::to_call(query.cursor.as_deref())?;
        let range = self.span(&query)?;
        let filter = filter(permit.organization_id(), &query, range);
        let rows = self.store().usage_calls(&filter, before, limit + 1).await?;
        let page = Page::from_rows(rows, limit, |row| {
            cursor::of_call(row.usage.started_at_us, row.usage.id)
        });
        Ok(page.map(|row| {
            let usage = row.usage;
            CallView {
                id: usage.id,
                request_id: usage.request_id,
                started_at: at(usage.started_at_us),
                api_id: usage.api_id,
                api_name: row.api_name,
                key_id: usage.key_id,
                key_name: row.key_name,
                version_id: usage.version_id,
                method: usage.method,
                path: usage.path,
                status: u16::try_from(usage.status).unwrap_or(0),
                latency_ms: milliseconds(usage.latency_us as f64),
                upstream_ms: usage.upstream_us.map(|us| milliseconds(us as f64)),
                bytes_in: count(usage.bytes_in),
                bytes_out: count(usage.bytes_out),
                error_code: usage.error_code,
                cost: usage.verified.map(count),
            }
        }))
    }

    /// The APIs or keys with most calls.
    ///
    /// # Errors
    /// See [`UsageError`].
    pub async fn usage_top(
        &self,
        actor: &Actor,
        query: UsageQuery,
    ) -> Result<Vec<TopRow>, UsageError> {
        let permit = actor.require(Permission::UsageRead)?;
        let limit = check_limit(query.limit.or(Some(TOP))).map_err(|error| Invalid(vec![error]))?;
        let by = query.by.unwrap_or(UsageDimension::Api);
        let range = self.span(&query)?;
        let filter = filter(permit.organization_id(), &query, range);
        let rows = self.store().usage_top(&filter, by, limit).await?;
        let mut latency: HashMap<Option<uuid::Uuid>, Vec<(i32, u64)>> = HashMap::new();
        for (id, bucket, calls) in self.store().usage_top_latency(&filter, by).await? {
            latency.entry(id).or_default().push((bucket, count(calls)));
        }
        Ok(rows
            .into_iter()
            .map(|row| TopRow {
                p95_ms: latency
                    .get(&row.id)
                    .and_then(|counts| percentile(counts, 0.95)),
                id: row.id.map(|id| id.to_string()),
                name: row.name,
                calls: count(row.calls),
                errors: count(row.errors),
            })
            .collect())
    }

    /// The range of a list. Only a series has steps, and with them a greatest length.
    fn span(&self, query: &UsageQuery) -> Result<UsageRange, Invalid> {
        let to = query.to.unwrap_or_else(|| self.now());
        let day_before = to.checked_sub_signed(Duration::days(1));
        let Some(from) = query.from.or(day_before) else {
            return Err(Invalid::one("to", "is too early"));
        };
        if from >= to {
            return Err(Invalid::one("from", "must be before `to`"));
        }
        Ok(UsageRange {
            from,
            to,
            granularity: Granularity::Day,
        })
    }

    fn range(&self, query: &UsageQuery) -> Result<UsageRange, Invalid> {
        query
            .range(self.now())
            .map_err(|error| Invalid(vec![error]))
    }
}

fn filter(organization_id: OrganizationId, query: &UsageQuery, range: UsageRange) -> UsageFilter {
    UsageFilter {
        organization_id,
        api_id: query.api_id,
        key_id: query.key_id,
        status: query.status,
        kind: query.kind.unwrap_or_default(),
        from_us: range.from.timestamp_micros(),
        to_us: range.to.timestamp_micros(),
    }
}

fn report(
    range: UsageRange,
    step_us: i64,
    counts: &[SeriesRow],
    latency: &[LatencyRow],
) -> UsageReport {
    let counts: HashMap<i64, &SeriesRow> = counts.iter().map(|row| (row.start_us, row)).collect();
    let mut by_step: HashMap<i64, Vec<(i32, u64)>> = HashMap::new();
    let mut whole: std::collections::BTreeMap<i32, u64> = std::collections::BTreeMap::new();
    for row in latency {
        by_step
            .entry(row.start_us)
            .or_default()
            .push((row.bucket, count(row.calls)));
        *whole.entry(row.bucket).or_default() += count(row.calls);
    }
    let whole: Vec<(i32, u64)> = whole.into_iter().collect();
    let mut totals = UsageTotals {
        p50_ms: percentile(&whole, 0.50),
        p95_ms: percentile(&whole, 0.95),
        p99_ms: percentile(&whole, 0.99),
        ..UsageTotals::default()
    };
    let mut series = Vec::new();
    let mut start_us = range.from.timestamp_micros().div_euclid(step_us) * step_us;
    while start_us < range.to.timestamp_micros() {
        let buckets = by_step.get(&start_us).map_or(&[][..], Vec::as_slice);
        let mut point = UsagePoint {
            start: at(start_us),
            calls: 0,
            errors: 0,
            refused: 0,
            s2xx: 0,
            s3xx: 0,
            s4xx: 0,
            s5xx: 0,
            p50_ms: percentile(buckets, 0.50),
            p95_ms: percentile(buckets, 0.95),
            p99_ms: percentile(buckets, 0.99),
        };
        if let Some(row) = counts.get(&start_us) {
            point.calls = count(row.calls);
            point.errors = count(row.errors);
            point.refused = count(row.refused);
            point.s2xx = count(row.s2xx);
            point.s3xx = count(row.s3xx);
            point.s4xx = count(row.s4xx);
            point.s5xx = count(row.s5xx);
            totals.calls += point.calls;
            totals.errors += point.errors;
            totals.refused += point.refused;
            totals.bytes_in += count(row.bytes_in);
            totals.bytes_out += count(row.bytes_out);
        }
        series.push(point);
        start_us += step_us;
    }
    UsageReport {
        from: range.from,
        to: range.to,
        granularity: range.granularity,
        totals,
        series,
    }
}

fn percentile(counts: &[(i32, u64)], q: f64) -> Option<f64> {
    quantile(counts, q).map(milliseconds)
}

/// Milliseconds with three decimals: latencies are within 1 %, more digits would pretend.
fn milliseconds(us: f64) -> f64 {
    us.round() / 1000.0
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn at(us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(us).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use apiverse_contract::latency::bucket_of;

    const MINUTE_US: i64 = 60_000_000;

    fn counts(start_us: i64, calls: i64) -> SeriesRow {
        SeriesRow {
            start_us,
            calls,
            errors: 1,
            refused: 1,
            bytes_in: 10,
            bytes_out: 20,
            s2xx: calls - 1,
            s3xx: 0,
            s4xx: 1,
            s5xx: 0,
        }
    }

    #[test]
    fn every_step_is_there_and_percentiles_are_of_all_calls() {
        let start = 1_790_000_000 / 60 * 60 * 1_000_000;
        let range = UsageRange {
            // Begins within its first step, ends with its fourth.
            from: at(start + 30_000_000),
            to: at(start + 4 * MINUTE_US),
            granularity: Granularity::Minute,
        };
        let third = start + 2 * MINUTE_US;
        let latency = |start_us, us, calls| LatencyRow {
            start_us,
            bucket: bucket_of(us),
            calls,
        };
        let report = report(
            range,
            MINUTE_US,
            &[counts(start, 9), counts(third, 1)],
            &[latency(start, 1_000, 9), latency(third, 500_000, 1)],
        );
        let steps: Vec<(i64, u64)> = report
            .series
            .iter()
            .map(|point| ((point.start - at(start)).num_seconds(), point.calls))
            .collect();
        assert_eq!(steps, [(0, 9), (60, 0), (120, 1), (180, 0)]);
        assert_eq!(report.series[1].p95_ms, None);
        assert_eq!((report.totals.calls, report.totals.errors), (10, 2));
        assert_eq!((report.totals.bytes_in, report.totals.bytes_out), (20, 40));
        let near = |ms: Option<f64>, exact: f64| {
            ms.is_some_and(|ms| (ms - exact).abs() <= exact * 0.01 + 0.001)
        };
        // Of ten calls nine took a millisecond: a mean of the steps' percentiles would be wrong.
        assert!(near(report.totals.p50_ms, 1.0), "{:?}", report.totals);
        assert!(near(report.series[2].p50_ms, 500.0), "{:?}", report.series);
    }

    #[test]
    fn milliseconds_have_three_decimals() {
        assert_eq!(milliseconds(1234.567), 1.235);
        assert_eq!(milliseconds(0.4), 0.0);
    }
}
