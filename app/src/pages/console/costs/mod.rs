//! Costs: what calls cost, by whom and when, and the prices and budgets behind it.

mod forms;
mod lists;

use apiverse_contract::costs::{CostDimension, CostQuery, CostReport, CostRow};
use chrono::{Datelike, Duration, NaiveDate, NaiveTime};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;

pub use self::forms::{create_budget, create_rule};
use super::usage::share;
use crate::format;
use crate::forms::cost::money;
use crate::page_context::Page;
use crate::rpc::costs::{CostsView, ReportFn};
use crate::rpc::{Loaded, load_with};
use crate::ui::chart::{Chart, ChartState, Pane, Series, Shape, Unit, chart, escape};
use crate::ui::dynamic::{dynamic, when};
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::notice::done_notice;
use crate::ui::page_head::page_head;
use crate::ui::skeleton;
use crate::urlencoded;

pub const PATH: &str = "/console/costs";

const DIMENSIONS: [(CostDimension, &str, &str); 4] = [
    (CostDimension::Api, "api", "API"),
    (CostDimension::Key, "key", "Key"),
    (CostDimension::Route, "route", "Route"),
    (CostDimension::Rule, "rule", "Price rule"),
];

/// What the address asks for: a month, and what costs are told by.
#[derive(Clone, Default, PartialEq)]
struct Filter {
    /// `2026-11`; empty: this one.
    month: String,
    by: String,
}

impl Filter {
    fn read(map: &ParamsMap) -> Self {
        let text = |name: &str| map.get_str(name).unwrap_or_default().to_owned();
        Self {
            month: text("month"),
            by: text("by"),
        }
    }

    fn by(&self) -> CostDimension {
        let known = DIMENSIONS.into_iter().find(|(_, name, _)| *name == self.by);
        known.map_or(CostDimension::Api, |(by, ..)| by)
    }

    fn month(&self, today: NaiveDate) -> NaiveDate {
        let this = today.with_day(1).unwrap_or(today);
        let asked = format!("{}-01", self.month).parse().ok();
        asked.filter(|month| *month <= this).unwrap_or(this)
    }

    fn query(&self, today: NaiveDate) -> CostQuery {
        let from = self.month(today);
        let next = next_month(from);
        CostQuery {
            from: Some(from),
            to: Some(next.min(today + Duration::days(1))),
            by: Some(self.by()),
            ..CostQuery::default()
        }
    }

    fn with(&self, changes: &[(&str, &str)]) -> String {
        let mut pairs = vec![("month", self.month.as_str()), ("by", self.by.as_str())];
        pairs.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        pairs.extend_from_slice(changes);
        format!("{PATH}{}", urlencoded::query(&pairs))
    }
}

fn next_month(month: NaiveDate) -> NaiveDate {
    let later = month + Duration::days(32);
    later.with_day(1).unwrap_or(later)
}

fn month_before(month: NaiveDate) -> NaiveDate {
    let earlier = month - Duration::days(1);
    earlier.with_day(1).unwrap_or(earlier)
}

/// `2026-11`
fn in_address(month: NaiveDate) -> String {
    format!("{:04}-{:02}", month.year(), month.month())
}

type Data = Loaded<CostsView>;

pub fn costs() -> AnyView {
    let map = use_query_map();
    let filter = Memo::new(move |_| map.with(Filter::read));
    let now = Page::get().now;
    let data = load_with(move || {
        let input = filter.with(|filter| filter.query(now.get_untracked().date_naive()));
        Some(ReportFn { input })
    });
    let state = ChartState::new();
    let months = move || {
        let today = now.get_untracked().date_naive();
        filter.with(|filter| month_links(filter, today))
    };
    view! {
        <div class="page">
            {page_head("Costs", dynamic(months))} {done_notice(map)}
            {load(data, skeleton::dashboard, move |found| {
                content(found, &filter.get_untracked(), data, state)
            })}
        </div>
    }
    .into_any()
}

fn month_links(filter: &Filter, today: NaiveDate) -> AnyView {
    let shown = filter.month(today);
    let name = |month: NaiveDate| {
        let text = format::calendar_date(month.and_time(NaiveTime::MIN).and_utc());
        text.split_once(' ')
            .map_or(String::new(), |(_, month)| month.to_owned())
    };
    let before = month_before(shown);
    let earlier = filter.with(&[("month", &in_address(before))]);
    let next = next_month(shown);
    let later = (next <= today).then(|| {
        let href = filter.with(&[("month", &in_address(next))]);
        view! {
            <a class="btn btn-outline btn-sm" href=href>
                {name(next)}
            </a>
        }
        .into_any()
    });
    view! {
        <nav class="flex items-center gap-2" aria-label="Month">
            <a class="btn btn-outline btn-sm" href=earlier>
                {name(before)}
            </a>
            <span class="px-1 font-medium">{name(shown)}</span>
            {later}
        </nav>
    }
    .into_any()
}

