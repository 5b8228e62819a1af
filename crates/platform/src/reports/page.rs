//! A report as a page that stands for itself, and as a table for programs.

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use super::table::Content;
use crate::csv::Csv;
use crate::fault::Broken;

const TEMPLATE: &str = include_str!("../../templates/report.html");

/// The chart's space, in units of its own.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 160.0;

/// A column of the chart: errors in front of all calls.
#[derive(Serialize)]
struct Bar {
    x: f64,
    width: f64,
    y: f64,
    height: f64,
    error_y: f64,
    error_height: f64,
    title: String,
}

#[derive(Serialize)]
struct Page<'a> {
    #[serde(flatten)]
    content: &'a Content,
    width: f64,
    height: f64,
    bars: Vec<Bar>,
    most: String,
}

/// The page: one document, nothing fetched, no scripts, every text escaped.
pub(super) fn html(content: &Content) -> Result<String, Broken> {
    let most = content.points.iter().map(|point| point.calls).max();
    let page = Page {
        content,
        width: WIDTH,
        height: HEIGHT,
        bars: bars(content, most.unwrap_or(0)),
        most: super::figures::grouped(most.unwrap_or(0)),
    };
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let written = environment.render_str(TEMPLATE, minijinja::Value::from(Serde(&page)));
    written.map_err(|error| {
        tracing::error!(%error, "a report could not be written");
        Broken
    })
}

#[expect(clippy::cast_precision_loss, reason = "drawn, not counted")]
fn bars(content: &Content, most: u64) -> Vec<Bar> {
    let step = WIDTH / content.points.len().max(1) as f64;
    let tall = |n: u64| round(n as f64 * HEIGHT / most.max(1) as f64);
    let points = content.points.iter().enumerate();
    let drawn = points.map(|(place, point)| {
        let (height, error_height) = (tall(point.calls), tall(point.errors));
        Bar {
            x: round(place as f64 * step + step * 0.1),
            width: round(step * 0.8),
            y: round(HEIGHT - height),
            height,
            error_y: round(HEIGHT - error_height),
            error_height,
            title: format!(
                "{}: {} calls, {} errors",
                point.label, point.calls, point.errors
            ),
        }
    });
    drawn.collect()
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The table: a row for each number, all alike.
pub(super) fn csv(content: &Content) -> String {
    let mut csv = Csv::new(&["section", "item", "measure", "value", "before"]);
    for figure in &content.figures {
        csv.text("summary");
        csv.text("");
        csv.text(&figure.key);
        csv.value(Some(&figure.now.raw));
        csv.value(Some(&figure.before.raw));
        csv.end_row();
    }
    for point in &content.points {
        for (measure, n) in [("calls", point.calls), ("errors", point.errors)] {
            csv.text(content.step);
            csv.text(&point.start);
            csv.text(measure);
            csv.value(Some(n));
            csv.value(None::<u64>);
            csv.end_row();
        }
    }
    for table in &content.tables {
        for row in &table.rows {
            for (column, cell) in table.columns.iter().zip(&row.cells) {
                csv.text(table.key);
                csv.text(&row.name);
                csv.text(column.key);
                if column.is_number {
                    csv.value(Some(&cell.raw));
                } else {
                    csv.text(&cell.raw);
                }
                csv.value(None::<u64>);
                csv.end_row();
            }
        }
    }
    csv.into_text()
}

#[cfg(test)]
mod tests {
    use super::super::figures::{change, count};
    use super::super::table::{Column, Figure, Point, Row, Table, text};
    use super::*;

    fn content() -> Content {
        Content {
            title: "<script>alert(1)</script>".to_owned(),
            organization: "Acme & \"Sons\"".to_owned(),
            scope: "All APIs".to_owned(),
            range: "1 January 2026 (UTC)".to_owned(),
            range_before: "31 December 2025 (UTC)".to_owned(),
            made: "2 January 2026, 08:00 UTC".to_owned(),
            base_url: "https://a.example.com".to_owned(),
            figures: vec![Figure {
                key: "calls".to_owned(),
                name: "Calls".to_owned(),
                now: count(1500),
                before: count(1000),
                change: change(Some(1500.0), Some(1000.0)),
            }],
            step: "hour",
            points: vec![
                Point {
                    label: "1 Jan, 00:00".to_owned(),
                    start: "2026-01-01T00:00:00+00:00".to_owned(),
                    calls: 1000,
                    errors: 250,
                },
                Point {
                    label: "1 Jan, 01:00".to_owned(),
                    start: "2026-01-01T01:00:00+00:00".to_owned(),
                    calls: 500,
                    errors: 0,
                },
            ],
            tables: vec![Table {
                key: "alerts",
                title: "Alerts that fired",
                first: "Alert",
                columns: vec![Column::text("summary", "What"), Column::number("n", "N")],
                rows: vec![Row {
                    name: "=HYPERLINK(\"https://evil.example\")".to_owned(),
                    cells: vec![text("<img src=x onerror=alert(1)>"), count(7)],
                }],
                empty: "None did.",
            }],
        }
    }

    #[test]
    fn a_page_stands_for_itself_and_every_text_stays_text() {
        let page = html(&content()).expect("is written");
        assert!(page.contains("&lt;script&gt;"), "{page}");
        assert!(page.contains("Acme &amp; &quot;Sons&quot;"), "{page}");
        assert!(
            !page.contains("<script") && !page.contains("<img"),
            "{page}"
        );
        for outside in ["src=\"", "url(", "@import", "<link", "<a "] {
            assert!(!page.contains(outside), "{outside}: {page}");
        }
        for inside in [
            "1,500",
            "+50.0 %",
            "prefers-color-scheme: dark",
            "@media print",
        ] {
            assert!(page.contains(inside), "{inside}: {page}");
        }
        // The second column is half as high, and the errors are a quarter of the first.
        assert!(page.contains(r#"height="80.0""#), "{page}");
        assert!(page.contains(r#"height="40.0""#), "{page}");
        let mut empty = content();
        empty.points.clear();
        empty.tables[0].rows.clear();
        let page = html(&empty).expect("is written");
        assert!(page.contains("None did."), "{page}");
    }

    #[test]
    fn a_table_has_a_row_for_each_number_and_no_formulas() {
        let table = csv(&content());
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "section,item,measure,value,before");
        assert_eq!(lines[1], "summary,,calls,1500,1000");
        assert_eq!(lines[2], "hour,2026-01-01T00:00:00+00:00,calls,1000,");
        assert!(
            lines[6].starts_with("alerts,\"'=HYPERLINK("),
            "{}",
            lines[6]
        );
        assert!(lines[7].ends_with(",n,7,"), "{}", lines[7]);
        assert_eq!(lines.len(), 8);
    }
}
