//! Explaining calls: those that were made, and those that are only asked about.

use std::net::{IpAddr, Ipv4Addr};

use apiverse_contract::ErrorCode;
use apiverse_contract::explain::{ExplainRequest, Explanation};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::no_store;
use crate::extract::path::CallId;
use crate::openapi::problems::{BODY, CHANGE, ROLE, SIGNED_IN, problems};
use crate::{ApiJson, ApiPath, ApiProblem, Authenticated, Caller, RestState};

problems!(ExplanationProblems: SIGNED_IN, ROLE, &[ErrorCode::NotFound]);

/// Show how a call went
///
/// Every phase of the gateway with its microseconds, every limit before and after, every try to
/// reach the upstream. Kept for three days: every failed call and a sample of the others.
#[utoipa::path(
    get, path = "/explain/{request_id}", operation_id = "get_explanation", tag = "usage",
    params(("request_id" = String, Path, description = "The call's `x-request-id`")),
    responses((status = 200, description = "The explanation", body = Explanation), ExplanationProblems),
)]
pub async fn get(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(CallId(request_id)): ApiPath<CallId>,
) -> Result<Json<Explanation>, ApiProblem> {
    let found = state.platform.explanation_get(&actor, &request_id).await?;
    Ok(Json(found))
}

problems!(ExplainProblems: SIGNED_IN, CHANGE, BODY);

/// Ask what would happen to a call
///
/// The same phases as for a real call: nothing is sent to the upstream, and nothing is counted.
/// The verdict is in `code`; what was used up is in `limits`.
#[utoipa::path(
    post, path = "/explain", operation_id = "explain", tag = "usage",
    request_body = ExplainRequest,
    responses((status = 200, description = "The explanation", body = Explanation), ExplainProblems),
)]
pub async fn ask(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    Caller(caller): Caller,
    ApiJson(request): ApiJson<ExplainRequest>,
) -> Result<Response, ApiProblem> {
    let (permit, now) = state.platform.may_explain(&actor, &request)?;
    let asker = caller.ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let organization = permit.organization_id();
    if let Some(id) = request.key_id {
        state.gateway.ready_key_of_id(id).await;
    } else if let Some(text) = &request.key {
        state.gateway.ready_key(text).await;
    }
    let answer = state
        .gateway
        .explain(organization, &request, asker, now.timestamp_micros());
    Ok(no_store(Json(answer).into_response()))
}
