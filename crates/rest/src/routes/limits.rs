//! Limits: what organizations, APIs, routes and keys may do how often.

use apiverse_contract::limits::{
    CreateRoute, EffectiveLimits, EffectiveQuery, LimitPolicy, PatchRoute, PolicyView, RouteView,
};
use apiverse_contract::{ApiId, ErrorCode, KeyId, ListQuery, Page, RouteId};
use apiverse_platform::PolicyTarget;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::created;
use crate::extract::path::ApiPaths;
use crate::openapi::problems::{BODY, CHANGE, QUERY, ROLE, SIGNED_IN, problems};
use crate::{ApiJson, ApiPath, ApiProblem, ApiQuery, Authenticated, RestState};

type Answer<T> = Result<T, ApiProblem>;

problems!(OrganizationProblems: SIGNED_IN, ROLE);

/// Show the organization's limits
///
/// They hold for every call with a key of the organization, or to an API of it.
#[utoipa::path(
    get, path = "/organization/limits", operation_id = "get_organization_limits", tag = "limits",
    responses((status = 200, description = "The policy", body = PolicyView), OrganizationProblems),
)]
pub async fn organization(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Json<PolicyView>> {
    let target = PolicyTarget::Organization;
    Ok(Json(state.platform.limits_get(&actor, target).await?))
}

problems!(PutOrganizationProblems: SIGNED_IN, CHANGE, BODY);

/// Set the organization's limits
///
/// As a whole: what is absent is removed. Effective on every node within a second.
#[utoipa::path(
    put, path = "/organization/limits", operation_id = "put_organization_limits", tag = "limits",
    request_body = LimitPolicy,
    responses((status = 200, description = "The policy", body = PolicyView), PutOrganizationProblems),
)]
pub async fn put_organization(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(policy): ApiJson<LimitPolicy>,
) -> Answer<Json<PolicyView>> {
    let target = PolicyTarget::Organization;
    Ok(Json(
        state.platform.limits_put(&actor, target, policy).await?,
    ))
}

problems!(ApiProblems: SIGNED_IN, ROLE, &[ErrorCode::ApiNotFound]);

/// Show an API's limits
///
/// They hold for every call to the API, beside those of the organization; one with the same name
/// takes the place of the organization's.
#[utoipa::path(
    get, path = "/apis/{id}/limits", operation_id = "get_api_limits", tag = "limits",
    params(("id" = String, Path, format = Uuid, description = "Id of the API")),
    responses((status = 200, description = "The policy", body = PolicyView), ApiProblems),
)]
pub async fn api(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ApiId>,
) -> Answer<Json<PolicyView>> {
    let target = PolicyTarget::Api(id);
    Ok(Json(state.platform.limits_get(&actor, target).await?))
}

problems!(PutApiProblems: SIGNED_IN, CHANGE, BODY, &[ErrorCode::ApiNotFound]);

/// Set an API's limits
///
/// As a whole: what is absent is removed. Effective on every node within a second.
#[utoipa::path(
    put, path = "/apis/{id}/limits", operation_id = "put_api_limits", tag = "limits",
    params(("id" = String, Path, format = Uuid, description = "Id of the API")),
    request_body = LimitPolicy,
    responses((status = 200, description = "The policy", body = PolicyView), PutApiProblems),
)]
pub async fn put_api(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ApiId>,
    ApiJson(policy): ApiJson<LimitPolicy>,
) -> Answer<Json<PolicyView>> {
    let target = PolicyTarget::Api(id);
    Ok(Json(
        state.platform.limits_put(&actor, target, policy).await?,
    ))
}

problems!(KeyProblems: SIGNED_IN, ROLE, &[ErrorCode::ApiKeyNotFound]);

/// Show a key's limits
///
/// They hold for every call with the key, beside those of the organization, the API and the
/// route; one with the same name takes the place of theirs.
#[utoipa::path(
    get, path = "/api-keys/{id}/limits", operation_id = "get_api_key_limits", tag = "limits",
    params(("id" = String, Path, format = Uuid, description = "Id of the key")),
    responses((status = 200, description = "The policy", body = PolicyView), KeyProblems),
)]
pub async fn key(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<KeyId>,
) -> Answer<Json<PolicyView>> {
    let target = PolicyTarget::Key(id);
    Ok(Json(state.platform.limits_get(&actor, target).await?))
}

problems!(PutKeyProblems: SIGNED_IN, CHANGE, BODY, &[
    ErrorCode::ApiKeyNotFound, ErrorCode::ApiKeyRevoked,
]);

/// Set a key's limits
///
/// As a whole: what is absent is removed. Effective on every node within a second.
#[utoipa::path(
    put, path = "/api-keys/{id}/limits", operation_id = "put_api_key_limits", tag = "limits",
    params(("id" = String, Path, format = Uuid, description = "Id of the key")),
    request_body = LimitPolicy,
    responses((status = 200, description = "The policy", body = PolicyView), PutKeyProblems),
)]
pub async fn put_key(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<KeyId>,
    ApiJson(policy): ApiJson<LimitPolicy>,
) -> Answer<Json<PolicyView>> {
    let target = PolicyTarget::Key(id);
    Ok(Json(
        state.platform.limits_put(&actor, target, policy).await?,
    ))
}

