//! One policy at one place: what holds, the form that changes it, and its history.

use apiverse_contract::policies::{PolicyKind, PolicyLevel};
use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_router::hooks::{use_params_map, use_query_map};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fields::{flag, section};
use super::history::history;
use super::panel::badge;
use super::trial::trial;
use crate::browser;
use crate::forms::Fields;
use crate::forms::policy::{address, read, title};
use crate::rpc::policies::{
    CardState, FieldInput, FormField, OneFn, OnePolicy, PlaceName, PolicyRef, RemoveFn, SaveFn,
    SavePolicy,
};
use crate::rpc::{Loaded, RpcError, load_with, send};
use crate::ui::dynamic::when;
use crate::ui::field::text_area;
use crate::ui::form::{FormState, Sent};
use crate::ui::load::load_page;
use crate::ui::notice::done_notice;
use crate::ui::page_head::page_head_below;
use crate::ui::skeleton;
use crate::ui::toast::Toasts;

/// Id of the policy's own form.
pub(super) const POLICY_FORM: &str = "policy-form";

/// Id of the form with the document as JSON.
const WHOLE_FORM: &str = "policy-whole-form";

/// What the forms of the page share.
#[derive(Clone, Copy)]
pub(super) struct Editing {
    pub policy: StoredValue<PolicyRef>,
    /// The page's own address, which forms are posted to.
    pub path: StoredValue<String>,
    data: Loaded<OnePolicy>,
    /// What was looked at, so that another's change is not overwritten.
    version: u32,
}

impl Editing {
    /// Calls a function, tells that it worked and shows what is there then.
    pub fn done<F>(self, arguments: F) -> Sent
    where
        F: ServerFn<Error = RpcError> + Serialize + DeserializeOwned + 'static,
        F::Output: Serialize,
    {
        let toasts = use_context::<Toasts>();
        Box::pin(async move {
            send(arguments).await?;
            if let Some(toasts) = toasts {
                toasts.show("Saved. The gateway follows at once");
            }
            browser::reset_form(POLICY_FORM);
            browser::reset_form(WHOLE_FORM);
            self.data.refetch();
            Ok(())
        })
    }

    fn save(self, fields: Fields) -> Sent {
        let input = SavePolicy {
            policy: self.policy.get_value(),
            version: self.version,
            fields: fields.0,
        };
        self.done(SaveFn { input })
    }
}

pub fn policy() -> AnyView {
    let params = use_params_map();
    let query = use_query_map();
    let which = Memo::new(move |_| {
        let kind = params.with(|map| map.get("kind"))?;
        query.with(|map| read(&kind, map.get_str("on"), map.get_str("id")))
    });
    let data = load_with(move || {
        let input = which.get()?;
        Some(OneFn { input })
    });
    view! {
        <div class="page">
            {load_page(data, skeleton::form, move |found| match which.get_untracked() {
                Some(which) => content(found, which, data),
                None => ().into_any(),
            })}
        </div>
    }
    .into_any()
}

fn content(found: OnePolicy, which: PolicyRef, data: Loaded<OnePolicy>) -> AnyView {
    let OnePolicy {
        place,
        kind,
        version,
        state,
        words,
        from,
        sections,
        document,
        history: states,
        recent,
    } = found;
    let path = address(&which);
    let editing = Editing {
        policy: StoredValue::new(which),
        path: StoredValue::new(path),
        data,
        version,
    };
    let is_own = version > 0 && from.is_none() && state != CardState::Absent;
    let is_on = !(is_own && state == CardState::Off);
    let is_transform = matches!(
        kind,
        PolicyKind::RequestTransform | PolicyKind::ResponseTransform
    );
    // What decides which way a call goes.
    let is_planned = matches!(kind, PolicyKind::Cache | PolicyKind::Mock);
    let form = FormState::new("policy");
    let sections = sections
        .into_iter()
        .map(|one| section(form, one))
        .collect_view();
    let enabled = FormField {
        name: "enabled".to_owned(),
        label: "On".to_owned(),
        help: "Without it the kind is off here and below, whatever stands farther away.".to_owned(),
        placeholder: String::new(),
        input: FieldInput::Flag,
        value: if is_on { "true" } else { "" }.to_owned(),
        options: Vec::new(),
    };
    view! {
        {head(&place, kind, badge(state, from.clone()))}
        {done_notice(use_query_map())}
        <p class="max-w-3xl text-muted">{about(&place, is_own, &words, from)}</p>
        <form
            id=POLICY_FORM
            method="post"
            action=editing.path.get_value()
            novalidate
            class="panel w-full max-w-4xl"
            aria-label="Policy"
            on:submit=form.on_submit(move |fields| editing.save(fields))
        >
            <div class="panel-body flex flex-col gap-5">
                {form.head()} <input type="hidden" name="version" value=version.to_string() />
                {flag(form, enabled, "checkbox checkbox-sm mt-0.5")} {sections}
            </div>
            <div class="flex items-center justify-end gap-2 border-t border-line px-4 py-3">
                {form.button("Save policy")} {when(is_planned, FormState::plan_button)}
            </div>
        </form>
        {when(is_transform, || trial(editing, kind, recent))}
        {whole(editing, &document)} {history(editing, states)} {when(is_own, || removal(editing))}
    }
    .into_any()
}

