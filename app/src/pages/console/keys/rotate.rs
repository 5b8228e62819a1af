//! Rotating: a new secret, and the old one for a while longer.

use apiverse_contract::keys::{ApiKeyView, DEFAULT_GRACE_SECONDS};
use leptos::prelude::*;

use super::revoke::follows;
use crate::forms::{Fields, key as key_form};
use crate::page_context::NewKey;
use crate::rpc::call;
use crate::rpc::keys::{Rotate, RotateKey};
use crate::ui::dialog::{actions, cancel, dialog};
use crate::ui::field::select;
use crate::ui::form::{FormState, Sent, unreadable};

/// Open while there is a key in `chosen`; the new secret goes to `created`.
pub fn rotate_dialog(
    chosen: RwSignal<Option<ApiKeyView>>,
    created: RwSignal<Option<NewKey>>,
) -> AnyView {
    let open = follows(chosen);
    dialog(open, "Rotate this key", false, move || {
        chosen.get_untracked().map_or_else(
            || ().into_any(),
            |key| {
                let buttons = move |form: FormState| {
                    actions(
                        view! {
                            {cancel(open)}
                            {form.button("Rotate")}
                        }
                        .into_any(),
                    )
                };
                rotate_form(&key, created, move || open.set(false), buttons)
            },
        )
    })
}

/// The form alone, for the key's page too.
pub fn rotate_form(
    key: &ApiKeyView,
    created: RwSignal<Option<NewKey>>,
    done: impl Fn() + Copy + Send + Sync + 'static,
    buttons: impl Fn(FormState) -> AnyView,
) -> AnyView {
    let id = key.id;
    let form = FormState::new("key-rotate");
    let rotate = move |fields: Fields| -> Sent {
        Box::pin(async move {
            let how = key_form::rotate(&fields).map_err(unreadable)?;
            let input = RotateKey {
                id,
                grace_seconds: how.grace_seconds,
            };
            let new: NewKey = call(Rotate { input }).await?;
            done();
            created.set(Some(new));
            Ok(())
        })
    };
    let graces = key_form::GRACES
        .into_iter()
        .map(|(seconds, words)| (seconds.to_owned(), words.to_owned()))
        .collect();
    view! {
        <form
            method="post"
            action=format!("/console/keys/{id}")
            class="flex flex-col gap-4"
            on:submit=form.on_submit(rotate)
        >
            <p>
                <strong>{key.name.clone()}</strong>
                " gets a new secret; its name, limits and history stay."
            </p>
            {form.head()}
            {select(
                form,
                "grace_seconds",
                "The old secret",
                "How long it goes on working, so that consumers can change over.",
                graces,
                &DEFAULT_GRACE_SECONDS.to_string(),
            )}
            {buttons(form)}
        </form>
    }
    .into_any()
}