problems!(EffectiveProblems: SIGNED_IN, ROLE, QUERY, &[
    ErrorCode::ApiNotFound, ErrorCode::ApiKeyNotFound,
]);

/// Show the limits a call meets
///
/// For an API, a key, or both together, and with `method` and `path` for the route they come to:
/// every limit that applies, what it is attached to, and which limits of the same name it
/// replaces. Nothing is counted.
#[utoipa::path(
    get, path = "/limits/effective", operation_id = "effective_limits", tag = "limits",
    params(EffectiveQuery),
    responses((status = 200, description = "The limits", body = EffectiveLimits), EffectiveProblems),
)]
pub async fn effective(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<EffectiveQuery>,
) -> Answer<Json<EffectiveLimits>> {
    Ok(Json(state.platform.limits_effective(&actor, query).await?))
}

problems!(ListRouteProblems: SIGNED_IN, ROLE, QUERY, &[ErrorCode::ApiNotFound]);

/// List an API's routes
///
/// Newest first.
#[utoipa::path(
    get, path = "/apis/{id}/routes", operation_id = "list_routes", tag = "limits",
    params(("id" = String, Path, format = Uuid, description = "Id of the API"), ListQuery),
    responses((status = 200, description = "A page of routes", body = Page<RouteView>), ListRouteProblems),
)]
pub async fn list_routes(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ApiId>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Answer<Json<Page<RouteView>>> {
    Ok(Json(state.platform.route_list(&actor, id, query).await?))
}

problems!(CreateRouteProblems: SIGNED_IN, CHANGE, BODY, &[
    ErrorCode::ApiNotFound, ErrorCode::RouteNameTaken,
]);

/// Create a route
///
/// A part of the API with limits of its own: calls with one of `methods` (none: all) whose path
/// below the API matches `path`. A call belongs to one route at most, the most specific: from the
/// left, a segment as it is goes before `{name}`, and that before `*`.
#[utoipa::path(
    post, path = "/apis/{id}/routes", operation_id = "create_route", tag = "limits",
    params(("id" = String, Path, format = Uuid, description = "Id of the API")),
    request_body = CreateRoute,
    responses((status = 201, description = "The route", body = RouteView), CreateRouteProblems),
)]
pub async fn create_route(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ApiId>,
    ApiJson(request): ApiJson<CreateRoute>,
) -> Answer<Response> {
    let route = state.platform.route_create(&actor, id, request).await?;
    Ok(created(&format!("/apis/{id}/routes"), route.id, route))
}

problems!(RouteProblems: SIGNED_IN, ROLE, &[ErrorCode::ApiNotFound, ErrorCode::RouteNotFound]);

/// Show a route
#[utoipa::path(
    get, path = "/apis/{id}/routes/{route_id}", operation_id = "get_route", tag = "limits",
    params(
        ("id" = String, Path, format = Uuid, description = "Id of the API"),
        ("route_id" = String, Path, format = Uuid, description = "Id of the route"),
    ),
    responses((status = 200, description = "The route", body = RouteView), RouteProblems),
)]
pub async fn get_route(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPaths(api_id, id): ApiPaths<ApiId, RouteId>,
) -> Answer<Json<RouteView>> {
    Ok(Json(state.platform.route_get(&actor, api_id, id).await?))
}

problems!(PatchRouteProblems: SIGNED_IN, CHANGE, BODY, &[
    ErrorCode::ApiNotFound, ErrorCode::RouteNotFound, ErrorCode::RouteNameTaken,
]);

/// Change a route
///
/// Only what is named changes; `policy` changes as a whole.
#[utoipa::path(
    patch, path = "/apis/{id}/routes/{route_id}", operation_id = "patch_route", tag = "limits",
    params(
        ("id" = String, Path, format = Uuid, description = "Id of the API"),
        ("route_id" = String, Path, format = Uuid, description = "Id of the route"),
    ),
    request_body = PatchRoute,
    responses((status = 200, description = "The route", body = RouteView), PatchRouteProblems),
)]
pub async fn patch_route(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPaths(api_id, id): ApiPaths<ApiId, RouteId>,
    ApiJson(request): ApiJson<PatchRoute>,
) -> Answer<Json<RouteView>> {
    let route = state.platform.route_patch(&actor, api_id, id, request);
    Ok(Json(route.await?))
}

problems!(DeleteRouteProblems: SIGNED_IN, CHANGE, &[
    ErrorCode::ApiNotFound, ErrorCode::RouteNotFound,
]);

/// Delete a route
///
/// Its calls are then limited as the API's others.
#[utoipa::path(
    delete, path = "/apis/{id}/routes/{route_id}", operation_id = "delete_route", tag = "limits",
    params(
        ("id" = String, Path, format = Uuid, description = "Id of the API"),
        ("route_id" = String, Path, format = Uuid, description = "Id of the route"),
    ),
    responses((status = 204, description = "Deleted"), DeleteRouteProblems),
)]
pub async fn delete_route(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPaths(api_id, id): ApiPaths<ApiId, RouteId>,
) -> Answer<StatusCode> {
    state.platform.route_delete(&actor, api_id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
