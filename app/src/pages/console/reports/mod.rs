//! Reports: those that are kept, and when they are made.

mod lists;
mod schedule;

use apiverse_contract::reports::ReportsQuery;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

pub use self::schedule::{create, edit};
use crate::rpc::reports::{ListReportsFn, ReportsShown};
use crate::rpc::{Loaded, load_with};
use crate::ui::dynamic::when;
use crate::ui::icon::icon;
use crate::ui::load::load;
use crate::ui::notice::done_notice;
use crate::ui::page_head::page_head;
use crate::ui::skeleton;

pub const PATH: &str = "/console/reports";

type Data = Loaded<ReportsShown>;

pub fn reports() -> AnyView {
    let map = use_query_map();
    let cursor =
        Memo::new(move |_| map.with(|map| map.get_str("cursor").unwrap_or_default().to_owned()));
    let data = load_with(move || {
        let input = ReportsQuery {
            cursor: Some(cursor.get()).filter(|cursor| !cursor.is_empty()),
            limit: Some(20),
            ..ReportsQuery::default()
        };
        Some(ListReportsFn { input })
    });
    view! {
        <div class="page">
            {page_head("Reports", ().into_any())} {done_notice(map)}
            {load(data, skeleton::table, move |found| content(found, &cursor.get_untracked(), data))}
        </div>
    }
    .into_any()
}

fn content(found: ReportsShown, cursor: &str, data: Data) -> AnyView {
    let is_new = found.schedules.is_empty() && found.reports.data.is_empty() && cursor.is_empty();
    let may_change = found.may_change;
    view! {
        <div class="flex flex-col gap-4">
            {if is_new {
                nothing(may_change)
            } else {
                view! {
                    {lists::kept(&found, cursor, data)}
                    {lists::schedules(&found, data)}
                }
                    .into_any()
            }} {when(may_change, || lists::make(&found, data))}
        </div>
    }
    .into_any()
}

fn nothing(may_change: bool) -> AnyView {
    view! {
        <section class="panel">
            <div class="empty">
                {icon(icondata_lu::LuNewspaper.data)} <p class="font-medium text-ink">"No reports yet"</p>
                <p>
                    "A report sums up calls, errors, latency and cost of a day, week or month beside the time before. It is made by itself, kept here, and mailed to members you choose."
                </p>
                {when(may_change, || {
                    view! {
                        <a class="btn btn-primary btn-sm" href="/console/reports/new">
                            "Add a schedule"
                        </a>
                    }
                        .into_any()
                })}
            </div>
        </section>
    }
    .into_any()
}
