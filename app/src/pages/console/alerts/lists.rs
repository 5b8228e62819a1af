//! Rules, incidents and addresses as lists.

use apiverse_contract::alerts::{
    AlertRuleView, AlertSeverity, AlertState, CreateAlertWebhook, CreatedAlertWebhook,
    IncidentView, WebhookTopic,
};
use leptos::prelude::*;

use super::silences::hour_of_silence;
use super::{Data, PATH, done, hidden};
use crate::format;
use crate::forms::Fields;
use crate::page_context::Page;
use crate::rpc::alerts::{
    AddWebhookFn, AlertRuleRef, AlertWebhookRef, AlertsView, RemoveAlertFn, RemoveWebhookFn,
    SilenceFn, SwitchAlert, SwitchAlertFn, TestAlertFn,
};
use crate::rpc::{call, send};
use crate::ui::dynamic::{dynamic, when};
use crate::ui::field::{Input, check};
use crate::ui::form::{FormState, Sent};
use crate::ui::pager::pager;
use crate::ui::time::ago;

/// The head of a panel.
pub fn head(title: &'static str, action: AnyView) -> AnyView {
    view! {
        <div class="panel-head">
            <h2>{title}</h2>
            {action}
        </div>
    }
    .into_any()
}

const fn severity(severity: AlertSeverity) -> (&'static str, &'static str) {
    match severity {
        AlertSeverity::Critical => ("pill pill-bad", "critical"),
        AlertSeverity::Warning => ("pill pill-warn", "warning"),
    }
}

