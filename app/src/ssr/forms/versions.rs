//! The forms of versions: making, changing, deleting, and how callers choose one.

use apiverse_contract::{ApiId, Problem, VersionId};
use axum::extract::{Request, State};
use axum::response::Response;

use super::routes::api_of;
use super::{Posted, id_of, problem_of, to, unknown_form};
use crate::forms::version;
use crate::rpc::versions::SaveVersion;
use crate::ssr::call::Member;
use crate::ssr::{ConsoleState, versions};

pub async fn create(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let outcome = async {
        readable?;
        save(&state, &posted, None).await
    }
    .await;
    match outcome {
        Ok(path) => to(&path),
        Err(problem) => posted.refuse(&state, "version", problem).await,
    }
}

/// Saving and deleting, told apart by the form's name.
pub async fn change(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let form = posted.form();
    let outcome = async {
        readable?;
        let id: VersionId = id_of(&posted.parts)?;
        match form.as_str() {
            "version" => save(&state, &posted, Some(id)).await,
            "version-delete" => {
                let api_id = api_of(&posted.parts)?;
                let deleted = state
                    .platform
                    .version_delete(&posted.actor()?, api_id, id)
                    .await;
                deleted.map_err(problem_of)?;
                Ok(format!("/console/apis/{api_id}?done=saved"))
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

/// How callers choose, from the API's own page.
///
/// # Errors
/// What the platform refuses.
pub async fn choose(state: &ConsoleState, posted: &Posted, api_id: ApiId) -> Result<(), Problem> {
    let versioning = version::versioning(&posted.fields);
    let put = state
        .platform
        .versioning_put(&posted.actor()?, api_id, versioning)
        .await;
    put.map(|_| ()).map_err(problem_of)
}

async fn save(
    state: &ConsoleState,
    posted: &Posted,
    id: Option<VersionId>,
) -> Result<String, Problem> {
    let api_id = api_of(&posted.parts)?;
    let member = Member {
        platform: state.platform.clone(),
        actor: posted.actor()?,
    };
    let fields = posted.fields.0.clone();
    let input = SaveVersion { api_id, id, fields };
    let saved = versions::save(&member, input).await?;
    Ok(format!(
        "/console/apis/{api_id}/versions/{}?done=saved",
        saved.id
    ))
}
