//! The fields of an API, for making and for changing one.

use apiverse_contract::apis::{ApiView, AuthType};
use leptos::prelude::*;
use serde_json::Value;

use super::list::auth_name;
use crate::ui::field::{Input, check, radios, select, text_area};
use crate::ui::form::FormState;

/// `old` is the API that is changed; its secrets are not known here and stay when left empty.
pub fn fields(form: FormState, old: Option<&ApiView>) -> AnyView {
    let text = |value: fn(&ApiView) -> &str| old.map_or("", value);
    let slug = match old {
        Some(_) => "Changing it breaks callers that use the old one.",
        None => "What stands in the gateway's address. Made from the name when left empty.",
    };
    view! {
        <div class="grid gap-4 md:grid-cols-2">
            {Input::text("name", "Name").required().placeholder("Weather").show(form, text(|api| &api.name))}
            {Input::mono("slug", "Slug").placeholder("weather").help(slug).show(form, text(|api| &api.slug))}
        </div>
        {Input::mono("base_url", "Base URL")
            .kind("url")
            .required()
            .placeholder("https://api.example.com/v1")
            .help("Where calls go. A path is put before the caller's.")
            .show(form, text(|api| &api.base_url))}
        {text_area(
            form,
            "description",
            "Description",
            "",
            text(|api| api.description.as_deref().unwrap_or_default()),
            "textarea w-full",
        )}
        {auth(form, old)}
        {advanced(form, old)}
    }
    .into_any()
}

/// Which fields are seen follows the chosen type by style sheet alone, so it works at once.
fn auth(form: FormState, old: Option<&ApiView>) -> AnyView {
    let kinds: Vec<(&'static str, &'static str)> = AuthType::ALL
        .into_iter()
        .map(|kind| (kind.as_str(), auth_name(kind)))
        .collect();
    let current = old.map_or(AuthType::None, |api| api.auth_type);
    let config = |name: &str| -> String {
        old.and_then(|api| api.auth_config.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    // A secret that is kept says so; it is never sent here.
    let kept = |kind: AuthType| {
        if old.is_some() && current == kind {
            "Leave empty to keep the stored one."
        } else {
            "Encrypted at rest, never shown again."
        }
    };
    view! {
        <fieldset class="group flex flex-col gap-3 rounded-box border border-line p-4">
            <legend class="sr-only">"Upstream credentials"</legend>
            {radios(form, "auth_type", "The upstream asks for", &kinds, current.as_str())}
            <div class="hidden gap-4 group-has-[[value^=api]:checked]:grid md:grid-cols-3">
                {Input::mono("auth_config.name", "Header or parameter")
                    .placeholder("X-API-Key")
                    .show(form, &config("name"))}
                {select(
                    form,
                    "auth_config.in",
                    "Sent in",
                    "",
                    vec![("header".into(), "a header".into()), ("query".into(), "the query".into())],
                    &config("in"),
                )}
                {Input::password("auth_config.value", "Upstream key", "off")
                    .help(kept(AuthType::ApiKey))
                    .show(form, "")}
            </div>
            <div class="hidden gap-4 group-has-[[value=bearer]:checked]:grid">
                {Input::password("auth_config.token", "Token", "off").help(kept(AuthType::Bearer)).show(form, "")}
            </div>
            <div class="hidden gap-4 group-has-[[value=basic]:checked]:grid md:grid-cols-2">
                {Input::text("auth_config.username", "User").show(form, &config("username"))}
                {Input::password("auth_config.password", "Upstream password", "off")
                    .help(kept(AuthType::Basic))
                    .show(form, "")}
            </div>
            <div class="hidden gap-4 group-has-[[value=oauth2]:checked]:grid md:grid-cols-2">
                {Input::mono("auth_config.token_url", "Token URL")
                    .kind("url")
                    .placeholder("https://login.example.com/oauth/token")
                    .show(form, &config("token_url"))}
                {Input::mono("auth_config.client_id", "Client id").show(form, &config("client_id"))}
                {Input::password("auth_config.client_secret", "Client secret", "off")
                    .help(kept(AuthType::Oauth2))
                    .show(form, "")}
                {Input::mono("auth_config.scope", "Scope").show(form, &config("scope"))}
                {Input::mono("auth_config.audience", "Audience").show(form, &config("audience"))}
            </div>
        </fieldset>
    }
    .into_any()
}

fn advanced(form: FormState, old: Option<&ApiView>) -> AnyView {
    let number = |value: Option<u64>| value.map_or_else(String::new, |n| n.to_string());
    let limits = old.map(|api| api.limits).unwrap_or_default();
    let ms = |value: Option<u32>| number(value.map(u64::from));
    let has_any = limits != apiverse_contract::apis::ApiLimits::default()
        || old.is_some_and(|api| api.allow_query_key)
        || form.problem.with_untracked(|problem| {
            problem.as_ref().is_some_and(|problem| {
                problem
                    .errors
                    .iter()
                    .any(|error| error.field.starts_with("limits."))
            })
        });
    view! {
        <details class="rounded-box border border-line" open=has_any>
            <summary class="cursor-pointer px-4 py-2.5 font-medium">"Advanced"</summary>
            <div class="flex flex-col gap-4 border-t border-line p-4">
                <p class="help">"What is left empty follows the gateway's own setting."</p>
                <div class="grid gap-4 sm:grid-cols-2">
                    {Input::mono("limits.connect_timeout_ms", "Time to connect (ms)")
                        .help("100 to 60,000.")
                        .show(form, &ms(limits.connect_timeout_ms))}
                    {Input::mono("limits.first_byte_timeout_ms", "Time to the answer (ms)")
                        .help("100 to 3,600,000.")
                        .show(form, &ms(limits.first_byte_timeout_ms))}
                    {Input::mono("limits.idle_timeout_ms", "Silence inside a body (ms)")
                        .help("100 to 3,600,000.")
                        .show(form, &ms(limits.idle_timeout_ms))}
                    {Input::mono("limits.max_body_bytes", "Largest request body (bytes)")
                        .show(form, &number(limits.max_body_bytes))}
                </div>
                {check(
                    form,
                    "allow_query_key",
                    "true",
                    "Take the key from the address too",
                    "As ?api_key=… Addresses end up in logs: only for callers that cannot set a header.",
                    old.is_some_and(|api| api.allow_query_key),
                )}
            </div>
        </details>
    }
    .into_any()
}
