//! The form of a rule, to make one and to change one.

use apiverse_contract::alerts::AlertMetric;
use apiverse_contract::auth::Role;
use apiverse_contract::usage::StatusClass;
use apiverse_contract::{AlertRuleId, FieldError};
use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};

use super::PATH;
use super::forms::{buttons, options, saved, texts};
use super::preview::preview;
use crate::forms::Fields;
use crate::forms::alert::{read_rule, rule_fields};
use crate::rpc::alerts::{
    AddAlertFn, AlertChoices, AlertRuleRef, ChoicesFn, ReplaceAlert, ReplaceAlertFn, RuleFn,
};
use crate::rpc::{load_with, send};
use crate::ui::dynamic::{dynamic, when};
use crate::ui::field::{Input, check, select};
use crate::ui::form::{FormState, Sent, unreadable};
use crate::ui::load::load;
use crate::ui::page_head::page_head_below;
use crate::ui::skeleton;
use crate::urlencoded;

pub const NEW: &str = "/console/alerts/new";
pub const RULE_FORM: &str = "alert-rule";

const KINDS: [(&str, &str); 4] = [
    ("threshold", "Threshold"),
    ("ratio", "Compared with before"),
    ("absence", "No calls"),
    ("burn_rate", "Error budget"),
];

/// What a form begins with: a rule that is there, or nothing.
#[derive(Clone, Default)]
struct Start {
    id: Option<AlertRuleId>,
    fields: Fields,
}

impl Start {
    /// What a field holds at first; `or` where the rule has no such field.
    fn value<'a>(&'a self, name: &'a str, or: &'a str) -> &'a str {
        self.fields.all(name).next().unwrap_or(or)
    }

    fn path(&self) -> String {
        match self.id {
            Some(id) => format!("{PATH}/{id}/edit"),
            None => NEW.to_owned(),
        }
    }

    /// The kind that is asked for in the address, else that of the rule.
    fn kind(&self, asked: &str) -> &'static str {
        let known = |text: &str| KINDS.into_iter().find(|(name, _)| *name == text);
        known(asked)
            .or_else(|| known(self.fields.raw("kind")))
            .map_or(KINDS[0].0, |(name, _)| name)
    }
}

pub fn create_rule() -> AnyView {
    let choices = load_with(|| Some(ChoicesFn {}));
    let body = load(choices, skeleton::form, |choices| {
        rule_and_preview(choices, Start::default())
    });
    framed("New alert rule".to_owned(), body)
}

pub fn edit_rule() -> AnyView {
    let params = use_params_map();
    let found = load_with(move || {
        let id = params.with(|params| params.get_str("id").and_then(|id| id.parse().ok()));
        id.map(|id| RuleFn {
            input: AlertRuleRef { id },
        })
    });
    let body = load(found, skeleton::form, |found| {
        let start = Start {
            id: Some(found.rule.id),
            fields: rule_fields(&found.rule.rule),
        };
        rule_and_preview(found.choices, start)
    });
    framed("Edit alert rule".to_owned(), body)
}

fn framed(title: String, body: AnyView) -> AnyView {
    view! {
        <div class="page">
            {page_head_below((PATH, "Alerts"), title, ().into_any(), ().into_any())} {body}
        </div>
    }
    .into_any()
}

fn rule_and_preview(choices: AlertChoices, start: Start) -> AnyView {
    let map = use_query_map();
    let kind = {
        let start = start.clone();
        Memo::new(move |_| map.with(|map| start.kind(map.get_str("kind").unwrap_or_default())))
    };
    let path = start.path();
    let links = move || {
        let links = KINDS
            .into_iter()
            .map(|(name, title)| {
                let href = format!("{path}{}", urlencoded::query(&[("kind", name)]));
                let is_current = kind.get() == name;
                view! {
                    <a class="tab-link" href=href aria-current=is_current.then_some("true")>
                        {title}
                    </a>
                }
                .into_any()
            })
            .collect_view();
        view! {
            <nav class="flex flex-wrap gap-1" aria-label="Kind of rule">
                {links}
            </nav>
        }
        .into_any()
    };
    view! {
        <div class="flex flex-col gap-4">
            {dynamic(links)} {dynamic(move || rule(&choices, kind.get(), &start))} {preview()}
        </div>
    }
    .into_any()
}

