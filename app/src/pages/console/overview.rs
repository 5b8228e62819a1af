//! The Overview: what goes through the gateway, and for a newcomer the way to the first call.

use apiverse_contract::usage::{BreakdownRow, TopRow, UsageReport, UsageTotals};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::calls::{Columns, Inspector, calls_table};
use super::first_steps;
use super::series::{calls_and_latency, to_f64};
use super::usage::{errors_table, share};
use crate::format;
use crate::rpc::load_with;
use crate::rpc::usage::{Attention, Overview, OverviewFn, OverviewQuery, Span};
use crate::ui::chart::{ChartState, chart, spark};
use crate::ui::dynamic::{dynamic, when};
use crate::ui::icon::sized;
use crate::ui::live::on_new_calls;
use crate::ui::load::load;
use crate::ui::notice::done_notice;
use crate::ui::page_head::page_head;
use crate::ui::skeleton;
use crate::ui::span::span_picker;
use crate::urlencoded;

pub fn overview() -> AnyView {
    let query = use_query_map();
    let span = Memo::new(move |_| {
        query.with(|map| {
            map.get_str("span")
                .and_then(Span::parse)
                .unwrap_or_default()
        })
    });
    let data = load_with(move || {
        let input = OverviewQuery { span: span.get() };
        Some(OverviewFn { input })
    });
    on_new_calls(move || data.refetch());
    let state = ChartState::new();
    let inspector = Inspector::new();
    view! {
        <div class="page">
            {page_head(
                "Overview",
                dynamic(move || span_picker("/console", Some(span.get()), &[])),
            )} {done_notice(query)}
            {load(data, skeleton::dashboard, move |data| {
                content(data, span.get_untracked(), state, inspector)
            })} {inspector.view()}
        </div>
    }
    .into_any()
}

fn content(data: Overview, span: Span, state: ChartState, inspector: Inspector) -> AnyView {
    let has_steps = first_steps::wanted(&data.start);
    if has_steps && !data.start.called {
        return first_steps::first_steps(&data.start);
    }
    let chart_data = calls_and_latency("overview", &data.usage, 200);
    let range = format!("?span={}", span.as_str());
    view! {
        <div class="flex flex-col gap-4">
            {figures(&data.usage, &data.before, span)} {attention(&data.attention, span)}
            {when(has_steps, || first_steps::first_steps(&data.start))}
            <section class="panel" aria-label="Calls and latency">
                <div class="panel-body">{chart(chart_data, state)}</div>
            </section>
            <div class="grid gap-4 lg:grid-cols-2 xl:grid-cols-3">
                {ranking("Busiest APIs", "/console/apis/", &data.apis, "No API was called in this span.")}
                {ranking("Busiest keys", "/console/keys/", &data.keys, "No key was used in this span.")}
                {ranking(
                    "Busiest routes",
                    "",
                    &data.routes.data.into_iter().map(|row| route_row(row, span)).collect::<Vec<_>>(),
                    "No route was called in this span.",
                )}
            </div>
            <section class="panel">
                <div class="panel-head">
                    <h2>"Latest calls"</h2>
                    <a class="link-quiet text-sm" href=format!("/console/usage{range}")>
                        "All calls"
                    </a>
                </div>
                {calls_table(data.calls, Columns::default(), inspector)}
            </section>
        </div>
    }
    .into_any()
}

