//! Searching a list; what is searched for lives in the address.

use std::time::Duration;

use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use super::dynamic::on;
use super::icon::icon;
use crate::urlencoded::query;

/// Long enough that a word is not searched for letter by letter.
const PAUSE: Duration = Duration::from_millis(250);

/// A plain GET form, and with a script a search that follows the typing.
pub fn search(path: &'static str, label: &'static str, current: Option<String>) -> AnyView {
    let navigate = use_navigate();
    let waiting = StoredValue::new(None::<TimeoutHandle>);
    let go = move |text: String| {
        let options = NavigateOptions {
            replace: true,
            scroll: false,
            ..NavigateOptions::default()
        };
        navigate(&format!("{path}{}", query(&[("q", text.trim())])), options);
    };
    let on_input = move |ev: leptos::ev::Event| {
        let text = event_target_value(&ev);
        if let Some(before) = waiting.get_value() {
            before.clear();
        }
        let go = go.clone();
        let handle = set_timeout_with_handle(move || go(text), PAUSE);
        waiting.set_value(handle.ok());
    };
    on_cleanup(move || {
        if let Some(handle) = waiting.try_get_value().flatten() {
            handle.clear();
        }
    });
    view! {
        <search>
            <form method="get" action=path on:submit=on(|ev: SubmitEvent| ev.prevent_default())>
                <label class="input input-sm w-full max-w-xs">
                    <span class="flex text-muted">{icon(icondata_lu::LuSearch.data)}</span>
                    <input
                        type="search"
                        name="q"
                        aria-label=label
                        placeholder=label
                        value=current.unwrap_or_default()
                        on:input=on(on_input)
                    />
                </label>
            </form>
        </search>
    }
    .into_any()
}
