//! The whole configuration as one document.

use apiverse_contract::ErrorCode;
use apiverse_contract::configuration::plan::{PlanRequest, TrafficPlan};
use apiverse_contract::configuration::{Configuration, ConfigurationDiff, ConfigurationRequest};
use axum::Json;
use axum::extract::State;

use crate::openapi::problems::{BODY, CHANGE, ROLE, SIGNED_IN, problems};
use crate::{ApiJson, ApiProblem, Authenticated, RestState};

type Answer<T> = Result<T, ApiProblem>;

problems!(ExportProblems: SIGNED_IN, ROLE);

/// Export the configuration
///
/// APIs with versions, routes, limits and policies, and what is attached to keys, by names and in
/// an order that does not change; without secrets.
#[utoipa::path(
    get, path = "/configuration", operation_id = "export_configuration", tag = "configuration",
    responses((status = 200, description = "The document", body = Configuration), ExportProblems),
)]
pub async fn export(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Json<Configuration>> {
    Ok(Json(state.platform.configuration_export(&actor).await?))
}

problems!(DiffProblems: SIGNED_IN, CHANGE, BODY);

/// Compare a configuration with what is there
///
/// What applying the document would change. Nothing does.
#[utoipa::path(
    post, path = "/configuration/diff", operation_id = "diff_configuration", tag = "configuration",
    request_body = ConfigurationRequest,
    responses((status = 200, description = "The differences", body = ConfigurationDiff), DiffProblems),
)]
pub async fn diff(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<ConfigurationRequest>,
) -> Answer<Json<ConfigurationDiff>> {
    Ok(Json(
        state.platform.configuration_diff(&actor, request).await?,
    ))
}

problems!(ApplyProblems: SIGNED_IN, CHANGE, BODY, &[
    ErrorCode::SlugTaken, ErrorCode::ServiceUnavailable,
]);

/// Apply a configuration
///
/// In one transaction: all of it or nothing. The same document again changes nothing. What is not
/// in the document stays, unless `prune` is set.
#[utoipa::path(
    post, path = "/configuration/apply", operation_id = "apply_configuration", tag = "configuration",
    request_body = ConfigurationRequest,
    responses((status = 200, description = "What was changed", body = ConfigurationDiff), ApplyProblems),
)]
pub async fn apply(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<ConfigurationRequest>,
) -> Answer<Json<ConfigurationDiff>> {
    Ok(Json(
        state.platform.configuration_apply(&actor, request).await?,
    ))
}

problems!(PlanProblems: SIGNED_IN, CHANGE, BODY);

/// Plan a configuration for the traffic of late
///
/// Replays the metadata of recent calls against the document and against what is there: who would
/// be refused, limited, answered by a mock or looked up in the cache, and is not now, or the other
/// way round. Nothing changes. It needs the role to apply the document and to see usage.
#[utoipa::path(
    post, path = "/configuration/plan", operation_id = "plan_configuration", tag = "configuration",
    request_body = PlanRequest,
    responses((status = 200, description = "What would change for callers", body = TrafficPlan), PlanProblems),
)]
pub async fn plan(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<PlanRequest>,
) -> Answer<Json<TrafficPlan>> {
    Ok(Json(
        state.platform.configuration_plan(&actor, request).await?,
    ))
}
