//! The one time a key is seen.

use std::sync::Arc;

use leptos::ev::{Event, MouseEvent};
use leptos::prelude::*;

use crate::page_context::{NewKey, Page};
use crate::ui::code::code_block;
use crate::ui::copy::copy_button_wide;
use crate::ui::dialog::{actions, dialog};
use crate::ui::dynamic::{changing, on};

/// A dialog that is open while there is a key to show, and goes when it was said to be stored.
/// `done` gets the address of the key's page.
pub fn reveal(
    created: RwSignal<Option<NewKey>>,
    done: impl Fn(String) + Send + Sync + 'static,
) -> AnyView {
    reveal_with(created, Arc::new(done))
}

type Done = Arc<dyn Fn(String) + Send + Sync>;

fn reveal_with(created: RwSignal<Option<NewKey>>, done: Done) -> AnyView {
    let open = RwSignal::new(created.with_untracked(Option::is_some));
    Effect::new(move |_| open.set(created.with(Option::is_some)));
    dialog(open, "Store this key now", true, move || {
        created.get_untracked().map_or_else(
            || ().into_any(),
            |key| body(&key, created, Arc::clone(&done)),
        )
    })
}

fn body(key: &NewKey, created: RwSignal<Option<NewKey>>, done: Done) -> AnyView {
    let stored = RwSignal::new(false);
    let text = key.key.clone();
    let copied = text.clone();
    let href = format!("/console/keys/{}", key.id);
    let leave = href.clone();
    let base = Page::get().gateway_base();
    let export =
        format!("export APIVERSE_KEY={text}\ncurl {base}/proxy/… -H \"X-API-Key: $APIVERSE_KEY\"");
    view! {
        <p>
            "This is the only time "
            <strong>{key.name.clone()}</strong>
            " is shown. APIverse keeps a hash of it and cannot show it again."
        </p>
        <div class="flex flex-col gap-2">
            <p class="code-block font-medium break-all whitespace-normal! select-all" tabindex="0">
                {text}
            </p>
            <div>{copy_button_wide(move || copied.clone(), "key")}</div>
        </div>
        <details>
            <summary class="cursor-pointer text-sm text-muted hover:text-ink">
                "Use it in a shell"
            </summary>
            <div class="pt-2">{code_block(export, "commands")}</div>
        </details>
        <label class="flex items-center gap-2">
            <input
                type="checkbox"
                class="checkbox checkbox-sm"
                on:change=on(move |ev: Event| stored.set(event_target_checked(&ev)))
            />
            "I have stored it"
        </label>
        {actions(
            view! {
                // Without a script this is a link, and the tick is between the reader and themselves.
                <a
                    class="btn btn-primary btn-sm aria-disabled:opacity-50"
                    href=href
                    aria-disabled=changing(move || (!stored.get()).then(|| "true".to_owned()))
                    on:click=on(move |ev: MouseEvent| {
                        ev.prevent_default();
                        if stored.get_untracked() {
                            created.set(None);
                            done(leave.clone());
                        }
                    })
                >
                    "Done"
                </a>
            }
                .into_any(),
        )}
    }
    .into_any()
}