/// The strip of figures, each against the span before.
fn figures(usage: &UsageReport, before: &UsageTotals, span: Span) -> AnyView {
    let now = &usage.totals;
    let calls = usage.series.iter().map(|p| Some(to_f64(p.calls))).collect();
    let errors = usage
        .series
        .iter()
        .map(|p| (p.calls > 0).then(|| format::ratio(p.errors, p.calls)))
        .collect();
    let latency = usage.series.iter().map(|p| p.p95_ms).collect();
    let rate = format::ratio(now.errors, now.calls);
    let rate_before = format::ratio(before.errors, before.calls);
    let bytes = now.bytes_in + now.bytes_out;
    let bytes_before = before.bytes_in + before.bytes_out;
    let transferred = usage
        .series
        .iter()
        .map(|p| Some(to_f64(p.bytes_in + p.bytes_out)))
        .collect();
    let hit_ratio = |hits, lookups| (lookups > 0).then(|| format::ratio(hits, lookups));
    let hits = usage
        .series
        .iter()
        .map(|p| hit_ratio(p.cache_hits, p.cache_lookups))
        .collect();
    let cached = if now.cache_lookups == 0 {
        "–".to_owned()
    } else {
        format::percent(now.cache_hits, now.cache_lookups)
    };
    let cached_change = format::change(
        format::ratio(now.cache_hits, now.cache_lookups),
        format::ratio(before.cache_hits, before.cache_lookups),
    );
    view! {
        <section
            aria-label="Figures"
            class="grid grid-cols-2 gap-px overflow-hidden rounded-box border border-line bg-line lg:grid-cols-5"
        >
            {figure(
                "Calls",
                format::count(now.calls),
                format::change(to_f64(now.calls), to_f64(before.calls)),
                span,
                calls,
                "stroke-chart-1",
            )}
            {figure(
                "Error rate",
                format::percent(now.errors, now.calls),
                format::change(rate, rate_before),
                span,
                errors,
                "stroke-chart-5xx",
            )}
            {figure(
                "Latency p95",
                format::maybe_millis(now.p95_ms),
                now.p95_ms.and_then(|ms| format::change(ms, before.p95_ms.unwrap_or(0.0))),
                span,
                latency,
                "stroke-chart-4",
            )}
            {figure("Cache hits", cached, cached_change, span, hits, "stroke-chart-3")}
            {figure(
                "Transferred",
                format::bytes(bytes),
                format::change(to_f64(bytes), to_f64(bytes_before)),
                span,
                transferred,
                "stroke-chart-5",
            )}
        </section>
    }
    .into_any()
}

fn figure(
    label: &'static str,
    value: String,
    change: Option<String>,
    span: Span,
    values: Vec<Option<f64>>,
    class: &'static str,
) -> AnyView {
    let compared = match change {
        Some(change) => format!("{change} vs previous {}", span.as_str()),
        None => format!("no previous {}", span.as_str()),
    };
    let line = if values.is_empty() {
        String::new()
    } else {
        spark(&values, class)
    };
    view! {
        <div class="flex min-w-0 flex-col gap-0.5 bg-surface px-4 py-3">
            <p class="stat-label">{label}</p>
            <p class="stat-figure-value">{value}</p>
            <p class="stat-delta truncate" title=compared.clone()>
                {compared.clone()}
            </p>
            <div class="mt-1.5 h-6" inner_html=line></div>
        </div>
    }
    .into_any()
}

