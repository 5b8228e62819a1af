//! The targets of an API: which take calls, which do not and for how long.

use std::time::Duration;

use apiverse_contract::ApiId;
use apiverse_contract::policies::upstream::{CircuitState, TargetHealth, TargetState};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use crate::browser;
use crate::format;
use crate::rpc::apis::ApiRef;
use crate::rpc::load_with;
use crate::rpc::targets::{TargetsFn, TargetsGroup, TargetsView};
use crate::ui::badge::pill;
use crate::ui::load::load_page;
use crate::ui::page_head::page_head_below;
use crate::ui::skeleton;

/// How often the page asks again while somebody looks at it.
const EVERY: Duration = Duration::from_secs(3);

pub fn targets() -> AnyView {
    let params = use_params_map();
    let id = Memo::new(move |_| {
        params.with(|map| map.get_str("id").and_then(|id| id.parse::<ApiId>().ok()))
    });
    let data = load_with(move || {
        let input = ApiRef { id: id.get()? };
        Some(TargetsFn { input })
    });
    Effect::new(move |_| {
        let again = move || {
            if browser::is_visible() {
                data.refetch();
            }
        };
        if let Ok(handle) = set_interval_with_handle(again, EVERY) {
            on_cleanup(move || handle.clear());
        }
    });
    view! { <div class="page">{load_page(data, skeleton::rows, content)}</div> }.into_any()
}

fn content(found: TargetsView) -> AnyView {
    let TargetsView { api, groups } = found;
    let back = format!("/console/apis/{}", api.id);
    let list = match groups.is_empty() {
        true => nothing(&api.id),
        false => groups.into_iter().map(group).collect_view().into_any(),
    };
    view! {
        {page_head_below(
            (back.as_str(), "API"),
            format!("Targets of {}", api.name),
            ().into_any(),
            ().into_any(),
        )}
        <p class="max-w-3xl text-muted">
            "What the node that answers has found out from its own calls and checks. Each node finds out for itself."
        </p>
        {list}
    }
    .into_any()
}

fn nothing(api: &str) -> AnyView {
    let set = format!("/console/policies/upstream?on=api&id={api}");
    view! {
        <div class="panel">
            <div class="empty">
                <p class="font-medium text-ink">"One address, and nothing watched"</p>
                <p>
                    "Calls go to the API's base URL. An upstream policy gives it several targets, checks and ejection."
                </p>
                <a class="btn btn-primary btn-sm" href=set>
                    "Set up the upstream"
                </a>
            </div>
        </div>
    }
    .into_any()
}

fn group(group: TargetsGroup) -> AnyView {
    let circuit = group.circuit.map(|state| {
        let (class, text) = match state {
            CircuitState::Closed => ("pill pill-ok", "circuit closed"),
            CircuitState::Open => ("pill pill-bad", "circuit open: calls are refused"),
            CircuitState::HalfOpen => ("pill pill-warn", "circuit half open: a few are tried"),
        };
        pill(class, text)
    });
    let rows = group.targets.into_iter().map(row).collect_view();
    let label = format!("Targets by {}", group.place);
    view! {
        <section class="panel overflow-hidden" aria-label=label>
            <div class="panel-head">
                <div class="flex flex-wrap items-center gap-2">
                    <h2>{format!("By {}", group.place)}</h2>
                    {circuit}
                </div>
                <a class="link-quiet text-sm" href=group.page>
                    "Upstream policy"
                </a>
            </div>
            <div class="table-scroll" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"Target"</th>
                            <th scope="col">"Health"</th>
                            <th scope="col" class="text-right">"Weight"</th>
                            <th scope="col" class="text-right">"Under way"</th>
                            <th scope="col" class="text-right">"Succeeded"</th>
                            <th scope="col" class="text-right">"Failed"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}

fn row(target: TargetState) -> AnyView {
    let (class, health) = match (target.health, target.ejected_for_ms) {
        (TargetHealth::Healthy, _) => ("pill pill-ok", "healthy".to_owned()),
        (TargetHealth::Unhealthy, _) => ("pill pill-bad", "its checks fail".to_owned()),
        (TargetHealth::Ejected, Some(left)) => {
            let left = format::millis(left as f64);
            ("pill pill-bad", format!("ejected, {left} more"))
        }
        (TargetHealth::Ejected, None) => ("pill pill-bad", "ejected".to_owned()),
        (TargetHealth::OnTrial, _) => ("pill pill-warn", "on trial".to_owned()),
    };
    let canary = target.is_canary.then(|| pill("pill", "canary"));
    view! {
        <tr>
            <th scope="row" class="font-normal whitespace-normal">
                <span class="mono wrap-anywhere">{target.url}</span>
                " "
                {canary}
            </th>
            <td>
                <span class=class>{health}</span>
            </td>
            <td class="num text-right">{target.weight}</td>
            <td class="num text-right">{target.under_way}</td>
            <td class="num text-right">{format::count(target.succeeded)}</td>
            <td class="num text-right">{format::count(target.failed)}</td>
        </tr>
    }
    .into_any()
}