fn run(id: Option<AlertRuleId>, fields: &Fields) -> Result<Sent, Vec<FieldError>> {
    let rule = read_rule(fields)?;
    Ok(match id {
        None => Box::pin(send(AddAlertFn { input: rule })),
        Some(id) => Box::pin(send(ReplaceAlertFn {
            input: ReplaceAlert { id, rule },
        })),
    })
}

fn rule(choices: &AlertChoices, kind: &'static str, start: &Start) -> AnyView {
    let form = FormState::new(RULE_FORM);
    let id = start.id;
    let run = move |fields: Fields| -> Sent {
        match run(id, &fields) {
            Ok(sent) => saved(PATH, sent),
            Err(errors) => Box::pin(std::future::ready(Err(unreadable(errors)))),
        }
    };
    let is_told = |name: &str, value: &str| start.fields.all(name).any(|text| text == value);
    let roles = Role::ALL
        .into_iter()
        .map(|role| {
            let is_told = match id {
                None => role == Role::Owner,
                Some(_) => is_told("notify.roles", role.as_str()),
            };
            check(
                form,
                "notify.roles",
                role.as_str(),
                role.as_str(),
                "",
                is_told,
            )
        })
        .collect_view();
    let webhooks = choices
        .webhooks
        .iter()
        .map(|webhook| {
            let is_told = is_told("notify.webhook_ids", &webhook.id);
            check(
                form,
                "notify.webhook_ids",
                &webhook.id,
                &webhook.name,
                "",
                is_told,
            )
        })
        .collect_view();
    let severities = texts(&[("warning", "Warning"), ("critical", "Critical")]);
    let words = if id.is_some() {
        "Save changes"
    } else {
        "Add alert rule"
    };
    view! {
        <form
            id=RULE_FORM
            method="post"
            action=format!("{}{}", start.path(), urlencoded::query(&[("kind", kind)]))
            novalidate
            class="panel w-full max-w-3xl"
            aria-label="Alert rule"
            on:submit=form.on_submit(run)
        >
            <div class="panel-body flex flex-col gap-5">
                {form.head()} <input type="hidden" name="kind" value=kind /> {kept(start, kind)}
                <div class="grid gap-4 md:grid-cols-2">
                    {Input::text("name", "Name")
                        .required()
                        .placeholder("Payments is slow")
                        .show(form, start.value("name", ""))}
                    {select(form, "severity", "Severity", "", severities, start.value("severity", "warning"))}
                </div>
                {condition(form, choices, kind, start)} {filter(form, choices, kind, start)}
                <div class="grid gap-4 md:grid-cols-2">
                    {Input::text("for_minutes", "For, minutes")
                        .help("It fires when the condition holds so long.")
                        .show(form, start.value("for_minutes", "0"))}
                    {Input::text("resolve_after_minutes", "Resolved after, minutes")
                        .help("What comes and goes stays one alert.")
                        .show(form, start.value("resolve_after_minutes", "5"))}
                </div>
                <fieldset class="flex flex-col gap-2">
                    <legend class="label mb-1">"Told by mail"</legend>
                    <div class="flex flex-wrap gap-4">{roles}</div>
                    <p class="help">"As far as they want to hear of alerts."</p>
                </fieldset>
                <fieldset class="flex flex-col gap-2">
                    <legend class="label mb-1">"Told by webhook"</legend>
                    <div class="flex flex-wrap gap-4">{webhooks}</div>
                    <p class="help">"Webhooks are added on the page of alerts."</p>
                </fieldset>
                {when(id.is_some(), || {
                    view! { <p class="help">"A changed rule begins anew: what it found so far ends."</p> }.into_any()
                })}
            </div>
            {buttons(form, PATH, words)}
        </form>
    }
    .into_any()
}

/// What the form has no field for stays as it is.
fn kept(start: &Start, kind: &str) -> AnyView {
    ["enabled", "condition.windows"]
        .into_iter()
        .filter(|name| *name == "enabled" || kind == "burn_rate")
        .filter_map(|name| {
            let value = start.fields.all(name).next()?.to_owned();
            Some(view! { <input type="hidden" name=name value=value /> }.into_any())
        })
        .collect_view()
        .into_any()
}