/// What asks for somebody to look at it; nothing when nothing does.
fn attention(found: &Attention, span: Span) -> AnyView {
    if found.is_empty() {
        return ().into_any();
    }
    let errors = if found.errors.is_empty() {
        ().into_any()
    } else {
        let table = errors_table(&found.errors, &|row| {
            let status = row.status.to_string();
            let api = row.api_id.map(|api| api.to_string()).unwrap_or_default();
            let pairs = [
                ("span", span.as_str()),
                ("api", &api),
                ("route", row.route.as_deref().unwrap_or_default()),
                ("code", &status),
                ("error", row.error_code.as_deref().unwrap_or_default()),
            ];
            format!("/console/usage{}", urlencoded::query(&pairs))
        });
        view! { <div class="table-scroll" tabindex="0" inner_html=table></div> }.into_any()
    };
    let keys = found
        .failing_keys
        .iter()
        .map(|row| {
            let name = row.name.clone().unwrap_or_else(|| "deleted key".to_owned());
            let id = row.id.clone().unwrap_or_default();
            let pairs = [
                ("span", span.as_str()),
                ("key", id.as_str()),
                ("by", "status"),
            ];
            let href = format!("/console/usage{}", urlencoded::query(&pairs));
            view! {
                <li class="border-t border-line px-4 py-2">
                    "Most calls with "
                    <a class="link-quiet" href=href>
                        {name}
                    </a>
                    {format!(
                        " fail: {} of {}.",
                        format::count(row.errors),
                        format::count(row.calls),
                    )}
                </li>
            }
            .into_any()
        })
        .collect_view();
    let alerts = found
        .alerts
        .iter()
        .map(|alert| {
            view! {
                <li class="border-b border-line px-4 py-2">
                    <span class="pill pill-bad mr-2">"firing"</span>
                    <a class="link-quiet" href="/console/alerts">
                        {alert.rule_name.clone()}
                    </a>
                    <span class="text-muted">
                        {format!(": {}, since {}", alert.summary, format::stamp(alert.fired_at))}
                    </span>
                </li>
            }
            .into_any()
        })
        .collect_view();
    let findings = found
        .findings
        .iter()
        .map(|finding| {
            view! {
                <li class="border-b border-line px-4 py-2">
                    <a class="link-quiet" href="/console/insights?state=open">
                        {finding.summary.clone()}
                    </a>
                    <span class="text-muted">", since " {format::stamp(finding.started_at)}</span>
                </li>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <section class="panel">
            <div class="panel-head">
                {sized(icondata_lu::LuTriangleAlert.data, "size-4 shrink-0 text-warn")}
                <h2>"Look at this"</h2>
                <span class="text-sm text-muted">{format!("Errors and failing keys of the last {}", span.words())}</span>
            </div>
            <ul>{alerts} {findings}</ul>
            {errors}
            <ul>{keys}</ul>
        </section>
    }
    .into_any()
}

/// A row of the ranking of routes: its name leads to what was called there.
fn route_row(row: BreakdownRow, span: Span) -> TopRow {
    let value = row.values.into_iter().next();
    let id = value.as_ref().and_then(|value| {
        let route = value.id.as_deref()?;
        let api = value.api_id.map(|api| api.to_string()).unwrap_or_default();
        let pairs = [
            ("span", span.as_str()),
            ("api", api.as_str()),
            ("route", route),
        ];
        Some(format!("/console/usage{}", urlencoded::query(&pairs)))
    });
    TopRow {
        id,
        name: value.and_then(|value| value.name),
        calls: row.totals.calls,
        errors: row.totals.errors,
        p95_ms: row.totals.p95_ms,
    }
}

/// Who was called most, as bars of their share. `path` and the row's id are its address.
fn ranking(
    title: &'static str,
    path: &'static str,
    rows: &[TopRow],
    nothing: &'static str,
) -> AnyView {
    let most = rows.iter().map(|row| row.calls).max().unwrap_or(0);
    let body = if rows.is_empty() {
        view! { <p class="panel-body text-muted">{nothing}</p> }.into_any()
    } else {
        let rows = rows
            .iter()
            .map(|row| {
                let name = row.name.clone().unwrap_or_else(|| "unknown".to_owned());
                let name = match &row.id {
                    Some(id) => view! {
                        <a class="link-quiet" href=format!("{path}{id}")>
                            {name}
                        </a>
                    }
                    .into_any(),
                    None => view! { <span class="text-muted">{name}</span> }.into_any(),
                };
                let bar = share(row.calls, most);
                view! {
                    <tr>
                        <td class="max-w-28 truncate sm:max-w-48 xl:max-w-32 2xl:max-w-48">{name}</td>
                        <td class="hidden w-1/3 sm:table-cell xl:hidden 2xl:table-cell">
                            <div inner_html=bar></div>
                        </td>
                        <td class="num">{format::count(row.calls)}</td>
                        <td class="num">{format::percent(row.errors, row.calls)}</td>
                        <td class="num">{format::maybe_millis(row.p95_ms)}</td>
                    </tr>
                }
                .into_any()
            })
            .collect_view();
        view! {
            <div class="table-scroll" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"Name"</th>
                            <th class="hidden sm:table-cell xl:hidden 2xl:table-cell">
                                <span class="sr-only">"Share"</span>
                            </th>
                            <th scope="col" class="num">
                                "Calls"
                            </th>
                            <th scope="col" class="num">
                                "Errors"
                            </th>
                            <th scope="col" class="num">
                                "p95"
                            </th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <section class="panel">
            <div class="panel-head">
                <h2>{title}</h2>
            </div>
            {body}
        </section>
    }
    .into_any()
}
