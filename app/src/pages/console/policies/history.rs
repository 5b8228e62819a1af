//! The states a policy had, each a button away.

use leptos::prelude::*;

use super::edit::Editing;
use crate::forms::Fields;
use crate::rpc::policies::{PolicyState, RollBackFn, RollBackPolicy};
use crate::ui::form::{FormState, Sent};
use crate::ui::time::ago;

pub fn history(editing: Editing, states: Vec<PolicyState>) -> AnyView {
    if states.is_empty() {
        return ().into_any();
    }
    let rows = states
        .into_iter()
        .enumerate()
        .map(|(at, state)| row(editing, state, at == 0))
        .collect_view();
    view! {
        <section class="panel w-full max-w-4xl overflow-hidden" aria-label="History">
            <div class="panel-head">
                <h2>"History"</h2>
            </div>
            <ol class="divide-y divide-line">{rows}</ol>
        </section>
    }
    .into_any()
}

fn row(editing: Editing, state: PolicyState, is_present: bool) -> AnyView {
    let PolicyState {
        version,
        words,
        changed_at,
        changed_by,
    } = state;
    view! {
        <li class="flex items-center gap-3 px-4 py-2.5">
            <div class="flex min-w-0 grow flex-col gap-0.5">
                <p class="text-sm">{words}</p>
                <p class="text-xs text-muted">
                    {format!("Version {version}, by {changed_by}, ")} {ago(changed_at)}
                </p>
            </div>
            {if is_present {
                view! { <span class="pill">"now"</span> }.into_any()
            } else {
                restore(editing, version)
            }}
        </li>
    }
    .into_any()
}

fn restore(editing: Editing, version: u32) -> AnyView {
    let form = FormState::new("policy-restore");
    let run = move |_: Fields| -> Sent {
        let policy = editing.policy.get_value();
        let input = RollBackPolicy { policy, version };
        editing.done(RollBackFn { input })
    };
    view! {
        <form method="post" action=editing.path.get_value() on:submit=form.on_submit(run)>
            <input type="hidden" name="form" value="policy-restore" />
            <input type="hidden" name="version" value=version.to_string() />
            {form.button_with_class("Restore", "btn btn-ghost btn-xs")}
        </form>
    }
    .into_any()
}
