//! One version of an API: where it goes, how it ends, who calls it; and a new one.

use apiverse_contract::policies::PolicyLevel;
use apiverse_contract::versions::{DEFAULT_VERSION, VersionCaller, VersionView};
use apiverse_contract::{ApiId, VersionId};
use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_params_map, use_query_map};

use crate::format;
use crate::forms::{Fields, version as version_form};
use crate::page_context::Page;
use crate::pages::console::policies;
use crate::rpc::policies::PlaceRef;
use crate::rpc::versions::{DeleteFn, OneFn, SaveFn, SaveVersion, VersionDetail, VersionRef};
use crate::rpc::{Loaded, call, load_with, send};
use crate::ui::badge::pill;
use crate::ui::dynamic::when;
use crate::ui::field::{Input, check};
use crate::ui::form::{FormState, Sent};
use crate::ui::load::load_page;
use crate::ui::notice::done_notice;
use crate::ui::page_head::page_head_below;
use crate::ui::skeleton;
use crate::ui::time::ago;
use crate::ui::toast::Toasts;

type Data = Loaded<VersionDetail>;

pub fn create_version() -> AnyView {
    let params = use_params_map();
    let api = params.with_untracked(|map| map.get_str("id").unwrap_or_default().to_owned());
    let path = format!("/console/apis/{api}/versions/new");
    let form = match api.parse::<ApiId>() {
        Ok(api) => fields(api, None, path, None),
        Err(_) => view! { <p class="text-muted">"There is no API with this id."</p> }.into_any(),
    };
    view! {
        <div class="page">
            {page_head_below(("/console/apis", "APIs"), "New version".to_owned(), ().into_any(), ().into_any())}
            {form}
        </div>
    }
    .into_any()
}

pub fn version() -> AnyView {
    let params = use_params_map();
    let which = Memo::new(move |_| {
        params.with(|map| {
            Some(VersionRef {
                api_id: map.get_str("id")?.parse().ok()?,
                id: map.get_str("version")?.parse().ok()?,
            })
        })
    });
    let data = load_with(move || {
        let input = which.get()?;
        Some(OneFn { input })
    });
    view! {
        <div class="page">
            {load_page(data, skeleton::dashboard, move |found| match which.get_untracked() {
                Some(which) => content(found, which, data),
                None => ().into_any(),
            })}
        </div>
    }
    .into_any()
}

fn content(found: VersionDetail, which: VersionRef, data: Data) -> AnyView {
    let VersionDetail {
        api_name,
        api_slug,
        version,
        versioning,
        callers,
    } = found;
    let VersionRef { api_id, id } = which;
    let path = format!("/console/apis/{api_id}/versions/{id}");
    let now = Page::get().now.get_untracked();
    let state = match version_form::state(&version, now) {
        None => pill("pill pill-ok", "Served"),
        Some(state) => pill("pill pill-warn", state),
    };
    let chosen = if version.is_default {
        "by calls that name none".to_owned()
    } else {
        format!(
            "by {}",
            version_form::example(&versioning, &api_slug, &version.name)
        )
    };
    let place = PlaceRef {
        level: PolicyLevel::Version,
        id: Some(id.to_string()),
    };
    let is_own = version.name != DEFAULT_VERSION;
    view! {
        {page_head_below(("/console/apis", "APIs"), version.name.clone(), state, ().into_any())}
        {done_notice(use_query_map())}
        <p class="text-muted">
            "A version of "
            <a class="link-quiet" href=format!("/console/apis/{api_id}")>
                {api_name}
            </a>
            {format!(", chosen {chosen}.")}
        </p>
        {who_calls(callers)}
        {policies::panel(place)}
        {fields(api_id, Some(id), path.clone(), Some((version, data)))}
        {when(is_own, || delete(which, path))}
    }
    .into_any()
}

