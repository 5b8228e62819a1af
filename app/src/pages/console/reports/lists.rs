//! Reports and schedules as lists, and a report that is made now.

use apiverse_contract::reports::{ReportPeriod, ReportScheduleView, ReportStatus, ReportView};
use chrono::{Days, NaiveDate, NaiveTime};
use leptos::prelude::*;

use super::{Data, PATH};
use crate::format;
use crate::forms::Fields;
use crate::forms::report::{read_report, switch};
use crate::page_context::Page;
use crate::pages::console::alerts::{hidden, options, panel_head};
use crate::rpc::reports::{
    ChangeReportScheduleFn, MakeReportFn, RemoveReportFn, RemoveReportScheduleFn, ReportRef,
    ReportScheduleChange, ReportScheduleRef, ReportsShown,
};
use crate::rpc::send;
use crate::ui::dynamic::when;
use crate::ui::field::{Input, check, select};
use crate::ui::form::{FormState, Sent, done, unreadable};
use crate::ui::pager::pager;

/// Reports that are kept.
pub fn kept(found: &ReportsShown, cursor: &str, data: Data) -> AnyView {
    let next = found.reports.next_cursor.clone();
    let cursor = Some(cursor).filter(|cursor| !cursor.is_empty());
    let may_change = found.may_change;
    let rows = (found.reports.data.iter())
        .map(|report| one_report(report, may_change, data))
        .collect_view();
    view! {
        <section class="panel" aria-label="Reports">
            {panel_head("Kept", ().into_any())}
            {if found.reports.data.is_empty() {
                view! { <p class="px-4 py-3 text-muted">"None is made yet. The first comes when its time is over."</p> }
                    .into_any()
            } else {
                view! {
                    <div class="table-scroll" tabindex="0">
                        <table class="data-table">
                            <thead>
                                <tr>
                                    <th>"Report"</th>
                                    <th>"Days"</th>
                                    <th class="num">"Calls"</th>
                                    <th class="num">"Error ratio"</th>
                                    <th class="num">"p95"</th>
                                    <th>
                                        <span class="sr-only">"What can be done"</span>
                                    </th>
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

fn days(report: &ReportView) -> String {
    let day = |day: NaiveDate| format::date(day.and_time(NaiveTime::MIN).and_utc());
    if report.first_day == report.last_day {
        day(report.first_day)
    } else {
        format!("{} – {}", day(report.first_day), day(report.last_day))
    }
}

fn one_report(report: &ReportView, may_change: bool, data: Data) -> AnyView {
    let id = report.id;
    let head = &report.headline;
    let is_ready = report.status == ReportStatus::Ready;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a change in percent, for people"
    )]
    let change = format::change(head.calls as f64, head.calls_before as f64);
    let calls = match change {
        Some(change) => format!("{} ({change})", format::count(head.calls)),
        None => format::count(head.calls),
    };
    let problem = report.problem.clone().map(|problem| {
        view! {
            <p class="text-sm text-muted">
                <span class="pill pill-bad">"not made yet"</span>
                " "
                {problem}
            </p>
        }
        .into_any()
    });
    let cells = if is_ready {
        view! {
            <td class="whitespace-nowrap num">{calls}</td>
            <td class="whitespace-nowrap num">{format::percent(head.errors, head.calls)}</td>
            <td class="whitespace-nowrap num">{format::maybe_millis(head.p95_ms)}</td>
        }
        .into_any()
    } else {
        view! { <td colspan="3"></td> }.into_any()
    };
    let name = report.name.clone();
    let gone = FormState::new("report-delete");
    let on_gone = move |_: Fields| -> Sent {
        let input = ReportRef { id };
        done(data, "Deleted", Box::pin(send(RemoveReportFn { input })))
    };
    view! {
        <tr>
            <td>
                <span class="font-medium">{report.name.clone()}</span>
                {problem}
            </td>
            <td class="whitespace-nowrap">{days(report)} <span class="text-muted">{format!(" {}", report.time_zone)}</span></td>
            {cells}
            <td>
                <div class="flex flex-wrap items-center justify-end gap-1">
                    {when(is_ready, || {
                        view! {
                            <a class="btn btn-outline btn-xs" href=format!("{PATH}/{id}/html") rel="external">
                                "Open"
                                <span class="sr-only">{format!(" {name}")}</span>
                            </a>
                            <a class="btn btn-ghost btn-xs" href=format!("{PATH}/{id}/csv") rel="external">
                                "CSV"
                                <span class="sr-only">{format!(" of {name}")}</span>
                            </a>
                        }
                            .into_any()
                    })}
                    {when(may_change, || {
                        view! {
                            <form method="post" action=PATH on:submit=gone.on_submit(on_gone)>
                                {hidden("report-delete", id.to_string())}
                                {gone.button_with_class("Delete", "btn btn-ghost btn-xs")}
                            </form>
                        }
                            .into_any()
                    })}
                </div>
            </td>
        </tr>
    }
    .into_any()
}

pub const fn period_words(period: ReportPeriod) -> &'static str {
    match period {
        ReportPeriod::Day => "Every day",
        ReportPeriod::Week => "Every week",
        ReportPeriod::Month => "Every month",
    }
}

/// When reports are made.
pub fn schedules(found: &ReportsShown, data: Data) -> AnyView {
    let may_change = found.may_change;
    let rows = (found.schedules.iter())
        .map(|schedule| one_schedule(schedule, may_change, data))
        .collect_view();
    let add = when(may_change, || {
        view! {
            <a class="btn btn-outline btn-sm" href="/console/reports/new">
                "Add a schedule"
            </a>
        }
        .into_any()
    });
    view! {
        <section class="panel" aria-label="Schedules">
            {panel_head("Schedules", add)}
            {when(found.schedules.is_empty(), || {
                view! { <p class="px-4 py-3 text-muted">"No schedules yet."</p> }.into_any()
            })} <ul class="divide-y divide-line">{rows}</ul>
        </section>
    }
    .into_any()
}

fn one_schedule(view: &ReportScheduleView, may_change: bool, data: Data) -> AnyView {
    let schedule = &view.schedule;
    let (class, state) = if schedule.enabled {
        ("pill pill-ok", "on")
    } else {
        ("pill", "off")
    };
    let about = match (&view.api_name, schedule.api_id) {
        (Some(name), _) => name.clone(),
        (None, Some(_)) => "an API that is gone".to_owned(),
        (None, None) => "all APIs".to_owned(),
    };
    let people = schedule.recipients.len() as u64;
    let told = match people {
        0 => "mailed to nobody".to_owned(),
        _ => format!("mailed to {}", format::plural(people, "member", "members")),
    };
    let next = view
        .next_due
        .map(|at| format!(", next {}", format::moment(at)));
    let words = format!(
        "{} from {}:00 {}, {about}, {told}{}",
        period_words(schedule.period),
        schedule.hour,
        schedule.time_zone,
        next.unwrap_or_default()
    );
    view! {
        <li class="flex flex-wrap items-center gap-3 px-4 py-2.5">
            <div class="flex min-w-0 grow flex-col gap-0.5">
                <div class="flex flex-wrap items-center gap-2">
                    <span class=class>{state}</span>
                    <h3 class="font-medium">{schedule.name.clone()}</h3>
                </div>
                <p class="text-sm text-muted">{words}</p>
            </div>
            {when(may_change, || schedule_buttons(view, data))}
        </li>
    }
    .into_any()
}

fn schedule_buttons(view: &ReportScheduleView, data: Data) -> AnyView {
    let id = view.id;
    let enabled = !view.schedule.enabled;
    let words = if enabled { "Switch on" } else { "Switch off" };
    let turn = FormState::new("report-schedule-switch");
    let on_turn = move |_: Fields| -> Sent {
        let input = ReportScheduleChange {
            id,
            change: switch(enabled),
        };
        done(
            data,
            "Saved",
            Box::pin(send(ChangeReportScheduleFn { input })),
        )
    };
    let gone = FormState::new("report-schedule-delete");
    let on_gone = move |_: Fields| -> Sent {
        let input = ReportScheduleRef { id };
        done(
            data,
            "Deleted",
            Box::pin(send(RemoveReportScheduleFn { input })),
        )
    };
    let name = view.schedule.name.clone();
    view! {
        <div class="flex flex-wrap items-center gap-2">
            <a class="btn btn-ghost btn-xs" href=format!("{PATH}/schedules/{id}")>
                "Edit"
                <span class="sr-only">{format!(" {name}")}</span>
            </a>
            <form method="post" action=PATH on:submit=turn.on_submit(on_turn)>
                {hidden("report-schedule-switch", id.to_string())}
                <input type="hidden" name="enabled" value=enabled.to_string() />
                {turn.button_with_class(words, "btn btn-ghost btn-xs")}
            </form>
            <form method="post" action=PATH on:submit=gone.on_submit(on_gone)>
                {hidden("report-schedule-delete", id.to_string())}
                {gone.button_with_class("Delete", "btn btn-ghost btn-xs")}
            </form>
        </div>
    }
    .into_any()
}

/// A report that is made now.
pub fn make(found: &ReportsShown, data: Data) -> AnyView {
    let form = FormState::new("report-make");
    let run = move |fields: Fields| -> Sent {
        match read_report(&fields) {
            Ok(input) => done(
                data,
                "The report is made",
                Box::pin(send(MakeReportFn { input })),
            ),
            Err(errors) => Box::pin(std::future::ready(Err(unreadable(errors)))),
        }
    };
    let today = Page::get().now.get_untracked().date_naive();
    let yesterday = today.checked_sub_days(Days::new(1)).unwrap_or(today);
    let day = yesterday.to_string();
    let me = found
        .me
        .as_deref()
        .map(|me| check(form, "recipients", me, "Mail me when it is made", "", false));
    let apis = options("All APIs", &found.apis);
    view! {
        <form
            method="post"
            action=PATH
            novalidate
            class="panel w-full max-w-3xl"
            aria-label="Make a report now"
            on:submit=form.on_submit(run)
        >
            {panel_head("Make a report now", ().into_any())}
            <div class="panel-body flex flex-col gap-4">
                {form.head()}
                <div class="grid gap-4 md:grid-cols-2">
                    {Input::text("from", "From").kind("date").required().show(form, &day)}
                    {Input::text("to", "To")
                        .kind("date")
                        .required()
                        .help("That day is part of it; today as far as it is over.")
                        .show(form, &day)}
                    {select(form, "api_id", "API", "", apis, "")}
                    {Input::text("time_zone", "Time zone").placeholder("Europe/Berlin").show(form, "UTC")}
                </div>
                {me}
            </div>
            <div class="flex items-center justify-end gap-2 border-t border-line px-4 py-3">
                {form.button("Make the report")}
            </div>
        </form>
    }
    .into_any()
}
