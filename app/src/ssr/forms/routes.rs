//! The forms of routes: making, changing, deleting, and their limits.

use apiverse_contract::{ApiId, Problem, RouteId};
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;

use super::{Posted, id_of, limits, problem_of, to, unknown_form};
use crate::forms::route;
use crate::rpc::routes::{RouteRef, SaveRoute};
use crate::ssr::{ConsoleState, routes};

pub async fn create(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let outcome = async {
        readable?;
        save(&state, &posted, None).await
    }
    .await;
    match outcome {
        Ok(path) => to(&path),
        Err(problem) => posted.refuse(&state, "route", problem).await,
    }
}

/// Saving, deleting and limits, told apart by the form's name.
pub async fn change(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    if let Some(answer) = posted.planned() {
        return answer;
    }
    let form = posted.form();
    let outcome = async {
        readable?;
        let id: RouteId = id_of(&posted.parts)?;
        let api_id = api_of(&posted.parts)?;
        let actor = posted.actor()?;
        let platform = &state.platform;
        match form.as_str() {
            "route" => save(&state, &posted, Some(id)).await,
            "route-delete" => {
                platform
                    .route_delete(&actor, api_id, id)
                    .await
                    .map_err(problem_of)?;
                Ok(format!("/console/apis/{api_id}?done=saved"))
            }
            "limit-save" | "limit-remove" => {
                let old = platform
                    .route_get(&actor, api_id, id)
                    .await
                    .map_err(problem_of)?;
                let new = limits::changed(&old.policy, &posted.fields)?;
                routes::put_limits(platform, &actor, RouteRef { api_id, id }, new).await?;
                Ok(format!("/console/apis/{api_id}/routes/{id}?done=saved"))
            }
            _ => Err(unknown_form()),
        }
    }
    .await;
    match outcome {
        Ok(path) => to(&path),
        Err(problem) => posted.refuse(&state, &form, problem).await,
    }
}

async fn save(
    state: &ConsoleState,
    posted: &Posted,
    id: Option<RouteId>,
) -> Result<String, Problem> {
    let api_id = api_of(&posted.parts)?;
    let route = route::read(&posted.fields);
    let input = SaveRoute {
        api_id,
        id,
        name: route.name,
        methods: route.methods,
        path: route.path,
    };
    let saved = routes::save(&state.platform, &posted.actor()?, input).await?;
    Ok(format!(
        "/console/apis/{api_id}/routes/{}?done=saved",
        saved.id
    ))
}

/// The API's id in `/console/apis/{id}/…`.
pub(super) fn api_of(parts: &Parts) -> Result<ApiId, Problem> {
    let text = parts.uri.path().split('/').nth(3).unwrap_or_default();
    text.parse().map_err(|_| {
        Problem::new(
            apiverse_contract::ErrorCode::NotFound,
            "the address holds no id",
        )
    })
}
