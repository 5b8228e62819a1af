//! `/console/notifications`: what the user hears of by e-mail.

use apiverse_contract::notifications::PreferenceView;
use leptos::prelude::*;

use super::notice;
use crate::rpc::load_with;
use crate::rpc::team::PreferencesFn;
use crate::ui::badge::pill;
use crate::ui::field::check;
use crate::ui::form::FormState;
use crate::ui::load::load;
use crate::ui::page_head::page_head_below;
use crate::ui::skeleton;

const PATH: &str = "/console/notifications";

pub fn preferences() -> AnyView {
    let data = load_with(|| Some(PreferencesFn {}));
    view! {
        <div class="page">
            {page_head_below(
                ("/console/settings", "Settings"),
                "Notifications".to_owned(),
                ().into_any(),
                ().into_any(),
            )}
            <div class="flex w-full max-w-3xl flex-col gap-4">
                {notice()} {load(data, skeleton::form, content)}
            </div>
        </div>
    }
    .into_any()
}

fn content(all: Vec<PreferenceView>) -> AnyView {
    let form = FormState::new("preferences");
    let (always, chosen): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.required);
    let chosen = chosen
        .into_iter()
        .map(|one| {
            let event = one.event.as_str();
            view! { <li class="px-4 py-3">{check(form, "events", event, &one.meaning, "", one.enabled)}</li> }
                .into_any()
        })
        .collect_view();
    let always = always
        .into_iter()
        .map(|one| {
            view! {
                <li class="flex items-center justify-between gap-3 px-4 py-2.5 text-sm">
                    {one.meaning} {pill("pill", "Always")}
                </li>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <div class="flex flex-col gap-4">
            <form method="post" action=PATH class="panel" aria-label="By e-mail">
                <div class="panel-head">
                    <h2>"By e-mail"</h2>
                    <span class="text-sm text-muted">"For you, in every organization"</span>
                </div>
                {form.head()} <ul class="divide-y divide-line">{chosen}</ul>
                <div class="flex items-center justify-end border-t border-line px-4 py-3">
                    {form.button("Save")}
                </div>
            </form>
            <section class="panel" aria-label="Always sent">
                <div class="panel-head">
                    <h2>"Always sent"</h2>
                    <span class="text-sm text-muted">"Without these an account could be stolen unnoticed"</span>
                </div>
                <ul class="divide-y divide-line">{always}</ul>
            </section>
        </div>
    }
    .into_any()
}