/// `Cache` below what it is attached to.
fn head(place: &PlaceName, kind: PolicyKind, beside: AnyView) -> AnyView {
    let (href, name): (String, &'static str) = match (place.level, &place.api) {
        (PolicyLevel::Organization, _) => ("/console/policies".to_owned(), "Policies"),
        (PolicyLevel::Api, _) => (format!("/console/apis/{}#policies", place.id), "API"),
        (PolicyLevel::Route, Some(api)) => (
            format!("/console/apis/{}/routes/{}#policies", api.id, place.id),
            "Route",
        ),
        (PolicyLevel::Version, Some(api)) => (
            format!("/console/apis/{}/versions/{}#policies", api.id, place.id),
            "Version",
        ),
        (PolicyLevel::Route | PolicyLevel::Version, None) => ("/console/apis".to_owned(), "APIs"),
        (PolicyLevel::Key, _) => (format!("/console/keys/{}#policies", place.id), "Key"),
    };
    let title = match place.level {
        PolicyLevel::Organization => title(kind).to_owned(),
        _ => format!("{} of {}", title(kind), place.name),
    };
    page_head_below((href.as_str(), name), title, beside, ().into_any())
}

fn about(place: &PlaceName, is_own: bool, words: &str, from: Option<String>) -> String {
    let here = match place.level {
        PolicyLevel::Organization => "the organization".to_owned(),
        PolicyLevel::Api => format!("the API {}", place.name),
        level => format!("the {level} {}", place.name),
    };
    match (is_own, from) {
        (true, _) => format!("{words}. It is set for {here}."),
        (false, Some(from)) => {
            format!(
                "{words}. It comes from {from}; what is saved here holds for {here} instead, as a whole."
            )
        }
        (false, None) => format!("{words} Nothing is set for {here} yet."),
    }
}

/// The document as JSON: what has no field of its own is changed here.
fn whole(editing: Editing, document: &str) -> AnyView {
    let form = FormState::new("policy-whole");
    view! {
        <details class="panel w-full max-w-4xl" open=form.problem.get_untracked().is_some()>
            <summary class="cursor-pointer px-4 py-3 font-medium">"As JSON"</summary>
            <form
                method="post"
                action=editing.path.get_value()
                novalidate
                id=WHOLE_FORM
                class="border-t border-line"
                aria-label="Policy as JSON"
                on:submit=form.on_submit(move |fields| editing.save(fields))
            >
                <div class="panel-body flex flex-col gap-4">
                    {form.head()}
                    <input type="hidden" name="version" value=editing.version.to_string() />
                    {text_area(
                        form,
                        "document",
                        "Document",
                        "The whole policy, as REST and the configuration file have it. Fields with no box above are only here.",
                        document,
                        "textarea mono w-full min-h-64",
                    )}
                </div>
                <div class="flex items-center justify-end border-t border-line px-4 py-3">
                    {form.button("Save document")}
                </div>
            </form>
        </details>
    }
    .into_any()
}

fn removal(editing: Editing) -> AnyView {
    let form = FormState::new("policy-remove");
    let run = move |_: Fields| -> Sent {
        let input = editing.policy.get_value();
        editing.done(RemoveFn { input })
    };
    view! {
        <form
            method="post"
            action=editing.path.get_value()
            class="panel flex w-full max-w-4xl flex-wrap items-center justify-between gap-3 p-4"
            on:submit=form.on_submit(run)
        >
            <div class="flex flex-col gap-1">
                <h2>"Remove"</h2>
                <p class="text-muted">
                    "What is attached farther away counts again. The history stays, and can be restored."
                </p>
                {form.head()}
            </div>
            {form.button_with_class("Remove policy", "btn btn-outline btn-error btn-sm")}
        </form>
    }
    .into_any()
}
