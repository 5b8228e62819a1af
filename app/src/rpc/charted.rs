//! A usage report as a page carries it: a column for each figure in the place of an object for each
//! step. A page has its data in itself to be hydrated from, and thirteen months of days, each point
//! with its names, were most of its bytes.

use apiverse_contract::usage::{Granularity, UsagePeriod, UsagePoint, UsageReport, UsageTotals};
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The form on the way.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ChartedReport {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    granularity: Granularity,
    totals: UsageTotals,
    series: ChartedSeries,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<ChartedPeriod>,
}

/// Figures of as many steps as `starts` has, in seconds since 1970; a column that is empty is zeros.
#[derive(Default, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ChartedSeries {
    starts: Vec<i64>,
    calls: Vec<u64>,
    errors: Vec<u64>,
    refused: Vec<u64>,
    s2xx: Vec<u64>,
    s3xx: Vec<u64>,
    s4xx: Vec<u64>,
    s5xx: Vec<u64>,
    bytes_in: Vec<u64>,
    bytes_out: Vec<u64>,
    cache_lookups: Vec<u64>,
    cache_hits: Vec<u64>,
    p50_ms: Vec<Option<f64>>,
    p95_ms: Vec<Option<f64>>,
    p99_ms: Vec<Option<f64>>,
}

/// The time before: of its steps only the calls are drawn.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ChartedPeriod {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    totals: UsageTotals,
    calls: Vec<u64>,
}

/// For `#[serde(with)]`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(report: &UsageReport, serializer: S) -> Result<S::Ok, S::Error> {
    ChartedReport::from(report).serialize(serializer)
}

/// For `#[serde(with)]`.
///
/// # Errors
/// Those of the deserializer.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UsageReport, D::Error> {
    ChartedReport::deserialize(deserializer).map(UsageReport::from)
}

impl From<&UsageReport> for ChartedReport {
    fn from(report: &UsageReport) -> Self {
        Self {
            from: report.from,
            to: report.to,
            granularity: report.granularity,
            totals: report.totals,
            series: ChartedSeries::of(&report.series),
            previous: report.previous.as_ref().map(|previous| ChartedPeriod {
                from: previous.from,
                to: previous.to,
                totals: previous.totals,
                calls: column(&previous.series, |point| point.calls),
            }),
        }
    }
}

impl From<ChartedReport> for UsageReport {
    fn from(report: ChartedReport) -> Self {
        let step = Duration::seconds(report.granularity.seconds());
        Self {
            from: report.from,
            to: report.to,
            granularity: report.granularity,
            totals: report.totals,
            series: report.series.points(),
            previous: report.previous.map(|previous| UsagePeriod {
                from: previous.from,
                to: previous.to,
                totals: previous.totals,
                series: (0..)
                    .zip(previous.calls)
                    .map(|(at, calls)| UsagePoint {
                        calls,
                        ..empty(previous.from + step * at)
                    })
                    .collect(),
            }),
        }
    }
}

impl ChartedSeries {
    fn of(points: &[UsagePoint]) -> Self {
        Self {
            starts: points.iter().map(|point| point.start.timestamp()).collect(),
            calls: column(points, |point| point.calls),
            errors: column(points, |point| point.errors),
            refused: column(points, |point| point.refused),
            s2xx: column(points, |point| point.s2xx),
            s3xx: column(points, |point| point.s3xx),
            s4xx: column(points, |point| point.s4xx),
            s5xx: column(points, |point| point.s5xx),
            bytes_in: column(points, |point| point.bytes_in),
            bytes_out: column(points, |point| point.bytes_out),
            cache_lookups: column(points, |point| point.cache_lookups),
            cache_hits: column(points, |point| point.cache_hits),
            p50_ms: column(points, |point| point.p50_ms),
            p95_ms: column(points, |point| point.p95_ms),
            p99_ms: column(points, |point| point.p99_ms),
        }
    }

