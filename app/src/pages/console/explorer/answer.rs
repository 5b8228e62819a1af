//! What came back.

use leptos::prelude::*;

use super::pretty;
use super::send::{Answer, Body, State};
use crate::format;
use crate::ui::badge::http_status;
use crate::ui::copy::copy_button;
use crate::ui::dynamic::{dynamic, when};
use crate::ui::error::{request_id, sentence};
use crate::ui::icon::icon;

pub fn panel(state: RwSignal<State>) -> AnyView {
    view! {
        <section class="panel min-w-0" aria-label="Answer" aria-live="polite">
            {dynamic(move || match state.get() {
                State::Idle => waiting("Nothing sent yet", "The answer appears here with its timing and headers."),
                State::Sending => waiting("Sending…", "Waiting for the gateway."),
                State::Answered(answer) => answered(*answer),
                State::Refused(problem) => {
                    view! {
                        <div class="empty" role="alert">
                            <span class="text-bad">{icon(icondata_lu::LuCircleAlert.data)}</span>
                            <h2>{problem.title}</h2>
                            <p>{sentence(&problem.detail)}</p>
                            {request_id(problem.request_id)}
                        </div>
                    }
                        .into_any()
                }
                State::Failed(message) => failed(message),
            })}
        </section>
    }
    .into_any()
}

fn waiting(title: &'static str, text: &'static str) -> AnyView {
    view! {
        <div class="empty min-h-64 justify-center">
            {icon(icondata_lu::LuArrowLeftRight.data)} <h2>{title}</h2> <p>{text}</p>
        </div>
    }
    .into_any()
}

fn failed(message: String) -> AnyView {
    view! {
        <div class="empty" role="alert">
            <span class="text-bad">{icon(icondata_lu::LuUnplug.data)}</span>
            <h2>"The browser got no answer"</h2>
            <p class="max-w-md">
                "The gateway could not be reached, or the upstream redirected to another site, which a browser "
                "does not follow for us. The command on the left shows what it is."
            </p>
            <p class="mono text-muted">{message}</p>
        </div>
    }
    .into_any()
}

fn answered(answer: Answer) -> AnyView {
    let header = |name: &str| {
        answer
            .headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.clone())
    };
    let by_gateway = header("x-apiverse-error");
    let size = match &answer.body {
        Body::Empty => 0,
        Body::Text { size, .. } | Body::Binary { size } => *size,
    };
    let fact = |term: &'static str, value: String| {
        view! {
            <div class="flex gap-1.5">
                <dt class="text-muted">{term}</dt>
                <dd class="num">{value}</dd>
            </div>
        }
        .into_any()
    };
    let header_count = answer.headers.len() as u64;
    let headers = answer
        .headers
        .iter()
        .map(|(name, value)| {
            view! {
                <dt class="mono text-muted">{name.clone()}</dt>
                <dd class="mono min-w-0 wrap-anywhere">{value.clone()}</dd>
            }
            .into_any()
        })
        .collect_view();
    view! {
        <div class="panel-head gap-x-5">
            <h2 class="flex items-center gap-2">
                {http_status(answer.status, by_gateway.as_deref())}
                <span>{answer.status_text.clone()}</span>
            </h2>
            <dl class="flex flex-wrap gap-x-4 text-sm">
                {fact("Head", format::millis(answer.head_ms))}
                {fact("Total", format::millis(answer.total_ms))}
                {fact("Size", format::bytes(size))}
            </dl>
        </div>
        <div class="flex flex-col gap-3 p-4">
            {by_gateway
                .map(|code| {
                    view! {
                        <p class="alert alert-warning">
                            {icon(icondata_lu::LuShieldAlert.data)}
                            <span>
                                "The gateway answered itself: "
                                <span class="mono">{code}</span>
                            </span>
                        </p>
                    }
                        .into_any()
                })}
            {answer
                .redirected_to
                .clone()
                .map(|url| {
                    view! {
                        <p class="help">
                            "The browser followed a redirect to " <span class="mono">{url}</span>
                        </p>
                    }
                        .into_any()
                })}
            {request_id(header("x-request-id"))}
            <details>
                <summary class="cursor-pointer text-sm text-muted hover:text-ink">
                    {format::plural(header_count, "header", "headers")}
                </summary>
                <dl class="mt-2 grid grid-cols-[auto_1fr] gap-x-5 gap-y-1 text-sm">{headers}</dl>
            </details>
            {body(answer.body)}
        </div>
    }
    .into_any()
}

fn body(body: Body) -> AnyView {
    match body {
        Body::Empty => view! { <p class="text-muted">"The body is empty."</p> }.into_any(),
        Body::Binary { size } => view! {
            <p class="text-muted">{format!("{} that are not text.", format::bytes(size))}</p>
        }
        .into_any(),
        Body::Text { text, size, cut } => {
            let shown = pretty::json(&text).unwrap_or_else(|| text.clone());
            view! {
                <div class="relative">
                    <pre class="code-block max-h-[32rem] overflow-auto pr-11" tabindex="0" aria-label="Body">
                        {shown}
                    </pre>
                    <div class="absolute top-1.5 right-1.5 rounded-md bg-sunken">
                        {copy_button(move || text.clone(), "body")}
                    </div>
                </div>
                {when(
                    cut,
                    || {
                        view! {
                            <p class="help">
                                {format!("Only the beginning of {} is shown.", format::bytes(size))}
                            </p>
                        }
                            .into_any()
                    },
                )}
            }
            .into_any()
        }
    }
}
