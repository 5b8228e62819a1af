//! Code to read and to copy.

use leptos::prelude::*;

use super::copy::copy_button;

/// A block of code with a copy button in its corner.
pub fn code_block(text: String, what: &str) -> AnyView {
    let copied = text.clone();
    view! {
        <div class="group relative">
            <pre class="code-block pr-11" tabindex="0">{text}</pre>
            <div class="absolute top-px right-px rounded-box bg-sunken p-1">
                {copy_button(move || copied.clone(), what)}
            </div>
        </div>
    }
    .into_any()
}

/// The same with a text that changes.
pub fn code_block_live(text: Signal<String>, what: &str) -> AnyView {
    view! {
        <div class="group relative">
            <pre class="code-block pr-11" tabindex="0">
                {super::dynamic::text(move || text.get())}
            </pre>
            <div class="absolute top-px right-px rounded-box bg-sunken p-1">
                {copy_button(move || text.get_untracked(), what)}
            </div>
        </div>
    }
    .into_any()
}

/// An id or prefix in mono with a copy button.
pub fn mono_copy(text: String, shown: String, what: &str) -> AnyView {
    view! {
        <span class="inline-flex max-w-full items-center gap-1">
            <span class="mono min-w-0 truncate" title=text.clone()>
                {shown}
            </span>
            {copy_button(move || text.clone(), what)}
        </span>
    }
    .into_any()
}
