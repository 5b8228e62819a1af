//! Leafing through a list that has cursors: forward, and back to the start.

use leptos::prelude::*;

use super::icon::icon;
use crate::urlencoded::query;

/// `path` with `pairs` as its query and the cursor of the next page, if there is one.
pub fn pager(
    path: &str,
    pairs: &[(&str, &str)],
    cursor: Option<&str>,
    next: Option<&str>,
) -> AnyView {
    if cursor.is_none() && next.is_none() {
        return ().into_any();
    }
    let first = cursor.map(|_| format!("{path}{}", query(pairs)));
    let next = next.map(|next| {
        let mut all = pairs.to_vec();
        all.push(("cursor", next));
        format!("{path}{}", query(&all))
    });
    view! {
        <nav aria-label="Pages" class="flex items-center justify-end gap-2 border-t border-line px-4 py-2">
            {first
                .map(|href| {
                    view! {
                        <a class="btn btn-outline btn-sm" href=href>
                            "First page"
                        </a>
                    }
                        .into_any()
                })}
            {next
                .map(|href| {
                    view! {
                        <a class="btn btn-outline btn-sm" href=href rel="next">
                            "Next page"
                            {icon(icondata_lu::LuChevronRight.data)}
                        </a>
                    }
                        .into_any()
                })}
        </nav>
    }
    .into_any()
}
