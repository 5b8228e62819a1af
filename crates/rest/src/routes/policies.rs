//! Policies: what happens to calls beside forwarding them.

use apiverse_contract::policies::preview::{Preview, PreviewRequest};
use apiverse_contract::policies::{
    AttachedPolicy, EffectivePolicies, EffectivePoliciesQuery, PolicyDocument, PolicyListQuery,
    PolicyRevision, RollBack,
};
use apiverse_contract::{ErrorCode, ListQuery, Page};
use apiverse_platform::PolicyPlace;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::extract::condition::IfUnchanged;
use crate::extract::policy::{PolicyBody, PolicyPath};
use crate::openapi::problems::{BODY, CHANGE, QUERY, ROLE, SIGNED_IN, problems};
use crate::{ApiJson, ApiProblem, ApiQuery, Authenticated, RestState};

type Answer<T> = Result<T, ApiProblem>;

/// Answered by every operation on one policy.
const PLACE: &[ErrorCode] = &[
    ErrorCode::PolicyNotFound,
    ErrorCode::ApiNotFound,
    ErrorCode::VersionNotFound,
    ErrorCode::RouteNotFound,
    ErrorCode::ApiKeyNotFound,
];
const UNCHANGED: &[ErrorCode] = &[ErrorCode::PreconditionFailed, ErrorCode::InvalidRequest];

problems!(ListProblems: SIGNED_IN, ROLE, QUERY);

/// List policies
///
/// Those of the organization and of everything it has, by what they are attached to.
#[utoipa::path(
    get, path = "/policies", operation_id = "list_policies", tag = "policies",
    params(PolicyListQuery),
    responses((status = 200, description = "A page of policies", body = Page<AttachedPolicy>), ListProblems),
)]
pub async fn list(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<PolicyListQuery>,
) -> Answer<Json<Page<AttachedPolicy>>> {
    Ok(Json(state.platform.policies_list(&actor, query).await?))
}

problems!(EffectiveProblems: SIGNED_IN, ROLE, QUERY, &[
    ErrorCode::ApiNotFound, ErrorCode::VersionNotFound, ErrorCode::RouteNotFound,
    ErrorCode::ApiKeyNotFound,
]);

/// Show the policies a call meets
///
/// Of each kind the nearest: that of the key, else of the route, the version, the API, the
/// organization; with what it is attached to, and which farther ones do not count therefore.
#[utoipa::path(
    get, path = "/policies/effective", operation_id = "effective_policies", tag = "policies",
    params(EffectivePoliciesQuery),
    responses((status = 200, description = "The policies", body = EffectivePolicies), EffectiveProblems),
)]
pub async fn effective(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<EffectivePoliciesQuery>,
) -> Answer<Json<EffectivePolicies>> {
    Ok(Json(
        state.platform.policies_effective(&actor, query).await?,
    ))
}

problems!(PreviewProblems: SIGNED_IN, ROLE, BODY);

/// Try a transform
///
/// On a call that is pasted or was recorded: what would go on, the refusal it would get instead, and
/// what is different, by the same code as the gateway's. Nothing is sent or kept.
#[utoipa::path(
    post, path = "/policies/preview", operation_id = "preview_policy", tag = "policies",
    request_body = PreviewRequest,
    responses((status = 200, description = "What becomes of the call", body = Preview), PreviewProblems),
)]
pub async fn preview(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(asked): ApiJson<PreviewRequest>,
) -> Answer<Json<Preview>> {
    Ok(Json(state.platform.policy_preview(&actor, asked).await?))
}

problems!(GetProblems: SIGNED_IN, ROLE, PLACE);

