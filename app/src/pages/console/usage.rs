//! Usage: a range in detail, with filters that live in the address.

use apiverse_contract::usage::{StatusClass, UsageQuery, UsageReport};
use chrono::{DateTime, Duration, Utc};
use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos::web_sys;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};
use leptos_router::params::ParamsMap;
use wasm_bindgen::JsCast;

use super::calls::{Columns, Inspector, calls_table, no_calls};
use super::series::calls_and_latency;
use crate::browser;
use crate::format;
use crate::page_context::Page;
use crate::rpc::usage::{Report, Span, UsageView};
use crate::rpc::{Named, load_with};
use crate::ui::chart::{ChartState, chart};
use crate::ui::dynamic::{dynamic, on};
use crate::ui::icon::icon;
use crate::ui::live::on_new_calls;
use crate::ui::load::load;
use crate::ui::page_head::page_head;
use crate::ui::pager::pager;
use crate::ui::skeleton;
use crate::ui::span::span_picker;
use crate::urlencoded;

const PATH: &str = "/console/usage";

/// The address' query: a span up to now, or a range of its own.
#[derive(Clone, Default, PartialEq)]
struct Filter {
    span: Span,
    from: String,
    to: String,
    api: String,
    key: String,
    status: String,
    cursor: String,
}

impl Filter {
    fn read(map: &ParamsMap) -> Self {
        let text = |name: &str| map.get_str(name).unwrap_or_default().to_owned();
        Self {
            span: Span::parse(&text("span")).unwrap_or_default(),
            from: text("from"),
            to: text("to"),
            api: text("api"),
            key: text("key"),
            status: text("status"),
            cursor: text("cursor"),
        }
    }

    fn custom(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let from = format::parse_input_minute(&self.from)?;
        let to = format::parse_input_minute(&self.to)?;
        (from < to).then_some((from, to))
    }

    /// Ids that are none are left out: the page shows more, never an error for a stale bookmark.
    fn query(&self, now: DateTime<Utc>) -> UsageQuery {
        let (from, to) = match self.custom() {
            Some((from, to)) => (from, Some(to)),
            None => (now - Duration::seconds(self.span.seconds()), None),
        };
        UsageQuery {
            api_id: self.api.parse().ok(),
            key_id: self.key.parse().ok(),
            status: StatusClass::ALL
                .into_iter()
                .find(|class| class.as_str() == self.status),
            from: Some(from),
            to,
            cursor: Some(self.cursor.clone()).filter(|cursor| !cursor.is_empty()),
            ..UsageQuery::default()
        }
    }

    /// What of the address stays when the list is leafed through.
    fn pairs(&self) -> Vec<(&str, &str)> {
        let mut pairs = self.narrowing();
        if self.custom().is_some() {
            pairs.push(("from", &self.from));
            pairs.push(("to", &self.to));
        } else if self.span != Span::default() {
            pairs.push(("span", self.span.as_str()));
        }
        pairs
    }

    /// What of the address stays when another span is chosen.
    fn narrowing(&self) -> Vec<(&str, &str)> {
        vec![
            ("api", &self.api),
            ("key", &self.key),
            ("status", &self.status),
        ]
    }

    fn is_narrow(&self) -> bool {
        self.narrowing().iter().any(|(_, value)| !value.is_empty())
    }
}

pub fn usage() -> AnyView {
    let map = use_query_map();
    let filter = Memo::new(move |_| map.with(Filter::read));
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
    let state = ChartState::new();
    let inspector = Inspector::new();
    let picker = move || {
        filter.with(|filter| {
            let span = filter.custom().is_none().then_some(filter.span);
            span_picker(PATH, span, &filter.narrowing())
        })
    };
    view! {
        <div class="page">
            {page_head("Usage", dynamic(picker))}
            {load(data, skeleton::dashboard, move |data| {
                content(data, &filter.get_untracked(), state, inspector)
            })} {inspector.view()}
        </div>
    }
    .into_any()
}

fn content(data: UsageView, filter: &Filter, state: ChartState, inspector: Inspector) -> AnyView {
    let UsageView {
        usage,
        calls,
        apis,
        keys,
    } = data;
    let next = calls.next_cursor.clone();
    let list = if calls.data.is_empty() {
        no_calls("Nothing went through the gateway in this range with these filters.")
    } else {
        calls_table(calls.data, Columns::default(), inspector)
    };
    let cursor = Some(filter.cursor.as_str()).filter(|cursor| !cursor.is_empty());
    view! {
        <div class="flex flex-col gap-4">
            {filters(filter, apis, keys, &usage)} {totals(&usage)}
            <section class="panel" aria-label="Calls and latency">
                <div class="panel-body">{chart(calls_and_latency("usage", &usage, 220), state)}</div>
            </section>
            <section class="panel">
                <div class="panel-head">
                    <h2>"Calls"</h2>
                    <span class="text-sm text-muted">"Newest first"</span>
                </div>
                {list}
                {pager(PATH, &filter.pairs(), cursor, next.as_deref())}
            </section>
        </div>
    }
    .into_any()
}