/// Who still calls it, so that one knows whom an end meets.
fn who_calls(callers: Vec<VersionCaller>) -> AnyView {
    let body = if callers.is_empty() {
        view! { <p class="panel-body text-muted">"Nobody called this version in the last 30 days."</p> }
            .into_any()
    } else {
        let rows = callers
            .into_iter()
            .map(|caller| {
                let name = match (caller.key_id, caller.key_name) {
                    (Some(id), Some(name)) => view! {
                        <a class="link-quiet font-medium" href=format!("/console/keys/{id}")>
                            {name}
                        </a>
                    }
                    .into_any(),
                    (Some(id), None) => view! {
                        <span class="mono">{format::middle(&id.to_string(), 8, 4)}</span>
                    }
                    .into_any(),
                    (None, _) => {
                        view! { <span class="text-muted">"without a valid key"</span> }.into_any()
                    }
                };
                view! {
                    <tr>
                        <td>{name}</td>
                        <td class="text-right num">{format::count(caller.calls)}</td>
                        <td>{ago(caller.last_seen_at)}</td>
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
                            <th scope="col">"Key"</th>
                            <th scope="col" class="text-right">
                                "Calls in 30 days"
                            </th>
                            <th scope="col">"Last seen"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <section class="panel overflow-hidden" id="callers" aria-label="Who calls it">
            <div class="panel-head">
                <h2>"Who calls it"</h2>
            </div>
            {body}
        </section>
    }
    .into_any()
}

/// The form of a version; `id` and `old` are there when one is changed.
fn fields(
    api_id: ApiId,
    id: Option<VersionId>,
    path: String,
    old: Option<(VersionView, Data)>,
) -> AnyView {
    let form = FormState::new("version");
    let navigate = use_navigate();
    let toasts = use_context::<Toasts>();
    let (old, data) = match old {
        Some((version, data)) => (Some(version), Some(data)),
        None => (None, None),
    };
    let save = move |fields: Fields| -> Sent {
        let navigate = navigate.clone();
        Box::pin(async move {
            let input = SaveVersion {
                api_id,
                id,
                fields: fields.0,
            };
            let saved: VersionRef = call(SaveFn { input }).await?;
            if let Some(toasts) = toasts {
                toasts.show("Saved. The gateway follows at once");
            }
            match data {
                Some(data) => data.refetch(),
                None => {
                    let path = format!("/console/apis/{api_id}/versions/{}", saved.id);
                    navigate(&path, NavigateOptions::default());
                }
            }
            Ok(())
        })
    };
    let is_own = old
        .as_ref()
        .is_none_or(|version| version.name != DEFAULT_VERSION);
    let (name, base_url, link) = match &old {
        Some(version) => (
            version.name.as_str(),
            version.base_url.as_str(),
            version.link.as_deref().unwrap_or_default(),
        ),
        None => ("", "", ""),
    };
    let time = |time: Option<DateTime<Utc>>| time.map_or_else(String::new, format::input_minute);
    let deprecated = time(old.as_ref().and_then(|version| version.deprecated_at));
    let sunset = time(old.as_ref().and_then(|version| version.sunset_at));
    let refuses = old
        .as_ref()
        .is_some_and(|version| version.refuse_after_sunset);
    let button = if id.is_some() {
        "Save version"
    } else {
        "Create version"
    };
    view! {
        <form
            method="post"
            action=path
            novalidate
            class="panel w-full max-w-3xl"
            aria-label="Version"
            on:submit=form.on_submit(save)
        >
            <div class="panel-head">
                <h2>"Where it goes, and how it ends"</h2>
            </div>
            <div class="panel-body flex flex-col gap-5">
                {form.head()}
                {if is_own {
                    view! {
                        <div class="grid gap-4 md:grid-cols-2">
                            {Input::mono("name", "Name")
                                .required()
                                .placeholder("v2")
                                .help("What callers write.")
                                .show(form, name)}
                            {Input::mono("base_url", "Base URL")
                                .required()
                                .placeholder("https://api.example.com/v2")
                                .show(form, base_url)}
                        </div>
                    }
                        .into_any()
                } else {
                    view! {
                        <p class="help">"Every API has this version; its base URL is the API's own."</p>
                    }
                        .into_any()
                }} <div class="grid gap-4 md:grid-cols-2">
                    {Input::text("deprecated_at", "Deprecated from")
                        .kind("datetime-local")
                        .help("UTC. Callers read it in Deprecation.")
                        .show(form, &deprecated)}
                    {Input::text("sunset_at", "Ends at")
                        .kind("datetime-local")
                        .help("UTC. Callers read it in Sunset.")
                        .show(form, &sunset)}
                </div>
                {Input::text("link", "Where people read what to do instead")
                    .kind("url")
                    .placeholder("https://docs.example.com/v1-to-v2")
                    .show(form, link)}
                {check(
                    form,
                    "refuse_after_sunset",
                    "true",
                    "Refuse calls after its end",
                    "They are answered 410 version_retired. Otherwise they go on working.",
                    refuses,
                )}
            </div>
            <div class="flex items-center justify-end gap-2 border-t border-line px-4 py-3">
                <a class="btn btn-ghost btn-sm" href=format!("/console/apis/{api_id}")>
                    "Back to the API"
                </a>
                {form.button(button)}
            </div>
        </form>
    }
    .into_any()
}

fn delete(which: VersionRef, path: String) -> AnyView {
    let form = FormState::new("version-delete");
    let navigate = use_navigate();
    let toasts = use_context::<Toasts>();
    let end = move |_: Fields| -> Sent {
        let navigate = navigate.clone();
        Box::pin(async move {
            send(DeleteFn { input: which }).await?;
            if let Some(toasts) = toasts {
                toasts.show("Deleted");
            }
            navigate(
                &format!("/console/apis/{}", which.api_id),
                NavigateOptions::default(),
            );
            Ok(())
        })
    };
    view! {
        <form
            method="post"
            action=path
            class="panel flex w-full max-w-3xl flex-wrap items-center justify-between gap-3 p-4"
            on:submit=form.on_submit(end)
        >
            <div class="flex flex-col gap-1">
                <h2>"Delete"</h2>
                <p class="text-muted">
                    "Its policies go with it. Calls that name it are no longer understood."
                </p>
                {form.head()}
            </div>
            {form.button_with_class("Delete version", "btn btn-outline btn-error btn-sm")}
        </form>
    }
    .into_any()
}
