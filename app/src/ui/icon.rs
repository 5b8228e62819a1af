//! Icons, drawn from Lucide's paths. They are decoration: a word stands beside each, or the control
//! carries a label.

use leptos::prelude::*;

/// `data` of an icon of `icondata_lu`, 16 px, in the colour of the text around it.
pub fn icon(data: &'static str) -> AnyView {
    sized(data, "size-4 shrink-0")
}

/// The same with the size and colour given by classes.
pub fn sized(data: &'static str, class: &'static str) -> AnyView {
    view! {
        <svg
            class=class
            viewBox="0 0 24 24"
            fill="none"
            stroke="currentColor"
            stroke-width="1.75"
            stroke-linecap="round"
            stroke-linejoin="round"
            aria-hidden="true"
            inner_html=data
        ></svg>
    }
    .into_any()
}
