//! What the forms of rules and objectives share, and that of objectives.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use super::SLOS;
use crate::forms::Fields;
use crate::forms::alert::read_slo;
use crate::rpc::alerts::{AddSloFn, AlertChoices, ChoicesFn};
use crate::rpc::{Named, load_with, send};
use crate::ui::field::{Input, select};
use crate::ui::form::{FormState, Sent, unreadable};
use crate::ui::load::load;
use crate::ui::page_head::page_head_below;
use crate::ui::skeleton;
use crate::ui::toast::Toasts;

/// A choice of what has names, after one that stands for all.
pub fn options(all: &str, named: &[Named]) -> Vec<(String, String)> {
    let first = (String::new(), all.to_owned());
    let rest = named
        .iter()
        .map(|named| (named.id.clone(), named.name.clone()));
    std::iter::once(first).chain(rest).collect()
}

pub fn texts(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(value, text)| ((*value).to_owned(), (*text).to_owned()))
        .collect()
}

/// Goes to the list when it worked.
pub fn saved(path: &'static str, sent: Sent) -> Sent {
    let toasts = use_context::<Toasts>();
    let navigate = use_navigate();
    Box::pin(async move {
        sent.await?;
        if let Some(toasts) = toasts {
            toasts.show("Saved");
        }
        navigate(path, NavigateOptions::default());
        Ok(())
    })
}

/// The end of a form: back without saving, or saving.
pub fn buttons(form: FormState, path: &'static str, words: &'static str) -> AnyView {
    view! {
        <div class="flex items-center justify-end gap-2 border-t border-line px-4 py-3">
            <a class="btn btn-ghost btn-sm" href=path>
                "Cancel"
            </a>
            {form.button(words)}
        </div>
    }
    .into_any()
}

pub fn create_slo() -> AnyView {
    let choices = load_with(|| Some(ChoicesFn {}));
    view! {
        <div class="page">
            {page_head_below(
                (SLOS, "Objectives"),
                "New objective".to_owned(),
                ().into_any(),
                ().into_any(),
            )} {load(choices, skeleton::form, slo)}
        </div>
    }
    .into_any()
}

fn slo(choices: AlertChoices) -> AnyView {
    let form = FormState::new("slo");
    let run = move |fields: Fields| -> Sent {
        match read_slo(&fields) {
            Ok(input) => saved(SLOS, Box::pin(send(AddSloFn { input }))),
            Err(errors) => Box::pin(std::future::ready(Err(unreadable(errors)))),
        }
    };
    let kinds = texts(&[
        ("availability", "Not answered with 500 and above"),
        ("latency", "Answered in time"),
    ]);
    let days = texts(&[("7", "7 days"), ("28", "28 days"), ("30", "30 days")]);
    view! {
        <form
            method="post"
            action="/console/slos/new"
            novalidate
            class="panel w-full max-w-3xl"
            aria-label="Objective"
            on:submit=form.on_submit(run)
        >
            <div class="panel-body flex flex-col gap-5">
                {form.head()} {Input::text("name", "Name").required().placeholder("Payments is up").show(form, "")}
                <div class="grid gap-4 md:grid-cols-2">
                    {select(form, "api_id", "API", "", options("Choose an API", &choices.apis), "")}
                    {Input::mono("route", "Route").help("Empty means all.").show(form, "")}
                    {select(form, "kind", "Good calls are", "", kinds, "availability")}
                    {Input::text("objective.milliseconds", "In time is, milliseconds").show(form, "500")}
                    {Input::text("target", "Percent that are to be good").required().show(form, "99.9")}
                    {select(form, "days", "In the last", "", days, "28")}
                </div>
            </div>
            {buttons(form, SLOS, "Add objective")}
        </form>
    }
    .into_any()
}
