//! What went wrong, what to do, and the id to ask with.

use apiverse_contract::Problem;
use leptos::ev::MouseEvent;
use leptos::prelude::*;

use super::dynamic::on;
use super::icon::icon;
use crate::browser;
use crate::urlencoded::query;

/// A panel in the place of what could not be loaded. The rest of the page stays. `is_page` when
/// there is no other heading.
pub fn error_panel(problem: Problem, is_page: bool, retry: Box<dyn Fn() + Send + Sync>) -> AnyView {
    let signed_out = problem.code == "authentication_required";
    if signed_out {
        // The session ended while the page was open.
        Effect::new(|_| browser::go(&format!("/login{}", query(&[("next", &browser::here())]))));
    }
    view! {
        <div class="panel empty" role="alert">
            <span class="text-bad">{icon(icondata_lu::LuCircleAlert.data)}</span>
            {if is_page {
                view! { <h1>{problem.title}</h1> }.into_any()
            } else {
                view! { <h2>{problem.title}</h2> }.into_any()
            }}
            <p>{sentence(&problem.detail)}</p>
            {request_id(problem.request_id)}
            <button type="button" class="btn btn-outline btn-sm" on:click=on(move |_: MouseEvent| retry())>
                "Try again"
            </button>
        </div>
    }
    .into_any()
}

/// The id under which the log knows the request.
pub fn request_id(id: Option<String>) -> AnyView {
    match id {
        Some(id) => view! {
            <p class="help">
                "Request " <span class="mono">{id}</span>
            </p>
        }
        .into_any(),
        None => ().into_any(),
    }
}

/// Details are lower-case fragments; on a page they are sentences.
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return String::new();
    };
    let mut out = String::from(first.to_ascii_uppercase());
    out.push_str(chars.as_str());
    if !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}
