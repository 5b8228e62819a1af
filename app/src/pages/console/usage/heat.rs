//! Statuses over time: which of them came when, and how many.

use std::fmt::Write as _;

use leptos::prelude::*;

use super::filter::Filter;
use crate::format::{self, decimal};
use crate::rpc::usage::StatusMap;
use crate::ui::chart::escape;

/// Pixels of a row.
const ROW: u32 = 22;
/// Pixels left of the cells, as the charts above.
const GUTTER: u32 = 48;

pub fn heat_map(data: &StatusMap, filter: &Filter) -> AnyView {
    let body = if data.rows.is_empty() {
        r#"<p class="text-muted">No calls in this range.</p>"#.to_owned()
    } else {
        cells(data)
    };
    let table = filter.with(&[("by", "status")]);
    view! {
        <section class="panel">
            <div class="panel-head">
                <h2>"Statuses over time"</h2>
                <a class="link-quiet text-sm" href=table>
                    "As table"
                </a>
            </div>
            <div class="panel-body" inner_html=body></div>
        </section>
    }
    .into_any()
}

fn cells(data: &StatusMap) -> String {
    let as_f64 = super::super::series::to_f64;
    let steps = data.starts.len().max(1);
    let width = 100.0 / as_f64(steps as u64);
    let gap = if steps > 120 { 0.0 } else { width * 0.08 };
    let counts = data.rows.iter().flat_map(|row| row.counts.iter());
    let most = counts.copied().max().unwrap_or(0);
    let height = ROW * u32::try_from(data.rows.len()).unwrap_or(1);
    let mut labels = String::new();
    let mut marks = String::new();
    let mut said = Vec::new();
    for (at, row) in data.rows.iter().enumerate() {
        let y = as_f64(at as u64) * f64::from(ROW);
        let status = row.status.as_str();
        said.push(format!(
            "{status}: {}",
            format::plural(row.calls, "call", "calls")
        ));
        let _ = write!(
            labels,
            r#"<text x="{}" y="{}" dy="0.32em" text-anchor="end" class="chart-label">{}</text>"#,
            GUTTER - 8,
            decimal(y + f64::from(ROW) / 2.0, 1),
            escape(status)
        );
        let class = match status.as_bytes().first() {
            Some(b'2') => "fill-chart-2xx",
            Some(b'3') => "fill-chart-3xx",
            Some(b'4') => "fill-chart-4xx",
            _ => "fill-chart-5xx",
        };
        let _ = write!(
            marks,
            r#"<rect y="{0}" width="100%" height="{1}" rx="2" class="fill-sunken"/>"#,
            decimal(y + 1.0, 1),
            ROW - 2
        );
        for (i, (&calls, &start)) in row.counts.iter().zip(&data.starts).enumerate() {
            if calls == 0 {
                continue;
            }
            // By orders of magnitude: ten failures among a million calls are to be seen.
            let strength = as_f64(calls + 1).ln() / as_f64(most + 1).ln();
            let _ = write!(
                marks,
                r#"<rect x="{}%" y="{}" width="{}%" height="{}" class="{class}" fill-opacity="{}"><title>from {}: {}</title></rect>"#,
                decimal(as_f64(i as u64) * width + gap / 2.0, 2),
                decimal(y + 1.0, 1),
                decimal(width - gap, 2),
                ROW - 2,
                decimal(0.2 + 0.8 * strength, 2),
                escape(&format::moment(start)),
                format::plural(calls, "call", "calls"),
            );
        }
    }
    format!(
        r#"<div class="flex"><svg width="{GUTTER}" height="{height}" class="shrink-0" aria-hidden="true">{labels}</svg><svg width="100%" height="{height}" class="min-w-0 grow" role="img" aria-label="{}">{marks}</svg></div>"#,
        escape(&said.join("; "))
    )
}
