//! The organization's policies: what holds for every call, unless something nearer decides.

use apiverse_contract::policies::PolicyLevel;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::panel;
use crate::rpc::policies::PlaceRef;
use crate::ui::notice::done_notice;
use crate::ui::page_head::page_head;

pub fn policies() -> AnyView {
    let place = PlaceRef {
        level: PolicyLevel::Organization,
        id: None,
    };
    view! {
        <div class="page">
            {page_head("Policies", ().into_any())} {done_notice(use_query_map())}
            <p class="max-w-3xl text-muted">
                "What happens to calls beside forwarding them, in the order in which they meet it. APIs, versions, routes and keys can have policies of their own: of each kind the nearest decides, as a whole."
            </p>
            {panel(place)}
        </div>
    }
    .into_any()
}
