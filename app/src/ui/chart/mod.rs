//! Charts over time, drawn as SVG text: on the server first, and again in the browser only when a
//! series is switched off. Text keeps them out of the view types, and so out of the download.

mod hover;
mod paint;
mod scale;
mod table;

use chrono::{DateTime, Utc};
use leptos::ev::MouseEvent;
use leptos::prelude::*;

pub use paint::spark;

use super::dynamic::{changing, on};

/// What the values of a pane are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Count,
    Millis,
    /// Of a currency that is named elsewhere.
    Money,
}

impl Unit {
    fn axis(self, value: f64) -> String {
        match self {
            Self::Count => crate::format::compact(value),
            Self::Millis => crate::format::millis(value),
            Self::Money => crate::format::compact(value),
        }
    }

    fn exact(self, value: f64) -> String {
        match self {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "counts are whole and not negative"
            )]
            Self::Count => crate::format::count(value as u64),
            Self::Millis => crate::format::millis(value),
            Self::Money => crate::format::decimal(value, 4),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Bars on top of each other.
    Stack,
    Lines,
}

#[derive(Clone)]
pub struct Series {
    pub label: &'static str,
    /// Classes of the mark: `fill-chart-2xx`, `stroke-chart-1`.
    pub class: &'static str,
    /// Class of the legend's dot: `bg-chart-2xx`.
    pub dot: &'static str,
    /// `None` is a gap.
    pub values: Vec<Option<f64>>,
}

#[derive(Clone)]
pub struct Pane {
    pub title: &'static str,
    pub unit: Unit,
    pub shape: Shape,
    /// Pixels.
    pub height: u32,
    pub series: Vec<Series>,
    /// What the whole of the pane is compared with: a faint line.
    pub compared: Option<Compared>,
}

/// The same in an earlier time, step by step.
#[derive(Clone)]
pub struct Compared {
    pub label: &'static str,
    pub values: Vec<Option<f64>>,
}

/// Panes over one time axis.
#[derive(Clone)]
pub struct Chart {
    /// Unique on its page.
    pub id: &'static str,
    /// Start of every step.
    pub starts: Vec<DateTime<Utc>>,
    pub step_seconds: i64,
    /// Steps are days of UTC, whatever the reader's zone.
    pub calendar: bool,
    /// The last step has not ended yet.
    pub last_is_partial: bool,
    pub panes: Vec<Pane>,
}

impl Chart {
    /// What times are written in.
    fn zone(&self) -> String {
        if self.calendar {
            "UTC".to_owned()
        } else {
            crate::zone::name()
        }
    }

    fn starts_with(&self, i: usize) -> Option<DateTime<Utc>> {
        self.starts.get(i).copied()
    }

    /// From the beginning of one step to the end of another.
    fn range(&self, first: usize, last: usize) -> Option<Range> {
        let from = self.starts_with(first)?;
        // A day on which clocks change is no 24 hours.
        let next = self.starts_with(last + 1);
        let length = chrono::Duration::seconds(self.step_seconds);
        let to = next.unwrap_or(self.starts_with(last)? + length);
        Some((from, to))
    }

    /// What a step is called: its day and, when steps are shorter, its time.
    fn step_name(&self, i: usize) -> String {
        match self.starts_with(i) {
            None => String::new(),
            Some(at) if self.calendar => crate::format::calendar_date(at),
            Some(at) if self.step_seconds >= 86_400 => crate::format::date(at),
            Some(at) => crate::format::moment(at),
        }
    }
}

/// What a reader did to a chart. It belongs to the page, so that new data leaves it as it is.
#[derive(Clone, Copy)]
pub struct ChartState {
    /// Which series are switched off, over all panes.
    hidden: RwSignal<Vec<bool>>,
    hovered: RwSignal<Option<usize>>,
    table: RwSignal<bool>,
    zoom: Option<Zoom>,
    /// Where drawing over a part of the time began.
    drawn: RwSignal<Option<usize>>,
}

impl ChartState {
    #[must_use]
    pub fn new() -> Self {
        Self {
            hidden: RwSignal::new(Vec::new()),
            hovered: RwSignal::new(None),
            table: RwSignal::new(false),
            zoom: None,
            drawn: RwSignal::new(None),
        }
    }

