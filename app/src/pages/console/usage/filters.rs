//! The choices above the page, and what else it is narrowed to.

use apiverse_contract::usage::{StatusClass, UsageReport};
use leptos::prelude::*;

use super::filter::{Filter, PATH, PLAIN};
use crate::format;
use crate::rpc::usage::UsageView;
use crate::ui::filter_form::{choice, filter_form, named, range};
use crate::ui::icon::icon;

/// What has no choice in the form: it is set by a row of the breakdown and shown as a chip.
const CHIPS: [(&str, &str); 6] = [
    ("route", "Route"),
    ("version", "Version"),
    ("method", "Method"),
    ("code", "Status"),
    ("error", "Refused as"),
    ("cache", "Cache"),
];

/// What is chosen, what it is narrowed to beside, and the way back to all.
pub fn filters(filter: &Filter, data: &UsageView) -> AnyView {
    let classes = StatusClass::ALL
        .into_iter()
        .map(|class| (class.as_str().to_owned(), class.as_str().to_owned()))
        .collect();
    let is_custom = filter.custom().is_some();
    let fields = view! {
        {kept(filter, is_custom)} {choice("api", "API", "All APIs", named(&data.apis), filter.get("api"))}
        {choice("key", "Key", "All keys", named(&data.keys), filter.get("key"))}
        {choice("status", "Status", "Every status", classes, filter.get("status"))}
        {time(filter, &data.usage)} {zone_link()} {chips(filter, data)}
        {(filter.is_narrow() || is_custom)
            .then(|| {
                view! {
                    <a class="btn btn-ghost btn-sm font-normal" href=PLAIN>
                        {icon(icondata_lu::LuX.data)}
                        "Clear"
                    </a>
                }
                    .into_any()
            })}
    }
    .into_any();
    filter_form(PATH, fields)
}

/// What the form does not show stays as it is.
fn kept(filter: &Filter, is_custom: bool) -> AnyView {
    let shown = ["api", "key", "status", "from", "to"];
    let span = if is_custom { "" } else { filter.span.as_str() };
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

/// What times are in, and where that is chosen.
fn zone_link() -> AnyView {
    let name = crate::zone::name();
    view! {
        <a
            class="link-quiet self-center text-sm text-muted"
            href="/console/settings#time-zone"
            title="Times are in this zone"
        >
            {name}
        </a>
    }
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

fn time(filter: &Filter, usage: &UsageReport) -> AnyView {
    let custom = filter.custom();
    let (from, to) = custom.unwrap_or((usage.from, usage.to));
    let shown = |at| {
        if custom.is_some() {
            format::local_minute(at)
        } else {
            String::new()
        }
    };
    let words = if custom.is_some() {
        format!(
            "{} {} – {}",
            format::day(from),
            format::clock(from),
            format::moment(to)
        )
    } else {
        "Other range".to_owned()
    };
    range(words, shown(from), shown(to))
}
