//! The Explorer: a real call through the gateway, from the browser.

mod answer;
mod pretty;
mod request;
mod send;

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;

use crate::rpc::load_with;
use crate::rpc::usage::{Explorer, ExplorerView};
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::page_head::page_head;
use crate::ui::skeleton;

use send::State;

pub fn explorer() -> AnyView {
    let data = load_with(|| Some(Explorer {}));
    let state = RwSignal::new(State::Idle);
    let query = use_query_map();
    view! {
        <div class="page">
            {page_head("Explorer", ().into_any())}
            {load(data, skeleton::form, move |choices| content(choices, state, query))}
        </div>
    }
    .into_any()
}

fn content(choices: ExplorerView, state: RwSignal<State>, query: Memo<ParamsMap>) -> AnyView {
    if choices.apis.is_empty() || choices.keys.is_empty() {
        return missing(choices.apis.is_empty());
    }
    let chosen = query.with_untracked(|map| map.get("api"));
    view! {
        <div class="grid items-start gap-4 xl:grid-cols-2">
            {request::form(choices, chosen.as_deref(), state)} {answer::panel(state)}
        </div>
    }
    .into_any()
}

/// A call needs both, so the page says which is missing.
fn missing(no_api: bool) -> AnyView {
    let (title, text, href, action) = if no_api {
        (
            "No API to call yet",
            "Register the address of an API first; then its calls can be tried here.",
            "/console/apis/new",
            "Register an API",
        )
    } else {
        (
            "No key to call with yet",
            "A call through the gateway is made as a key. Make one; the Explorer borrows it for a minute without seeing it.",
            "/console/keys/new",
            "Make a key",
        )
    };
    view! {
        <div class="panel empty">
            {icon(icondata_lu::LuSquareTerminal.data)} <h2>{title}</h2>
            <p class="max-w-md">{text}</p>
            <a class="btn btn-primary btn-sm mt-2" href=href>
                {action}
            </a>
        </div>
    }
    .into_any()
}
