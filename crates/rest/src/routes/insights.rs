//! Insights: what was unusual.

use apiverse_contract::insights::{
    AcknowledgeFinding, CreateMute, FindingView, FindingsQuery, MuteView,
};
use apiverse_contract::{ErrorCode, FindingId, MuteId, Page};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::created;
use crate::openapi::problems::{BODY, CHANGE, QUERY, ROLE, SIGNED_IN, problems};
use crate::{ApiJson, ApiPath, ApiProblem, ApiQuery, Authenticated, RestState};

type Answer<T> = Result<T, ApiProblem>;

const FINDING: &[ErrorCode] = &[ErrorCode::FindingNotFound];
const MUTE: &[ErrorCode] = &[ErrorCode::MuteNotFound];

problems!(ListProblems: SIGNED_IN, ROLE, QUERY);

/// List what was unusual
///
/// Traffic, error rates and latencies of APIs and routes that were far from what was expected, the
/// latest first.
#[utoipa::path(
    get, path = "/insights", operation_id = "list_findings", tag = "insights",
    params(FindingsQuery),
    responses((status = 200, description = "A page of findings", body = Page<FindingView>), ListProblems),
)]
pub async fn list(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<FindingsQuery>,
) -> Answer<Json<Page<FindingView>>> {
    Ok(Json(state.platform.findings_list(&actor, query).await?))
}

problems!(GetProblems: SIGNED_IN, ROLE, FINDING);

/// Show a finding
#[utoipa::path(
    get, path = "/insights/{id}", operation_id = "get_finding", tag = "insights",
    params(("id" = String, Path, format = Uuid, description = "Id of the finding")),
    responses((status = 200, description = "The finding", body = FindingView), GetProblems),
)]
pub async fn get(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<FindingId>,
) -> Answer<Json<FindingView>> {
    Ok(Json(state.platform.finding_get(&actor, id).await?))
}

problems!(AcknowledgeProblems: SIGNED_IN, CHANGE, BODY, FINDING);

/// Take note of a finding
///
/// Whoever looks later sees who knows about it, and the note.
#[utoipa::path(
    post, path = "/insights/{id}/acknowledge", operation_id = "acknowledge_finding", tag = "insights",
    params(("id" = String, Path, format = Uuid, description = "Id of the finding")),
    request_body = AcknowledgeFinding,
    responses((status = 200, description = "The finding", body = FindingView), AcknowledgeProblems),
)]
pub async fn acknowledge(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<FindingId>,
    ApiJson(request): ApiJson<AcknowledgeFinding>,
) -> Answer<Json<FindingView>> {
    let finding = state.platform.finding_acknowledge(&actor, id, request);
    Ok(Json(finding.await?))
}

problems!(ReopenProblems: SIGNED_IN, CHANGE, FINDING);

/// Take an acknowledgement back
#[utoipa::path(
    delete, path = "/insights/{id}/acknowledge", operation_id = "reopen_finding", tag = "insights",
    params(("id" = String, Path, format = Uuid, description = "Id of the finding")),
    responses((status = 200, description = "The finding", body = FindingView), ReopenProblems),
)]
pub async fn reopen(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<FindingId>,
) -> Answer<Json<FindingView>> {
    Ok(Json(state.platform.finding_reopen(&actor, id).await?))
}

problems!(MutesProblems: SIGNED_IN, ROLE);

/// List mutes
#[utoipa::path(
    get, path = "/insights/mutes", operation_id = "list_mutes", tag = "insights",
    responses((status = 200, description = "All mutes, the latest first", body = Page<MuteView>), MutesProblems),
)]
pub async fn mutes(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Json<Page<MuteView>>> {
    Ok(Json(state.platform.mutes_list(&actor).await?))
}

problems!(MuteProblems: SIGNED_IN, CHANGE, BODY);

/// Mute findings
///
/// Those of an API, a route, a metric, or all, for a time or for ever.
#[utoipa::path(
    post, path = "/insights/mutes", operation_id = "create_mute", tag = "insights",
    request_body = CreateMute,
    responses((status = 201, description = "The mute", body = MuteView), MuteProblems),
)]
pub async fn mute(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<CreateMute>,
) -> Answer<Response> {
    let mute = state.platform.mute_create(&actor, request).await?;
    Ok(created("/insights/mutes", mute.id, mute))
}

problems!(UnmuteProblems: SIGNED_IN, CHANGE, MUTE);

/// Delete a mute
#[utoipa::path(
    delete, path = "/insights/mutes/{id}", operation_id = "delete_mute", tag = "insights",
    params(("id" = String, Path, format = Uuid, description = "Id of the mute")),
    responses((status = 204, description = "It is gone"), UnmuteProblems),
)]
pub async fn unmute(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<MuteId>,
) -> Answer<StatusCode> {
    state.platform.mute_delete(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
