//! Where calls belong to, which errors there were, how long they took: as text, like the charts.
//! Links in it are links like any other.

use std::fmt::Write as _;

use apiverse_contract::usage::{
    BreakdownRow, ErrorRow, LatencyReport, UsageBreakdown, UsageTotals,
};
use leptos::prelude::*;

use super::filter::{DIMENSIONS, Filter, SORTS, label};
use crate::format::{self, decimal};
use crate::ui::chart::escape;

/// By one dimension, each row against the time before.
pub fn breakdown(data: &UsageBreakdown, filter: &Filter) -> AnyView {
    let mut tabs = String::new();
    for (dimension, name, _, title) in DIMENSIONS {
        let current = if dimension == filter.by() {
            r#" aria-current="true""#
        } else {
            ""
        };
        let _ = write!(
            tabs,
            r#"<a class="tab-link" href="{}"{current}>{title}</a>"#,
            escape(&filter.with(&[("by", name)]))
        );
    }
    let range = (data.from, data.to);
    let (csv, json) = (
        filter.rest("/breakdown", range, true),
        filter.rest("/breakdown", range, false),
    );
    view! {
        <section class="panel" aria-label="Breakdown">
            <div class="panel-head flex-wrap">
                <nav class="-ml-2 mr-auto flex flex-wrap gap-1" aria-label="Broken down by" inner_html=tabs></nav>
                <div class="flex gap-3 text-sm">
                    <a class="link-quiet" href=csv rel="external" download="">
                        "CSV"
                    </a>
                    <a class="link-quiet" href=json rel="external">
                        "JSON"
                    </a>
                </div>
            </div>
            <div class="table-scroll" tabindex="0" inner_html=rows(data, filter)></div>
        </section>
    }
    .into_any()
}

fn rows(data: &UsageBreakdown, filter: &Filter) -> String {
    if data.data.is_empty() {
        return r#"<p class="panel-body text-muted">No calls to break down.</p>"#.to_owned();
    }
    let by = DIMENSIONS
        .into_iter()
        .find(|(dimension, ..)| *dimension == filter.by());
    let mut out = format!(
        r#"<table class="data-table"><thead><tr><th scope="col">{}</th><th class="hidden sm:table-cell"><span class="sr-only">Share</span></th>"#,
        by.map_or("", |(_, _, _, title)| title)
    );
    for (sort, name, title) in SORTS {
        let state = if sort == filter.sort() {
            r#" aria-sort="descending""#
        } else {
            ""
        };
        let _ = write!(
            out,
            r#"<th scope="col" class="num"{state}><a class="sort-link" href="{}">{title}</a></th>"#,
            escape(&filter.with(&[("sort", name)]))
        );
    }
    out.push_str("</tr></thead><tbody>");
    let most = data
        .data
        .iter()
        .map(|row| row.totals.calls)
        .max()
        .unwrap_or(0);
    for row in &data.data {
        row_of(&mut out, row, most, filter);
    }
    out.push_str("</tbody></table>");
    let shown = data.data.len() as u64;
    if data.rows > shown {
        let _ = write!(
            out,
            r#"<p class="border-t border-line px-4 py-2 text-sm text-muted">{} of {}; the files have up to 200.</p>"#,
            format::count(shown),
            format::count(data.rows)
        );
    }
    out
}

