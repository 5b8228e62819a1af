//! Service level objectives and their error budgets.

use apiverse_contract::alerts::{PutSlo, SloReport, SloView};
use apiverse_contract::{ErrorCode, Page, SloId};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::created;
use crate::openapi::problems::{BODY, CHANGE, ROLE, SIGNED_IN, problems};
use crate::{ApiJson, ApiPath, ApiProblem, Authenticated, RestState};

type Answer<T> = Result<T, ApiProblem>;

const SLO: &[ErrorCode] = &[ErrorCode::SloNotFound];
const MANY: &[ErrorCode] = &[ErrorCode::InvalidRequest];

problems!(ListProblems: SIGNED_IN, ROLE);

/// List objectives
///
/// With how each is met, and how fast its error budget burns.
#[utoipa::path(
    get, path = "/slos", operation_id = "list_slos", tag = "alerts",
    responses((status = 200, description = "All objectives, the oldest first", body = Page<SloView>), ListProblems),
)]
pub async fn list(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Json<Page<SloView>>> {
    Ok(Json(state.platform.slos_list(&actor).await?))
}

problems!(CreateProblems: SIGNED_IN, CHANGE, BODY, MANY);

/// Create an objective
#[utoipa::path(
    post, path = "/slos", operation_id = "create_slo", tag = "alerts",
    request_body = PutSlo,
    responses((status = 201, description = "The objective", body = SloView), CreateProblems),
)]
pub async fn create(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<PutSlo>,
) -> Answer<Response> {
    let slo = state.platform.slo_create(&actor, request).await?;
    Ok(created("/slos", slo.id, slo))
}

problems!(GetProblems: SIGNED_IN, ROLE, SLO);

/// Show an objective
///
/// With its error budget over time.
#[utoipa::path(
    get, path = "/slos/{id}", operation_id = "get_slo", tag = "alerts",
    params(("id" = String, Path, format = Uuid, description = "Id of the objective")),
    responses((status = 200, description = "The objective", body = SloReport), GetProblems),
)]
pub async fn get(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<SloId>,
) -> Answer<Json<SloReport>> {
    Ok(Json(state.platform.slo_report(&actor, id).await?))
}

problems!(ReplaceProblems: SIGNED_IN, CHANGE, BODY, SLO);

/// Replace an objective
#[utoipa::path(
    put, path = "/slos/{id}", operation_id = "replace_slo", tag = "alerts",
    params(("id" = String, Path, format = Uuid, description = "Id of the objective")),
    request_body = PutSlo,
    responses((status = 200, description = "The objective", body = SloView), ReplaceProblems),
)]
pub async fn replace(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<SloId>,
    ApiJson(request): ApiJson<PutSlo>,
) -> Answer<Json<SloView>> {
    Ok(Json(state.platform.slo_replace(&actor, id, request).await?))
}

problems!(DeleteProblems: SIGNED_IN, CHANGE, SLO);

/// Delete an objective
///
/// Alert rules about it are not looked at any more.
#[utoipa::path(
    delete, path = "/slos/{id}", operation_id = "delete_slo", tag = "alerts",
    params(("id" = String, Path, format = Uuid, description = "Id of the objective")),
    responses((status = 204, description = "It is gone"), DeleteProblems),
)]
pub async fn delete(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<SloId>,
) -> Answer<StatusCode> {
    state.platform.slo_delete(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
