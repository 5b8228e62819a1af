//! A usage report as charts.

use apiverse_contract::usage::{UsagePoint, UsageReport};

use crate::ui::chart::{Chart, Compared, Pane, Series, Shape, Unit};

/// Calls by status class above latency percentiles, over one time axis.
pub fn calls_and_latency(id: &'static str, report: &UsageReport, calls_height: u32) -> Chart {
    let step_seconds = report.granularity.seconds();
    let starts: Vec<_> = report.series.iter().map(|point| point.start).collect();
    let last_is_partial = starts
        .last()
        .is_some_and(|start| *start + chrono::Duration::seconds(step_seconds) > report.to);
    Chart {
        id,
        starts,
        step_seconds,
        calendar: false,
        last_is_partial,
        panes: vec![calls(report, calls_height), latency(report)],
    }
}

fn calls(report: &UsageReport, height: u32) -> Pane {
    let counts = |value: fn(&UsagePoint) -> u64| {
        report
            .series
            .iter()
            .map(|point| Some(to_f64(value(point))))
            .collect()
    };
    let series = |label, class, dot, values| Series {
        label,
        class,
        dot,
        values,
    };
    Pane {
        title: "Calls by status",
        unit: Unit::Count,
        shape: Shape::Stack,
        height,
        series: vec![
            series("2xx", "fill-chart-2xx", "bg-chart-2xx", counts(|p| p.s2xx)),
            series("3xx", "fill-chart-3xx", "bg-chart-3xx", counts(|p| p.s3xx)),
            series("4xx", "fill-chart-4xx", "bg-chart-4xx", counts(|p| p.s4xx)),
            series("5xx", "fill-chart-5xx", "bg-chart-5xx", counts(|p| p.s5xx)),
        ],
        compared: report
            .previous
            .as_ref()
            // A line along the bottom would say nothing.
            .filter(|previous| previous.totals.calls > 0)
            .map(|previous| Compared {
                label: "Time before",
                values: previous
                    .series
                    .iter()
                    .map(|point| Some(to_f64(point.calls)))
                    .collect(),
            }),
    }
}

fn latency(report: &UsageReport) -> Pane {
    let series = |label, class, dot, value: fn(&UsagePoint) -> Option<f64>| Series {
        label,
        class,
        dot,
        values: report.series.iter().map(value).collect(),
    };
    Pane {
        title: "Latency",
        unit: Unit::Millis,
        shape: Shape::Lines,
        height: 110,
        series: vec![
            series("p50", "stroke-chart-3", "bg-chart-3", |p| p.p50_ms),
            series("p95", "stroke-chart-1", "bg-chart-1", |p| p.p95_ms),
            series("p99", "stroke-chart-4", "bg-chart-4", |p| p.p99_ms),
        ],
        compared: None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "drawn, not counted")]
pub fn to_f64(n: u64) -> f64 {
    n as f64
}
