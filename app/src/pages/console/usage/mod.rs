//! Usage: a range in detail, with filters that live in the address.

mod filter;
mod filters;
mod heat;
mod panels;
pub mod views;

use apiverse_contract::usage::{UsageReport, UsageTotals};
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};

use self::filter::{Filter, PATH};
use super::calls::{Columns, Inspector, calls_table, no_calls};
use super::series::{calls_and_latency, to_f64};
use crate::format;
use crate::page_context::Page;
use crate::rpc::load_with;
use crate::rpc::usage::{Report, UsageView};
use crate::ui::chart::{ChartState, Zoom, chart};
use crate::ui::dynamic::dynamic;
use crate::ui::live::on_new_calls;
use crate::ui::load::load;
use crate::ui::page_head::page_head;
use crate::ui::pager::pager;
use crate::ui::skeleton;
use crate::ui::span::span_picker;

pub use self::panels::{errors_table, share};

pub fn usage() -> AnyView {
    let map = use_query_map();
    let first = views::opens_with();
    let filter = Memo::new(move |_| {
        let opened = first.get();
        opened.map_or_else(|| map.with(Filter::read), |query| Filter::of(&query))
    });
    let now = Page::get().now;
    let data = load_with(move || {
        let input = filter.with(|filter| filter.query(now.get_untracked()));
        Some(Report { input })
    });
    on_new_calls(move || {
        // Somebody who leafs through the past does not want it to move.
        let live = filter.with_untracked(|f| f.custom().is_none() && f.cursor.is_empty());
        if live {
            data.refetch();
        }
    });
    let state = ChartState::zooming(zoom(filter));
    let inspector = Inspector::new();
    let picker = move || {
        filter.with(|filter| {
            let span = filter.custom().is_none().then_some(filter.span);
            span_picker(PATH, span, &filter.without_time())
        })
    };
    view! {
        <div class="page">
            {page_head("Usage", dynamic(picker))} {views::menu(filter)}
            {load(data, skeleton::dashboard, move |data| {
                content(data, &filter.get_untracked(), state, inspector)
            })} {inspector.view()}
        </div>
    }
    .into_any()
}

/// What is drawn over in the chart becomes the page's range; a double click takes it away again.
fn zoom(filter: Memo<Filter>) -> Zoom {
    let navigate = use_navigate();
    Zoom::new(move |range| {
        let href = filter.with_untracked(|filter| match range {
            Some((from, to)) => filter.with(&[
                ("span", ""),
                ("from", &format::address_minute(from)),
                ("to", &format::address_minute(to)),
            ]),
            None => filter.with(&[("from", ""), ("to", "")]),
        });
        let options = NavigateOptions {
            scroll: false,
            ..NavigateOptions::default()
        };
        navigate(&href, options);
    })
}

fn content(data: UsageView, filter: &Filter, state: ChartState, inspector: Inspector) -> AnyView {
    let next = data.calls.next_cursor.clone();
    let range = (data.usage.from, data.usage.to);
    let files = (
        filter.rest("/calls", range, true),
        filter.rest("/calls", range, false),
    );
    let filters = filters::filters(filter, &data);
    let list = if data.calls.data.is_empty() {
        no_calls("Nothing went through the gateway in this range with these filters.")
    } else {
        calls_table(data.calls.data, Columns::default(), inspector)
    };
    let cursor = Some(filter.cursor.as_str()).filter(|cursor| !cursor.is_empty());
    view! {
        <div class="flex flex-col gap-4">
            {filters} {totals(&data.usage)}
            <section class="panel" aria-label="Calls and latency">
                <div class="panel-body">{chart(calls_and_latency("usage", &data.usage, 220), state)}</div>
            </section>
            {panels::breakdown(&data.breakdown, filter)}
            <div class="grid gap-4 lg:grid-cols-2 [&>*]:min-w-0">
                {heat::heat_map(&data.statuses, filter)} {panels::histogram(&data.latency)}
            </div>
            {panels::errors(&data.errors, filter)}
            <section class="panel">
                <div class="panel-head">
                    <h2>"Calls"</h2>
                    <div class="flex gap-3 text-sm">
                        <span class="text-muted">"Newest first"</span>
                        <a class="link-quiet" href=files.0 rel="external" download="">
                            "CSV"
                        </a>
                        <a class="link-quiet" href=files.1 rel="external">
                            "JSON"
                        </a>
                    </div>
                </div>
                {list}
                {pager(PATH, &filter.pairs(), cursor, next.as_deref())}
            </section>
        </div>
    }
    .into_any()
}