    fn points(&self) -> Vec<UsagePoint> {
        let point = |(at, start): (usize, &i64)| {
            let start = DateTime::from_timestamp(*start, 0).unwrap_or_default();
            UsagePoint {
                start,
                calls: figure(&self.calls, at),
                errors: figure(&self.errors, at),
                refused: figure(&self.refused, at),
                s2xx: figure(&self.s2xx, at),
                s3xx: figure(&self.s3xx, at),
                s4xx: figure(&self.s4xx, at),
                s5xx: figure(&self.s5xx, at),
                bytes_in: figure(&self.bytes_in, at),
                bytes_out: figure(&self.bytes_out, at),
                cache_lookups: figure(&self.cache_lookups, at),
                cache_hits: figure(&self.cache_hits, at),
                p50_ms: figure(&self.p50_ms, at),
                p95_ms: figure(&self.p95_ms, at),
                p99_ms: figure(&self.p99_ms, at),
            }
        };
        self.starts.iter().enumerate().map(point).collect()
    }
}

/// Nothing but zeros is an empty column: most steps of most APIs have no errors.
fn column<T: Copy + Default + PartialEq>(
    points: &[UsagePoint],
    figure: fn(&UsagePoint) -> T,
) -> Vec<T> {
    let zero = T::default();
    if points.iter().all(|point| figure(point) == zero) {
        return Vec::new();
    }
    points.iter().map(figure).collect()
}

fn figure<T: Copy + Default>(column: &[T], at: usize) -> T {
    column.get(at).copied().unwrap_or_default()
}

const fn empty(start: DateTime<Utc>) -> UsagePoint {
    UsagePoint {
        start,
        calls: 0,
        errors: 0,
        refused: 0,
        s2xx: 0,
        s3xx: 0,
        s4xx: 0,
        s5xx: 0,
        bytes_in: 0,
        bytes_out: 0,
        cache_lookups: 0,
        cache_hits: 0,
        p50_ms: None,
        p95_ms: None,
        p99_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Held(#[serde(with = "super")] UsageReport);

    #[test]
    fn a_report_is_the_same_afterwards() {
        let start = DateTime::from_timestamp(1_790_000_000, 0).expect("a time");
        let day = Duration::days(1);
        let points = |from: DateTime<Utc>| -> Vec<UsagePoint> {
            (0..396)
                .map(|at| UsagePoint {
                    calls: 1000 + u64::try_from(at).expect("fits"),
                    ..empty(from + day * at)
                })
                .collect()
        };
        let mut series = points(start);
        for (at, point) in (0u32..).zip(&mut series) {
            point.s2xx = 900;
            point.s5xx = u64::from(at % 3);
            point.bytes_out = 1 << 40;
            point.p95_ms = (at % 2 == 0).then(|| f64::from(at) + 0.5);
        }
        let before = start - day * 396;
        let report = UsageReport {
            from: start,
            to: start + day * 396,
            granularity: Granularity::Day,
            totals: UsageTotals {
                calls: 5,
                ..UsageTotals::default()
            },
            series,
            previous: Some(UsagePeriod {
                from: before,
                to: start,
                totals: UsageTotals::default(),
                series: points(before),
            }),
        };
        let whole = serde_json::to_string(&report).expect("is JSON").len();
        let held = Held(report);
        let text = serde_json::to_string(&held).expect("is JSON");
        assert!(text.len() * 4 < whole, "{} of {whole}", text.len());
        assert_eq!(
            serde_json::from_str::<Held>(&text).expect("is one again"),
            held
        );
    }

    #[test]
    fn columns_of_other_lengths_are_no_harm() {
        let text = r#"{"from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z","granularity":"hour",
            "totals":{"calls":0,"errors":0,"refused":0,"bytes_in":0,"bytes_out":0},
            "series":{"starts":[0,9223372036854775807],"calls":[7],"p50_ms":[null,1.5,2.5]}}"#;
        let Held(report) = serde_json::from_str(text).expect("is a report");
        assert_eq!(report.series.len(), 2);
        assert_eq!(report.series[0].calls, 7);
        assert_eq!(report.series[1].calls, 0);
        assert_eq!(report.series[1].p50_ms, Some(1.5));
    }
}