fn content(found: CostsView, filter: &Filter, data: Data, state: ChartState) -> AnyView {
    if found.rules.is_empty() {
        return view! {
            <div class="flex flex-col gap-4">
                {nothing(found.may_change)} {lists::budgets(&found, data)}
            </div>
        }
        .into_any();
    }
    let totals = if found.report.totals.is_empty() {
        "Nothing yet".to_owned()
    } else {
        let amounts = found.report.totals.iter();
        amounts
            .map(|amount| money(amount.micros, &amount.currency))
            .collect::<Vec<_>>()
            .join(" + ")
    };
    let charts = day_chart(&found.report).map(|data| {
        view! {
            <section class="panel" aria-label="By day">
                <div class="panel-body">{chart(data, state)}</div>
            </section>
        }
        .into_any()
    });
    view! {
        <div class="flex flex-col gap-4">
            <section class="panel" aria-label="Total">
                <div class="flex flex-col gap-0.5 px-4 py-3">
                    <p class="stat-label">"The month's calls cost"</p>
                    <p class="stat-figure-value">{totals}</p>
                </div>
            </section>
            {charts} {rows(&found.report, filter)} {lists::budgets(&found, data)} {lists::rules(&found, data)}
        </div>
    }
    .into_any()
}

fn nothing(may_change: bool) -> AnyView {
    view! {
        <section class="panel">
            <div class="empty">
                {icon(icondata_lu::LuCoins.data)} <p class="font-medium text-ink">"No prices yet"</p>
                <p>
                    "A price rule says what a call, or a megabyte, costs: what you pay for an upstream, or what you charge. Costs are then worked out for the past, too."
                </p>
                {when(may_change, || {
                    view! {
                        <a class="btn btn-primary btn-sm" href="/console/costs/rules/new">
                            "Add a price rule"
                        </a>
                    }
                        .into_any()
                })}
            </div>
        </section>
    }
    .into_any()
}

/// The days of the month, for the currency that most was paid in.
fn day_chart(report: &CostReport) -> Option<Chart> {
    let currency = &report
        .totals
        .iter()
        .max_by_key(|amount| amount.micros)?
        .currency;
    let values = report.days.iter().map(|day| {
        let amount = day
            .amounts
            .iter()
            .find(|amount| amount.currency == *currency);
        #[expect(clippy::cast_precision_loss, reason = "drawn, not counted")]
        amount.map(|amount| amount.micros as f64 / 1_000_000.0)
    });
    Some(Chart {
        id: "costs",
        starts: report
            .days
            .iter()
            .map(|day| day.day.and_time(NaiveTime::MIN).and_utc())
            .collect(),
        step_seconds: 86_400,
        calendar: true,
        last_is_partial: report.to > Page::get().now.get_untracked().date_naive(),
        panes: vec![Pane {
            title: "By day",
            unit: Unit::Money,
            shape: Shape::Stack,
            height: 160,
            series: vec![Series {
                label: "Cost",
                class: "fill-chart-1",
                dot: "bg-chart-1",
                values: values.collect(),
            }],
            compared: None,
        }],
    })
}

fn rows(report: &CostReport, filter: &Filter) -> AnyView {
    let tabs = DIMENSIONS
        .into_iter()
        .map(|(by, name, title)| {
            let is_current = by == filter.by();
            view! {
                <a class="tab-link" href=filter.with(&[("by", name)]) aria-current=is_current.then_some("true")>
                    {title}
                </a>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <section class="panel" aria-label="Who and what it was for">
            <div class="panel-head">
                <nav class="-ml-2 flex flex-wrap gap-1" aria-label="Told by">
                    {tabs}
                </nav>
            </div>
            <div class="table-scroll" tabindex="0" inner_html=table(report)></div>
        </section>
    }
    .into_any()
}

fn table(report: &CostReport) -> String {
    if report.data.is_empty() {
        return r#"<p class="panel-body text-muted">No call of this month had a price.</p>"#
            .to_owned();
    }
    let sum = |row: &CostRow| {
        let sum: i64 = row.amounts.iter().map(|amount| amount.micros).sum();
        sum.unsigned_abs()
    };
    let most = report.data.iter().map(sum).max().unwrap_or(0);
    let mut out = String::from(
        r#"<table class="data-table"><thead><tr><th scope="col">Name</th><th class="hidden sm:table-cell"><span class="sr-only">Share</span></th><th scope="col" class="num">Cost</th></tr></thead><tbody>"#,
    );
    for row in &report.data {
        let name = row.name.as_deref().or_else(|| {
            let value = row.value.as_ref()?;
            value.name.as_deref().or(value.id.as_deref())
        });
        let amounts: Vec<String> = row
            .amounts
            .iter()
            .map(|amount| money(amount.micros, &amount.currency))
            .collect();
        out.push_str(&format!(
            r#"<tr><th scope="row" class="max-w-40 truncate font-normal sm:max-w-80">{}</th><td class="hidden w-1/2 sm:table-cell">{}</td><td class="num">{}</td></tr>"#,
            escape(name.unwrap_or("none")),
            share(sum(row), most),
            escape(&amounts.join(" + "))
        ));
    }
    out.push_str("</tbody></table>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_whole_and_never_to_come() {
        let day = |text: &str| -> NaiveDate { text.parse().expect("a day") };
        let today = day("2026-03-05");
        let filter = |month: &str| Filter {
            month: month.to_owned(),
            ..Filter::default()
        };
        let range = |month: &str| {
            let query = filter(month).query(today);
            (query.from, query.to)
        };
        assert_eq!(range("").0, Some(day("2026-03-01")));
        assert_eq!(range("").1, Some(day("2026-03-06")));
        assert_eq!(
            range("2025-12"),
            (Some(day("2025-12-01")), Some(day("2026-01-01")))
        );
        assert_eq!(range("2027-01").0, Some(day("2026-03-01")));
        assert_eq!(range("soon").0, Some(day("2026-03-01")));
        assert_eq!(month_before(day("2026-01-01")), day("2025-12-01"));
    }
}
