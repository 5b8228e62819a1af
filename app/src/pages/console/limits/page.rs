//! The organization's limits, and what holds for a call.

use apiverse_contract::limits::{EffectiveQuery, PolicyScope};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;

use super::{panel, rows};
use crate::rpc::limits::{CallFn, CallLimits, LimitsRef, ViewFn};
use crate::rpc::{Named, load_with};
use crate::ui::load::load;
use crate::ui::notice::done_notice;
use crate::ui::page_head::page_head;
use crate::ui::skeleton;

const PATH: &str = "/console/limits";
const ORGANIZATION: LimitsRef = LimitsRef {
    scope: PolicyScope::Organization,
    id: None,
    api_id: None,
};

pub fn limits() -> AnyView {
    let map = use_query_map();
    let asked = Memo::new(move |_| map.with(read));
    let data = load_with(move || Some(CallFn { input: asked.get() }));
    let own = load_with(|| {
        Some(ViewFn {
            input: ORGANIZATION,
        })
    });
    let reload = Callback::new(move |()| {
        own.refetch();
        data.refetch();
    });
    view! {
        <div class="page">
            {page_head("Limits", ().into_any())} {done_notice(map)}
            {load(own, skeleton::table, move |view| panel(ORGANIZATION, PATH.to_owned(), view, reload))}
            <section class="panel" aria-label="What holds for a call">
                <div class="panel-head">
                    <h2>"What holds for a call"</h2>
                    <span class="text-sm text-muted">"All of them apply at once"</span>
                </div>
                {load(data, skeleton::rows, move |found| content(found, &asked.get_untracked()))}
            </section>
        </div>
    }
    .into_any()
}

/// Ids that are none are left out, as for a stale bookmark.
fn read(map: &ParamsMap) -> EffectiveQuery {
    let text = |name: &str| {
        map.get_str(name)
            .map(str::trim)
            .filter(|text| !text.is_empty())
    };
    let api_id = text("api").and_then(|id| id.parse().ok());
    // A path is one of an API.
    let path = text("path").filter(|_| api_id.is_some());
    EffectiveQuery {
        api_id,
        key_id: text("key").and_then(|id| id.parse().ok()),
        method: text("method").filter(|_| path.is_some()).map(str::to_owned),
        path: path.map(|path| format!("/{}", path.trim_start_matches('/'))),
    }
}

fn content(found: CallLimits, asked: &EffectiveQuery) -> AnyView {
    let CallLimits {
        route,
        rows,
        apis,
        keys,
    } = found;
    let api = asked.api_id.map(|id| id.to_string());
    let key = asked.key_id.map(|id| id.to_string());
    let path = asked.path.clone().unwrap_or_default();
    let method = asked.method.clone().unwrap_or_else(|| "GET".to_owned());
    let route = match (route, path.is_empty()) {
        (Some(name), _) => format!("The route {name} matches."),
        (None, false) => "No route of the API matches.".to_owned(),
        (None, true) => String::new(),
    };
    let list = if rows.is_empty() {
        view! { <p class="panel-body text-muted">"Nothing limits such a call."</p> }.into_any()
    } else {
        rows::table(rows, &|_| ().into_any())
    };
    view! {
        <form method="get" action=PATH class="flex flex-wrap items-end gap-3 border-b border-line px-4 py-3">
            {choice("api", "To", "Any API", apis, api.as_deref())}
            {choice("key", "With", "Any key", keys, key.as_deref())}
            {field("method", "Method", "GET", method, "input input-sm mono w-24")}
            {field("path", "Path below the API", "/users/42", path, "input input-sm mono w-48")}
            <button type="submit" class="btn btn-outline btn-sm">
                "Look"
            </button>
            <p class="help basis-full empty:hidden">{route}</p>
        </form>
        {list}
    }
    .into_any()
}

fn choice(
    name: &'static str,
    label: &'static str,
    any: &'static str,
    options: Vec<Named>,
    chosen: Option<&str>,
) -> AnyView {
    let options = options
        .into_iter()
        .map(|option| {
            let selected = chosen == Some(option.id.as_str());
            view! {
                <option value=option.id selected=selected>
                    {option.name}
                </option>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <label class="flex flex-col gap-1">
            <span class="text-xs text-muted">{label}</span>
            <select name=name class="select select-sm w-44 truncate">
                <option value="">{any}</option>
                {options}
            </select>
        </label>
    }
    .into_any()
}

fn field(
    name: &'static str,
    label: &'static str,
    placeholder: &'static str,
    value: String,
    class: &'static str,
) -> AnyView {
    view! {
        <label class="flex flex-col gap-1">
            <span class="text-xs text-muted">{label}</span>
            <input
                name=name
                class=class
                placeholder=placeholder
                value=value
                spellcheck="false"
                autocomplete="off"
            />
        </label>
    }
    .into_any()
}
