//! An API's routes as a panel of its page.

use apiverse_contract::ApiId;
use leptos::prelude::*;

use crate::rpc::apis::ApiRef;
use crate::rpc::load_with;
use crate::rpc::routes::{ListFn, RouteLine, Routes};
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::skeleton;

pub fn routes(api: ApiId) -> AnyView {
    let data = load_with(move || {
        let input = ApiRef { id: api };
        Some(ListFn { input })
    });
    view! {
        <section class="panel overflow-hidden" id="routes" aria-label="Routes">
            <div class="panel-head">
                <h2>"Routes"</h2>
                <a class="btn btn-outline btn-sm" href=format!("/console/apis/{api}/routes/new")>
                    {icon(icondata_lu::LuPlus.data)}
                    "Add route"
                </a>
            </div>
            {load(data, skeleton::rows, move |found| content(api, found))}
        </section>
    }
    .into_any()
}

fn content(api: ApiId, found: Routes) -> AnyView {
    let Routes { routes } = found;
    if routes.is_empty() {
        return view! {
            <p class="panel-body text-muted">
                "A route is a part of the API with limits of its own: some methods, or everything below a path."
            </p>
        }
        .into_any();
    }
    let rows = routes
        .into_iter()
        .map(|route| row(api, route))
        .collect_view();
    view! {
        <div class="table-scroll" tabindex="0">
            <table class="data-table">
                <thead>
                    <tr>
                        <th scope="col">"Name"</th>
                        <th scope="col">"Calls"</th>
                        <th scope="col">"Limits"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(api: ApiId, route: RouteLine) -> AnyView {
    let href = format!("/console/apis/{api}/routes/{}", route.id);
    let limits = if route.limits.is_empty() {
        view! { <span class="text-muted">"none of its own"</span> }.into_any()
    } else {
        route.limits.join("; ").into_any()
    };
    let methods = if route.methods.is_empty() {
        "any".to_owned()
    } else {
        route.methods.join(", ")
    };
    view! {
        <tr>
            <td>
                <a class="link-quiet font-medium" href=href>
                    {route.name}
                </a>
            </td>
            <td class="mono whitespace-normal wrap-anywhere">
                <span class="text-muted">{methods}</span>
                " "
                {route.path}
            </td>
            <td class="whitespace-normal">{limits}</td>
        </tr>
    }
    .into_any()
}