fn totals(usage: &UsageReport) -> AnyView {
    let now = &usage.totals;
    let before = usage.previous.as_ref().map(|previous| previous.totals);
    let before = before.unwrap_or_default();
    let figure = |label: &'static str, value: String, change: Option<String>, note: String| {
        let note = match change {
            Some(change) => format!("{change} · {note}"),
            None => note,
        };
        view! {
            <div class="min-w-0 bg-surface px-4 py-3">
                <p class="stat-label">{label}</p>
                <p class="text-lg font-semibold num">{value}</p>
                <p class="stat-delta truncate" title=note.clone()>
                    {note.clone()}
                </p>
            </div>
        }
        .into_any()
    };
    let bytes = |totals: &UsageTotals| totals.bytes_in + totals.bytes_out;
    let rate = |totals: &UsageTotals| format::ratio(totals.errors, totals.calls);
    let hits = |totals: &UsageTotals| format::ratio(totals.cache_hits, totals.cache_lookups);
    let latency = |now: Option<f64>, before: Option<f64>| {
        now.and_then(|now| format::change(now, before.unwrap_or(0.0)))
    };
    let (cached, asked) = if now.cache_lookups == 0 {
        ("–".to_owned(), "nothing asked the cache".to_owned())
    } else {
        (
            format::percent(now.cache_hits, now.cache_lookups),
            format!(
                "{} of {}",
                format::count(now.cache_hits),
                format::count(now.cache_lookups)
            ),
        )
    };
    view! {
        <section
            aria-label="Totals, each against the time before"
            class="grid grid-cols-2 gap-px overflow-hidden rounded-box border border-line bg-line sm:grid-cols-4"
        >
            {figure(
                "Calls",
                format::count(now.calls),
                format::change(to_f64(now.calls), to_f64(before.calls)),
                if before.calls == 0 { "none in the time before" } else { "against the time before" }.to_owned(),
            )}
            {figure(
                "Errors",
                format::percent(now.errors, now.calls),
                format::change(rate(now), rate(&before)),
                format::plural(now.errors, "call", "calls"),
            )}
            {figure(
                "Refused",
                format::count(now.refused),
                format::change(to_f64(now.refused), to_f64(before.refused)),
                format!("{} of all, by the gateway", format::percent(now.refused, now.calls)),
            )}
            {figure("Cache hits", cached, format::change(hits(now), hits(&before)), asked)}
            {figure(
                "p50",
                format::maybe_millis(now.p50_ms),
                latency(now.p50_ms, before.p50_ms),
                "half are faster".to_owned(),
            )}
            {figure(
                "p95",
                format::maybe_millis(now.p95_ms),
                latency(now.p95_ms, before.p95_ms),
                "19 of 20 are faster".to_owned(),
            )}
            {figure(
                "p99",
                format::maybe_millis(now.p99_ms),
                latency(now.p99_ms, before.p99_ms),
                "99 of 100 are faster".to_owned(),
            )}
            {figure(
                "Transferred",
                format::bytes(bytes(now)),
                format::change(to_f64(bytes(now)), to_f64(bytes(&before))),
                format!("{} in, {} out", format::bytes(now.bytes_in), format::bytes(now.bytes_out)),
            )}
        </section>
    }
    .into_any()
}
