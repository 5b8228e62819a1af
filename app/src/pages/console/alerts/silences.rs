//! Silences: when nobody is told.

use apiverse_contract::alerts::CreateSilence;
use chrono::{DateTime, Duration, Utc};
use leptos::prelude::*;

use super::lists::head;
use super::{Data, PATH, done, hidden};
use crate::format;
use crate::forms::Fields;
use crate::forms::alert::read_silence;
use crate::page_context::Page;
use crate::rpc::alerts::{AlertsView, SilenceFn, SilenceRef, UnsilenceFn};
use crate::rpc::send;
use crate::ui::dynamic::when;
use crate::ui::field::Input;
use crate::ui::form::{FormState, Sent, unreadable};

/// What the button makes.
pub fn hour_of_silence(
    now: DateTime<Utc>,
    rule_id: Option<apiverse_contract::AlertRuleId>,
    reason: Option<String>,
) -> CreateSilence {
    CreateSilence {
        rule_id,
        until: now + Duration::hours(1),
        reason: reason.unwrap_or_default(),
    }
}

pub fn silences(found: &AlertsView, data: Data) -> AnyView {
    let may_change = found.may_change;
    let rows = found
        .silences
        .iter()
        .map(|silence| {
            let id = silence.id;
            let form = FormState::new("silence-delete");
            let run = move |_: Fields| -> Sent {
                let input = SilenceRef { id };
                done(data, "Told again", Box::pin(send(UnsilenceFn { input })))
            };
            let what = silence
                .rule_name
                .clone()
                .unwrap_or_else(|| "All rules".to_owned());
            let until = format::stamp(silence.until);
            let words = format!(
                "{what}, until {until}, by {}: {}",
                silence.created_by, silence.reason
            );
            view! {
                <li class="flex items-center gap-3 px-4 py-2.5">
                    <p class="min-w-0 grow text-sm">{words}</p>
                    {when(may_change, || {
                        view! {
                            <form method="post" action=PATH on:submit=form.on_submit(run)>
                                {hidden("silence-delete", id.to_string())}
                                {form.button_with_class("Tell again", "btn btn-ghost btn-xs")}
                            </form>
                        }
                            .into_any()
                    })}
                </li>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <section class="panel" aria-label="Silences">
            {head("Silences", ().into_any())} <ul class="divide-y divide-line">{rows}</ul>
            {when(may_change, || silence_all(data))}
        </section>
    }
    .into_any()
}

/// Nobody is told of anything: while everything is moved, or the network is known to be down.
fn silence_all(data: Data) -> AnyView {
    let form = FormState::new("silence-all");
    let run = move |fields: Fields| -> Sent {
        match read_silence(&fields) {
            Ok(input) => done(
                data,
                "All rules are silenced",
                Box::pin(send(SilenceFn { input })),
            ),
            Err(errors) => Box::pin(std::future::ready(Err(unreadable(errors)))),
        }
    };
    let now = Page::get().now.get_untracked();
    let words = format!(
        "At most 90 days, in the time zone {}. Rules go on measuring, and what fires is in the history; nobody is told.",
        crate::zone::name()
    );
    let until = format::local_minute(now + Duration::hours(1));
    view! {
        <form
            method="post"
            action=PATH
            novalidate
            aria-label="Silence all rules"
            class="border-t border-line"
            on:submit=form.on_submit_then_empty(run)
        >
            <div class="panel-body flex flex-col gap-4">
                {form.head()} <h3 class="font-medium">"Silence all rules"</h3>
                <div class="grid gap-4 md:grid-cols-2">
                    {Input::text("until", "Until").kind("datetime-local").required().show(form, &until)}
                    {Input::text("reason", "Why").required().placeholder("We move to another data centre").show(form, "")}
                </div>
                <p class="help">{words}</p>
                <div>{form.button_with_class("Silence all rules", "btn btn-outline btn-sm")}</div>
            </div>
        </form>
    }
    .into_any()
}
