//! What stands in a page's place while its data is on the way, in the size of what comes.

use leptos::prelude::*;

/// A table.
pub fn table() -> AnyView {
    view! { <div class="panel">{lines(8)}</div> }.into_any()
}

/// A short table in a panel that is there already.
pub fn rows() -> AnyView {
    lines(3)
}

fn lines(count: usize) -> AnyView {
    let rows = (0..count)
        .map(|_| {
            view! {
                <div class="flex h-9 items-center gap-4 border-b border-line px-4 last:border-b-0">
                    <div class="skeleton h-3 w-40"></div>
                    <div class="skeleton h-3 w-56 max-sm:hidden"></div>
                    <div class="skeleton ml-auto h-3 w-16"></div>
                </div>
            }
            .into_any()
        })
        .collect_view();
    view! { <div aria-busy="true">{rows}</div> }.into_any()
}

/// Figures above a chart above a table.
pub fn dashboard() -> AnyView {
    view! {
        <div class="flex flex-col gap-4" aria-busy="true">
            <div class="panel h-28">
                <div class="p-4"><div class="skeleton h-4 w-32"></div></div>
            </div>
            <div class="panel h-96">
                <div class="p-4"><div class="skeleton h-80 w-full"></div></div>
            </div>
            {table()}
        </div>
    }
    .into_any()
}

/// A form.
pub fn form() -> AnyView {
    view! {
        <div class="panel flex flex-col gap-5 p-4" aria-busy="true">
            <div class="skeleton h-9 w-full max-w-md"></div>
            <div class="skeleton h-9 w-full max-w-md"></div>
            <div class="skeleton h-9 w-full max-w-md"></div>
        </div>
    }
    .into_any()
}
