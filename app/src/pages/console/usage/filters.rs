//! The choices above the page, and what else it is narrowed to.

use apiverse_contract::usage::{StatusClass, UsageReport};
use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos::web_sys;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use wasm_bindgen::JsCast;

use super::filter::{Filter, PATH};
use crate::browser;
use crate::format;
use crate::rpc::Named;
use crate::rpc::usage::{Span, UsageView};
use crate::ui::dynamic::on;
use crate::ui::icon::icon;
use crate::urlencoded;

/// What has no choice in the form: it is set by a row of the breakdown and shown as a chip.
const CHIPS: [(&str, &str); 6] = [
    ("route", "Route"),
    ("version", "Version"),
    ("method", "Method"),
    ("code", "Status"),
    ("error", "Refused as"),
    ("cache", "Cache"),
];

/// A plain GET form: it works without a script, and with one it applies at every choice.
pub fn filters(filter: &Filter, data: &UsageView) -> AnyView {
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
    let named = |all: &[Named]| {
        all.iter()
            .map(|named| (named.id.clone(), named.name.clone()))
            .collect::<Vec<_>>()
    };
    let classes = StatusClass::ALL
        .into_iter()
        .map(|class| (class.as_str().to_owned(), class.as_str().to_owned()))
        .collect();
    let is_custom = filter.custom().is_some();
    view! {
        <form
            method="get"
            action=PATH
            class="flex flex-wrap items-end gap-x-3 gap-y-2"
            on:submit=on(on_submit)
            on:change=on(on_change)
        >
            {kept(filter, is_custom)} {choice("api", "API", "All APIs", named(&data.apis), filter.get("api"))}
            {choice("key", "Key", "All keys", named(&data.keys), filter.get("key"))}
            {choice("status", "Status", "Every status", classes, filter.get("status"))}
            {range(filter, &data.usage)} {chips(filter, data)}
            {(filter.is_narrow() || is_custom)
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

/// What the form does not show stays as it is.
fn kept(filter: &Filter, is_custom: bool) -> AnyView {
    let shown = ["api", "key", "status", "from", "to"];
    let span = if is_custom || filter.span == Span::default() {
        ""
    } else {
        filter.span.as_str()
    };
    let mut pairs: Vec<(&str, &str)> = filter.without_time();
    pairs.push(("span", span));
    pairs
        .into_iter()
        .filter(|(name, value)| !shown.contains(name) && !value.is_empty())
        .map(|(name, value)| {
            let (name, value) = (name.to_owned(), value.to_owned());
            view! { <input type="hidden" name=name value=value /> }.into_any()
        })
        .collect_view()
        .into_any()
}

fn chips(filter: &Filter, data: &UsageView) -> AnyView {
    CHIPS
        .into_iter()
        .filter(|(name, _)| !filter.get(name).is_empty())
        .map(|(name, title)| {
            let found = match name {
                "route" => data.route.as_deref(),
                "version" => data.version.as_deref(),
                _ => None,
            };
            let value = found.unwrap_or_else(|| filter.get(name)).to_owned();
            let href = filter.with(&[(name, "")]);
            let words = format!("{title} {value}: take this filter away");
            view! {
                <a
                    class="btn btn-outline btn-sm max-w-72 font-normal"
                    href=href
                    aria-label=words
                >
                    <span class="text-muted">{title}</span>
                    <span class="truncate">{value}</span>
                    {icon(icondata_lu::LuX.data)}
                </a>
            }
            .into_any()
        })
        .collect_view()
        .into_any()
}

fn range(filter: &Filter, usage: &UsageReport) -> AnyView {
    let custom = filter.custom();
    let (from, to) = custom.unwrap_or((usage.from, usage.to));
    let shown = |at| {
        if custom.is_some() {
            format::input_minute(at)
        } else {
            String::new()
        }
    };
    let words = if custom.is_some() {
        format!(
            "{} {} – {} {} UTC",
            format::day(from),
            format::clock(from),
            format::day(to),
            format::clock(to)
        )
    } else {
        "Other range".to_owned()
    };
    view! {
        <details class="dropdown" data-menu="">
            <summary class="btn btn-outline btn-sm font-normal">
                {icon(icondata_lu::LuCalendarRange.data)} {words}
            </summary>
            <div class="dropdown-content z-20 mt-1 flex w-64 flex-col gap-3 p-3">
                {minute("from", "From (UTC)", shown(from))} {minute("to", "To (UTC)", shown(to))}
                <button type="submit" class="btn btn-primary btn-sm">
                    "Show this range"
                </button>
            </div>
        </details>
    }
    .into_any()
}

/// A choice of a filter; the empty one means all.
pub fn choice(
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
