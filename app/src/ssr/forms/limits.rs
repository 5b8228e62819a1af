//! The forms of limits, on four pages.

use apiverse_contract::limits::LimitPolicy;
use apiverse_platform::{Actor, PolicyTarget};
use axum::extract::{Request, State};
use axum::response::Response;

use super::{Posted, invalid, problem_of, to, unknown_form};
use crate::forms::{Fields, limit};
use crate::ssr::ConsoleState;
use apiverse_contract::Problem;

/// The organization's.
pub async fn organization(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    if let Some(answer) = posted.planned() {
        return answer;
    }
    let form = posted.form();
    let outcome = async {
        readable?;
        let actor = posted.actor()?;
        change(&state, &actor, PolicyTarget::Organization, &posted.fields).await
    }
    .await;
    match outcome {
        Ok(()) => to("/console/limits?done=saved"),
        Err(problem) => posted.refuse(&state, &form, problem).await,
    }
}

/// One limit is put or removed; the others stay.
///
/// # Errors
/// Fields that are not acceptable, and what the platform refuses.
pub async fn change(
    state: &ConsoleState,
    actor: &Actor,
    target: PolicyTarget,
    fields: &Fields,
) -> Result<(), Problem> {
    let platform = &state.platform;
    let old = platform
        .limits_get(actor, target)
        .await
        .map_err(problem_of)?;
    let new = changed(&old.policy, fields)?;
    platform
        .limits_put(actor, target, new)
        .await
        .map_err(problem_of)?;
    Ok(())
}

/// The policy after one of its limits was put or removed.
///
/// # Errors
/// Fields that are not acceptable.
pub fn changed(old: &LimitPolicy, fields: &Fields) -> Result<LimitPolicy, Problem> {
    match fields.raw("form") {
        "limit-save" => limit::put(old, fields.raw("old"), fields).map_err(invalid),
        "limit-remove" => Ok(limit::without(old, fields.raw("name"))),
        _ => Err(unknown_form()),
    }
}
