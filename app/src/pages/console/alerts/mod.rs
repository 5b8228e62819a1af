//! Alerts: what fires, rules, silences, history, and addresses that are told.

mod forms;
mod lists;
mod preview;
mod rule;
pub mod silences;
mod slos;

use apiverse_contract::alerts::IncidentsQuery;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

pub use self::forms::{buttons, create_slo, options, saved};
pub use self::lists::head as panel_head;
pub use self::rule::{create_rule, edit_rule};
pub use self::slos::slos;
use crate::rpc::alerts::{AlertsView, ListFn};
use crate::rpc::{Loaded, load_with};
use crate::ui::dynamic::when;
use crate::ui::form::done;
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::notice::done_notice;
use crate::ui::page_head::page_head;
use crate::ui::skeleton;

pub const PATH: &str = "/console/alerts";
pub const SLOS: &str = "/console/slos";

type Data = Loaded<AlertsView>;

pub fn alerts() -> AnyView {
    let map = use_query_map();
    let cursor =
        Memo::new(move |_| map.with(|map| map.get_str("cursor").unwrap_or_default().to_owned()));
    let data = load_with(move || {
        let input = IncidentsQuery {
            cursor: Some(cursor.get()).filter(|cursor| !cursor.is_empty()),
            limit: Some(20),
            ..IncidentsQuery::default()
        };
        Some(ListFn { input })
    });
    view! {
        <div class="page">
            {page_head("Alerts", ().into_any())} {done_notice(map)}
            {load(data, skeleton::table, move |found| content(found, &cursor.get_untracked(), data))}
        </div>
    }
    .into_any()
}

fn content(found: AlertsView, cursor: &str, data: Data) -> AnyView {
    if found.rules.is_empty() && found.webhooks.is_empty() {
        let may_change = found.may_change;
        return view! {
            <div class="flex flex-col gap-4">
                {nothing(may_change)} {when(may_change, || lists::webhooks(&found, data))}
            </div>
        }
        .into_any();
    }
    view! {
        <div class="flex flex-col gap-4">
            {when(!found.firing.is_empty(), || lists::firing(&found))} {lists::rules(&found, data)}
            {when(
                found.may_change || !found.silences.is_empty(),
                || silences::silences(&found, data),
            )}
            {lists::history(&found, cursor)} {lists::webhooks(&found, data)}
        </div>
    }
    .into_any()
}

fn nothing(may_change: bool) -> AnyView {
    view! {
        <section class="panel">
            <div class="empty">
                {icon(icondata_lu::LuBell.data)} <p class="font-medium text-ink">"No alert rules yet"</p>
                <p>
                    "A rule watches calls, errors, latency or cost, and tells you by mail or webhook when somebody should look."
                </p>
                {when(may_change, || {
                    view! {
                        <a class="btn btn-primary btn-sm" href="/console/alerts/new">
                            "Add an alert rule"
                        </a>
                    }
                        .into_any()
                })}
            </div>
        </section>
    }
    .into_any()
}

/// What tells the forms of a list apart.
pub fn hidden(form: &'static str, id: String) -> AnyView {
    view! {
        <input type="hidden" name="form" value=form />
        <input type="hidden" name="id" value=id />
    }
    .into_any()
}
