//! One key: what it is, what it may do, and how it ends.

use apiverse_contract::KeyId;
use apiverse_contract::keys::{ApiKeyView, KeyStatus};
use apiverse_contract::limits::PolicyScope;
use apiverse_contract::policies::PolicyLevel;
use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};

use super::fields::limits;
use super::reveal::reveal;
use super::revoke::impact_in_words;
use super::rotate::rotate_form;
use crate::format;
use crate::forms::{Fields, key as key_form};
use crate::page_context::{NewKey, Page};
use crate::pages::console::calls::{Columns, Inspector, calls_table, no_calls};
use crate::pages::console::limits::panel;
use crate::pages::console::policies;
use crate::rpc::keys::{Detail, KeyDetail, KeyRef, Revoke, Update, UpdateKey};
use crate::rpc::limits::LimitsRef;
use crate::rpc::policies::PlaceRef;
use crate::rpc::{Loaded, Named, RpcError, load_with, send};
use crate::ui::badge::{environment, key_status};
use crate::ui::code::mono_copy;
use crate::ui::dynamic::when;
use crate::ui::field::Input;
use crate::ui::form::{FormState, Sent, unreadable};
use crate::ui::load::load_page;
use crate::ui::notice::done_notice;
use crate::ui::page_head::page_head_below;
use crate::ui::skeleton;
use crate::ui::time::{ago, maybe_ago, until};
use crate::ui::toast::Toasts;

type Data = Loaded<KeyDetail>;
type Created = RwSignal<Option<NewKey>>;

pub fn detail() -> AnyView {
    let params = use_params_map();
    let id = Memo::new(move |_| {
        params.with(|map| map.get_str("id").and_then(|id| id.parse::<KeyId>().ok()))
    });
    let data = load_with(move || {
        let input = KeyRef { id: id.get()? };
        Some(Detail { input })
    });
    let flash = Page::get().flash("key-rotate");
    let created = RwSignal::new(flash.and_then(|flash| flash.created));
    let inspector = Inspector::new();
    view! {
        <div class="page">
            {load_page(data, skeleton::dashboard, move |found| content(found, data, created, inspector))}
            {reveal(created, move |_| data.refetch())} {inspector.view()}
        </div>
    }
    .into_any()
}

fn content(found: KeyDetail, data: Data, created: Created, inspector: Inspector) -> AnyView {
    let KeyDetail {
        key,
        apis,
        calls_24h,
        calls,
        limits: held,
    } = found;
    let all_calls = format!("/console/usage?key={}", key.id);
    let list = if calls.is_empty() {
        no_calls("The first call with this key shows up here within two seconds.")
    } else {
        calls_table(
            calls,
            Columns {
                without_key: true,
                ..Columns::default()
            },
            inspector,
        )
    };
    let target = LimitsRef {
        scope: PolicyScope::Key,
        id: Some(key.id.to_string()),
        api_id: None,
    };
    let path = format!("/console/keys/{}", key.id);
    let place = PlaceRef {
        level: PolicyLevel::Key,
        id: Some(key.id.to_string()),
    };
    let reload = Callback::new(move |()| data.refetch());
    let is_over = key.status == KeyStatus::Revoked;
    view! {
        {page_head_below(
            ("/console/keys", "Keys"),
            key.name.clone(),
            view! {
                {key_status(key.status)}
                {environment(key.environment)}
            }
                .into_any(),
            ().into_any(),
        )}
        {done_notice(use_query_map())}
        {facts(&key, calls_24h)}
        <div class="grid items-start gap-4 lg:grid-cols-[1fr_24rem]">
            <div class="flex min-w-0 flex-col gap-4">
                <section class="panel">
                    <div class="panel-head">
                        <h2>"Latest calls"</h2>
                        <a class="link-quiet text-sm" href=all_calls>
                            "All calls"
                        </a>
                    </div>
                    {list}
                </section>
                {when(!is_over, || panel(target, path, held, reload))}
                {when(!is_over, || policies::panel(place))}
                {when(!is_over, || settings(&key, &apis, data))}
            </div>
            {if is_over {
                view! {
                    <p class="panel p-4 text-muted">
                        "A revoked key cannot be changed or brought back."
                    </p>
                }
                    .into_any()
            } else {
                view! {
                    <div class="flex min-w-0 flex-col gap-4">
                        {rotate_panel(&key, created)} {end(&key, calls_24h, data)}
                    </div>
                }
                    .into_any()
            }}
        </div>
    }
    .into_any()
}

