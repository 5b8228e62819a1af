//! Copying to the clipboard.

use std::time::Duration;

use leptos::ev::MouseEvent;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::dynamic::{dynamic, on, text as words, when};
use super::icon::icon;
use crate::browser;

/// A button that copies `text` and says so for a moment. `what` names it for screen readers.
pub fn copy_button(text: impl Fn() -> String + Send + Sync + 'static, what: &str) -> AnyView {
    copy_with_class(text, what, "btn btn-ghost btn-xs btn-square", false)
}

/// The same with a word on it.
pub fn copy_button_wide(text: impl Fn() -> String + Send + Sync + 'static, what: &str) -> AnyView {
    copy_with_class(text, what, "btn btn-outline btn-sm", true)
}

fn copy_with_class(
    text: impl Fn() -> String + Send + Sync + 'static,
    what: &str,
    class: &'static str,
    wide: bool,
) -> AnyView {
    let state = RwSignal::new(State::Idle);
    let label = format!("Copy {what}");
    let on_click = move |_: MouseEvent| {
        let text = text();
        spawn_local(async move {
            let copied = browser::copy(&text).await;
            state.try_set(if copied { State::Copied } else { State::Failed });
            set_timeout(
                move || {
                    state.try_set(State::Idle);
                },
                Duration::from_millis(1600),
            );
        });
    };
    view! {
        <button
            type="button"
            class=class
            title=label.clone()
            aria-label=label
            on:click=on(on_click)
        >
            {dynamic(move || match state.get() {
                State::Idle => icon(icondata_lu::LuCopy.data),
                State::Copied => icon(icondata_lu::LuCheck.data),
                State::Failed => icon(icondata_lu::LuX.data),
            })}
            {when(
                wide,
                || {
                    view! {
                        <span aria-live="polite">
                            {words(move || {
                                match state.get() {
                                    State::Idle => "Copy",
                                    State::Copied => "Copied",
                                    State::Failed => "Select and copy by hand",
                                }
                                    .to_owned()
                            })}
                        </span>
                    }
                        .into_any()
                },
            )}
        </button>
    }
    .into_any()
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Idle,
    Copied,
    Failed,
}