fn condition(
    form: FormState,
    choices: &AlertChoices,
    kind: &'static str,
    start: &Start,
) -> AnyView {
    let metrics = AlertMetric::ALL
        .into_iter()
        .filter(|metric| kind == "threshold" || *metric != AlertMetric::Cost)
        .map(|metric| {
            let unit = metric.unit();
            let title = if unit.is_empty() {
                metric.title().to_owned()
            } else {
                format!("{} ({unit})", metric.title())
            };
            (metric.as_str().to_owned(), title)
        })
        .collect::<Vec<_>>();
    let sides = texts(&[("above", "Above"), ("below", "Below")]);
    let field = |input: Input, or: &str| input.show(form, start.value(input.name, or));
    let one_of = |name: &'static str, label: &'static str, all: Vec<(String, String)>, or: &str| {
        select(form, name, label, "", all, start.value(name, or))
    };
    match kind {
        "absence" => field(
            Input::text("condition.minutes", "No calls for, minutes").required(),
            "15",
        ),
        "burn_rate" => {
            let help = "Fires when 2 % of the error budget burn in an hour, or 5 % in six.";
            let slos = options("Choose an objective", &choices.slos);
            let value = start.value("condition.slo_id", "");
            select(form, "condition.slo_id", "Objective", help, slos, value)
        }
        "ratio" => {
            let than = texts(&[
                ("before", "The time before"),
                ("day_before", "The day before"),
                ("week_before", "The week before"),
            ]);
            view! {
                <div class="grid gap-4 md:grid-cols-3">
                    {one_of("condition.metric", "Measures", metrics, "calls")}
                    {one_of("condition.direction", "Is", sides, "above")}
                    {field(Input::text("condition.factor", "Times").required().placeholder("2"), "")}
                    {one_of("condition.compared_to", "Compared with", than, "before")}
                    {field(Input::text("condition.window_minutes", "Over, minutes"), "60")}
                    {field(Input::text("condition.min_calls", "With calls, at least"), "20")}
                </div>
            }
            .into_any()
        }
        _ => view! {
            <div class="grid gap-4 md:grid-cols-3">
                {one_of("condition.metric", "Measures", metrics, "error_rate")}
                {one_of("condition.direction", "Is", sides, "above")}
                {field(Input::text("condition.value", "Value").required().placeholder("5"), "")}
                {field(Input::text("condition.window_minutes", "Over, minutes"), "5")}
                {field(Input::text("condition.min_calls", "With calls, at least"), "20")}
                {field(Input::text("condition.clear_value", "Resolved at").help("Empty: at the value."), "")}
                {field(Input::text("condition.currency", "Currency").help("For the cost."), "EUR")}
            </div>
        }
        .into_any(),
    }
}

fn filter(form: FormState, choices: &AlertChoices, kind: &'static str, start: &Start) -> AnyView {
    if kind == "burn_rate" {
        return ().into_any();
    }
    let classes = std::iter::once((String::new(), "Every status".to_owned()))
        .chain(
            StatusClass::ALL
                .into_iter()
                .map(|class| (class.as_str().to_owned(), class.as_str().to_owned())),
        )
        .collect();
    let apis = options("Every API", &choices.apis);
    let keys = options("Every key", &choices.keys);
    let field = |input: Input| input.show(form, start.value(input.name, ""));
    view! {
        <div class="grid gap-4 md:grid-cols-3">
            {select(form, "filter.api_id", "API", "", apis, start.value("filter.api_id", ""))}
            {select(form, "filter.key_id", "Key", "", keys, start.value("filter.key_id", ""))}
            {field(Input::mono("filter.route", "Route").placeholder("/users/{id}"))}
            {select(form, "filter.status", "Status", "", classes, start.value("filter.status", ""))}
            {field(Input::mono("filter.method", "Method").placeholder("POST"))}
            {field(Input::mono("filter.error_code", "Refused as").placeholder("upstream_timeout"))}
        </div>
    }
    .into_any()
}
