//! Limits as a table.

use apiverse_contract::limits::PolicyScope;
use leptos::prelude::*;

use crate::rpc::limits::LimitRow;
use crate::ui::badge::pill;
use crate::ui::dynamic::when;

/// `action` is what can be done with a limit, for its column on the right.
pub fn table(rows: Vec<LimitRow>, action: &dyn Fn(&LimitRow) -> AnyView) -> AnyView {
    let rows = rows
        .into_iter()
        .map(|row| {
            let action = action(&row);
            line(row, action)
        })
        .collect_view();
    view! {
        <div class="table-scroll" tabindex="0">
            <table class="data-table">
                <thead>
                    <tr>
                        <th scope="col">"Name"</th>
                        <th scope="col">"Allows"</th>
                        <th scope="col">"From"</th>
                        <th scope="col">
                            <span class="sr-only">"Actions"</span>
                        </th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn line(row: LimitRow, action: AnyView) -> AnyView {
    let replaces = row.replaces.join(", ");
    view! {
        <tr>
            <td class="mono">{row.name}</td>
            <td class="whitespace-normal">
                {row.words}
                {when(
                    !replaces.is_empty(),
                    || {
                        view! {
                            <span class="help block">{format!("in the place of {replaces}")}</span>
                        }
                            .into_any()
                    },
                )}
            </td>
            <td>{origin(row.scope, &row.target_id, row.target_name)}</td>
            <td class="text-right">{action}</td>
        </tr>
    }
    .into_any()
}

fn origin(scope: PolicyScope, id: &str, name: String) -> AnyView {
    let href = match scope {
        PolicyScope::Organization => return pill("pill", "Organization"),
        PolicyScope::Key => format!("/console/keys/{id}"),
        PolicyScope::Api => format!("/console/apis/{id}"),
        PolicyScope::Route => return format!("Route {name}").into_any(),
    };
    view! {
        <a class="link-quiet" href=href>
            {name}
        </a>
    }
    .into_any()
}
