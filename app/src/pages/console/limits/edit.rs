//! The form of one limit.

use apiverse_contract::limits::{
    Algorithm, CONCURRENCY_NAME, Limit, LimitPolicy, Per, Period, PolicyScope, QuotaPer, RateLimit,
};
use leptos::ev::{Event, MouseEvent};
use leptos::prelude::*;
use leptos::web_sys;
use wasm_bindgen::JsCast;

use super::panel::{Limits, opened};
use crate::browser;
use crate::forms::{Fields, limit as limit_form};
use crate::ui::dynamic::{on, text, when};
use crate::ui::field::{Input, check, radios, select};
use crate::ui::form::{FormState, Sent, unreadable};

const KINDS: [(&str, &str); 3] = [
    ("rate_limit", "Rate"),
    ("quota", "Quota"),
    ("concurrency", "Concurrency"),
];

/// `old` is the name of the limit that is changed; empty for a new one.
pub fn form(limits: Limits, policy: &LimitPolicy, old: String) -> AnyView {
    let form = FormState::new("limit-save");
    let found = find(policy, &old);
    let old = found.as_ref().map_or_else(String::new, |_| old);
    let words = RwSignal::new(found.as_ref().map(limit_form::words));
    let read = move |ev: Event| {
        let form = ev
            .current_target()
            .and_then(|target| target.dyn_into::<web_sys::HtmlFormElement>().ok());
        if let Some(form) = form {
            let fields = Fields(browser::form_fields(&form));
            words.set(
                limit_form::read(&fields)
                    .ok()
                    .as_ref()
                    .map(limit_form::words),
            );
        }
    };
    let preview = move || match words.get() {
        Some(words) => format!("Allows {words}."),
        None => "What it allows is said here once the numbers are there.".to_owned(),
    };
    let policy = policy.clone();
    let replaced = old.clone();
    let save = move |fields: Fields| -> Sent {
        match limit_form::put(&policy, &replaced, &fields) {
            Ok(policy) => limits.save(policy),
            Err(errors) => Box::pin(std::future::ready(Err(unreadable(errors)))),
        }
    };
    let path = limits.path.get_value();
    let action = opened(limits, &old);
    let has_upper = limits
        .target
        .with_value(|target| target.scope != PolicyScope::Organization);
    let kinds = match &found {
        Some(limit) => {
            view! { <input type="hidden" name="kind" value=kind_of(limit) /> }.into_any()
        }
        None => radios(form, "kind", "What is limited", &KINDS, "rate_limit"),
    };
    view! {
        <form
            method="post"
            action=action
            novalidate
            class="group border-t border-line bg-sunken"
            on:submit=form.on_submit(save)
            on:input=on(read)
        >
            <div class="panel-body flex flex-col gap-4">
                {form.head()} <input type="hidden" name="old" value=old.clone() /> {kinds}
                {fields(form, found.as_ref(), has_upper)}
                <p class="text-sm font-medium" aria-live="polite">
                    {text(preview)}
                </p>
                <div class="flex items-center justify-end gap-2">
                    <a
                        class="btn btn-ghost btn-sm"
                        href=path
                        rel="external"
                        on:click=on(move |ev: MouseEvent| {
                            ev.prevent_default();
                            limits.open.set(None);
                        })
                    >
                        "Cancel"
                    </a>
                    {form.button("Save limit")} {FormState::plan_button()}
                </div>
            </div>
        </form>
    }
    .into_any()
}

fn find(policy: &LimitPolicy, name: &str) -> Option<Limit> {
    if name == CONCURRENCY_NAME {
        return policy.concurrency.map(|limit| Limit::Concurrency { limit });
    }
    let rate = policy.rate_limits.iter().find(|limit| limit.name == name);
    if let Some(limit) = rate {
        return Some(Limit::RateLimit(limit.clone()));
    }
    let quota = policy.quotas.iter().find(|quota| quota.name == name);
    quota.cloned().map(Limit::Quota)
}

fn kind_of(limit: &Limit) -> &'static str {
    match limit {
        Limit::RateLimit(_) => "rate_limit",
        Limit::Quota(_) => "quota",
        Limit::Concurrency { .. } => "concurrency",
    }
}

