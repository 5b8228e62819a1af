//! APIs: registered upstreams.

use apiverse_contract::apis::{ApiView, CreateApi, PatchApi};
use apiverse_contract::policies::upstream::TargetList;
use apiverse_contract::policies::{CachePurge, CachePurged};
use apiverse_contract::{ApiId, ErrorCode, ListQuery, Page};
use apiverse_gateway::PurgeWhat;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::{created, no_store};
use crate::openapi::problems::{BODY, CHANGE, QUERY, ROLE, SIGNED_IN, problems};
use crate::{ApiJson, ApiPath, ApiProblem, ApiQuery, Authenticated, RestState};

type Answer<T> = Result<T, ApiProblem>;

problems!(ListProblems: SIGNED_IN, ROLE, QUERY);

/// List APIs
///
/// Newest first. `q` searches name, slug and base address.
#[utoipa::path(
    get, path = "/apis", operation_id = "list_apis", tag = "apis",
    params(ListQuery),
    responses((status = 200, description = "A page of APIs", body = Page<ApiView>), ListProblems),
)]
pub async fn list(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Answer<Json<Page<ApiView>>> {
    Ok(Json(state.platform.api_list(&actor, query).await?))
}

problems!(CreateProblems: SIGNED_IN, CHANGE, BODY, &[ErrorCode::SlugTaken]);

/// Register an API
///
/// From then on `/proxy/{slug}/…` forwards to `base_url`. The secrets in `auth_config` are
/// encrypted and never shown again. Its fields depend on `auth_type`:
///
/// - `none`: nothing
/// - `api_key`: `value`, `name` (default `X-API-Key`), `in` (`header` or `query`)
/// - `bearer`: `token`
/// - `basic`: `username`, `password`
/// - `oauth2`: `token_url`, `client_id`, `client_secret`, `scope`, `audience`
#[utoipa::path(
    post, path = "/apis", operation_id = "create_api", tag = "apis",
    request_body = CreateApi,
    responses((status = 201, description = "The API", body = ApiView), CreateProblems),
)]
pub async fn create(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<CreateApi>,
) -> Answer<Response> {
    let api = state.platform.api_create(&actor, request).await?;
    Ok(created("/apis", api.id, api))
}

problems!(GetProblems: SIGNED_IN, ROLE, &[ErrorCode::ApiNotFound]);

/// Show an API
#[utoipa::path(
    get, path = "/apis/{id}", operation_id = "get_api", tag = "apis",
    params(("id" = String, Path, format = Uuid, description = "Id of the API")),
    responses((status = 200, description = "The API", body = ApiView), GetProblems),
)]
pub async fn get(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ApiId>,
) -> Answer<Json<ApiView>> {
    Ok(Json(state.platform.api_get(&actor, id).await?))
}

/// Show how the targets of an API are
///
/// Health and calls under way of each target of its upstream policies, and the circuit breaker, as
/// the node knows them that answers: each node finds out for itself. Empty for an API without an
/// upstream policy.
#[utoipa::path(
    get, path = "/apis/{id}/targets", operation_id = "list_api_targets", tag = "apis",
    params(("id" = String, Path, format = Uuid, description = "Id of the API")),
    responses((status = 200, description = "The targets now", body = TargetList), GetProblems),
)]
pub async fn targets(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ApiId>,
) -> Answer<Response> {
    let permit = state.platform.api_permit(&actor, id).await?;
    let data = state.gateway.targets(permit.organization_id(), id);
    Ok(no_store(Json(TargetList { data }).into_response()))
}

problems!(ChangeProblems: SIGNED_IN, CHANGE, BODY, &[ErrorCode::ApiNotFound, ErrorCode::SlugTaken]);

/// Replace an API
///
/// What is absent goes back to its default; only a secret that is absent is kept while
/// `auth_type` stays the same.
#[utoipa::path(
    put, path = "/apis/{id}", operation_id = "replace_api", tag = "apis",
    params(("id" = String, Path, format = Uuid, description = "Id of the API")),
    request_body = CreateApi,
    responses((status = 200, description = "The API", body = ApiView), ChangeProblems),
)]
pub async fn replace(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ApiId>,
    ApiJson(request): ApiJson<CreateApi>,
) -> Answer<Json<ApiView>> {
    Ok(Json(state.platform.api_replace(&actor, id, request).await?))
}

/// Change an API
///
/// Only what is named changes; `null` clears a field that may be empty.
#[utoipa::path(
    patch, path = "/apis/{id}", operation_id = "patch_api", tag = "apis",
    params(("id" = String, Path, format = Uuid, description = "Id of the API")),
    request_body = PatchApi,
    responses((status = 200, description = "The API", body = ApiView), ChangeProblems),
)]
pub async fn patch(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ApiId>,
    ApiJson(request): ApiJson<PatchApi>,
) -> Answer<Json<ApiView>> {
    Ok(Json(state.platform.api_patch(&actor, id, request).await?))
}

problems!(DeleteProblems: SIGNED_IN, CHANGE, &[ErrorCode::ApiNotFound]);

/// Delete an API
///
/// The gateway stops serving it at once; what was recorded of its usage stays.
#[utoipa::path(
    delete, path = "/apis/{id}", operation_id = "delete_api", tag = "apis",
    params(("id" = String, Path, format = Uuid, description = "Id of the API")),
    responses((status = 204, description = "Deleted"), DeleteProblems),
)]
pub async fn delete(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ApiId>,
) -> Answer<StatusCode> {
    state.platform.api_delete(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(PurgeProblems: SIGNED_IN, CHANGE, BODY, &[ErrorCode::ApiNotFound]);

/// Forget stored answers
///
/// All of an API's, or those of a path, of a path and all below it, or with a tag: whatever they
/// vary by and whoever they are for. The node that is asked has forgotten them when it answers,
/// the others within a second.
#[utoipa::path(
    post, path = "/apis/{id}/cache/purge", operation_id = "purge_cache", tag = "apis",
    params(("id" = String, Path, format = Uuid, description = "Id of the API")),
    request_body = CachePurge,
    responses((status = 200, description = "How many were forgotten", body = CachePurged), PurgeProblems),
)]
pub async fn purge_cache(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ApiId>,
    ApiJson(request): ApiJson<CachePurge>,
) -> Answer<Json<CachePurged>> {
    let what = match (&request.path, &request.prefix, &request.tag) {
        (Some(path), ..) => PurgeWhat::Path(path.clone()),
        (None, Some(prefix), _) => PurgeWhat::Prefix(prefix.clone()),
        (None, None, Some(tag)) => PurgeWhat::Tag(tag.clone()),
        (None, None, None) => PurgeWhat::All,
    };
    let sign = what.sign(id);
    // Looked for before they are told of: what is announced comes back to this node too.
    state.platform.may_purge(&actor, id, &request).await?;
    let purged = state.gateway.purge(id, what).await;
    state
        .platform
        .cache_purge(&actor, id, &request, sign)
        .await?;
    Ok(Json(CachePurged { purged }))
}
