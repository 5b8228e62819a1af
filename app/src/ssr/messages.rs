//! The HTML of messages, drawn in a frame of its own that may do nothing: no script, no form, no
//! request to anywhere, and no access to the page around it.

use apiverse_contract::notifications::NotificationEvent;
use apiverse_contract::{ErrorCode, NotificationId, Problem};
use apiverse_platform::Actor;
use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderName, StatusCode, header};

use super::ConsoleState;
use super::call::{SignedIn, problem_of};

/// Mails are styled in place; everything else is shut.
const POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
     form-action 'none'; base-uri 'none'; frame-ancestors 'self'";

pub fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/outbox/{id}/html", get(message))
        .route("/console/outbox/templates/{event}/html", get(template))
}

async fn message(
    State(state): State<ConsoleState>,
    Extension(SignedIn(actor)): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    match html_of(&state, &actor, &id).await {
        Ok(html) => framed(html),
        Err(problem) => refused(&problem),
    }
}

async fn html_of(state: &ConsoleState, actor: &Actor, id: &str) -> Result<String, Problem> {
    let nothing = || Problem::new(ErrorCode::NotFound, "there is no such message to show");
    let id: NotificationId = id.parse().map_err(|_| nothing())?;
    let found = state.platform.outbox_get(actor, id).await;
    found.map_err(problem_of)?.html.ok_or_else(nothing)
}

async fn template(
    State(state): State<ConsoleState>,
    Extension(SignedIn(actor)): Extension<SignedIn>,
    Path(event): Path<String>,
) -> Response {
    let Some(event) = NotificationEvent::parse(&event) else {
        let problem = Problem::new(ErrorCode::NotFound, "there is no such template");
        return refused(&problem);
    };
    match state.platform.template_preview(&actor, event) {
        Ok(written) => framed(written.html),
        Err(fault) => refused(&problem_of(fault)),
    }
}

/// HTML that is shut off from everything.
pub(super) fn framed(html: impl Into<axum::body::Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // Everything else refuses to be framed at all.
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
    ];
    (headers, html.into()).into_response()
}

pub(super) fn refused(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, headers, problem.detail.clone()).into_response()
}
