//! Where one is signed in.

use apiverse_contract::auth::{SessionView, SessionsEnded};
use apiverse_contract::{ErrorCode, Page, SessionId};
use axum::Json;
use axum::extract::State;
use http::StatusCode;

use crate::openapi::problems::{SIGNED_IN, problems};
use crate::{ApiPath, ApiProblem, Authenticated, RestState};

problems!(ListProblems: SIGNED_IN);

/// List the own sessions
///
/// Browsers and tokens that are signed in now, the latest used first.
#[utoipa::path(
    get, path = "/auth/sessions", operation_id = "list_sessions", tag = "accounts",
    responses((status = 200, description = "All sessions", body = Page<SessionView>), ListProblems),
)]
pub async fn list(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Result<Json<Page<SessionView>>, ApiProblem> {
    let data = state.platform.sessions(&actor).await?;
    Ok(Json(Page {
        data,
        next_cursor: None,
    }))
}

problems!(RevokeProblems: SIGNED_IN, &[ErrorCode::CrossSiteRequest, ErrorCode::SessionNotFound]);

/// End a session
///
/// Its cookie or tokens stop working at once.
#[utoipa::path(
    delete, path = "/auth/sessions/{id}", operation_id = "revoke_session", tag = "accounts",
    params(("id" = String, Path, format = Uuid, description = "Id of the session")),
    responses((status = 204, description = "Ended"), RevokeProblems),
)]
pub async fn revoke(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<SessionId>,
) -> Result<StatusCode, ApiProblem> {
    state.platform.session_revoke(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(RevokeOthersProblems: SIGNED_IN, &[
    ErrorCode::CrossSiteRequest, ErrorCode::SessionNotFound,
]);

/// End all other sessions
///
/// All but the one this request belongs to, with their refresh tokens.
#[utoipa::path(
    delete, path = "/auth/sessions", operation_id = "revoke_other_sessions", tag = "accounts",
    responses((status = 200, description = "How many", body = SessionsEnded), RevokeOthersProblems),
)]
pub async fn revoke_others(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Result<Json<SessionsEnded>, ApiProblem> {
    let ended = state.platform.sessions_revoke_others(&actor).await?;
    Ok(Json(SessionsEnded { ended }))
}
