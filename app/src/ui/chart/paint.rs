//! Drawing. Bars and labels are placed in percent of the width, lines in a stretched inner `<svg>`
//! whose strokes do not stretch: so one text serves every width without a script.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::scale::{ticks, time_ticks};
use super::{Chart, Pane, Shape, escape};
use crate::format::{self, decimal};
use crate::zone;

/// Pixels left of the plot for the labels of the value axis. The class `left-12` of the hover layer
/// is the same.
const GUTTER: u32 = 48;
/// Pixels above the highest tick, so that its label is not cut.
const TOP: f64 = 7.0;

/// A pane: value axis and plot, side by side.
pub fn pane(chart: &Chart, index: usize, hidden: &[bool]) -> String {
    let Some(pane) = chart.panes.get(index) else {
        return String::new();
    };
    let shown: Vec<usize> = (0..pane.series.len())
        .filter(|i| !hidden.get(*i).copied().unwrap_or(false))
        .collect();
    let marks = ticks(highest(pane, &shown), pane.unit == super::Unit::Count);
    let top_value = marks.last().copied().unwrap_or(1.0);
    let height = f64::from(pane.height);
    let y_of = |value: f64| TOP + (height - TOP - 1.0) * (1.0 - value / top_value);

    let mut out = String::with_capacity(4096);
    let _ = write!(
        out,
        r#"<svg width="{GUTTER}" height="{}" class="shrink-0 overflow-visible" aria-hidden="true">"#,
        pane.height
    );
    for mark in &marks {
        let _ = write!(
            out,
            r#"<text x="{}" y="{}" dy="0.32em" text-anchor="end" class="chart-label">{}</text>"#,
            GUTTER - 8,
            decimal(y_of(*mark), 1),
            pane.unit.axis(*mark)
        );
    }
    let _ = write!(
        out,
        r#"</svg><svg width="100%" height="{}" class="min-w-0 grow" role="img" aria-label="{}">"#,
        pane.height,
        super::escape(&summary(chart, pane))
    );
    for mark in &marks {
        let y = decimal(y_of(*mark), 0);
        let _ = write!(
            out,
            r#"<line x1="0" x2="100%" y1="{y}" y2="{y}" class="chart-gridline"/>"#
        );
    }
    match pane.shape {
        Shape::Stack => stack(&mut out, chart, pane, &shown, &y_of, index),
        Shape::Lines => lines(&mut out, pane, &shown, &y_of),
    }
    if let Some(compared) = &pane.compared {
        stretched(&mut out, pane.height, |out| {
            let class = "stroke-chart-compare";
            path(out, &compared.values, 1000.0, &y_of, class, "chart-line");
        });
    }
    out.push_str("</svg>");
    out
}

type Shift = fn(DateTime<Utc>) -> DateTime<Utc>;

/// The labels below the last pane.
pub fn time_axis(chart: &Chart) -> String {
    let (Some(from), Some(last)) = (chart.starts.first(), chart.starts.last()) else {
        return String::new();
    };
    let to = *last + chrono::Duration::seconds(chart.step_seconds);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a chart's range")]
    let span = (to - *from).num_seconds() as f64;
    let (local, when): (Shift, Shift) = if chart.calendar {
        (|at| at, |at| at)
    } else {
        (zone::local, zone::when)
    };
    let (step, marks) = time_ticks(local(*from), local(to), 6);
    let name = if chart.calendar {
        "UTC".to_owned()
    } else {
        zone::short_name(*last)
    };
    // Numbers have no room for what they are counted from.
    let name = name
        .strip_prefix("UTC")
        .filter(|rest| !rest.is_empty())
        .unwrap_or(&name);
    let mut out = format!(
        r#"<svg width="{GUTTER}" height="16" class="shrink-0" aria-hidden="true"><text x="{}" y="11" text-anchor="end" class="chart-label">{}</text></svg><svg width="100%" height="16" class="min-w-0 grow overflow-visible" aria-hidden="true">"#,
        GUTTER - 8,
        escape(name)
    );
    for shown in marks {
        let at = when(shown);
        #[expect(clippy::cast_precision_loss, reason = "seconds of a chart's range")]
        let x = (at - *from).num_seconds() as f64 / span * 100.0;
        if !(1.0..=98.5).contains(&x) {
            continue;
        }
        let midnight = shown.timestamp().rem_euclid(86_400) == 0;
        let text = if step >= 86_400 || midnight {
            format::calendar_day(shown)
        } else {
            format::clock(at)
        };
        let _ = write!(
            out,
            r#"<text x="{}%" y="11" text-anchor="middle" class="chart-label">{text}</text>"#,
            decimal(x, 2)
        );
    }
    out.push_str("</svg>");
    out
}

