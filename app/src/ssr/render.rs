//! Putting the console together, and drawing a page outside its route.

use apiverse_contract::Problem;
use apiverse_contract::keys::ApiKeyCreated;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode};
use leptos::prelude::provide_context;
use leptos_axum::{LeptosRoutes, generate_route_list, render_app_async_with_context};

use super::shell::shell;
use super::{ConsoleState, assets, forms, gate, messages, reports};
use crate::App;
use crate::forms::Fields;
use crate::page_context::{Flash, NewKey, PageSeed};

/// Pages, server functions, plain forms and static files, with a page for addresses where nothing is.
///
/// Outside of it belong the session layer, and a `RequestInfo` in every request's extensions.
pub fn routes(state: ConsoleState) -> Router {
    let listed = generate_route_list(App);
    let app = {
        let state = state.clone();
        move || shell(&state)
    };
    let pages = Router::new()
        .leptos_routes_with_context(&state, listed, || {}, app)
        .merge(forms::routes())
        .merge(messages::routes())
        .merge(reports::routes())
        .fallback(not_found)
        .layer(from_fn_with_state(state.clone(), gate::gate))
        .with_state(state.clone());
    pages.merge(assets::routes(&state.leptos_options))
}

async fn not_found(State(state): State<ConsoleState>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    parts.method = Method::GET;
    draw(&state, parts).await
}

/// Draws the page of the request's address.
async fn draw(state: &ConsoleState, parts: Parts) -> Response {
    let context = {
        let state = state.clone();
        move || provide_context(state.clone())
    };
    let app = {
        let state = state.clone();
        move || shell(&state)
    };
    render_app_async_with_context(context, app)(Request::from_parts(parts, Body::empty())).await
}

/// What a plain post led to, when it did not lead elsewhere.
pub struct Outcome {
    /// Name of the form.
    pub form: String,
    pub fields: Fields,
    pub result: Result<Shown, Problem>,
}

/// What is shown once.
pub enum Shown {
    Key(Box<ApiKeyCreated>),
    /// Something else, by the names of what it consists of.
    Values(Vec<(String, String)>),
}

/// Answers a post with the page it came from: with what was typed and what is wrong with it, or with
/// what was made and is shown once. Nothing of it is kept on the server.
pub async fn answer_post(state: &ConsoleState, mut parts: Parts, outcome: Outcome) -> Response {
    let mut flash = Flash {
        form: outcome.form,
        ..Flash::default()
    };
    let mut status = StatusCode::OK;
    match outcome.result {
        Ok(Shown::Values(values)) => flash.values = values,
        Ok(Shown::Key(created)) => {
            flash.created = Some(NewKey {
                key: created.key,
                id: created.view.id,
                name: created.view.name,
            });
        }
        Err(problem) => {
            status =
                StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            flash.problem = Some(problem);
            flash.values = without_secrets(outcome.fields);
        }
    }
    if let Some(seed) = parts.extensions.get_mut::<PageSeed>() {
        seed.flash = Some(flash);
    }
    parts.method = Method::GET;
    let mut response = draw(state, parts).await;
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    response
}

/// What of a form may be shown again: everything but secrets.
fn without_secrets(fields: Fields) -> Vec<(String, String)> {
    const SECRETS: [&str; 5] = [
        "password",
        "auth_config.value",
        "auth_config.token",
        "auth_config.password",
        "auth_config.client_secret",
    ];
    let Fields(mut pairs) = fields;
    pairs.retain(|(name, _)| !SECRETS.contains(&name.as_str()) && !name.ends_with("_password"));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_again() {
        let pair = |name: &str| (name.to_owned(), "hush".to_owned());
        let fields = Fields(vec![
            pair("email"),
            pair("password"),
            pair("current_password"),
            pair("auth_config.token"),
            pair("auth_config.name"),
        ]);
        let kept = without_secrets(fields);
        let names: Vec<&str> = kept.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["email", "auth_config.name"]);
    }
}
