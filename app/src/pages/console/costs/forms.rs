//! New price rules and budgets.

use apiverse_contract::usage::StatusClass;
use chrono::Datelike;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use super::PATH;
use crate::forms::Fields;
use crate::forms::cost::{read_budget, read_rule};
use crate::page_context::Page;
use crate::rpc::calls::{CallChoices, ChoicesFn};
use crate::rpc::costs::{AddBudgetFn, AddRuleFn};
use crate::rpc::{Named, load_with, send};
use crate::ui::field::{Input, check, select, text_area};
use crate::ui::form::{FormState, Sent, unreadable};
use crate::ui::load::load;
use crate::ui::page_head::page_head_below;
use crate::ui::skeleton;
use crate::ui::toast::Toasts;

const UNITS: [(&str, &str); 5] = [
    ("call", "A call"),
    ("megabyte_in", "A megabyte of requests"),
    ("megabyte_out", "A megabyte of answers"),
    ("million_tokens_in", "A million tokens read"),
    ("million_tokens_out", "A million tokens written"),
];

fn options(all: &str, named: &[Named]) -> Vec<(String, String)> {
    let first = (String::new(), all.to_owned());
    let rest = named
        .iter()
        .map(|named| (named.id.clone(), named.name.clone()));
    std::iter::once(first).chain(rest).collect()
}

/// Goes back to the costs when it worked.
fn saved(sent: Sent) -> Sent {
    let toasts = use_context::<Toasts>();
    let navigate = use_navigate();
    Box::pin(async move {
        sent.await?;
        if let Some(toasts) = toasts {
            toasts.show("Saved");
        }
        navigate(PATH, NavigateOptions::default());
        Ok(())
    })
}

fn page(title: &'static str, form: fn(CallChoices) -> AnyView) -> AnyView {
    let choices = load_with(|| Some(ChoicesFn {}));
    view! {
        <div class="page">
            {page_head_below((PATH, "Costs"), title.to_owned(), ().into_any(), ().into_any())}
            {load(choices, skeleton::form, form)}
        </div>
    }
    .into_any()
}

fn buttons(form: FormState, words: &'static str) -> AnyView {
    view! {
        <div class="flex items-center justify-end gap-2 border-t border-line px-4 py-3">
            <a class="btn btn-ghost btn-sm" href=PATH>
                "Cancel"
            </a>
            {form.button(words)}
        </div>
    }
    .into_any()
}

pub fn create_rule() -> AnyView {
    page("New price rule", rule)
}

fn rule(choices: CallChoices) -> AnyView {
    let form = FormState::new("rule");
    let run = move |fields: Fields| -> Sent {
        match read_rule(&fields) {
            Ok(input) => saved(Box::pin(send(AddRuleFn { input }))),
            Err(errors) => Box::pin(std::future::ready(Err(unreadable(errors)))),
        }
    };
    let units = UNITS
        .iter()
        .map(|(value, text)| ((*value).to_owned(), (*text).to_owned()))
        .collect();
    let statuses = StatusClass::ALL
        .into_iter()
        .map(|class| check(form, "statuses", class.as_str(), class.as_str(), "", false))
        .collect_view();
    let today = Page::get().now.get_untracked();
    let first = format!("{:04}-{:02}-01", today.year(), today.month());
    view! {
        <form
            method="post"
            action="/console/costs/rules/new"
            novalidate
            class="panel w-full max-w-3xl"
            aria-label="Price rule"
            on:submit=form.on_submit(run)
        >
            <div class="panel-body flex flex-col gap-5">
                {form.head()}
                <div class="grid gap-4 md:grid-cols-2">
                    {Input::text("name", "Name").required().placeholder("Geocoder").show(form, "")}
                    {select(form, "api_id", "API", "", options("Every API", &choices.apis), "")}
                </div>
                {Input::mono("route", "Route")
                    .placeholder("/users/{id}")
                    .help("As the breakdown of usage by route names it. Empty means all.")
                    .show(form, "")}
                <div class="grid gap-4 md:grid-cols-2">
                    {select(form, "unit", "What is paid for", "", units, "call")}
                    {Input::text("currency", "Currency").required().help("Three capitals.").show(form, "EUR")}
                </div>
                {text_area(
                    form,
                    "tiers",
                    "Prices",
                    "One line each: the price, and up to how many a month it holds. The last line is for all beyond: `0 1000`, then `0.0004`.",
                    "",
                    "textarea mono w-full",
                )}
                <fieldset class="flex flex-col gap-2">
                    <legend class="label mb-1">"Only these answers"</legend>
                    <div class="flex flex-wrap gap-4">{statuses}</div>
                    {Input::mono("codes", "Or with these codes")
                        .placeholder("304, 429")
                        .help("Nothing ticked and no code means all.")
                        .show(form, "")}
                </fieldset>
                <fieldset class="flex flex-col gap-2">
                    <legend class="label mb-1">"Paid for as well"</legend>
                    {check(form, "refused", "true", "Calls that the gateway refused", "The upstream never saw them.", false)}
                    {check(form, "cached", "true", "Answers from the cache", "", false)}
                </fieldset>
                <div class="grid gap-4 md:grid-cols-2">
                    {Input::text("from", "From").kind("date").required().show(form, &first)}
                    {Input::text("to", "To").kind("date").help("The first day it does not hold any more.").show(form, "")}
                </div>
            </div>
            {buttons(form, "Add price rule")}
        </form>
    }
    .into_any()
}

pub fn create_budget() -> AnyView {
    page("New budget", budget)
}

fn budget(choices: CallChoices) -> AnyView {
    let form = FormState::new("budget");
    let run = move |fields: Fields| -> Sent {
        match read_budget(&fields) {
            Ok(input) => saved(Box::pin(send(AddBudgetFn { input }))),
            Err(errors) => Box::pin(std::future::ready(Err(unreadable(errors)))),
        }
    };
    view! {
        <form
            method="post"
            action="/console/costs/budgets/new"
            novalidate
            class="panel w-full max-w-3xl"
            aria-label="Budget"
            on:submit=form.on_submit(run)
        >
            <div class="panel-body flex flex-col gap-5">
                {form.head()} {Input::text("name", "Name").required().placeholder("Geocoding").show(form, "")}
                <div class="grid gap-4 md:grid-cols-2">
                    {Input::text("amount_micros", "Amount a month").required().placeholder("250").show(form, "")}
                    {Input::text("currency", "Currency").required().help("Three capitals.").show(form, "EUR")}
                </div>
                <div class="grid gap-4 md:grid-cols-2">
                    {select(form, "api_id", "API", "", options("Every API", &choices.apis), "")}
                    {select(form, "key_id", "Key", "", options("Every key", &choices.keys), "")}
                </div>
                {Input::text("thresholds", "Thresholds")
                    .required()
                    .help("Percents at which it is told, separated by commas.")
                    .show(form, "50, 80, 100")}
                {check(
                    form,
                    "block",
                    "true",
                    "Refuse calls once it is spent",
                    "They get 429 until the month is over.",
                    false,
                )}
            </div>
            {buttons(form, "Add budget")}
        </form>
    }
    .into_any()
}
