//! Dialogs over the native `<dialog>`: the browser keeps focus inside and closes on Escape.

use std::sync::Arc;

use leptos::ev::{Event, MouseEvent};
use leptos::html::Dialog;
use leptos::prelude::*;

use super::dynamic::{dynamic, on, when};

/// A dialog that is there while `open` holds. What it shows is made when it opens.
///
/// With `must_act` neither Escape nor the scrim closes it: something in it is shown only once.
pub fn dialog(
    open: RwSignal<bool>,
    title: &'static str,
    must_act: bool,
    body: impl Fn() -> AnyView + Send + Sync + 'static,
) -> AnyView {
    dialog_inner(open, title, must_act, Arc::new(body))
}

fn dialog_inner(
    open: RwSignal<bool>,
    title: &'static str,
    must_act: bool,
    body: Arc<dyn Fn() -> AnyView + Send + Sync>,
) -> AnyView {
    let node = NodeRef::<Dialog>::new();
    Effect::new(move |_| {
        let (Some(dialog), is_open) = (node.get(), open.get()) else {
            return;
        };
        if is_open {
            // Opened by the server's answer to a plain post: make it a modal one.
            dialog.close();
            let _ = dialog.show_modal();
        } else {
            dialog.close();
        }
    });
    // A page that answers a plain post shows its dialog without a script too.
    let open_at_first = open.get_untracked();
    view! {
        <dialog
            node_ref=node
            class="modal"
            open=open_at_first
            aria-label=title
            on:cancel=on(move |ev: Event| {
                if must_act {
                    ev.prevent_default();
                }
            })
            on:close=on(move |_: Event| {
                if !must_act {
                    open.set(false);
                }
            })
        >
            <div class="modal-box flex max-w-lg flex-col gap-4">
                <h2>{title}</h2>
                {dynamic(move || if open.get() { body() } else { ().into_any() })}
            </div>
            {when(
                !must_act,
                || {
                    view! {
                        <form method="dialog" class="modal-backdrop">
                            <button type="submit" tabindex="-1" aria-hidden="true">
                                "Close"
                            </button>
                        </form>
                    }
                        .into_any()
                },
            )}
        </dialog>
    }
    .into_any()
}

/// The row of buttons at a dialog's foot.
pub fn actions(buttons: AnyView) -> AnyView {
    view! { <div class="flex flex-wrap justify-end gap-2 pt-1">{buttons}</div> }.into_any()
}

/// A button that closes the dialog.
pub fn cancel(open: RwSignal<bool>) -> AnyView {
    view! {
        <button type="button" class="btn btn-ghost btn-sm" on:click=on(move |_: MouseEvent| open.set(false))>
            "Cancel"
        </button>
    }
    .into_any()
}
