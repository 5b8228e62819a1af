//! The list of APIs.

use apiverse_contract::ListQuery;
use apiverse_contract::Page;
use apiverse_contract::apis::{ApiView, AuthType};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::rpc::apis::List;
use crate::rpc::load_with;
use crate::ui::badge::api_state;
use crate::ui::dynamic::when;
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::page_head::page_head;
use crate::ui::pager::pager;
use crate::ui::search::search;
use crate::ui::skeleton;
use crate::ui::time::ago;

const PATH: &str = "/console/apis";

pub fn list() -> AnyView {
    let map = use_query_map();
    let asked = Memo::new(move |_| {
        map.with(|map| ListQuery {
            limit: None,
            cursor: map.get("cursor"),
            q: map.get("q").filter(|q| !q.trim().is_empty()),
        })
    });
    let data = load_with(move || Some(List { input: asked.get() }));
    view! {
        <div class="page">
            {page_head(
                "APIs",
                view! {
                    <a class="btn btn-primary btn-sm" href="/console/apis/new">
                        {icon(icondata_lu::LuPlus.data)}
                        "New API"
                    </a>
                }
                    .into_any(),
            )}
            {search(PATH, "Search APIs", map.with_untracked(|map| map.get("q")))}
            {load(data, skeleton::table, move |page| content(page, &asked.get_untracked()))}
        </div>
    }
    .into_any()
}

fn content(page: Page<ApiView>, asked: &ListQuery) -> AnyView {
    let q = asked.q.as_deref().unwrap_or_default();
    if page.data.is_empty() {
        return if q.is_empty() {
            nothing_yet()
        } else {
            nothing_found(q)
        };
    }
    let next = page.next_cursor.clone();
    let rows = page.data.into_iter().map(row).collect_view();
    view! {
        <section class="panel overflow-hidden" aria-label="APIs">
            <div class="table-scroll" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"Name"</th>
                            <th scope="col">"Slug"</th>
                            <th scope="col">"Base URL"</th>
                            <th scope="col">"Signs in with"</th>
                            <th scope="col">"State"</th>
                            <th scope="col">"Created"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            {pager(PATH, &[("q", q)], asked.cursor.as_deref(), next.as_deref())}
        </section>
    }
    .into_any()
}

fn row(api: ApiView) -> AnyView {
    let href = format!("{PATH}/{}", api.id);
    view! {
        <tr>
            <td class="max-w-64 truncate">
                <a class="font-medium hover:underline" href=href>
                    {api.name}
                </a>
                {when(api.is_sample, || view! { <span class="pill ml-2">"sample"</span> }.into_any())}
            </td>
            <td class="mono">{api.slug}</td>
            <td class="mono max-w-80 truncate text-muted" title=api.base_url.clone()>
                {api.base_url.clone()}
            </td>
            <td>{auth_name(api.auth_type)}</td>
            <td>{api_state(api.is_active)}</td>
            <td>{ago(api.created_at)}</td>
        </tr>
    }
    .into_any()
}

/// An authentication type in words.
pub fn auth_name(kind: AuthType) -> &'static str {
    match kind {
        AuthType::None => "Nothing",
        AuthType::ApiKey => "API key",
        AuthType::Bearer => "Bearer token",
        AuthType::Basic => "User and password",
        AuthType::Oauth2 => "OAuth 2",
    }
}

fn nothing_yet() -> AnyView {
    view! {
        <div class="panel empty">
            {icon(icondata_lu::LuWaypoints.data)} <h2>"No APIs yet"</h2>
            <p class="max-w-md">
                "An API is an address you run or buy, with the credentials it asks for. Consumers reach it "
                "through the gateway with a key of yours."
            </p>
            <a class="btn btn-primary btn-sm mt-2" href="/console/apis/new">
                "Register an API"
            </a>
        </div>
    }
    .into_any()
}

fn nothing_found(q: &str) -> AnyView {
    view! {
        <div class="panel empty">
            {icon(icondata_lu::LuSearch.data)} <h2>{format!("Nothing matches \u{201c}{q}\u{201d}")}</h2>
            <p>"Names, slugs and addresses are searched."</p>
            <a class="btn btn-outline btn-sm mt-2" href=PATH>
                "Show all"
            </a>
        </div>
    }
    .into_any()
}
