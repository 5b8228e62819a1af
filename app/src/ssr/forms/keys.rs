//! The forms of API keys.

use apiverse_contract::keys::ApiKeyCreated;
use apiverse_contract::{FieldError, KeyId};
use apiverse_platform::PolicyTarget;
use axum::extract::{Request, State};
use axum::response::Response;

use super::{Posted, Shown, id_of, invalid, limits, problem_of, to, unknown_form};
use crate::forms::key;
use crate::ssr::ConsoleState;
use crate::ssr::render::{Outcome, answer_post};

pub async fn create(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let outcome = async {
        readable?;
        let input = key::create(&posted.fields, state.platform.now()).map_err(invalid)?;
        state
            .platform
            .key_create(&posted.actor()?, input)
            .await
            .map_err(problem_of)
    }
    .await;
    match outcome {
        Ok(created) => reveal(&state, posted, "key-new", created).await,
        Err(problem) => posted.refuse(&state, "key-new", problem).await,
    }
}

/// Where a change of a key leads.
enum Done {
    To(String),
    Reveal(Box<ApiKeyCreated>),
}

/// Saving, rotating and revoking, told apart by the form's name.
pub async fn change(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    if let Some(answer) = posted.planned() {
        return answer;
    }
    let form = posted.form();
    let outcome = async {
        readable?;
        let id: KeyId = id_of(&posted.parts)?;
        let actor = posted.actor()?;
        let platform = &state.platform;
        match form.as_str() {
            "key-edit" => {
                let changes = key::patch(&posted.fields).map_err(invalid)?;
                platform
                    .key_patch(&actor, id, changes)
                    .await
                    .map_err(problem_of)?;
                Ok(Done::To(format!("/console/keys/{id}?done=saved")))
            }
            "limit-save" | "limit-remove" => {
                let target = PolicyTarget::Key(id);
                limits::change(&state, &actor, target, &posted.fields).await?;
                Ok(Done::To(format!("/console/keys/{id}?done=saved")))
            }
            "key-rotate" => {
                let how = key::rotate(&posted.fields).map_err(invalid)?;
                let created = platform
                    .key_rotate(&actor, id, how)
                    .await
                    .map_err(problem_of)?;
                Ok(Done::Reveal(Box::new(created)))
            }
            "key-revoke" => {
                let key = platform.key_get(&actor, id).await.map_err(problem_of)?;
                if posted.fields.text("confirm") != key.name.trim() {
                    let message = format!("type {} to confirm", key.name);
                    return Err(invalid(vec![FieldError::new("confirm", message)]));
                }
                platform.key_revoke(&actor, id).await.map_err(problem_of)?;
                Ok(Done::To(format!("/console/keys/{id}?done=revoked")))
            }
            _ => Err(unknown_form()),
        }
    }
    .await;
    match outcome {
        Ok(Done::To(path)) => to(&path),
        Ok(Done::Reveal(created)) => reveal(&state, posted, &form, *created).await,
        Err(problem) => posted.refuse(&state, &form, problem).await,
    }
}

/// The page that was posted to, with the key on it: this answer is the only place where it stands.
async fn reveal(
    state: &ConsoleState,
    posted: Posted,
    form: &str,
    created: ApiKeyCreated,
) -> Response {
    let outcome = Outcome {
        form: form.to_owned(),
        fields: posted.fields,
        result: Ok(Shown::Key(Box::new(created))),
    };
    answer_post(state, posted.parts, outcome).await
}