/// A plain GET form: it works without a script, and with one it applies at every choice.
fn filters(filter: &Filter, apis: Vec<Named>, keys: Vec<Named>, usage: &UsageReport) -> AnyView {
    let navigate = use_navigate();
    let apply = move |form: &web_sys::HtmlFormElement| {
        let fields = browser::form_fields(form);
        let pairs: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let options = NavigateOptions {
            scroll: false,
            ..NavigateOptions::default()
        };
        navigate(&format!("{PATH}{}", urlencoded::query(&pairs)), options);
    };
    let on_submit = {
        let apply = apply.clone();
        move |ev: SubmitEvent| {
            ev.prevent_default();
            let form = ev
                .target()
                .and_then(|target| target.dyn_into::<web_sys::HtmlFormElement>().ok());
            if let Some(form) = form {
                apply(&form);
            }
        }
    };
    let on_change = move |ev: leptos::ev::Event| {
        let select = ev
            .target()
            .and_then(|target| target.dyn_into::<web_sys::HtmlSelectElement>().ok());
        if let Some(form) = select.and_then(|select| select.form()) {
            apply(&form);
        }
    };
    let named = |all: Vec<Named>| {
        all.into_iter()
            .map(|named| (named.id, named.name))
            .collect::<Vec<_>>()
    };
    let classes = StatusClass::ALL
        .into_iter()
        .map(|class| (class.as_str().to_owned(), class.as_str().to_owned()))
        .collect();
    let custom = filter.custom();
    let (from, to) = custom.unwrap_or((usage.from, usage.to));
    view! {
        <form
            method="get"
            action=PATH
            class="flex flex-wrap items-end gap-x-3 gap-y-2"
            on:submit=on(on_submit)
            on:change=on(on_change)
        >
            {custom
                .is_none()
                .then(|| {
                    let span = if filter.span == Span::default() { "" } else { filter.span.as_str() };
                    view! { <input type="hidden" name="span" value=span /> }.into_any()
                })}
            {choice("api", "API", "All APIs", named(apis), &filter.api)}
            {choice("key", "Key", "All keys", named(keys), &filter.key)}
            {choice("status", "Status", "Every status", classes, &filter.status)}
            <details class="dropdown" data-menu="">
                <summary class="btn btn-outline btn-sm font-normal">
                    {icon(icondata_lu::LuCalendarRange.data)}
                    {if custom.is_some() {
                        format!("{} {} – {} {} UTC", format::day(from), format::clock(from), format::day(to), format::clock(to))
                    } else {
                        "Other range".to_owned()
                    }}
                </summary>
                <div class="dropdown-content z-20 mt-1 flex w-64 flex-col gap-3 p-3">
                    {minute("from", "From (UTC)", if custom.is_some() { format::input_minute(from) } else { String::new() })}
                    {minute("to", "To (UTC)", if custom.is_some() { format::input_minute(to) } else { String::new() })}
                    <button type="submit" class="btn btn-primary btn-sm">
                        "Show this range"
                    </button>
                </div>
            </details>
            {(filter.is_narrow() || custom.is_some())
                .then(|| {
                    view! {
                        <a class="btn btn-ghost btn-sm font-normal" href=PATH>
                            {icon(icondata_lu::LuX.data)}
                            "Clear"
                        </a>
                    }
                        .into_any()
                })}
            <noscript inner_html=r#"<button type="submit" class="btn btn-outline btn-sm">Apply</button>"#></noscript>
        </form>
    }
    .into_any()
}

fn choice(
    name: &'static str,
    label: &'static str,
    all: &'static str,
    options: Vec<(String, String)>,
    current: &str,
) -> AnyView {
    let options = options
        .into_iter()
        .map(|(value, text)| {
            let selected = value == current;
            view! {
                <option value=value selected=selected>
                    {text}
                </option>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <label class="flex w-full flex-col gap-1 sm:w-auto">
            <span class="text-xs text-muted">{label}</span>
            <select name=name class="select select-sm w-full sm:w-44">
                <option value="">{all}</option>
                {options}
            </select>
        </label>
    }
    .into_any()
}

fn minute(name: &'static str, label: &'static str, value: String) -> AnyView {
    view! {
        <label class="flex flex-col gap-1">
            <span class="text-xs text-muted">{label}</span>
            <input type="datetime-local" name=name class="input input-sm w-full" value=value />
        </label>
    }
    .into_any()
}

fn totals(usage: &UsageReport) -> AnyView {
    let totals = &usage.totals;
    let figure = |label: &'static str, value: String, note: String| {
        view! {
            <div class="min-w-0 bg-surface px-4 py-3">
                <p class="stat-label">{label}</p>
                <p class="text-lg font-semibold num">{value}</p>
                <p class="stat-delta truncate">{note}</p>
            </div>
        }
        .into_any()
    };
    view! {
        <section
            aria-label="Totals"
            class="grid grid-cols-2 gap-px overflow-hidden rounded-box border border-line bg-line sm:grid-cols-3 lg:grid-cols-6"
        >
            {figure("Calls", format::count(totals.calls), format!("{} refused here", format::count(totals.refused)))}
            {figure("Errors", format::count(totals.errors), format::percent(totals.errors, totals.calls))}
            {figure("p50", format::maybe_millis(totals.p50_ms), "half are faster".to_owned())}
            {figure("p95", format::maybe_millis(totals.p95_ms), "19 of 20 are faster".to_owned())}
            {figure("p99", format::maybe_millis(totals.p99_ms), "99 of 100 are faster".to_owned())}
            {figure(
                "Transferred",
                format::bytes(totals.bytes_in + totals.bytes_out),
                format!("{} in, {} out", format::bytes(totals.bytes_in), format::bytes(totals.bytes_out)),
            )}
        </section>
    }
    .into_any()
}
