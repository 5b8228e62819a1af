//! What a key may do, for making and for changing one.

use apiverse_contract::keys::ApiKeyView;
use leptos::prelude::*;

use crate::rpc::Named;
use crate::ui::dynamic::dynamic;
use crate::ui::field::{Input, check, radios, text_area};
use crate::ui::form::FormState;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// APIs, methods, networks and scopes.
pub fn limits(form: FormState, old: Option<&ApiKeyView>, apis: &[Named]) -> AnyView {
    let list = |value: fn(&ApiKeyView) -> &[String], between: &str| {
        old.map_or_else(String::new, |key| value(key).join(between))
    };
    let methods = METHODS
        .into_iter()
        .map(|method| {
            let ticked = old.is_some_and(|key| key.methods.iter().any(|other| other == method));
            check(form, "methods", method, method, "", ticked)
        })
        .collect_view();
    view! {
        {api_scope(form, old, apis)}
        <fieldset class="flex flex-col gap-2">
            <legend class="label mb-1">"Methods"</legend>
            <div class="flex flex-wrap gap-x-5 gap-y-2">{methods}</div>
            <p class="help">"None ticked: every method."</p>
        </fieldset>
        {text_area(
            form,
            "allowed_ips",
            "Allowed networks",
            "One address or network (CIDR) a line. Empty: from everywhere.",
            &list(|key| &key.allowed_ips, "\n"),
            "textarea w-full mono",
        )}
        {Input::mono("scopes", "Scopes")
            .help("Words your own services can ask for, separated by spaces.")
            .show(form, &list(|key| &key.scopes, " "))}
    }
    .into_any()
}

/// All APIs, those of the future too, or some.
fn api_scope(form: FormState, old: Option<&ApiKeyView>, apis: &[Named]) -> AnyView {
    let chosen = old.map(|key| key.api_ids.as_slice()).unwrap_or_default();
    let scope = if chosen.is_empty() { "all" } else { "some" };
    let boxes = apis
        .iter()
        .map(|api| {
            let ticked = chosen.iter().any(|id| id.to_string() == api.id);
            check(form, "api_ids", &api.id, &api.name, "", ticked)
        })
        .collect_view();
    let error = form.error_of("api_ids");
    view! {
        <div class="group flex flex-col gap-2">
            {radios(form, "api_scope", "APIs", &[("all", "All APIs"), ("some", "Only some")], scope)}
            <div class="hidden max-h-56 flex-col gap-2 overflow-y-auto rounded-box border border-line p-3 group-has-[[value=some]:checked]:flex">
                {if apis.is_empty() {
                    view! { <p class="text-muted">"There is no API yet."</p> }.into_any()
                } else {
                    boxes.into_any()
                }}
            </div>
            {dynamic(move || match error.get() {
                Some(text) => view! { <p class="field-error" role="alert">{text}</p> }.into_any(),
                None => ().into_any(),
            })}
        </div>
    }
    .into_any()
}
