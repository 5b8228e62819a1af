//! A new API.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use super::fields::fields;
use crate::forms::{Fields, api};
use crate::rpc::apis::{Create, Registered};
use crate::rpc::{Private, call};
use crate::ui::form::{FormState, Sent, unreadable};
use crate::ui::page_head::page_head_below;
use crate::ui::toast::Toasts;

pub fn create() -> AnyView {
    let form = FormState::new("api-new");
    let navigate = use_navigate();
    let toasts = use_context::<Toasts>();
    let register = move |fields: Fields| -> Sent {
        let navigate = navigate.clone();
        Box::pin(async move {
            let input = api::create(&fields).map_err(unreadable)?;
            let input = Private(input);
            let api: Registered = call(Create { input }).await?;
            if let Some(toasts) = toasts {
                toasts.show("The API is registered");
            }
            navigate(
                &format!("/console/apis/{}", api.id),
                NavigateOptions::default(),
            );
            Ok(())
        })
    };
    view! {
        <div class="page">
            {page_head_below(("/console/apis", "APIs"), "New API".to_owned(), ().into_any(), ().into_any())}
            <form
                method="post"
                action="/console/apis/new"
                novalidate
                class="panel w-full max-w-3xl"
                on:submit=form.on_submit(register)
            >
                <div class="panel-body flex flex-col gap-5">{form.head()} {fields(form, None)}</div>
                <div class="flex items-center justify-end gap-2 border-t border-line px-4 py-3">
                    <a class="btn btn-ghost btn-sm" href="/console/apis">
                        "Cancel"
                    </a>
                    {form.button("Create API")}
                </div>
            </form>
        </div>
    }
    .into_any()
}
