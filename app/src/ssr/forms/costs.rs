//! The forms of costs: making and deleting price rules and budgets.

use apiverse_contract::{ErrorCode, Problem};
use axum::extract::{Request, State};
use axum::response::Response;

use super::{Posted, invalid, problem_of, to, unknown_form};
use crate::forms::cost::{read_budget, read_rule};
use crate::ssr::ConsoleState;

const DONE: &str = "/console/costs?done=saved";

pub async fn create_rule(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let outcome = async {
        readable?;
        let rule = read_rule(&posted.fields).map_err(invalid)?;
        let actor = posted.actor()?;
        let made = state.platform.price_rule_create(&actor, rule).await;
        made.map_err(problem_of)
    }
    .await;
    match outcome {
        Ok(_) => to(DONE),
        Err(problem) => posted.refuse(&state, "rule", problem).await,
    }
}

pub async fn create_budget(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let outcome = async {
        readable?;
        let budget = read_budget(&posted.fields).map_err(invalid)?;
        let actor = posted.actor()?;
        let made = state.platform.budget_create(&actor, budget).await;
        made.map_err(problem_of)
    }
    .await;
    match outcome {
        Ok(_) => to(DONE),
        Err(problem) => posted.refuse(&state, "budget", problem).await,
    }
}

/// Deleting, told apart by the form's name.
pub async fn change(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let form = posted.form();
    let outcome = async {
        readable?;
        let actor = posted.actor()?;
        let id = posted.fields.text("id");
        let no_id = || Problem::new(ErrorCode::InvalidRequest, "the form holds no id");
        match form.as_str() {
            "rule-delete" => {
                let id = id.parse().map_err(|_| no_id())?;
                let gone = state.platform.price_rule_delete(&actor, id).await;
                gone.map_err(problem_of)
            }
            "budget-delete" => {
                let id = id.parse().map_err(|_| no_id())?;
                let gone = state.platform.budget_delete(&actor, id).await;
                gone.map_err(problem_of)
            }
            _ => Err(unknown_form()),
        }
    }
    .await;
    match outcome {
        Ok(()) => to(DONE),
        Err(problem) => posted.refuse(&state, &form, problem).await,
    }
}
