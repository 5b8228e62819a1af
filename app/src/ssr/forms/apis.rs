//! The forms of APIs.

use apiverse_contract::apis::PatchApi;
use apiverse_contract::{ApiId, FieldError};
use apiverse_platform::PolicyTarget;
use axum::extract::{Request, State};
use axum::response::Response;

use super::{Posted, id_of, invalid, limits, problem_of, to, unknown_form, versions};
use crate::forms::api;
use crate::ssr::ConsoleState;

pub async fn create(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let outcome = async {
        readable?;
        let input = api::create(&posted.fields).map_err(invalid)?;
        state
            .platform
            .api_create(&posted.actor()?, input)
            .await
            .map_err(problem_of)
    }
    .await;
    match outcome {
        Ok(api) => to(&format!("/console/apis/{}", api.id)),
        Err(problem) => posted.refuse(&state, "api-new", problem).await,
    }
}

/// Saving, switching and deleting, told apart by the form's name.
pub async fn change(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    if let Some(answer) = posted.planned() {
        return answer;
    }
    let form = posted.form();
    let outcome = async {
        readable?;
        let id: ApiId = id_of(&posted.parts)?;
        let actor = posted.actor()?;
        let platform = &state.platform;
        match form.as_str() {
            "api-edit" => {
                let changes = api::patch(&posted.fields).map_err(invalid)?;
                platform
                    .api_patch(&actor, id, changes)
                    .await
                    .map_err(problem_of)?;
                Ok(format!("/console/apis/{id}?done=saved"))
            }
            "api-switch" => {
                let changes = PatchApi {
                    is_active: Some(posted.fields.raw("is_active") == "true"),
                    ..PatchApi::default()
                };
                platform
                    .api_patch(&actor, id, changes)
                    .await
                    .map_err(problem_of)?;
                Ok(format!("/console/apis/{id}?done=saved"))
            }
            "api-delete" => {
                let api = platform.api_get(&actor, id).await.map_err(problem_of)?;
                if posted.fields.text("confirm") != api.slug {
                    let message = format!("type {} to confirm", api.slug);
                    return Err(invalid(vec![FieldError::new("confirm", message)]));
                }
                platform.api_delete(&actor, id).await.map_err(problem_of)?;
                Ok("/console/apis".to_owned())
            }
            "versioning" => {
                versions::choose(&state, &posted, id).await?;
                Ok(format!("/console/apis/{id}?done=saved"))
            }
            "limit-save" | "limit-remove" => {
                let target = PolicyTarget::Api(id);
                limits::change(&state, &actor, target, &posted.fields).await?;
                Ok(format!("/console/apis/{id}?done=saved"))
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