/// A line without axes for a figure's side, stretched to its place.
pub fn spark(values: &[Option<f64>], class: &str) -> String {
    let highest = values.iter().flatten().copied().fold(0.0, f64::max);
    let mut out = String::from(
        r#"<svg viewBox="0 0 100 24" preserveAspectRatio="none" class="h-6 w-full overflow-visible" aria-hidden="true">"#,
    );
    if highest > 0.0 {
        let y_of = |value: f64| 23.0 - 22.0 * value / highest;
        path(&mut out, values, 100.0, &y_of, class, "chart-line");
    } else {
        out.push_str(r#"<line x1="0" x2="100" y1="23" y2="23" class="chart-gridline" vector-effect="non-scaling-stroke"/>"#);
    }
    out.push_str("</svg>");
    out
}

fn stack(
    out: &mut String,
    chart: &Chart,
    pane: &Pane,
    shown: &[usize],
    y_of: &dyn Fn(f64) -> f64,
    index: usize,
) {
    let steps = chart.starts.len();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred steps")]
    let width = 100.0 / steps.max(1) as f64;
    // A gap between bars while they are wide enough to afford one.
    let bar = if steps > 120 { width } else { width * 0.78 };
    let wide = decimal(bar, 3);
    let hatch = format!("{}-hatch-{index}", chart.id);
    if chart.last_is_partial {
        let _ = write!(
            out,
            r#"<defs><pattern id="{hatch}" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="2.5" height="5" class="fill-(--chart-hatch)"/></pattern></defs>"#
        );
    }
    for step in 0..steps {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred steps")]
        let x = step as f64 * width + (width - bar) / 2.0;
        let mut below = 0.0;
        for i in shown {
            let series = &pane.series[*i];
            let value = series.values.get(step).copied().flatten().unwrap_or(0.0);
            if value <= 0.0 {
                continue;
            }
            let bottom = y_of(below);
            below += value;
            let top = y_of(below);
            // One call among a million is still a mark.
            let height = (bottom - top).max(1.0);
            let _ = write!(
                out,
                r#"<rect x="{}%" y="{}" width="{wide}%" height="{}" class="{}"/>"#,
                decimal(x, 3),
                decimal(bottom - height, 2),
                decimal(height, 2),
                series.class
            );
        }
        if chart.last_is_partial && step + 1 == steps && below > 0.0 {
            let (top, bottom) = (y_of(below), y_of(0.0));
            let _ = write!(
                out,
                r#"<rect x="{}%" y="{}" width="{wide}%" height="{}" fill="url(#{hatch})"/>"#,
                decimal(x, 3),
                decimal(top, 2),
                decimal((bottom - top).max(1.0), 2)
            );
        }
    }
}

fn lines(out: &mut String, pane: &Pane, shown: &[usize], y_of: &dyn Fn(f64) -> f64) {
    stretched(out, pane.height, |out| {
        for i in shown {
            let series = &pane.series[*i];
            path(
                out,
                &series.values,
                1000.0,
                y_of,
                series.class,
                "chart-line",
            );
        }
    });
}

/// A place as wide as it comes, 1000 units of its own.
fn stretched(out: &mut String, height: u32, draw: impl FnOnce(&mut String)) {
    let _ = write!(
        out,
        r#"<svg width="100%" height="{height}" viewBox="0 0 1000 {height}" preserveAspectRatio="none" class="overflow-visible">"#,
    );
    draw(out);
    out.push_str("</svg>");
}

/// A line through the middles of the steps, broken where values are missing. A value alone between
/// gaps becomes a short dash, or it would not be seen.
fn path(
    out: &mut String,
    values: &[Option<f64>],
    width: f64,
    y_of: &dyn Fn(f64) -> f64,
    class: &str,
    shape: &str,
) {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred steps")]
    let step = width / values.len().max(1) as f64;
    let _ = write!(out, r#"<path class="{shape} {class}" d=""#);
    let mut drawing = false;
    for (i, value) in values.iter().enumerate() {
        let Some(value) = value else {
            drawing = false;
            continue;
        };
        #[expect(clippy::cast_precision_loss, reason = "a few hundred steps")]
        let x = (i as f64 + 0.5) * step;
        let y = decimal(y_of(*value), 2);
        if drawing {
            let _ = write!(out, "L{} {y}", decimal(x, 2));
        } else {
            let alone = values.get(i + 1).copied().flatten().is_none();
            if alone {
                let half = (step * 0.3).min(6.0);
                let _ = write!(
                    out,
                    "M{} {y}h{}",
                    decimal(x - half, 2),
                    decimal(half * 2.0, 2)
                );
            } else {
                let _ = write!(out, "M{} {y}", decimal(x, 2));
            }
        }
        drawing = true;
    }
    out.push_str("\"/>");
}

fn highest(pane: &Pane, shown: &[usize]) -> f64 {
    let steps = pane
        .series
        .iter()
        .map(|series| series.values.len())
        .max()
        .unwrap_or(0);
    let mut highest = 0.0_f64;
    for step in 0..steps {
        let values = shown
            .iter()
            .filter_map(|i| pane.series[*i].values.get(step).copied().flatten());
        let here = match pane.shape {
            Shape::Stack => values.sum(),
            Shape::Lines => values.fold(0.0, f64::max),
        };
        highest = highest.max(here);
    }
    if let Some(compared) = &pane.compared {
        highest = compared
            .values
            .iter()
            .flatten()
            .copied()
            .fold(highest, f64::max);
    }
    highest
}

/// The chart in a sentence, for those who do not see it.
fn summary(chart: &Chart, pane: &Pane) -> String {
    let mut out = format!("{}, {} steps", pane.title, chart.starts.len());
    for series in &pane.series {
        let known = series.values.iter().flatten();
        let text = match pane.shape {
            Shape::Stack => format!(
                "; {}: {} in all",
                series.label,
                pane.unit.exact(known.sum())
            ),
            Shape::Lines => format!(
                "; {}: at most {}",
                series.label,
                pane.unit.exact(known.copied().fold(0.0, f64::max))
            ),
        };
        out.push_str(&text);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Series, Unit};
    use super::*;

    fn example(shape: Shape, values: &[Option<f64>]) -> Chart {
        let start = chrono::DateTime::from_timestamp(0, 0).expect("the epoch");
        Chart {
            id: "c",
            starts: (0..values.len())
                .map(|i| start + chrono::Duration::hours(i64::try_from(i).expect("small")))
                .collect(),
            step_seconds: 3600,
            calendar: false,
            last_is_partial: true,
            panes: vec![Pane {
                title: "Calls",
                unit: Unit::Count,
                shape,
                height: 100,
                series: vec![Series {
                    label: "2xx",
                    class: "fill-chart-2xx",
                    dot: "bg-chart-2xx",
                    values: values.to_vec(),
                }],
                compared: None,
            }],
        }
    }

    #[test]
    fn the_last_bar_is_hatched_and_empty_steps_draw_nothing() {
        let chart = example(Shape::Stack, &[Some(2.0), None, Some(0.0), Some(1.0)]);
        let svg = pane(&chart, 0, &[false]);
        assert_eq!(svg.matches("fill-chart-2xx").count(), 2);
        assert_eq!(svg.matches("url(#c-hatch-0)").count(), 1);
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn a_hidden_series_is_not_drawn() {
        let chart = example(Shape::Stack, &[Some(2.0)]);
        assert!(!pane(&chart, 0, &[true]).contains("fill-chart-2xx"));
    }

    #[test]
    fn a_gap_breaks_the_line() {
        let values = [Some(1.0), Some(2.0), None, Some(3.0)];
        let svg = pane(&example(Shape::Lines, &values), 0, &[false]);
        let path = svg.split("d=\"").nth(1).expect("a path");
        assert_eq!(path.matches('M').count(), 2);
        assert_eq!(path.matches('L').count(), 1);
    }

    #[test]
    fn an_earlier_time_is_a_line_that_fits_in() {
        let mut chart = example(Shape::Stack, &[Some(2.0), Some(1.0)]);
        chart.panes[0].compared = Some(super::super::Compared {
            label: "Time before",
            values: vec![Some(40.0), None],
        });
        let svg = pane(&chart, 0, &[false]);
        assert_eq!(svg.matches("stroke-chart-compare").count(), 1);
        // The axis reaches to it.
        assert!(svg.contains(">40</text>"), "{svg}");
    }

    #[test]
    fn nothing_to_draw_is_no_error() {
        let chart = example(Shape::Lines, &[]);
        assert!(!pane(&chart, 0, &[false]).contains("NaN"));
        assert_eq!(time_axis(&chart), "");
        assert!(spark(&[None, Some(0.0)], "stroke-chart-1").contains("<line"));
    }
}