    /// A chart in which a part of its time can be drawn over.
    #[must_use]
    pub fn zooming(zoom: Zoom) -> Self {
        Self {
            zoom: Some(zoom),
            ..Self::new()
        }
    }
}

/// A part of a chart's time.
pub type Range = (DateTime<Utc>, DateTime<Utc>);
type Zooming = Box<dyn Fn(Option<Range>) + Send + Sync>;

/// What is done with a part of the time that was drawn over; `None` when it shall be all again.
#[derive(Clone, Copy)]
pub struct Zoom(StoredValue<Zooming>);

impl Zoom {
    pub fn new(run: impl Fn(Option<Range>) + Send + Sync + 'static) -> Self {
        let run: Zooming = Box::new(run);
        Self(StoredValue::new(run))
    }

    fn run(self, range: Option<Range>) {
        self.0.try_with_value(|run| run(range));
    }
}

/// Draws the chart with legend, crosshair, and its numbers as a table.
pub fn chart(chart: Chart, state: ChartState) -> AnyView {
    let total: usize = chart.panes.iter().map(|pane| pane.series.len()).sum();
    let hidden = state.hidden;
    if hidden.with_untracked(Vec::len) != total {
        hidden.set(vec![false; total]);
    }
    let axis = paint::time_axis(&chart);
    let mut offset = 0;
    let mut heads = Vec::new();
    for pane in &chart.panes {
        heads.push((pane.title, offset, legend(pane, offset, hidden)));
        offset += pane.series.len();
    }
    let chart = StoredValue::new(chart);
    let panes = heads
        .into_iter()
        .enumerate()
        .map(|(index, (title, offset, legend))| {
            let svg = move || {
                hidden.with(|hidden| {
                    let hidden = hidden.get(offset..).unwrap_or_default();
                    chart.with_value(|chart| paint::pane(chart, index, hidden))
                })
            };
            view! {
                <div class="flex flex-col gap-2">
                    <div class="flex flex-wrap items-center justify-between gap-x-4 gap-y-1">
                        <h3 class="text-sm">{title}</h3>
                        {legend}
                    </div>
                    <div class="flex" inner_html=svg></div>
                </div>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <div class="flex flex-col gap-4">
            <div class="relative flex flex-col gap-3">
                {panes} <div class="flex" inner_html=axis></div> {hover::layer(chart, state)}
            </div>
            {table::as_table(chart, state.table)}
        </div>
    }
    .into_any()
}

/// Each name switches its series off and on.
fn legend(pane: &Pane, offset: usize, hidden: RwSignal<Vec<bool>>) -> AnyView {
    let entries = pane
        .series
        .iter()
        .enumerate()
        .map(|(i, series)| {
            let at = offset + i;
            let off = move || hidden.with(|hidden| hidden.get(at).copied().unwrap_or(false));
            let dot = format!("size-2 rounded-sm {}", series.dot);
            view! {
                <button
                    type="button"
                    // Above the layer that listens for the pointer.
                    class="relative z-10 flex items-center gap-1.5 rounded-sm px-1 text-xs text-muted hover:text-ink aria-[pressed=false]:line-through aria-[pressed=false]:opacity-60"
                    aria-pressed=changing(move || Some((!off()).to_string()))
                    on:click=on(move |_: MouseEvent| {
                        hidden
                            .update(|hidden| {
                                if let Some(flag) = hidden.get_mut(at) {
                                    *flag = !*flag;
                                }
                            });
                    })
                >
                    <span class=dot aria-hidden="true"></span>
                    {series.label}
                </button>
            }
            .into_any()
        })
        .collect_view();
    let compared = pane.compared.as_ref().map(|compared| {
        view! {
            <span class="flex items-center gap-1.5 px-1 text-xs text-muted">
                <span class="h-0.5 w-3 rounded-sm bg-chart-compare" aria-hidden="true"></span>
                {compared.label}
            </span>
        }
        .into_any()
    });
    view! { <div class="flex flex-wrap gap-x-2">{entries} {compared}</div> }.into_any()
}

/// Text that is put into markup.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