/// What fires now.
pub fn firing(found: &AlertsView) -> AnyView {
    let rows = found
        .firing
        .iter()
        .map(|incident| {
            let (class, words) = severity(incident.severity);
            view! {
                <li class="flex flex-col gap-1 px-4 py-3">
                    <div class="flex flex-wrap items-center gap-2">
                        <span class=class>{words}</span>
                        <h3 class="font-medium">{incident.rule_name.clone()}</h3>
                        <span class="text-sm text-muted">{ago(incident.fired_at)}</span>
                        {when(!incident.told, || {
                            view! { <span class="pill">"silenced"</span> }.into_any()
                        })}
                    </div>
                    <p class="text-sm">{incident.summary.clone()}</p>
                </li>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <section class="panel" aria-label="Firing now">
            {head("Firing now", ().into_any())} <ol class="divide-y divide-line">{rows}</ol>
        </section>
    }
    .into_any()
}

pub fn rules(found: &AlertsView, data: Data) -> AnyView {
    let may_change = found.may_change;
    let rows = found
        .rules
        .iter()
        .map(|rule| one_rule(rule, may_change, data))
        .collect_view();
    let add = when(may_change, || {
        view! {
            <a class="btn btn-primary btn-sm" href="/console/alerts/new">
                "Add an alert rule"
            </a>
        }
        .into_any()
    });
    view! {
        <section class="panel" aria-label="Rules">
            {head("Rules", add)}
            {when(found.rules.is_empty(), || {
                view! { <p class="px-4 py-3 text-muted">"No rules yet."</p> }.into_any()
            })} <ul class="divide-y divide-line">{rows}</ul>
        </section>
    }
    .into_any()
}

fn one_rule(rule: &AlertRuleView, may_change: bool, data: Data) -> AnyView {
    let (class, state) = match (rule.rule.enabled, rule.state) {
        (false, _) => ("pill", "off"),
        (true, AlertState::Ok) => ("pill pill-ok", "ok"),
        (true, AlertState::Pending) => ("pill pill-warn", "pending"),
        (true, AlertState::Firing) => ("pill pill-bad", "firing"),
    };
    let silenced = rule.silenced_until.map(|until| {
        let words = format!("silenced until {}", format::stamp(until));
        view! { <span class="pill">{words}</span> }.into_any()
    });
    let words = match rule.rule.severity {
        AlertSeverity::Critical => "Critical",
        AlertSeverity::Warning => "Warning",
    };
    let lasts = match rule.rule.for_minutes {
        0 => String::new(),
        minutes => format!(", for {minutes} min"),
    };
    view! {
        <li class="flex flex-col gap-2 px-4 py-2.5 md:flex-row md:flex-wrap md:items-center md:gap-3">
            <div class="flex min-w-0 grow flex-col gap-0.5">
                <div class="flex flex-wrap items-center gap-2">
                    <span class=class>{state}</span>
                    <h3 class="font-medium">{rule.rule.name.clone()}</h3>
                    {silenced}
                </div>
                <p class="text-sm text-muted">{format!("{words}: {}{lasts}", rule.summary)}</p>
            </div>
            {when(may_change, || rule_buttons(rule, data))}
        </li>
    }
    .into_any()
}

fn rule_buttons(rule: &AlertRuleView, data: Data) -> AnyView {
    let id = rule.id;
    let test = FormState::new("rule-test");
    let on_test = move |_: Fields| -> Sent {
        let input = AlertRuleRef { id };
        done(
            data,
            "A test is on its way to whom this rule tells",
            Box::pin(send(TestAlertFn { input })),
        )
    };
    let quiet = FormState::new("rule-silence");
    let now = Page::get().now;
    let on_quiet = move |fields: Fields| -> Sent {
        let input = hour_of_silence(now.get_untracked(), Some(id), fields.optional("reason"));
        done(
            data,
            "Silenced for an hour",
            Box::pin(send(SilenceFn { input })),
        )
    };
    let switch = FormState::new("rule-switch");
    let enabled = !rule.rule.enabled;
    let (switch_words, switched) = if enabled {
        ("Switch on", "Switched on")
    } else {
        ("Switch off", "Switched off")
    };
    let on_switch = move |_: Fields| -> Sent {
        let input = SwitchAlert { id, enabled };
        done(data, switched, Box::pin(send(SwitchAlertFn { input })))
    };
    let gone = FormState::new("rule-delete");
    let on_gone = move |_: Fields| -> Sent {
        let input = AlertRuleRef { id };
        done(data, "Deleted", Box::pin(send(RemoveAlertFn { input })))
    };
    let name = rule.rule.name.clone();
    view! {
        <div class="flex flex-wrap items-center gap-2">
            <a class="btn btn-ghost btn-xs" href=format!("{PATH}/{id}/edit") aria-label=format!("Edit {name}")>
                "Edit"
            </a>
            <form method="post" action=PATH on:submit=switch.on_submit(on_switch)>
                {hidden("rule-switch", id.to_string())}
                <input type="hidden" name="enabled" value=enabled.to_string() />
                {switch.button_with_class(switch_words, "btn btn-ghost btn-xs")}
            </form>
            <form method="post" action=PATH on:submit=test.on_submit(on_test)>
                {hidden("rule-test", id.to_string())}
                {test.button_with_class("Send a test", "btn btn-ghost btn-xs")}
            </form>
            <form method="post" action=PATH on:submit=gone.on_submit(on_gone)>
                {hidden("rule-delete", id.to_string())} <span class="sr-only">{name.clone()}</span>
                {gone.button_with_class("Delete", "btn btn-ghost btn-xs")}
            </form>
            <form method="post" action=PATH class="flex items-center gap-1" on:submit=quiet.on_submit(on_quiet)>
                {hidden("rule-silence", id.to_string())}
                <input
                    type="text"
                    name="reason"
                    required
                    maxlength="500"
                    class="input input-xs w-32 text-xs"
                    aria-label=format!("Why {name} is silenced")
                    placeholder="Why"
                />
                {quiet.button_with_class("Silence for an hour", "btn btn-ghost btn-xs")}
            </form>
        </div>
    }
    .into_any()
}

fn lasted(incident: &IncidentView) -> String {
    let Some(end) = incident.resolved_at else {
        return "fires still".to_owned();
    };
    match (end - incident.fired_at).num_minutes() {
        minutes @ ..=119 => format!("{minutes} min"),
        minutes @ 120..=2879 => format!("{} h", minutes / 60),
        minutes => format!("{} d", minutes / 1440),
    }
}

pub fn history(found: &AlertsView, cursor: &str) -> AnyView {
    let next = found.history.next_cursor.clone();
    let cursor = Some(cursor).filter(|cursor| !cursor.is_empty());
    let rows = found
        .history
        .data
        .iter()
        .map(|incident| {
            let (class, words) = severity(incident.severity);
            view! {
                <tr>
                    <td class="whitespace-nowrap">{format::stamp(incident.fired_at)}</td>
                    <td>
                        <span class=class>{words}</span>
                    </td>
                    <td class="font-medium">{incident.rule_name.clone()}</td>
                    <td class="min-w-56">{incident.summary.clone()}</td>
                    <td class="whitespace-nowrap num">{lasted(incident)}</td>
                    <td>{if incident.told { "told" } else { "silenced" }}</td>
                </tr>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <section class="panel" aria-label="History">
            {head("History", ().into_any())}
            {if found.history.data.is_empty() {
                view! { <p class="px-4 py-3 text-muted">"Nothing has fired yet."</p> }.into_any()
            } else {
                view! {
                    <div class="table-scroll" tabindex="0">
                        <table class="data-table">
                            <thead>
                                <tr>
                                    <th>"Fired"</th>
                                    <th>"Severity"</th>
                                    <th>"Rule"</th>
                                    <th>"What"</th>
                                    <th class="num">"Lasted"</th>
                                    <th>"Told"</th>
                                </tr>
                            </thead>
                            <tbody>{rows}</tbody>
                        </table>
                    </div>
                }
                    .into_any()
            }} {pager(PATH, &[], cursor, next.as_deref())}
        </section>
    }
    .into_any()
}

pub fn webhooks(found: &AlertsView, data: Data) -> AnyView {
    let may_change = found.may_change;
    let rows = found
        .webhooks
        .iter()
        .map(|webhook| {
            let id = webhook.id;
            let form = FormState::new("webhook-delete");
            let run = move |_: Fields| -> Sent {
                let input = AlertWebhookRef { id };
                done(data, "Deleted", Box::pin(send(RemoveWebhookFn { input })))
            };
            let topics: Vec<&str> = webhook.topics.iter().map(|topic| topic.as_str()).collect();
            let topics = if topics.is_empty() {
                String::new()
            } else {
                format!(", and {}", topics.join(", "))
            };
            view! {
                <li class="flex items-center gap-3 px-4 py-2.5">
                    <div class="flex min-w-0 grow flex-col gap-0.5">
                        <h3 class="font-medium">{webhook.name.clone()}</h3>
                        <p class="mono truncate text-sm text-muted">{webhook.url.clone()}</p>
                        <p class="text-sm text-muted">{format!("Rules that name it{topics}")}</p>
                    </div>
                    {when(may_change, || {
                        view! {
                            <form method="post" action=PATH on:submit=form.on_submit(run)>
                                {hidden("webhook-delete", id.to_string())}
                                {form.button_with_class("Delete", "btn btn-ghost btn-xs")}
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
        <section class="panel" aria-label="Webhooks">
            {head("Webhooks", ().into_any())} <ul class="divide-y divide-line">{rows}</ul>
            {when(may_change, || add_webhook(data))}
        </section>
    }
    .into_any()
}

fn add_webhook(data: Data) -> AnyView {
    let form = FormState::new("webhook-add");
    let secret = RwSignal::new(None::<String>);
    let run = move |fields: Fields| -> Sent {
        let input = CreateAlertWebhook {
            name: fields.text("name"),
            url: fields.text("url"),
            topics: WebhookTopic::ALL
                .into_iter()
                .filter(|topic| fields.all("topics").any(|text| text == topic.as_str()))
                .collect(),
        };
        let sent: Sent = Box::pin(async move {
            let made: CreatedAlertWebhook = call(AddWebhookFn { input }).await?;
            secret.try_set(Some(made.secret));
            Ok(())
        });
        sent
    };
    let topics = [
        (WebhookTopic::Budgets, "Budgets that are spent"),
        (WebhookTopic::Findings, "What is unusual"),
    ]
    .into_iter()
    .map(|(topic, words)| check(form, "topics", topic.as_str(), words, "", false))
    .collect_view();
    let shown = move || {
        secret.get().map_or_else(
            || ().into_any(),
            |secret| {
                view! {
                    <div class="flex flex-col gap-2 border-t border-line px-4 py-3">
                        <p>"Calls are signed with this secret. It is shown this once."</p>
                        <p class="mono break-all">{secret}</p>
                        <div>
                            <button type="button" class="btn btn-outline btn-xs" on:click=move |_| data.refetch()>
                                "I have copied it"
                            </button>
                        </div>
                    </div>
                }
                .into_any()
            },
        )
    };
    view! {
        <form
            method="post"
            action=PATH
            novalidate
            aria-label="Webhook"
            class="border-t border-line"
            on:submit=form.on_submit_then_empty(run)
        >
            <div class="panel-body flex flex-col gap-4">
                {form.head()}
                <noscript inner_html=r#"<p class="alert alert-info">The secret is shown by JavaScript. POST /api/v1/alerts/webhooks does the same.</p>"#></noscript>
                <div class="grid gap-4 md:grid-cols-2">
                    {Input::text("name", "Name").required().placeholder("On call").show(form, "")}
                    {Input::mono("url", "URL").required().placeholder("https://hooks.example.com/…").show(form, "")}
                </div>
                <fieldset class="flex flex-col gap-2">
                    <legend class="label mb-1">"Told of, beside the rules that name it"</legend>
                    <div class="flex flex-wrap gap-4">{topics}</div>
                </fieldset>
                <div>{form.button_with_class("Add webhook", "btn btn-outline btn-sm")}</div>
            </div>
            <div aria-live="polite">{dynamic(shown)}</div>
        </form>
    }
    .into_any()
}
