//! Revoking: for good, so the dialog says what hangs on the key.

use apiverse_contract::keys::ApiKeyView;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::format;
use crate::forms::Fields;
use crate::rpc::keys::{Impact, KeyImpact, KeyRef, Revoke};
use crate::rpc::{RpcError, call, send};
use crate::ui::dialog::{actions, cancel, dialog};
use crate::ui::dynamic::text;
use crate::ui::form::{FormState, Sent};
use crate::ui::toast::Toasts;

/// Open while there is a key in `chosen`.
pub fn revoke_dialog(
    chosen: RwSignal<Option<ApiKeyView>>,
    done: impl Fn() + Copy + Send + Sync + 'static,
) -> AnyView {
    let open = follows(chosen);
    let toasts = use_context::<Toasts>();
    dialog(open, "Revoke this key?", false, move || {
        chosen
            .get_untracked()
            .map_or_else(|| ().into_any(), |key| body(key, open, toasts, done))
    })
}

/// A dialog's switch that is on while something is chosen, and lets it go when it is closed.
pub fn follows<T: Clone + Send + Sync + 'static>(chosen: RwSignal<Option<T>>) -> RwSignal<bool> {
    let open = RwSignal::new(false);
    Effect::new(move |_| {
        if chosen.with(Option::is_some) {
            open.set(true);
        }
    });
    Effect::new(move |was: Option<bool>| {
        let is = open.get();
        if was == Some(true) && !is {
            chosen.set(None);
        }
        is
    });
    open
}

fn body(
    key: ApiKeyView,
    open: RwSignal<bool>,
    toasts: Option<Toasts>,
    done: impl Fn() + Copy + Send + Sync + 'static,
) -> AnyView {
    let id = key.id;
    let form = FormState::new("key-revoke");
    let used = RwSignal::new(None::<String>);
    spawn_local(async move {
        let input = KeyRef { id };
        let text = match call::<_, KeyImpact>(Impact { input }).await {
            Ok(impact) => impact_in_words(impact.calls_24h),
            Err(RpcError(problem)) => {
                format!("How much it is used is not known: {}.", problem.title)
            }
        };
        used.try_set(Some(text));
    });
    let revoke = move |_: Fields| -> Sent {
        Box::pin(async move {
            let input = KeyRef { id };
            send(Revoke { input }).await?;
            if let Some(toasts) = toasts {
                toasts.show("The key was revoked");
            }
            open.set(false);
            done();
            Ok(())
        })
    };
    view! {
        <form
            method="post"
            action=format!("/console/keys/{id}")
            class="flex flex-col gap-4"
            on:submit=form.on_submit(revoke)
        >
            <p>
                <strong>{key.name}</strong>
                " stops working within a second, everywhere, and cannot be brought back."
            </p>
            <p class="text-muted" aria-live="polite">
                {text(move || used.get().unwrap_or_else(|| "Counting its calls…".to_owned()))}
            </p>
            {form.head()}
            {actions(
                view! {
                    {cancel(open)}
                    {form.button_with_class("Revoke", "btn btn-error btn-sm")}
                }
                    .into_any(),
            )}
        </form>
    }
    .into_any()
}

/// What will break.
pub fn impact_in_words(calls_24h: u64) -> String {
    if calls_24h == 0 {
        return "No call was made with it in the last 24 hours.".to_owned();
    }
    format!(
        "{} made with it in the last 24 hours; the next will be answered 401.",
        format::plural(calls_24h, "call was", "calls were"),
    )
}
