//! One call that was made.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::timeline::timeline;
use crate::format;
use crate::rpc::calls::{CallRef, Explained, OneFn};
use crate::rpc::load_with;
use crate::ui::code::mono_copy;
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::page_head::page_head_below;
use crate::ui::skeleton;

pub fn one() -> AnyView {
    let params = use_params_map();
    let id =
        Memo::new(move |_| params.with(|map| map.get_str("id").unwrap_or_default().to_owned()));
    let data = load_with(move || {
        let request_id = id.get();
        let input = CallRef { request_id };
        Some(OneFn { input })
    });
    view! {
        <div class="page">
            {page_head_below(
                ("/console/usage", "Usage"),
                "One call".to_owned(),
                ().into_any(),
                view! {
                    <a class="btn btn-outline btn-sm" href="/console/explain">
                        "Explain another"
                    </a>
                }
                    .into_any(),
            )} {load(data, skeleton::table, move |found| content(found, id.get_untracked()))}
        </div>
    }
    .into_any()
}

fn content(found: Explained, request_id: String) -> AnyView {
    let shown = format::middle(&request_id, 13, 6);
    let id = view! {
        <p class="text-sm text-muted">"Request id " {mono_copy(request_id, shown, "request id")}</p>
    }
    .into_any();
    if found.explanation.is_none() {
        return view! {
            {id}
            <div class="panel">
                <div class="empty">
                    {icon(icondata_lu::LuSearchX.data)}
                    <p class="font-medium text-ink">"Nothing was kept of this call"</p>
                    <p>
                        "Every failed call and a sample of the others, the first few of each second, are kept for three days. A call shows up here within two seconds."
                    </p>
                    <a class="btn btn-outline btn-sm" href="/console/explain">
                        "Ask what would happen to it"
                    </a>
                </div>
            </div>
        }
        .into_any();
    }
    view! {
        {id}
        {timeline(found)}
    }
    .into_any()
}
