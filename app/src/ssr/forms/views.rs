//! The forms of saved views.

use apiverse_contract::Problem;
use apiverse_contract::saved_views::UpdateSavedView;
use axum::extract::{Request, State};
use axum::response::Response;

use super::{Posted, id_in, problem_of, to, unknown_form};
use crate::pages::console::usage::views::read;
use crate::ssr::ConsoleState;

/// What is done with a view, told apart by the form's name. It leads back to what was shown.
pub async fn change(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let form = posted.form();
    let outcome = async {
        readable?;
        run(&state, &posted, &form).await
    }
    .await;
    let uri = &posted.parts.uri;
    let here = uri
        .path_and_query()
        .map_or(uri.path(), |path| path.as_str());
    match outcome {
        Ok(()) => to(here),
        Err(problem) => posted.refuse(&state, &form, problem).await,
    }
}

async fn run(state: &ConsoleState, posted: &Posted, form: &str) -> Result<(), Problem> {
    let actor = posted.actor()?;
    let fields = &posted.fields;
    let platform = &state.platform;
    let to = fields.raw("to") == "true";
    let change = match form {
        "view-save" => {
            let made = platform.saved_view_create(&actor, read(fields)).await;
            return made.map(|_| ()).map_err(problem_of);
        }
        "view-delete" => {
            let gone = platform.saved_view_delete(&actor, id_in(posted)?).await;
            return gone.map_err(problem_of);
        }
        "view-default" => UpdateSavedView {
            is_default: Some(to),
            ..UpdateSavedView::default()
        },
        "view-share" => UpdateSavedView {
            shared: Some(to),
            ..UpdateSavedView::default()
        },
        "view-rename" => UpdateSavedView {
            name: Some(fields.text("name")),
            ..UpdateSavedView::default()
        },
        _ => return Err(unknown_form()),
    };
    let changed = platform.saved_view_update(&actor, id_in(posted)?, change);
    changed.await.map(|_| ()).map_err(problem_of)
}