/// Show a policy
///
/// `ETag` is its version: give it back in `If-Match` with a change.
#[utoipa::path(
    get, path = "/policies/{level}/{target_id}/{kind}", operation_id = "get_policy", tag = "policies",
    params(PolicyPath),
    responses((status = 200, description = "The policy", body = AttachedPolicy), GetProblems),
)]
pub async fn get(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    place: PolicyPlaceOf,
) -> Answer<Response> {
    let policy = state.platform.policy_get(&actor, place.0).await?;
    let version = policy.version;
    Ok(tagged(version, Json(policy)))
}

problems!(PutProblems: SIGNED_IN, CHANGE, BODY, PLACE, UNCHANGED);

/// Set a policy
///
/// As a whole; the same document again changes nothing. Effective on every node within a second.
/// With `If-Match` it is only set when it still has that version, with `If-None-Match: *` only
/// when there is none. `{"enabled": false}` switches the kind off for what is below.
#[utoipa::path(
    put, path = "/policies/{level}/{target_id}/{kind}", operation_id = "put_policy", tag = "policies",
    params(PolicyPath, IfUnchanged), request_body = PolicyDocument,
    responses(
        (status = 200, description = "The policy", body = AttachedPolicy),
        (status = 201, description = "The policy, which is new", body = AttachedPolicy),
        PutProblems,
    ),
)]
pub async fn put(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    place: PolicyPlaceOf,
    headers: HeaderMap,
    PolicyBody(body): PolicyBody,
) -> Answer<Response> {
    let condition = IfUnchanged::read(&headers)?;
    let document = PolicyBody::read(place.0.kind, &body)?;
    let (policy, is_new) = state
        .platform
        .policy_put(&actor, place.0, document, condition)
        .await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(tagged(policy.version, (status, Json(policy))))
}

problems!(DeleteProblems: SIGNED_IN, CHANGE, PLACE, UNCHANGED);

/// Remove a policy
///
/// What is attached farther away counts again. The history stays.
#[utoipa::path(
    delete, path = "/policies/{level}/{target_id}/{kind}", operation_id = "delete_policy", tag = "policies",
    params(PolicyPath, IfUnchanged),
    responses((status = 204, description = "Removed"), DeleteProblems),
)]
pub async fn delete(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    place: PolicyPlaceOf,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let condition = IfUnchanged::read(&headers)?;
    state
        .platform
        .policy_delete(&actor, place.0, condition)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(HistoryProblems: SIGNED_IN, ROLE, QUERY, PLACE);

/// List the states of a policy
///
/// Newest first, the present one among them; the last 200 are kept.
#[utoipa::path(
    get, path = "/policies/{level}/{target_id}/{kind}/history", operation_id = "policy_history",
    tag = "policies", params(PolicyPath, ListQuery),
    responses((status = 200, description = "A page of states", body = Page<PolicyRevision>), HistoryProblems),
)]
pub async fn history(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    place: PolicyPlaceOf,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Answer<Json<Page<PolicyRevision>>> {
    Ok(Json(
        state
            .platform
            .policy_history(&actor, place.0, query)
            .await?,
    ))
}

problems!(RollBackProblems: SIGNED_IN, CHANGE, BODY, PLACE, UNCHANGED);

/// Roll a policy back
///
/// The document of an earlier version becomes a new one; a state without a policy removes it.
#[utoipa::path(
    post, path = "/policies/{level}/{target_id}/{kind}/roll-back", operation_id = "roll_back_policy",
    tag = "policies", params(PolicyPath, IfUnchanged), request_body = RollBack,
    responses((status = 200, description = "The present state", body = PolicyRevision), RollBackProblems),
)]
pub async fn roll_back(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    place: PolicyPlaceOf,
    headers: HeaderMap,
    ApiJson(back): ApiJson<RollBack>,
) -> Answer<Response> {
    let condition = IfUnchanged::read(&headers)?;
    let state = state
        .platform
        .policy_roll_back(&actor, place.0, back, condition)
        .await?;
    Ok(tagged(state.version, Json(state)))
}

/// The place that a path names.
pub struct PolicyPlaceOf(pub PolicyPlace);

fn tagged(version: u32, response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