fn rotate_panel(key: &ApiKeyView, created: Created) -> AnyView {
    let button = |form: FormState| {
        view! {
            <div class="flex justify-end">
                {form.button_with_class("Rotate", "btn btn-outline btn-sm")}
            </div>
        }
        .into_any()
    };
    view! {
        <section class="panel flex flex-col gap-3 p-4">
            <h2>"Rotate"</h2>
            {rotate_form(key, created, || (), button)}
        </section>
    }
    .into_any()
}

fn facts(key: &ApiKeyView, calls_24h: u64) -> AnyView {
    let id = key.id.to_string();
    let fact = |term: &'static str, value: AnyView| {
        view! {
            <div class="flex min-w-0 flex-col">
                <dt class="text-xs text-muted">{term}</dt>
                <dd class="min-w-0 truncate">{value}</dd>
            </div>
        }
        .into_any()
    };
    let expires = match key.expires_at {
        Some(at) => until(at),
        None => "never".into_any(),
    };
    view! {
        <dl class="flex flex-wrap gap-x-8 gap-y-2 text-sm">
            {fact(
                "Key",
                mono_copy(key.key_prefix.clone(), format!("{}…", key.key_prefix), "prefix"),
            )}
            {fact("Last used", maybe_ago(key.last_used_at, "never"))}
            {fact("Calls in 24 hours", view! { <span class="num">{format::count(calls_24h)}</span> }.into_any())}
            {fact("Expires", expires)}
            {fact("Created", ago(key.created_at))}
            {key.revoked_at.map(|at| fact("Revoked", ago(at)))}
            {key.previous_expires_at.map(|at| fact("Old secret works", view! { "until it ends " {until(at)} }.into_any()))}
            {fact("Id", mono_copy(id.clone(), format::middle(&id, 8, 4), "id"))}
        </dl>
    }
    .into_any()
}

fn settings(key: &ApiKeyView, apis: &[Named], data: Data) -> AnyView {
    let form = FormState::new("key-edit");
    let id = key.id;
    let toasts = use_context::<Toasts>();
    let save = move |fields: Fields| -> Sent {
        Box::pin(async move {
            let changes = key_form::patch(&fields).map_err(unreadable)?;
            let input = UpdateKey { id, changes };
            send(Update { input }).await?;
            if let Some(toasts) = toasts {
                toasts.show("Saved. The gateway follows at once");
            }
            data.refetch();
            Ok(())
        })
    };
    let expires = key.expires_at.map(format::input_minute).unwrap_or_default();
    view! {
        <form
            method="post"
            action=format!("/console/keys/{id}")
            novalidate
            class="panel"
            on:submit=form.on_submit(save)
        >
            <div class="panel-head">
                <h2>"What it may do"</h2>
            </div>
            <div class="panel-body flex flex-col gap-5">
                {form.head()} {Input::text("name", "Name").required().show(form, &key.name)}
                <input type="hidden" name="expires_was" value=expires.clone() />
                {Input::text("expires_at", "Expires at (UTC)")
                    .kind("datetime-local")
                    .help("Empty: never.")
                    .show(form, &expires)}
                {limits(form, Some(key), apis)}
            </div>
            <div class="flex items-center justify-end border-t border-line px-4 py-3">
                {form.button("Save changes")}
            </div>
        </form>
    }
    .into_any()
}

fn end(key: &ApiKeyView, calls_24h: u64, data: Data) -> AnyView {
    let form = FormState::new("key-revoke");
    let id = key.id;
    let name = key.name.clone();
    let expected = name.clone();
    let toasts = use_context::<Toasts>();
    let revoke = move |fields: Fields| -> Sent {
        let expected = expected.clone();
        Box::pin(async move {
            if fields.text("confirm") != expected.trim() {
                return Err(RpcError::invalid(
                    "confirm",
                    format!("type {expected} to confirm"),
                ));
            }
            let input = KeyRef { id };
            send(Revoke { input }).await?;
            if let Some(toasts) = toasts {
                toasts.show("The key was revoked");
            }
            data.refetch();
            Ok(())
        })
    };
    view! {
        <form
            method="post"
            action=format!("/console/keys/{id}")
            novalidate
            class="panel flex flex-col gap-3 p-4"
            on:submit=form.on_submit(revoke)
        >
            <div class="flex flex-col gap-1">
                <h2>"Revoke"</h2>
                <p class="text-muted">
                    "For good, within a second, everywhere. " {impact_in_words(calls_24h)}
                </p>
            </div>
            {form.head()}
            <div class="flex flex-col gap-3">
                <p class="text-sm text-muted">
                    "To confirm, type " <span class="font-medium text-ink">{name}</span>
                </p>
                {Input::text("confirm", "Its name").show(form, "")}
                <div class="flex justify-end">
                    {form.button_with_class("Revoke", "btn btn-outline btn-error btn-sm")}
                </div>
            </div>
        </form>
    }
    .into_any()
}
