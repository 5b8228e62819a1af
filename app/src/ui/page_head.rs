//! The head of a page: its one `h1`, where it hangs, and what can be done here.

use leptos::prelude::*;
use leptos_meta::Title;

/// Title, and actions on the right.
pub fn page_head(title: &'static str, actions: AnyView) -> AnyView {
    view! {
        <Title text=title />
        <div class="page-head">
            <h1>{title}</h1>
            {actions}
        </div>
    }
    .into_any()
}

/// The same below the second level: a way back stands above the title.
pub fn page_head_below(
    parent: (&str, &'static str),
    title: String,
    beside: AnyView,
    actions: AnyView,
) -> AnyView {
    let (parent_href, parent_name) = (parent.0.to_owned(), parent.1);
    view! {
        <Title text=title.clone() />
        <div>
            <nav aria-label="Breadcrumb" class="text-sm text-muted">
                <ol class="flex gap-1.5">
                    <li>
                        <a class="link-quiet" href=parent_href>
                            {parent_name}
                        </a>
                    </li>
                    <li aria-hidden="true">"/"</li>
                </ol>
            </nav>
            <div class="page-head">
                <div class="mr-auto flex min-w-0 items-center gap-2.5">
                    <h1 class="min-w-0 truncate">{title}</h1>
                    {beside}
                </div>
                {actions}
            </div>
        </div>
    }
    .into_any()
}
