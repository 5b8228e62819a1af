//! Times: relative, with the absolute one in the tooltip.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use crate::format;
use crate::page_context::Page;

/// `5 min ago`
pub fn ago(at: DateTime<Utc>) -> AnyView {
    let now = Page::get().now;
    relative(at, move || format::ago(now.get(), at))
}

/// `in 3 d`
pub fn until(at: DateTime<Utc>) -> AnyView {
    let now = Page::get().now;
    relative(at, move || format::until(now.get(), at))
}

fn relative(at: DateTime<Utc>, text: impl Fn() -> String + Send + Sync + 'static) -> AnyView {
    view! {
        <time datetime=format::iso(at) title=format::stamp(at) class="num">
            {super::dynamic::text(text)}
        </time>
    }
    .into_any()
}

/// A time, or a word where there is none.
pub fn maybe_ago(at: Option<DateTime<Utc>>, none: &'static str) -> AnyView {
    match at {
        Some(at) => ago(at),
        None => view! { <span class="text-muted">{none}</span> }.into_any(),
    }
}
