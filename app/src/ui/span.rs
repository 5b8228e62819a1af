//! Choosing a span of time; it lives in the address.

use leptos::prelude::*;

use crate::rpc::usage::Span;
use crate::urlencoded::query;

/// Links to the same page with another span. `pairs` are what else its address holds.
pub fn span_picker(path: &'static str, current: Option<Span>, pairs: &[(&str, &str)]) -> AnyView {
    let links = Span::ALL
        .into_iter()
        .map(|span| {
            let mut all = vec![("span", span.as_str())];
            all.extend_from_slice(pairs);
            let href = format!("{path}{}", query(&all));
            let is_current = current == Some(span);
            view! {
                <a
                    class="btn btn-outline btn-sm join-item font-normal aria-[current=true]:border-accent aria-[current=true]:bg-accent-soft aria-[current=true]:text-accent-ink"
                    href=href
                    aria-label=format!("{}: the last {}", span.as_str(), span.words())
                    aria-current=is_current.then_some("true")
                >
                    {span.as_str()}
                </a>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <div class="join" role="group" aria-label="Time range">
            {links}
        </div>
    }
    .into_any()
}