/// Which fields are seen follows the chosen kind by style sheet alone; of a limit that is changed
/// the kind stays as it is.
fn fields(form: FormState, old: Option<&Limit>, has_upper: bool) -> AnyView {
    let has = |kind: &str| old.is_none_or(|limit| kind_of(limit) == kind);
    let named = old.is_none_or(|limit| !matches!(limit, Limit::Concurrency { .. }));
    let (name, calls) = match old {
        Some(Limit::RateLimit(limit)) => (limit.name.as_str(), limit.limit.to_string()),
        Some(Limit::Quota(quota)) => (quota.name.as_str(), quota.limit.to_string()),
        Some(Limit::Concurrency { limit }) => ("", limit.to_string()),
        None => ("", String::new()),
    };
    view! {
        <div class="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
            {when(
                named,
                || {
                    view! {
                        <div class="group-has-[[value=concurrency]:checked]:hidden">
                            {Input::mono("limit_name", "Name")
                                .placeholder("burst")
                                .help("Callers see it. Of an API's and a key's limit of the same name the key's holds.")
                                .show(form, name)}
                        </div>
                    }
                        .into_any()
                },
            )}
            {Input::mono("limit", "Calls").placeholder("100").show(form, &calls)}
            {when(has("rate_limit"), || rate_fields(form, old))}
            {when(has("quota"), || quota_fields(form, old))}
            {when(named && has_upper, || replaces_field(form, old))}
        </div>
    }
    .into_any()
}

fn replaces_field(form: FormState, old: Option<&Limit>) -> AnyView {
    let is_set = match old {
        Some(Limit::RateLimit(limit)) => limit.replaces_organization,
        Some(Limit::Quota(quota)) => quota.replaces_organization,
        Some(Limit::Concurrency { .. }) | None => false,
    };
    view! {
        <div class="pt-6 sm:col-span-2 group-has-[[value=concurrency]:checked]:hidden">
            {check(
                form,
                "replaces_organization",
                "true",
                "In place of the organization's",
                "Otherwise the organization's limit of the same name holds too. For owners and admins.",
                is_set,
            )}
        </div>
    }
    .into_any()
}

fn rate_fields(form: FormState, old: Option<&Limit>) -> AnyView {
    let old: Option<&RateLimit> = match old {
        Some(Limit::RateLimit(limit)) => Some(limit),
        _ => None,
    };
    let (number, unit) = limit_form::in_units(old.map_or(60, |limit| limit.window_seconds));
    let units = limit_form::UNITS
        .into_iter()
        .map(|(seconds, name, _)| (seconds.to_string(), name.to_owned()))
        .collect();
    let algorithm = match old.map(|limit| limit.algorithm) {
        Some(Algorithm::SlidingWindow) => "sliding_window",
        _ => "gcra",
    };
    let per = match old.map(|limit| limit.per) {
        Some(Per::Key) => "key",
        Some(Per::Address) => "address",
        _ => "scope",
    };
    let burst = old
        .and_then(|limit| limit.burst)
        .map_or_else(String::new, |burst| burst.to_string());
    let class = if old.is_some() {
        "contents"
    } else {
        "hidden group-has-[[value^=rate]:checked]:contents"
    };
    view! {
        <div class=class>
            {Input::mono("window", "In").show(form, &number.to_string())}
            {select(form, "unit", "Unit", "", units, &unit.0.to_string())}
            {select(
                form,
                "algorithm",
                "Counted",
                "",
                pairs(&[("gcra", "Evenly, with bursts"), ("sliding_window", "Over a sliding window")]),
                algorithm,
            )}
            <div class="group-has-[[value^=sliding]:checked]:hidden">
                {Input::mono("burst", "At once")
                    .help("Empty: as many as the calls.")
                    .show(form, &burst)}
            </div>
            {select(
                form,
                "per",
                "Shared by",
                "",
                pairs(&[("scope", "Everybody"), ("key", "Each key alone"), ("address", "Each address alone")]),
                per,
            )}
            <div class="pt-6">
                {check(
                    form,
                    "count_denied",
                    "true",
                    "Refused calls count too",
                    "",
                    old.is_some_and(|limit| limit.count_denied),
                )}
            </div>
        </div>
    }
    .into_any()
}

fn quota_fields(form: FormState, old: Option<&Limit>) -> AnyView {
    let old = match old {
        Some(Limit::Quota(quota)) => Some(quota),
        _ => None,
    };
    let period = match old.map(|quota| quota.period) {
        Some(Period::Day) => "day",
        _ => "month",
    };
    let per = match old.map(|quota| quota.per) {
        Some(QuotaPer::Key) => "key",
        _ => "scope",
    };
    let class = if old.is_some() {
        "contents"
    } else {
        "hidden group-has-[[value=quota]:checked]:contents"
    };
    view! {
        <div class=class>
            {select(
                form,
                "period",
                "In a calendar",
                "UTC.",
                pairs(&[("day", "Day"), ("month", "Month")]),
                period,
            )}
            {select(
                form,
                "quota_per",
                "Shared by",
                "",
                pairs(&[("scope", "Everybody"), ("key", "Each key alone")]),
                per,
            )}
        </div>
    }
    .into_any()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter()
        .map(|(value, text)| ((*value).to_owned(), (*text).to_owned()))
        .collect()
}
