//! Signing in elsewhere: what is linked, and what Clerk reports.

use apiverse_contract::sign_in::IdentityView;
use apiverse_contract::{ErrorCode, IdentityId, Page};
use apiverse_platform::ClerkDelivery;
use axum::Json;
use axum::extract::{Request, State};
use http::{HeaderMap, StatusCode};

use crate::body::read;
use crate::openapi::problems::{CHANGE, SIGNED_IN, problems};
use crate::{ApiPath, ApiProblem, Authenticated, Caller, RestState};

/// Most bytes of a report: users come with all they have.
const REPORT_LIMIT: usize = 1024 * 1024;

problems!(ListProblems: SIGNED_IN);

/// List linked sign-ins
///
/// The services the caller signs in with beside their password.
#[utoipa::path(
    get, path = "/auth/identities", operation_id = "list_identities", tag = "accounts",
    responses(
        (status = 200, description = "All of them", body = Page<IdentityView>),
        ListProblems,
    ),
)]
pub async fn identities(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Result<Json<Page<IdentityView>>, ApiProblem> {
    Ok(Json(Page {
        data: state.platform.identities(&actor).await?,
        next_cursor: None,
    }))
}

problems!(RemoveProblems: SIGNED_IN, CHANGE, &[
    ErrorCode::IdentityNotFound, ErrorCode::LastWayIn,
]);

/// Unlink a sign-in
///
/// The last way to sign in is never taken away.
#[utoipa::path(
    delete, path = "/auth/identities/{id}", operation_id = "unlink_identity", tag = "accounts",
    params(("id" = IdentityId, Path, description = "The linked sign-in")),
    responses((status = 204, description = "Unlinked"), RemoveProblems),
)]
pub async fn remove_identity(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<IdentityId>,
) -> Result<StatusCode, ApiProblem> {
    state.platform.identity_remove(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(ReportProblems: &[
    ErrorCode::InvalidSignature, ErrorCode::NotFound, ErrorCode::BodyTooLarge,
    ErrorCode::ServiceUnavailable,
]);

/// Take Clerk's report
///
/// Signed in Svix' way over id, time and body (`svix-id`, `svix-timestamp`, `svix-signature`), at
/// most five minutes ago; each id counts once.
#[utoipa::path(
    post, path = "/webhooks/clerk", operation_id = "clerk_webhook", tag = "webhooks",
    request_body(content = Object, content_type = "application/json"),
    responses((status = 204, description = "Taken"), ReportProblems),
    security(()),
)]
pub async fn clerk(
    State(state): State<RestState>,
    Caller(info): Caller,
    headers: HeaderMap,
    request: Request,
) -> Result<StatusCode, ApiProblem> {
    let body = read::within_limit(request, REPORT_LIMIT).await?;
    let text = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    };
    let delivery = ClerkDelivery {
        id: text("svix-id"),
        timestamp: text("svix-timestamp"),
        signature: text("svix-signature"),
        body: &body,
    };
    state.platform.clerk_report(&info, &delivery).await?;
    Ok(StatusCode::NO_CONTENT)
}
