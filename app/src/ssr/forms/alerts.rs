//! The forms of alerts and objectives.

use apiverse_contract::Problem;
use axum::extract::{Request, State};
use axum::response::Response;

use super::{Posted, id_in, id_of_path, invalid, problem_of, to, unknown_form};
use crate::forms::alert::{read_rule, read_silence, read_slo};
use crate::pages::console::alerts::silences::hour_of_silence;
use crate::ssr::ConsoleState;

const ALERTS: &str = "/console/alerts?done=saved";
const SLOS: &str = "/console/slos?done=saved";

pub async fn create_rule(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let outcome = async {
        readable?;
        let rule = read_rule(&posted.fields).map_err(invalid)?;
        let actor = posted.actor()?;
        let made = state.platform.alert_rule_create(&actor, rule).await;
        made.map_err(problem_of)
    }
    .await;
    match outcome {
        Ok(_) => to(ALERTS),
        Err(problem) => posted.refuse(&state, "alert-rule", problem).await,
    }
}

pub async fn replace_rule(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let outcome = async {
        readable?;
        let path = posted.parts.uri.path();
        let id = id_of_path(path.strip_suffix("/edit").unwrap_or(path))?;
        let rule = read_rule(&posted.fields).map_err(invalid)?;
        let actor = posted.actor()?;
        let made = state.platform.alert_rule_replace(&actor, id, rule).await;
        made.map_err(problem_of)
    }
    .await;
    match outcome {
        Ok(_) => to(ALERTS),
        Err(problem) => posted.refuse(&state, "alert-rule", problem).await,
    }
}

pub async fn create_slo(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let outcome = async {
        readable?;
        let slo = read_slo(&posted.fields).map_err(invalid)?;
        let actor = posted.actor()?;
        let made = state.platform.slo_create(&actor, slo).await;
        made.map_err(problem_of)
    }
    .await;
    match outcome {
        Ok(_) => to(SLOS),
        Err(problem) => posted.refuse(&state, "slo", problem).await,
    }
}

/// What is done to what is listed, told apart by the form's name.
pub async fn change(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let form = posted.form();
    let outcome = async {
        readable?;
        run(&state, &posted, &form).await
    }
    .await;
    match outcome {
        Ok(path) => to(path),
        Err(problem) => posted.refuse(&state, &form, problem).await,
    }
}

async fn run(state: &ConsoleState, posted: &Posted, form: &str) -> Result<&'static str, Problem> {
    let actor = posted.actor()?;
    let platform = &state.platform;
    match form {
        "rule-test" => {
            let sent = platform.alert_rule_test(&actor, id_in(posted)?).await;
            sent.map_err(problem_of)?;
        }
        "rule-silence" => {
            let reason = posted.fields.optional("reason");
            let silence = hour_of_silence(platform.now(), Some(id_in(posted)?), reason);
            let made = platform.silence_create(&actor, silence).await;
            made.map_err(problem_of)?;
        }
        "rule-switch" => {
            let enabled = posted.fields.raw("enabled") == "true";
            let done = platform.alert_rule_switch(&actor, id_in(posted)?, enabled);
            done.await.map_err(problem_of)?;
        }
        "silence-all" => {
            let silence = read_silence(&posted.fields).map_err(invalid)?;
            let made = platform.silence_create(&actor, silence).await;
            made.map_err(problem_of)?;
        }
        "rule-delete" => {
            let gone = platform.alert_rule_delete(&actor, id_in(posted)?).await;
            gone.map_err(problem_of)?;
        }
        "silence-delete" => {
            let gone = platform.silence_delete(&actor, id_in(posted)?).await;
            gone.map_err(problem_of)?;
        }
        "webhook-delete" => {
            let gone = platform.alert_webhook_delete(&actor, id_in(posted)?).await;
            gone.map_err(problem_of)?;
        }
        "slo-delete" => {
            let gone = platform.slo_delete(&actor, id_in(posted)?).await;
            gone.map_err(problem_of)?;
            return Ok(SLOS);
        }
        _ => return Err(unknown_form()),
    }
    Ok(ALERTS)
}
