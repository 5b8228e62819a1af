//! What ends an API, for a while or for good.

use apiverse_contract::apis::{ApiView, PatchApi};
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use super::detail::Data;
use crate::format;
use crate::forms::Fields;
use crate::rpc::apis::{ApiRef, Delete, Update, UpdateApi};
use crate::rpc::{Private, RpcError, send};
use crate::ui::field::Input;
use crate::ui::form::{FormState, Sent};
use crate::ui::toast::Toasts;

/// Off and on again: callers are told 503 `api_disabled` meanwhile.
pub fn switch(api: &ApiView, data: Data) -> AnyView {
    let form = FormState::new("api-switch");
    let id = api.id;
    let to = !api.is_active;
    let toasts = use_context::<Toasts>();
    let flip = move |_: Fields| -> Sent {
        Box::pin(async move {
            let changes = PatchApi {
                is_active: Some(to),
                ..PatchApi::default()
            };
            let input = Private(UpdateApi { id, changes });
            send(Update { input }).await?;
            if let Some(toasts) = toasts {
                toasts.show(if to { "Switched on" } else { "Switched off" });
            }
            data.refetch();
            Ok(())
        })
    };
    let (title, text, button) = if to {
        (
            "Switched off",
            "Every call is answered 503 api_disabled.",
            "Switch on",
        )
    } else {
        (
            "Switch off",
            "Every call is answered 503 api_disabled until it is switched on again. Keys and settings stay.",
            "Switch off",
        )
    };
    view! {
        <form
            method="post"
            action=format!("/console/apis/{id}")
            class="panel flex flex-wrap items-center gap-x-6 gap-y-3 p-4"
            on:submit=form.on_submit(flip)
        >
            <div class="flex min-w-60 grow basis-0 flex-col gap-1">
                <h2>{title}</h2>
                <p class="text-muted">{text}</p>
                {form.head()}
            </div>
            <input type="hidden" name="is_active" value=to.to_string() />
            {form.button_with_class(button, "btn btn-outline btn-sm")}
        </form>
    }
    .into_any()
}

/// For good, after its slug was typed.
pub fn delete(api: &ApiView, calls: u64, callers: u64) -> AnyView {
    let form = FormState::new("api-delete");
    let id = api.id;
    let slug = api.slug.clone();
    let expected = slug.clone();
    let navigate = use_navigate();
    let toasts = use_context::<Toasts>();
    let end = move |fields: Fields| -> Sent {
        let expected = expected.clone();
        let navigate = navigate.clone();
        Box::pin(async move {
            if fields.text("confirm") != expected {
                return Err(RpcError::invalid(
                    "confirm",
                    format!("type {expected} to confirm"),
                ));
            }
            let input = ApiRef { id };
            send(Delete { input }).await?;
            if let Some(toasts) = toasts {
                toasts.show("Deleted");
            }
            navigate("/console/apis", NavigateOptions::default());
            Ok(())
        })
    };
    let breaks = if calls == 0 {
        "Nobody called it in the last 24 hours.".to_owned()
    } else {
        format!(
            "{} with {} went through it in the last 24 hours; the next will be answered 404.",
            format::plural(calls, "call", "calls"),
            format::plural(callers, "key", "keys"),
        )
    };
    view! {
        <form
            method="post"
            action=format!("/console/apis/{id}")
            novalidate
            class="panel flex flex-col gap-3 p-4"
            on:submit=form.on_submit(end)
        >
            <div class="flex flex-col gap-1">
                <h2>"Delete"</h2>
                <p class="text-muted">
                    {breaks} " Keys that are limited to it lose it. What was recorded stays."
                </p>
            </div>
            {form.head()}
            <p class="text-sm text-muted">
                "To confirm, type " <span class="mono font-medium text-ink">{slug}</span>
            </p>
            <div class="flex flex-wrap items-end justify-between gap-3">
                <div class="w-72">{Input::mono("confirm", "Its slug").show(form, "")}</div>
                {form.button_with_class("Delete API", "btn btn-outline btn-error btn-sm")}
            </div>
        </form>
    }
    .into_any()
}
