//! `/console/outbox`: every message that was sent or waits, one of them, and what each template
//! looks like.

use apiverse_contract::notifications::{
    Channel, NotificationContent, NotificationEvent, NotificationStatus, NotificationView,
};
use apiverse_contract::{ListQuery, Page};
use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};

use crate::format;
use crate::rpc::load_with;
use crate::rpc::team::{MessageFn, MessageRef, OutboxFn, TemplateFn, TemplateRef, TemplateShown};
use crate::ui::badge::pill;
use crate::ui::dynamic::{dynamic, when};
use crate::ui::icon::icon;
use crate::ui::load::{load, load_page};
use crate::ui::page_head::{page_head, page_head_below};
use crate::ui::pager::pager;
use crate::ui::skeleton;
use crate::ui::time::{ago, until};

const PATH: &str = "/console/outbox";

pub fn outbox() -> AnyView {
    let map = use_query_map();
    let cursor = Memo::new(move |_| map.with(|map| map.get("cursor").unwrap_or_default()));
    let data = load_with(move || {
        let input = ListQuery {
            cursor: Some(cursor.get()).filter(|cursor| !cursor.is_empty()),
            ..ListQuery::default()
        };
        Some(OutboxFn { input })
    });
    let templates = view! {
        <a class="btn btn-outline btn-sm" href="/console/outbox/templates">
            "Templates"
        </a>
    }
    .into_any();
    view! {
        <div class="page">
            {page_head("Outbox", templates)}
            <p class="max-w-3xl text-muted">
                "Messages to members and to whom they invited. Each is written together with what it tells about, and \
                 sent from here until it arrives."
            </p>
            {load(data, skeleton::table, move |page| list(page, &cursor.get_untracked()))}
        </div>
    }
    .into_any()
}

fn list(page: Page<NotificationView>, cursor: &str) -> AnyView {
    let next = page.next_cursor;
    let cursor = Some(cursor).filter(|cursor| !cursor.is_empty());
    let body = if page.data.is_empty() {
        view! {
            <div class="empty">
                {icon(icondata_lu::LuMailbox.data)} <p class="font-medium text-ink">"No messages"</p>
                <p>"Invitations, links and warnings appear here as they are written."</p>
                <a class="btn btn-outline btn-sm" href="/console/members#invite">
                    "Invite somebody"
                </a>
            </div>
        }
        .into_any()
    } else {
        let rows = page.data.into_iter().map(row).collect_view();
        view! {
            <div class="table-scroll" tabindex="0">
                <table class="data-table">
                    <thead>
                        <tr>
                            <th scope="col">"Subject"</th>
                            <th scope="col">"To"</th>
                            <th scope="col">"Status"</th>
                            <th scope="col" class="num">
                                "Attempts"
                            </th>
                            <th scope="col">"Next attempt"</th>
                            <th scope="col">"Written"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <section class="panel" aria-label="Messages">
            {body} {pager(PATH, &[], cursor, next.as_deref())}
        </section>
    }
    .into_any()
}

fn row(message: NotificationView) -> AnyView {
    let href = format!("{PATH}/{}", message.id);
    let subject = if message.subject.is_empty() {
        message.event.clone()
    } else {
        message.subject
    };
    view! {
        <tr>
            <th scope="row" class="max-w-96 truncate">
                <a class="link-quiet" href=href>
                    {subject}
                </a>
            </th>
            <td class="max-w-64 truncate">{message.recipient}</td>
            <td>{status(message.status)}</td>
            <td class="num">{message.attempts}</td>
            <td>
                {match message.due_at {
                    Some(at) => until(at),
                    None => view! { <span class="text-muted">"–"</span> }.into_any(),
                }}
            </td>
            <td>{ago(message.created_at)}</td>
        </tr>
    }
    .into_any()
}

fn status(status: NotificationStatus) -> AnyView {
    let (class, text) = match status {
        NotificationStatus::Pending => ("pill pill-info", "Waits"),
        NotificationStatus::Sending => ("pill pill-info", "Is being sent"),
        NotificationStatus::Uncertain => ("pill pill-warn", "Uncertain"),
        NotificationStatus::Kept => ("pill", "Kept here"),
        NotificationStatus::Sent => ("pill pill-ok", "Sent"),
        NotificationStatus::Delivered => ("pill pill-ok", "Arrived"),
        NotificationStatus::Failed => ("pill pill-bad", "Failed"),
        NotificationStatus::Suppressed => ("pill pill-warn", "Not sent"),
    };
    pill(class, text)
}

const fn status_words(status: NotificationStatus) -> &'static str {
    match status {
        NotificationStatus::Pending => "It is tried again at the time below.",
        NotificationStatus::Sending => "A provider is being given it right now.",
        NotificationStatus::Uncertain => {
            "An attempt broke off. The provider is asked whether it took the message before it is sent again."
        }
        NotificationStatus::Kept => "No provider is set up for it: the outbox is where it ends.",
        NotificationStatus::Sent => "The provider took it.",
        NotificationStatus::Delivered => "The provider says that it arrived.",
        NotificationStatus::Failed => "It was given up, or came back.",
        NotificationStatus::Suppressed => "The address bounced or complained before.",
    }
}

/// One message.
pub fn message() -> AnyView {
    let params = use_params_map();
    let data = load_with(move || {
        let id = params.with(|map| map.get("id"))?.parse().ok()?;
        let input = MessageRef { id };
        Some(MessageFn { input })
    });
    view! { <div class="page">{load_page(data, skeleton::form, one)}</div> }.into_any()
}

