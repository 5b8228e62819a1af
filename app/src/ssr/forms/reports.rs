//! The forms of reports and their schedules.

use apiverse_contract::{ErrorCode, Problem};
use axum::extract::{Request, State};
use axum::response::Response;

use super::{Posted, id_in, id_of, invalid, problem_of, to, unknown_form};
use crate::forms::report::{self, read_report, read_schedule};
use crate::ssr::ConsoleState;

const REPORTS: &str = "/console/reports?done=saved";

pub async fn create(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let outcome = async {
        readable?;
        let schedule = read_schedule(&posted.fields).map_err(invalid)?;
        let actor = posted.actor()?;
        let made = state.platform.report_schedule_create(&actor, schedule);
        made.await.map_err(problem_of)
    }
    .await;
    match outcome {
        Ok(_) => to(REPORTS),
        Err(problem) => posted.refuse(&state, "report-schedule", problem).await,
    }
}

pub async fn replace(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let outcome = async {
        readable?;
        let id = id_of(&posted.parts)?;
        let schedule = read_schedule(&posted.fields).map_err(invalid)?;
        let change = report::change(schedule);
        let actor = posted.actor()?;
        let changed = state.platform.report_schedule_update(&actor, id, change);
        changed.await.map_err(problem_of)
    }
    .await;
    match outcome {
        Ok(_) => to(REPORTS),
        Err(problem) => posted.refuse(&state, "report-schedule", problem).await,
    }
}

/// What is done on the page of reports, told apart by the form's name.
pub async fn change(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let form = posted.form();
    let outcome = async {
        readable?;
        run(&state, &posted, &form).await
    }
    .await;
    match outcome {
        Ok(()) => to(REPORTS),
        Err(problem) => posted.refuse(&state, &form, problem).await,
    }
}

async fn run(state: &ConsoleState, posted: &Posted, form: &str) -> Result<(), Problem> {
    let actor = posted.actor()?;
    let platform = &state.platform;
    match form {
        "report-make" => {
            let input = read_report(&posted.fields).map_err(invalid)?;
            let made = platform.report_create(&actor, input).await;
            made.map(|_| ()).map_err(problem_of)
        }
        "report-delete" => {
            let gone = platform.report_delete(&actor, id_in(posted)?).await;
            gone.map_err(problem_of)
        }
        "report-schedule-switch" => {
            let enabled = match posted.fields.raw("enabled") {
                "true" => true,
                "false" => false,
                _ => {
                    let detail = "the form does not say on or off";
                    return Err(Problem::new(ErrorCode::InvalidRequest, detail));
                }
            };
            let change = report::switch(enabled);
            let done = platform
                .report_schedule_update(&actor, id_in(posted)?, change)
                .await;
            done.map(|_| ()).map_err(problem_of)
        }
        "report-schedule-delete" => {
            let gone = platform
                .report_schedule_delete(&actor, id_in(posted)?)
                .await;
            gone.map_err(problem_of)
        }
        _ => Err(unknown_form()),
    }
}
