//! The list of keys.

use apiverse_contract::keys::{ApiKeyView, KeyStatus};
use apiverse_contract::{ListQuery, Page};
use leptos::ev::MouseEvent;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};

use super::reveal::reveal;
use super::revoke::revoke_dialog;
use super::rotate::rotate_dialog;
use crate::rpc::keys::List;
use crate::rpc::load_with;
use crate::ui::badge::{environment, key_status};
use crate::ui::code::mono_copy;
use crate::ui::dynamic::{on, when};
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::page_head::page_head;
use crate::ui::pager::pager;
use crate::ui::search::search;
use crate::ui::skeleton;
use crate::ui::time::{maybe_ago, until};

const PATH: &str = "/console/keys";

/// Which key a dialog is about. The dialogs belong to the page, the rows only open them.
#[derive(Clone, Copy)]
struct Acting {
    revoke: RwSignal<Option<ApiKeyView>>,
    rotate: RwSignal<Option<ApiKeyView>>,
}

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
    let acting = Acting {
        revoke: RwSignal::new(None),
        rotate: RwSignal::new(None),
    };
    let created = RwSignal::new(None);
    let navigate = use_navigate();
    view! {
        <div class="page">
            {page_head(
                "Keys",
                view! {
                    <a class="btn btn-primary btn-sm" href="/console/keys/new">
                        {icon(icondata_lu::LuPlus.data)}
                        "New key"
                    </a>
                }
                    .into_any(),
            )}
            {search(PATH, "Search keys", map.with_untracked(|map| map.get("q")))}
            {load(data, skeleton::table, move |page| content(page, &asked.get_untracked(), acting))}
            {revoke_dialog(acting.revoke, move || data.refetch())}
            {rotate_dialog(acting.rotate, created)}
            {reveal(created, move |href| navigate(&href, NavigateOptions::default()))}
        </div>
    }
    .into_any()
}

fn content(page: Page<ApiKeyView>, asked: &ListQuery, acting: Acting) -> AnyView {
    let q = asked.q.as_deref().unwrap_or_default();
    if page.data.is_empty() {
        return if q.is_empty() {
            nothing_yet()
        } else {
            nothing_found(q)
        };
    }
    let next = page.next_cursor.clone();
    let rows = page
        .data
        .into_iter()
        .map(|key| row(key, acting))
        .collect_view();
    view! {
        <section class="panel overflow-hidden" aria-label="Keys">
            <div class="table-scroll" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"Name"</th>
                            <th scope="col">"Status"</th>
                            <th scope="col">"Environment"</th>
                            <th scope="col">"Key"</th>
                            <th scope="col">"Limited to"</th>
                            <th scope="col">"Last used"</th>
                            <th scope="col">"Expires"</th>
                            <th scope="col">
                                <span class="sr-only">"Actions"</span>
                            </th>
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

fn row(key: ApiKeyView, acting: Acting) -> AnyView {
    let href = format!("{PATH}/{}", key.id);
    let expires = match key.expires_at {
        Some(at) => until(at),
        None => view! { <span class="text-muted">"never"</span> }.into_any(),
    };
    let limited = limits_in_words(&key);
    let usable = key.status != KeyStatus::Revoked;
    // Without a script the buttons lead to the key's page, which has both as forms.
    let buttons = when(usable, || {
        let (to_rotate, to_revoke) = (key.clone(), key.clone());
        view! {
            <form method="get" action=href.clone() class="flex justify-end gap-1">
                <button
                    type="submit"
                    class="btn btn-ghost btn-xs"
                    on:click=on(move |ev: MouseEvent| {
                        ev.prevent_default();
                        acting.rotate.set(Some(to_rotate.clone()));
                    })
                >
                    "Rotate"
                </button>
                <button
                    type="submit"
                    class="btn btn-ghost btn-xs text-bad"
                    on:click=on(move |ev: MouseEvent| {
                        ev.prevent_default();
                        acting.revoke.set(Some(to_revoke.clone()));
                    })
                >
                    "Revoke"
                </button>
            </form>
        }
        .into_any()
    });
    view! {
        <tr>
            <td class="max-w-56 truncate">
                <a class="font-medium hover:underline" href=href>
                    {key.name}
                </a>
            </td>
            <td>{key_status(key.status)}</td>
            <td>{environment(key.environment)}</td>
            <td>{mono_copy(key.key_prefix.clone(), format!("{}…", key.key_prefix), "prefix")}</td>
            <td class="text-muted">{limited}</td>
            <td>{maybe_ago(key.last_used_at, "never")}</td>
            <td>{expires}</td>
            <td>{buttons}</td>
        </tr>
    }
    .into_any()
}

/// `2 APIs, GET`, or a dash.
pub fn limits_in_words(key: &ApiKeyView) -> String {
    let mut parts = Vec::new();
    if !key.api_ids.is_empty() {
        parts.push(crate::format::plural(
            key.api_ids.len() as u64,
            "API",
            "APIs",
        ));
    }
    match key.methods.as_slice() {
        [] => {}
        few @ [_] | few @ [_, _] => parts.push(few.join(" ")),
        many => parts.push(format!("{} methods", many.len())),
    }
    if !key.allowed_ips.is_empty() {
        parts.push(crate::format::plural(
            key.allowed_ips.len() as u64,
            "network",
            "networks",
        ));
    }
    if parts.is_empty() {
        "–".to_owned()
    } else {
        parts.join(", ")
    }
}

fn nothing_yet() -> AnyView {
    view! {
        <div class="panel empty">
            {icon(icondata_lu::LuKeyRound.data)} <h2>"No keys yet"</h2>
            <p class="max-w-md">
                "A key is what a consumer sends with each call. Give every consumer its own: it can be limited, "
                "rotated and revoked without touching the others."
            </p>
            <a class="btn btn-primary btn-sm mt-2" href="/console/keys/new">
                "Make a key"
            </a>
        </div>
    }
    .into_any()
}

fn nothing_found(q: &str) -> AnyView {
    view! {
        <div class="panel empty">
            {icon(icondata_lu::LuSearch.data)} <h2>{format!("Nothing matches \u{201c}{q}\u{201d}")}</h2>
            <p>"Names and prefixes are searched."</p>
            <a class="btn btn-outline btn-sm mt-2" href=PATH>
                "Show all"
            </a>
        </div>
    }
    .into_any()
}