fn one(content: NotificationContent) -> AnyView {
    let NotificationContent {
        message,
        text,
        html,
        link,
    } = content;
    let title = if message.subject.is_empty() {
        message.event.clone()
    } else {
        message.subject.clone()
    };
    let frame = html
        .is_some()
        .then(|| format!("{PATH}/{}/html", message.id));
    let channel = match message.channel {
        Channel::Email => "E-mail",
        Channel::Sms => "Text message",
        Channel::Webhook => "Signed call",
    };
    let provider = match (message.provider, message.provider_id) {
        (Some(provider), Some(id)) => format!("{provider}, {id}"),
        (Some(provider), None) => provider,
        _ => "none".to_owned(),
    };
    let is_hidden = text.is_none();
    let open = match link {
        Some(link) => view! {
            <a class="btn btn-outline btn-sm" href=link rel="external noreferrer">
                {icon(icondata_lu::LuExternalLink.data)}
                "Open its link"
            </a>
        }
        .into_any(),
        None => ().into_any(),
    };
    view! {
        {page_head_below((PATH, "Outbox"), title, status(message.status), open)}
        <div class="flex flex-col gap-4">
            <section class="panel" aria-label="Message">
                <dl class="grid gap-x-6 gap-y-1.5 p-4 text-sm sm:grid-cols-[auto_minmax(0,1fr)]">
                    {fact("To", message.recipient)} {fact("Event", message.event)} {fact("By", channel.to_owned())}
                    {fact("Stands", status_words(message.status).to_owned())}
                    {fact("Attempts", message.attempts.to_string())}
                    {match message.due_at {
                        Some(at) => fact("Next attempt", format::stamp(at)),
                        None => ().into_any(),
                    }} {fact("Provider", provider)}
                    {match message.last_error {
                        Some(error) => fact("Last failure", error),
                        None => ().into_any(),
                    }} {fact("Written", format::stamp(message.created_at))}
                </dl>
            </section>
            {when(is_hidden, || {
                view! {
                    <p class="alert">
                        "What a message says is shown in development only: its links open accounts."
                    </p>
                }
                    .into_any()
            })} {preview(text, frame)}
        </div>
    }
    .into_any()
}

fn fact(name: &'static str, value: String) -> AnyView {
    view! {
        <dt class="text-muted">{name}</dt>
        <dd class="min-w-0 break-words">{value}</dd>
    }
    .into_any()
}

/// A message as a mail program shows it, and as plain text.
fn preview(text: Option<String>, frame: Option<String>) -> AnyView {
    let html = frame.map(|src| {
        view! {
            <section class="panel overflow-hidden" aria-label="HTML">
                <div class="panel-head">
                    <h2>"HTML"</h2>
                </div>
                <iframe class="h-120 w-full bg-white" sandbox="" title="The message as HTML" src=src></iframe>
            </section>
        }
        .into_any()
    });
    let text = text.map(|text| {
        view! {
            <section class="flex min-w-0 flex-col gap-2" aria-label="Plain text">
                <h2>"Plain text"</h2>
                <pre class="code-block break-words whitespace-pre-wrap" tabindex="0">
                    {text}
                </pre>
            </section>
        }
        .into_any()
    });
    view! { <div class="grid items-start gap-4 xl:grid-cols-2">{html} {text}</div> }.into_any()
}

/// What each template looks like, with made-up values.
pub fn templates() -> AnyView {
    let map = use_query_map();
    let event = Memo::new(move |_| {
        let event = map.with(|map| map.get_str("event").and_then(NotificationEvent::parse));
        event.unwrap_or(NotificationEvent::ALL[0])
    });
    let data = load_with(move || {
        let input = TemplateRef { event: event.get() };
        Some(TemplateFn { input })
    });
    let choices = move || {
        let rows = NotificationEvent::ALL
            .iter()
            .map(|one| {
                let href = format!("{PATH}/templates?event={}", one.as_str());
                let is_current = *one == event.get();
                view! {
                    <li>
                        <a
                            class="tab-link block"
                            href=href
                            title=one.meaning()
                            aria-current=is_current.then_some("true")
                        >
                            {one.as_str().replace('_', " ")}
                        </a>
                    </li>
                }
                .into_any()
            })
            .collect_view();
        view! {
            <nav aria-label="Templates" class="panel p-2 lg:w-60 lg:shrink-0">
                <ul class="flex flex-wrap gap-0.5 lg:flex-col">{rows}</ul>
            </nav>
        }
        .into_any()
    };
    view! {
        <div class="page">
            {page_head_below((PATH, "Outbox"), "Templates".to_owned(), ().into_any(), ().into_any())}
            <div class="flex flex-col items-start gap-4 lg:flex-row">
                {dynamic(choices)} <div class="w-full min-w-0 grow">
                    {load(data, skeleton::form, move |shown| template(shown, event.get_untracked()))}
                </div>
            </div>
        </div>
    }
    .into_any()
}

fn template(shown: TemplateShown, event: NotificationEvent) -> AnyView {
    let frame = format!("{PATH}/templates/{}/html", event.as_str());
    let sent = if event.is_required() {
        "Always sent."
    } else {
        "Sent to whom it is switched on for."
    };
    view! {
        <div class="flex flex-col gap-4">
            <section class="panel" aria-label="Template">
                <dl class="grid gap-x-6 gap-y-1.5 p-4 text-sm sm:grid-cols-[auto_minmax(0,1fr)]">
                    {fact("When", event.meaning().to_owned())} {fact("Subject", shown.subject)}
                    {fact("Goes out", sent.to_owned())}
                </dl>
            </section>
            {preview(Some(shown.text), Some(frame))}
        </div>
    }
    .into_any()
}
