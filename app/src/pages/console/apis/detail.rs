//! One API: its figures, how to call it, its settings.

use apiverse_contract::ApiId;
use apiverse_contract::apis::ApiView;
use apiverse_contract::limits::PolicyScope;
use apiverse_contract::policies::PolicyLevel;
use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};

use super::danger::{delete, switch};
use super::fields::fields;
use super::list::auth_name;
use super::routes::routes;
use super::snippets::snippets;
use super::versions::versions;
use crate::format;
use crate::forms::{Fields, api};
use crate::page_context::Page;
use crate::pages::console::calls::{Columns, Inspector, calls_table, no_calls};
use crate::pages::console::limits::panel;
use crate::pages::console::policies;
use crate::pages::console::series::calls_and_latency;
use crate::rpc::apis::{ApiDetail, ApiRef, Detail, Update, UpdateApi};
use crate::rpc::limits::LimitsRef;
use crate::rpc::policies::PlaceRef;
use crate::rpc::{Loaded, Private, load_with, send};
use crate::ui::badge::api_state;
use crate::ui::chart::{ChartState, chart};
use crate::ui::code::mono_copy;
use crate::ui::form::{FormState, Sent, unreadable};
use crate::ui::icon::icon;
use crate::ui::load::load_page;
use crate::ui::notice::done_notice;
use crate::ui::page_head::page_head_below;
use crate::ui::skeleton;
use crate::ui::toast::Toasts;

/// The resource a page about one API lives from.
pub type Data = Loaded<ApiDetail>;

pub fn detail() -> AnyView {
    let params = use_params_map();
    let id = Memo::new(move |_| {
        params.with(|map| map.get_str("id").and_then(|id| id.parse::<ApiId>().ok()))
    });
    let data = load_with(move || {
        let input = ApiRef { id: id.get()? };
        Some(Detail { input })
    });
    let state = ChartState::new();
    let inspector = Inspector::new();
    view! {
        <div class="page">
            {load_page(data, skeleton::dashboard, move |found| {
                content(found, data, state, inspector)
            })} {inspector.view()}
        </div>
    }
    .into_any()
}

fn content(found: ApiDetail, data: Data, state: ChartState, inspector: Inspector) -> AnyView {
    let ApiDetail {
        api,
        usage,
        keys,
        calls,
        limits,
    } = found;
    let explore = format!("/console/explorer?api={}", api.id);
    let all_calls = format!("/console/usage?api={}", api.id);
    let base = Page::get().gateway_base();
    let totals = usage.totals;
    let list = if calls.is_empty() {
        no_calls("The first call shows up here within two seconds.")
    } else {
        calls_table(
            calls,
            Columns {
                without_api: true,
                ..Columns::default()
            },
            inspector,
        )
    };
    let place = PlaceRef {
        level: PolicyLevel::Api,
        id: Some(api.id.to_string()),
    };
    let callers = keys.len() as u64;
    let target = LimitsRef {
        scope: PolicyScope::Api,
        id: Some(api.id.to_string()),
        api_id: None,
    };
    let path = format!("/console/apis/{}", api.id);
    let reload = Callback::new(move |()| data.refetch());
    let limits = panel(target, path, limits, reload);
    view! {
        {page_head_below(
            ("/console/apis", "APIs"),
            api.name.clone(),
            api_state(api.is_active),
            view! {
                <a class="btn btn-outline btn-sm" href=explore>
                    {icon(icondata_lu::LuSquareTerminal.data)}
                    "Try it"
                </a>
            }
                .into_any(),
        )}
        {done_notice(use_query_map())}
        {facts(&api, &base)}
        <div class="grid items-start gap-4 lg:grid-cols-[1fr_26rem]">
            <div class="flex min-w-0 flex-col gap-4">
                <section class="panel">
                    <div class="panel-head">
                        <h2>"Last 24 hours"</h2>
                        <span class="text-sm text-muted num">
                            {format!(
                                "{}, {} errors, p95 {}",
                                format::plural(totals.calls, "call", "calls"),
                                format::percent(totals.errors, totals.calls),
                                format::maybe_millis(totals.p95_ms),
                            )}
                        </span>
                    </div>
                    <div class="panel-body">{chart(calls_and_latency("api", &usage, 150), state)}</div>
                </section>
                <section class="panel">
                    <div class="panel-head">
                        <h2>"Latest calls"</h2>
                        <a class="link-quiet text-sm" href=all_calls>
                            "All calls"
                        </a>
                    </div>
                    {list}
                </section>
                {routes(api.id)} {versions(api.id, api.slug.clone())} {policies::panel(place)} {limits} {settings(&api, data)}
            </div>
            <div class="flex min-w-0 flex-col gap-4">
                <section class="panel">
                    <div class="panel-head">
                        <h2>"Call it"</h2>
                    </div>
                    <div class="panel-body">{snippets(&base, &api.slug)}</div>
                </section>
                {switch(&api, data)} {delete(&api, totals.calls, callers)}
            </div>
        </div>
    }
    .into_any()
}

fn facts(api: &ApiView, base: &str) -> AnyView {
    let url = format!("{base}/proxy/{}", api.slug);
    let id = api.id.to_string();
    let fact = |term: &'static str, value: AnyView| {
        view! {
            <div class="flex min-w-0 flex-col">
                <dt class="text-xs text-muted">{term}</dt>
                <dd class="min-w-0 truncate">{value}</dd>
            </div>
        }
        .into_any()
    };
    view! {
        {api.description.clone().map(|text| view! { <p class="max-w-3xl text-muted">{text}</p> }.into_any())}
        <dl class="flex flex-wrap gap-x-8 gap-y-2 text-sm">
            {fact("Gateway address", mono_copy(url.clone(), url, "address"))}
            {fact("Upstream", view! { <span class="mono">{api.base_url.clone()}</span> }.into_any())}
            {fact("Targets", view! { <a class="link-quiet" href=format!("/console/targets/{id}")>"How they are"</a> }.into_any())}
            {fact("Signs in with", auth_name(api.auth_type).into_any())}
            {fact("Id", mono_copy(id.clone(), format::middle(&id, 8, 4), "id"))}
        </dl>
    }
    .into_any()
}

fn settings(api: &ApiView, data: Data) -> AnyView {
    let form = FormState::new("api-edit");
    let id = api.id;
    let toasts = use_context::<Toasts>();
    let save = move |fields: Fields| -> Sent {
        Box::pin(async move {
            let changes = api::patch(&fields).map_err(unreadable)?;
            let input = Private(UpdateApi { id, changes });
            send(Update { input }).await?;
            if let Some(toasts) = toasts {
                toasts.show("Saved. The gateway follows at once");
            }
            data.refetch();
            Ok(())
        })
    };
    view! {
        <form
            id="settings"
            method="post"
            action=format!("/console/apis/{id}")
            novalidate
            class="panel"
            on:submit=form.on_submit(save)
        >
            <div class="panel-head">
                <h2>"Settings"</h2>
            </div>
            <div class="panel-body flex flex-col gap-5">{form.head()} {fields(form, Some(api))}</div>
            <div class="flex items-center justify-end border-t border-line px-4 py-3">
                {form.button("Save changes")}
            </div>
        </form>
    }
    .into_any()
}
