//! A schedule of reports: a new one, and one that is changed.

use apiverse_contract::ReportScheduleId;
use apiverse_contract::reports::{CreateReportSchedule, ReportPeriod};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::PATH;
use super::lists::period_words;
use crate::forms::Fields;
use crate::forms::report::{change, read_schedule};
use crate::pages::console::alerts::{buttons, options, saved};
use crate::rpc::reports::{
    AddReportScheduleFn, ChangeReportScheduleFn, OneReportScheduleFn, ReportChoices,
    ReportChoicesFn, ReportScheduleChange, ReportScheduleRef,
};
use crate::rpc::{load_with, send};
use crate::ui::field::{Input, check, select};
use crate::ui::form::{FormState, Sent, unreadable};
use crate::ui::load::load;
use crate::ui::page_head::page_head_below;
use crate::ui::skeleton;

const NEW: &str = "/console/reports/new";

fn head(title: &'static str) -> AnyView {
    page_head_below(
        (PATH, "Reports"),
        title.to_owned(),
        ().into_any(),
        ().into_any(),
    )
}

pub fn create() -> AnyView {
    let choices = load_with(|| Some(ReportChoicesFn {}));
    view! {
        <div class="page">
            {head("New schedule")}
            {load(choices, skeleton::form, |choices| {
                let me = choices.me.as_deref().and_then(|me| me.parse().ok());
                let first = CreateReportSchedule {
                    name: String::new(),
                    period: ReportPeriod::Week,
                    api_id: None,
                    recipients: me.into_iter().collect(),
                    time_zone: "UTC".to_owned(),
                    hour: 8,
                    enabled: true,
                };
                fields(None, &first, &choices)
            })}
        </div>
    }
    .into_any()
}

pub fn edit() -> AnyView {
    let params = use_params_map();
    let which =
        Memo::new(move |_| params.with(|map| map.get_str("id")?.parse::<ReportScheduleId>().ok()));
    let found = load_with(move || {
        let input = ReportScheduleRef { id: which.get()? };
        Some(OneReportScheduleFn { input })
    });
    view! {
        <div class="page">
            {head("Schedule")}
            {load(found, skeleton::form, |found| {
                fields(Some(found.schedule.id), &found.schedule.schedule, &found.choices)
            })}
        </div>
    }
    .into_any()
}

fn fields(
    id: Option<ReportScheduleId>,
    now: &CreateReportSchedule,
    choices: &ReportChoices,
) -> AnyView {
    let form = FormState::new("report-schedule");
    let run = move |fields: Fields| -> Sent {
        let input = match read_schedule(&fields) {
            Ok(input) => input,
            Err(errors) => return Box::pin(std::future::ready(Err(unreadable(errors)))),
        };
        let sent: Sent = match id {
            None => Box::pin(send(AddReportScheduleFn { input })),
            Some(id) => {
                let input = ReportScheduleChange {
                    id,
                    change: change(input),
                };
                Box::pin(send(ChangeReportScheduleFn { input }))
            }
        };
        saved(PATH, sent)
    };
    let (action, words) = match id {
        None => (NEW.to_owned(), "Add schedule"),
        Some(id) => (format!("{PATH}/schedules/{id}"), "Save schedule"),
    };
    let periods = ReportPeriod::ALL.map(|period| {
        let words = period_words(period).to_owned();
        (period.as_str().to_owned(), words)
    });
    let hours = (0..24).map(|hour| (hour.to_string(), format!("{hour}:00")));
    let api = now.api_id.map(|id| id.to_string()).unwrap_or_default();
    let members = (choices.members.iter())
        .map(|member| {
            let is_named = now.recipients.iter().any(|id| id.to_string() == member.id);
            check(form, "recipients", &member.id, &member.name, "", is_named)
        })
        .collect_view();
    view! {
        <form
            method="post"
            action=action
            novalidate
            class="panel w-full max-w-3xl"
            aria-label="Schedule"
            on:submit=form.on_submit(run)
        >
            <div class="panel-body flex flex-col gap-5">
                {form.head()}
                {Input::text("name", "Name").required().placeholder("Weekly report").show(form, &now.name)}
                <div class="grid gap-4 md:grid-cols-2">
                    {select(
                        form,
                        "period",
                        "Made",
                        "Of the day, week or month that is over. Weeks begin on Monday.",
                        periods.to_vec(),
                        now.period.as_str(),
                    )}
                    {select(form, "api_id", "About", "", options("All APIs", &choices.apis), &api)}
                    {select(
                        form,
                        "hour",
                        "From this hour on",
                        "In the time zone.",
                        hours.collect(),
                        &now.hour.to_string(),
                    )}
                    {Input::text("time_zone", "Time zone")
                        .placeholder("Europe/Berlin")
                        .help("Where days begin.")
                        .show(form, &now.time_zone)}
                </div>
                <fieldset class="flex flex-col gap-2">
                    <legend class="label mb-1">"Mailed to"</legend>
                    <div class="flex flex-wrap gap-4">{members}</div>
                    <p class="help">"Members only, as far as they want to hear of reports. Who leaves gets no more of them."</p>
                </fieldset>
                {check(form, "enabled", "true", "On", "Reports are made as long as it is on.", now.enabled)}
            </div>
            {buttons(form, PATH, words)}
        </form>
    }
    .into_any()
}