fn row_of(out: &mut String, row: &BreakdownRow, most: u64, filter: &Filter) {
    let Some(value) = row.values.first() else {
        return;
    };
    let name = escape(&label(value));
    let name = match filter.narrowed_to(value) {
        Some(href) => format!(
            r#"<a class="link-quiet" href="{}">{name}</a>"#,
            escape(&href)
        ),
        None => format!(r#"<span class="text-muted">{name}</span>"#),
    };
    let totals = &row.totals;
    let change = row.previous.as_ref().map_or_else(String::new, |before| {
        let text = if before.calls == 0 && totals.calls > 0 {
            "new".to_owned()
        } else {
            change(totals.calls, before.calls)
        };
        format!(r#" <span class="ml-1 text-xs text-muted">{text}</span>"#)
    });
    let _ = write!(
        out,
        r#"<tr><th scope="row" class="max-w-40 truncate font-normal sm:max-w-80" title="{0}">{name}</th><td class="hidden w-1/4 sm:table-cell">{1}</td><td class="num">{2}{change}</td><td class="num">{3}</td><td class="num">{4}</td><td class="num">{5}</td><td class="num">{6}</td></tr>"#,
        escape(&label(value)),
        share(totals.calls, most),
        format::count(totals.calls),
        format::count(totals.errors),
        format::percent(totals.errors, totals.calls),
        format::maybe_millis(totals.p95_ms),
        format::bytes(totals.bytes_in + totals.bytes_out),
    );
}

fn change(now: u64, before: u64) -> String {
    let as_f64 = super::super::series::to_f64;
    format::change(as_f64(now), as_f64(before)).unwrap_or_default()
}

/// A bar as long as the row's share of the largest.
pub fn share(calls: u64, most: u64) -> String {
    format!(
        r#"<svg width="100%" height="6" aria-hidden="true"><rect width="100%" height="6" rx="3" class="fill-sunken"/><rect width="{}%" height="6" rx="3" class="fill-chart-1"/></svg>"#,
        decimal(format::ratio(calls, most) * 100.0, 1)
    )
}

/// Errors by kind and place. `href` leads from one to its calls.
pub fn errors_table(rows: &[ErrorRow], href: &dyn Fn(&ErrorRow) -> String) -> String {
    let mut out = String::from(
        r#"<table class="data-table"><thead><tr><th scope="col">Error</th><th scope="col">Where</th><th scope="col" class="num">Calls</th><th scope="col" class="num">Before</th><th scope="col">Since</th></tr></thead><tbody>"#,
    );
    for row in rows {
        let place = match (&row.api_name, &row.route_name, &row.route) {
            (Some(api), Some(route), _) | (Some(api), None, Some(route)) => {
                format!("{api} {route}")
            }
            (Some(api), None, None) => api.clone(),
            (None, ..) => "no API".to_owned(),
        };
        let class = if row.status >= 500 {
            "pill-bad"
        } else {
            "pill-warn"
        };
        let code = row.error_code.as_deref().map_or_else(
            || r#"<span class="text-muted">upstream</span>"#.to_owned(),
            |code| format!(r#"<span class="mono">{}</span>"#, escape(code)),
        );
        let new = if row.is_new {
            r#" <span class="pill pill-accent">new</span>"#
        } else {
            ""
        };
        let _ = write!(
            out,
            r#"<tr><td class="whitespace-nowrap"><span class="pill mono {class}">{0}</span> {code}{new}</td><td class="max-w-56 truncate sm:max-w-96" title="{1}"><a class="link-quiet" href="{2}">{1}</a></td><td class="num">{3}</td><td class="num">{4}</td><td class="whitespace-nowrap">{5} {6}</td></tr>"#,
            row.status,
            escape(&place),
            escape(&href(row)),
            format::count(row.calls),
            format::count(row.calls_before),
            format::date(row.first_seen),
            format::clock(row.first_seen),
        );
    }
    out.push_str("</tbody></table>");
    out
}

/// Errors of the range.
pub fn errors(rows: &[ErrorRow], filter: &Filter) -> AnyView {
    let body = if rows.is_empty() {
        r#"<p class="panel-body text-muted">No call failed.</p>"#.to_owned()
    } else {
        errors_table(rows, &|row| {
            let status = row.status.to_string();
            let api = row.api_id.map(|api| api.to_string()).unwrap_or_default();
            filter.with(&[
                ("code", status.as_str()),
                ("error", row.error_code.as_deref().unwrap_or_default()),
                ("route", row.route.as_deref().unwrap_or_default()),
                ("api", &api),
                ("by", ""),
            ])
        })
    };
    view! {
        <section class="panel">
            <div class="panel-head">
                <h2>"Errors"</h2>
                <span class="text-sm text-muted">"What did not happen in the time before comes first"</span>
            </div>
            <div class="table-scroll max-h-96 overflow-y-auto" tabindex="0" inner_html=body></div>
        </section>
    }
    .into_any()
}

/// How long calls took.
pub fn histogram(report: &LatencyReport) -> AnyView {
    let body = if report.bars.is_empty() {
        r#"<p class="text-muted">No calls to measure.</p>"#.to_owned()
    } else {
        bars(report)
    };
    view! {
        <section class="panel">
            <div class="panel-head">
                <h2>"How long calls took"</h2>
                <span class="text-sm text-muted num">{mean(&report.totals)}</span>
            </div>
            <div class="panel-body" inner_html=body></div>
        </section>
    }
    .into_any()
}

fn mean(totals: &UsageTotals) -> String {
    format!("{} on average", format::maybe_millis(totals.avg_ms))
}

const HEIGHT: f64 = 150.0;

fn bars(report: &LatencyReport) -> String {
    let most = report
        .bars
        .iter()
        .map(|bar| bar.calls)
        .max()
        .unwrap_or(1)
        .max(1);
    let as_f64 = super::super::series::to_f64;
    let count = as_f64(report.bars.len() as u64);
    let width = 100.0 / count;
    let totals = &report.totals;
    let mut out = format!(
        r#"<svg width="100%" height="{}" class="overflow-visible" role="img" aria-label="Half of {} calls took at most {}, 95 of 100 at most {}, 99 of 100 at most {}">"#,
        HEIGHT + 36.0,
        format::count(totals.calls),
        format::maybe_millis(totals.p50_ms),
        format::maybe_millis(totals.p95_ms),
        format::maybe_millis(totals.p99_ms),
    );
    // About six labels, whatever the count of bars.
    let every = report.bars.len().div_ceil(6).max(1);
    for (i, bar) in report.bars.iter().enumerate() {
        let x = as_f64(i as u64) * width;
        if bar.calls > 0 {
            // One call among a million is still a mark.
            let height = (as_f64(bar.calls) / as_f64(most) * HEIGHT).max(2.0);
            let _ = write!(
                out,
                r#"<rect x="{}%" y="{}" width="{}%" height="{}" class="fill-chart-1"><title>up to {}: {}</title></rect>"#,
                decimal(x + width * 0.06, 3),
                decimal(HEIGHT + 18.0 - height, 1),
                decimal(width * 0.88, 3),
                decimal(height, 1),
                format::millis(bar.to_ms),
                format::plural(bar.calls, "call", "calls"),
            );
        }
        if i % every == every - 1 && i + 1 < report.bars.len() {
            let _ = write!(
                out,
                r#"<text x="{}%" y="{}" text-anchor="middle" class="chart-label">{}</text>"#,
                decimal(x + width, 2),
                HEIGHT + 33.0,
                format::millis(bar.to_ms)
            );
        }
    }
    let base = HEIGHT + 18.0;
    let _ = write!(
        out,
        r#"<line x1="0" x2="100%" y1="{base}" y2="{base}" class="chart-gridline"/>"#
    );
    // Names beside their lines, so that lines close to each other do not hide them.
    for (name, side, value) in [
        ("p50", "middle", totals.p50_ms),
        ("p95", "end", totals.p95_ms),
        ("p99", "start", totals.p99_ms),
    ] {
        if let Some(x) = value.and_then(|ms| place(report, ms)) {
            let x = decimal(x, 2);
            let _ = write!(
                out,
                r#"<line x1="{x}%" x2="{x}%" y1="14" y2="{base}" class="stroke-chart-axis" stroke-dasharray="3 3"/><text x="{x}%" y="10" text-anchor="{side}" class="chart-label">{name}</text>"#
            );
        }
    }
    out.push_str("</svg>");
    out
}

/// Where a latency is on the axis, percent of the width: bars are as wide as each other, so the axis
/// is logarithmic, and within a bar the difference does not show.
fn place(report: &LatencyReport, ms: f64) -> Option<f64> {
    let as_f64 = super::super::series::to_f64;
    let at = report.bars.iter().position(|bar| ms <= bar.to_ms)?;
    let to = report.bars.get(at)?.to_ms;
    let from = match at.checked_sub(1).and_then(|before| report.bars.get(before)) {
        Some(before) => before.to_ms,
        None => to * 0.84,
    };
    let within = ((ms - from) / (to - from)).clamp(0.0, 1.0);
    Some((as_f64(at as u64) + within) / as_f64(report.bars.len() as u64) * 100.0)
}

#[cfg(test)]
mod tests {
    use apiverse_contract::usage::{LatencyBar, UsageDimension, UsageValue};
    use chrono::DateTime;

    use super::*;

    fn report(bars: &[(f64, u64)]) -> LatencyReport {
        LatencyReport {
            from: DateTime::UNIX_EPOCH,
            to: DateTime::UNIX_EPOCH,
            totals: UsageTotals {
                calls: bars.iter().map(|bar| bar.1).sum(),
                p50_ms: Some(1.5),
                ..UsageTotals::default()
            },
            bars: bars
                .iter()
                .map(|(to_ms, calls)| LatencyBar {
                    to_ms: *to_ms,
                    calls: *calls,
                })
                .collect(),
        }
    }

    #[test]
    fn a_latency_stands_in_its_bar() {
        let report = report(&[(1.0, 1), (2.0, 2), (4.0, 1)]);
        let at = place(&report, 1.5).expect("is on the axis");
        assert!((at - 50.0).abs() < 0.001, "{at}");
        assert_eq!(place(&report, 9.0), None);
        assert!(!bars(&report).contains("NaN"));
        assert_eq!(bars(&report).matches("<rect").count(), 3);
    }

    #[test]
    fn what_others_named_is_text_and_no_markup() {
        let row = BreakdownRow {
            values: vec![UsageValue {
                dimension: UsageDimension::Route,
                id: Some("/<script>\"".to_owned()),
                name: Some("/<script>\"".to_owned()),
                api_id: None,
            }],
            totals: UsageTotals::default(),
            previous: None,
            series: Vec::new(),
        };
        let mut out = String::new();
        row_of(&mut out, &row, 1, &Filter::default());
        assert!(!out.contains("<script>"), "{out}");
        assert!(out.contains("/&lt;script&gt;&quot;"), "{out}");
        let error = ErrorRow {
            api_id: None,
            api_name: Some("<b>".to_owned()),
            route: Some("/<i>".to_owned()),
            route_name: None,
            status: 500,
            error_code: Some("<u>".to_owned()),
            calls: 1,
            calls_before: 0,
            is_new: true,
            first_seen: DateTime::UNIX_EPOCH,
            last_seen: DateTime::UNIX_EPOCH,
        };
        let table = errors_table(&[error], &|_| "/?a=\"<".to_owned());
        for markup in ["<b>", "<i>", "<u>", "\"<"] {
            assert!(!table.contains(markup), "{table}");
        }
    }
}
