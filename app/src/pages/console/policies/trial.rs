//! A transform tried on a call, before it is saved.

use apiverse_contract::policies::PolicyKind;
use apiverse_contract::policies::preview::{DiffChange, DiffLine, Preview};
use leptos::prelude::*;

use super::edit::{Editing, POLICY_FORM};
use crate::browser;
use crate::forms::Fields;
use crate::rpc::call;
use crate::rpc::policies::{TryFn, TryPolicy};
use crate::ui::dynamic::{dynamic, when};
use crate::ui::field::{Input, text_area};
use crate::ui::form::{FormState, Sent};
use crate::ui::icon::icon;

const AREA: &str = "textarea mono w-full";

/// The panel. `recent`: calls that were recorded, to choose from.
pub fn trial(editing: Editing, kind: PolicyKind, recent: Vec<String>) -> AnyView {
    let form = FormState::new("policy-try");
    let made = RwSignal::new(None::<Preview>);
    let run = move |fields: Fields| -> Sent {
        Box::pin(async move {
            let input = TryPolicy {
                policy: editing.policy.get_value(),
                fields: browser::fields_of(POLICY_FORM),
                call: fields.0,
            };
            let preview = call(TryFn { input }).await?;
            made.try_set(Some(preview));
            Ok(())
        })
    };
    let is_answer = kind == PolicyKind::ResponseTransform;
    let first = recent
        .first()
        .cloned()
        .unwrap_or_else(|| "GET /".to_owned());
    let options = recent
        .into_iter()
        .map(|line| view! { <option value=line></option> }.into_any())
        .collect_view();
    view! {
        <form
            class="panel w-full max-w-4xl"
            aria-label="Try it"
            method="post"
            action=editing.path.get_value()
            novalidate
            on:submit=form.on_submit(run)
        >
            <div class="panel-head">
                <h2>"Try it"</h2>
                <span class="text-sm text-muted">"On what stands above, saved or not. Nothing is sent."</span>
            </div>
            <div class="panel-body flex flex-col gap-4">
                {form.head()}
                <noscript inner_html=r#"<p class="alert alert-info">Trying out reads the form above in your browser and needs JavaScript. POST /api/v1/policies/preview does the same.</p>"#></noscript>
                {Input::mono("try.request", "Request")
                    .help("Method and path. The latest calls are offered.")
                    .list("recent-calls")
                    .show(form, &first)} <datalist id="recent-calls">{options}</datalist>
                <div class="grid gap-4 md:grid-cols-2">
                    {text_area(form, "try.headers", "Request headers", "Name: value, one a line.", "", AREA)}
                    {text_area(form, "try.body", "Request body", "", "", AREA)}
                </div>
                {when(
                    is_answer,
                    || {
                        view! {
                            {Input::mono("try.status", "Answer's status").show(form, "200")}
                            <div class="grid gap-4 md:grid-cols-2">
                                {text_area(
                                    form,
                                    "try.answer_headers",
                                    "Answer's headers",
                                    "Name: value, one a line.",
                                    "Content-Type: application/json",
                                    AREA,
                                )}
                                {text_area(form, "try.answer_body", "Answer's body", "", "{}", AREA)}
                            </div>
                        }
                            .into_any()
                    },
                )}
            </div>
            <div aria-live="polite">{dynamic(move || made.get().map_or_else(|| ().into_any(), result))}</div>
            <div class="flex items-center justify-end border-t border-line px-4 py-3">
                {form.button_with_class("Try", "btn btn-outline btn-sm")}
            </div>
        </form>
    }
    .into_any()
}

fn result(preview: Preview) -> AnyView {
    let error = preview.error.map(|error| {
        view! {
            <div class="alert alert-error items-start">
                {icon(icondata_lu::LuCircleAlert.data)}
                <p>
                    {"The call would be refused: "} <span class="mono">{error.code.to_string()}</span>
                    {format!(", {}", error.detail)}
                </p>
            </div>
        }
        .into_any()
    });
    let is_same = preview
        .diff
        .iter()
        .all(|line| line.change == DiffChange::Same);
    let lines = preview.diff.into_iter().map(line).collect_view();
    view! {
        <div class="flex flex-col gap-3 border-t border-line px-4 py-3">
            {error}
            {when(
                is_same,
                || view! { <p class="text-muted">"Nothing is changed."</p> }.into_any(),
            )}
            <pre class="mono overflow-x-auto rounded-md bg-sunken p-3 text-xs" tabindex="0">
                <code>{lines}</code>
            </pre>
        </div>
    }
    .into_any()
}

/// What was there is marked with a minus, what is there now with a plus; neither by colour alone.
fn line(line: DiffLine) -> AnyView {
    let (class, mark) = match line.change {
        DiffChange::Same => ("", "  "),
        DiffChange::Removed => ("bg-bad-soft text-bad", "- "),
        DiffChange::Added => ("bg-ok-soft text-ok", "+ "),
    };
    view! { <span class=class>{format!("{mark}{}\n", line.text)}</span> }.into_any()
}
