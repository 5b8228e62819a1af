//! The table of calls, each row with its details.

use apiverse_contract::usage::CallView;
use leptos::ev::MouseEvent;
use leptos::prelude::*;

use crate::format;
use crate::ui::badge::http_status;
use crate::ui::code::mono_copy;
use crate::ui::dialog::dialog;
use crate::ui::dynamic::{on, when};
use crate::ui::icon::icon;
use crate::ui::time::ago;
use crate::urlencoded;

/// Which columns a page has no use for.
#[derive(Clone, Copy, Default)]
pub struct Columns {
    pub without_api: bool,
    pub without_key: bool,
}

/// The call that is looked at. It belongs to the page, so that it stays when the list moves on.
#[derive(Clone, Copy)]
pub struct Inspector {
    shown: RwSignal<Option<CallView>>,
    open: RwSignal<bool>,
}

impl Inspector {
    pub fn new() -> Self {
        Self {
            shown: RwSignal::new(None),
            open: RwSignal::new(false),
        }
    }

    /// The dialog; one a page, outside of what reloads.
    pub fn view(self) -> AnyView {
        dialog(self.open, "One call", false, move || {
            self.shown
                .get_untracked()
                .map_or_else(|| ().into_any(), |call| details(&call))
        })
    }
}

/// The newest call first. A row opens its details.
pub fn calls_table(calls: Vec<CallView>, columns: Columns, inspector: Inspector) -> AnyView {
    let rows = calls
        .into_iter()
        .map(|call| row(call, columns, inspector))
        .collect_view();
    view! {
        <div class="table-scroll" tabindex="0">
            <table class="data-table">
                <thead>
                    <tr>
                        <th scope="col">"Time"</th>
                        <th scope="col">"Status"</th>
                        <th scope="col">"Call"</th>
                        {when(!columns.without_api, || view! { <th scope="col">"API"</th> }.into_any())}
                        {when(!columns.without_key, || view! { <th scope="col">"Key"</th> }.into_any())}
                        <th scope="col" class="num">
                            "Latency"
                        </th>
                        <th scope="col" class="num">
                            "Size"
                        </th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(call: CallView, columns: Columns, inspector: Inspector) -> AnyView {
    let label = format!(
        "Details of {} {}, {}",
        call.method,
        call.path,
        format::stamp(call.started_at)
    );
    let kept = call.clone();
    view! {
        <tr
            class="cursor-pointer"
            on:click=on(move |_: MouseEvent| {
                inspector.shown.set(Some(kept.clone()));
                inspector.open.set(true);
            })
        >
            <td>{ago(call.started_at)}</td>
            <td>{http_status(call.status, call.error_code.as_deref())}</td>
            <td class="max-w-96">
                <button
                    type="button"
                    class="flex w-full min-w-0 cursor-pointer items-baseline gap-2 rounded-sm text-left"
                    aria-label=label
                >
                    <span class="mono w-14 shrink-0 text-muted">{call.method.clone()}</span>
                    " "
                    <span class="mono truncate" title=call.path.clone()>
                        {call.path.clone()}
                    </span>
                </button>
            </td>
            {when(!columns.without_api, || named_cell(call.api_name.clone(), "unknown"))}
            {when(!columns.without_key, || named_cell(call.key_name.clone(), "none"))}
            <td class="num">{format::millis(call.latency_ms)}</td>
            <td class="num">{format::bytes(call.bytes_out)}</td>
        </tr>
    }
    .into_any()
}

fn named_cell(text: Option<String>, none: &'static str) -> AnyView {
    view! { <td class="max-w-40 truncate">{name(text, none)}</td> }.into_any()
}

fn name(name: Option<String>, none: &'static str) -> AnyView {
    match name {
        Some(name) => name.into_any(),
        None => view! { <span class="text-muted">{none}</span> }.into_any(),
    }
}

fn details(call: &CallView) -> AnyView {
    let line = |term: &'static str, value: AnyView| {
        view! {
            <dt class="text-muted">{term}</dt>
            <dd class="min-w-0 wrap-anywhere">{value}</dd>
        }
        .into_any()
    };
    let how = format!("/console/calls/{}", urlencoded::encode(&call.request_id));
    let upstream = match call.upstream_ms {
        Some(ms) => format!("{} until the upstream's answer began", format::millis(ms)),
        None => "the upstream was not asked".to_owned(),
    };
    view! {
        <p class="mono wrap-anywhere">
            <span class="text-muted">{call.method.clone()}</span>
            " "
            {call.path.clone()}
        </p>
        <dl class="grid grid-cols-[auto_1fr] gap-x-6 gap-y-1.5 text-sm">
            {line("Time", format::stamp(call.started_at).into_any())}
            {line("Status", http_status(call.status, None))}
            {call
                .error_code
                .clone()
                .map(|code| {
                    line(
                        "Answered by",
                        view! {
                            "the gateway: "
                            <span class="mono">{code}</span>
                        }
                            .into_any(),
                    )
                })}
            {line("API", name(call.api_name.clone(), "unknown"))}
            {line("Key", name(call.key_name.clone(), "none"))}
            {line("Latency", format::millis(call.latency_ms).into_any())}
            {line("Upstream", upstream.into_any())}
            {line("Received", format::bytes(call.bytes_in).into_any())}
            {line("Sent", format::bytes(call.bytes_out).into_any())}
            {call.tokens.map(|tokens| {
                let text = format!("{} read, {} written", format::count(tokens.input), format::count(tokens.output));
                line("Tokens", text.into_any())
            })}
            {line(
                "Request id",
                mono_copy(call.request_id.clone(), format::middle(&call.request_id, 13, 6), "request id"),
            )}
        </dl>
        <div class="flex justify-end">
            <a class="btn btn-outline btn-sm" href=how>
                {icon(icondata_lu::LuListTree.data)}
                "How it went"
            </a>
        </div>
    }
    .into_any()
}

/// What stands in the table's place when there is no call.
pub fn no_calls(text: &'static str) -> AnyView {
    view! {
        <div class="empty">
            {icon(icondata_lu::LuActivity.data)} <p class="font-medium text-ink">"No calls"</p> <p>{text}</p>
        </div>
    }
    .into_any()
}
