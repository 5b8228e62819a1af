//! Versions of APIs.

use apiverse_contract::versions::{
    CallersQuery, CreateVersion, PatchVersion, VersionCaller, VersionView, Versioning,
};
use apiverse_contract::{ApiId, ErrorCode, Page, VersionId};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::created;
use crate::extract::path::ApiPaths;
use crate::openapi::problems::{BODY, CHANGE, QUERY, ROLE, SIGNED_IN, problems};
use crate::{ApiJson, ApiPath, ApiProblem, ApiQuery, Authenticated, RestState};

type Answer<T> = Result<T, ApiProblem>;

const API: &[ErrorCode] = &[ErrorCode::ApiNotFound];
const VERSION: &[ErrorCode] = &[ErrorCode::ApiNotFound, ErrorCode::VersionNotFound];

problems!(ListProblems: SIGNED_IN, ROLE, API);

/// List an API's versions
///
/// Oldest first. Every API has the version `default`, which goes to its base URL.
#[utoipa::path(
    get, path = "/apis/{id}/versions", operation_id = "list_versions", tag = "versions",
    params(("id" = String, Path, format = Uuid, description = "Id of the API")),
    responses((status = 200, description = "All versions", body = Page<VersionView>), ListProblems),
)]
pub async fn list(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ApiId>,
) -> Answer<Json<Page<VersionView>>> {
    Ok(Json(Page {
        data: state.platform.version_list(&actor, id).await?,
        next_cursor: None,
    }))
}

problems!(CreateProblems: SIGNED_IN, CHANGE, BODY, API, &[ErrorCode::VersionNameTaken]);

/// Create a version
///
/// A place of its own for the calls that ask for this version; see `PUT /apis/{id}/versioning`.
#[utoipa::path(
    post, path = "/apis/{id}/versions", operation_id = "create_version", tag = "versions",
    params(("id" = String, Path, format = Uuid, description = "Id of the API")),
    request_body = CreateVersion,
    responses((status = 201, description = "The version", body = VersionView), CreateProblems),
)]
pub async fn create(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ApiId>,
    ApiJson(request): ApiJson<CreateVersion>,
) -> Answer<Response> {
    let version = state.platform.version_create(&actor, id, request).await?;
    Ok(created(
        &format!("/apis/{id}/versions"),
        version.id,
        version,
    ))
}

problems!(GetProblems: SIGNED_IN, ROLE, VERSION);

/// Show a version
#[utoipa::path(
    get, path = "/apis/{id}/versions/{version_id}", operation_id = "get_version", tag = "versions",
    params(
        ("id" = String, Path, format = Uuid, description = "Id of the API"),
        ("version_id" = String, Path, format = Uuid, description = "Id of the version"),
    ),
    responses((status = 200, description = "The version", body = VersionView), GetProblems),
)]
pub async fn get(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPaths(api_id, id): ApiPaths<ApiId, VersionId>,
) -> Answer<Json<VersionView>> {
    Ok(Json(state.platform.version_get(&actor, api_id, id).await?))
}

problems!(PatchProblems: SIGNED_IN, CHANGE, BODY, VERSION, &[ErrorCode::VersionNameTaken]);

/// Change a version
///
/// Only what is named changes. With `deprecated_at` and `sunset_at` its callers are told in
/// `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link`; with `refuse_after_sunset` calls
/// after that are answered 410 `version_retired`.
#[utoipa::path(
    patch, path = "/apis/{id}/versions/{version_id}", operation_id = "patch_version", tag = "versions",
    params(
        ("id" = String, Path, format = Uuid, description = "Id of the API"),
        ("version_id" = String, Path, format = Uuid, description = "Id of the version"),
    ),
    request_body = PatchVersion,
    responses((status = 200, description = "The version", body = VersionView), PatchProblems),
)]
pub async fn patch(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPaths(api_id, id): ApiPaths<ApiId, VersionId>,
    ApiJson(request): ApiJson<PatchVersion>,
) -> Answer<Json<VersionView>> {
    let version = state.platform.version_patch(&actor, api_id, id, request);
    Ok(Json(version.await?))
}

problems!(DeleteProblems: SIGNED_IN, CHANGE, VERSION, &[ErrorCode::ValidationFailed]);

/// Delete a version
///
/// Its name means nothing any more. `default` cannot be deleted.
#[utoipa::path(
    delete, path = "/apis/{id}/versions/{version_id}", operation_id = "delete_version", tag = "versions",
    params(
        ("id" = String, Path, format = Uuid, description = "Id of the API"),
        ("version_id" = String, Path, format = Uuid, description = "Id of the version"),
    ),
    responses((status = 204, description = "Deleted"), DeleteProblems),
)]
pub async fn delete(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPaths(api_id, id): ApiPaths<ApiId, VersionId>,
) -> Answer<StatusCode> {
    state.platform.version_delete(&actor, api_id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(CallersProblems: SIGNED_IN, ROLE, QUERY, VERSION);

/// List who calls a version
///
/// By key, the latest first, with the number of calls and the last of them: whom to write to
/// before the version ends.
#[utoipa::path(
    get, path = "/apis/{id}/versions/{version_id}/callers", operation_id = "version_callers",
    tag = "versions",
    params(
        ("id" = String, Path, format = Uuid, description = "Id of the API"),
        ("version_id" = String, Path, format = Uuid, description = "Id of the version"),
        CallersQuery,
    ),
    responses((status = 200, description = "The callers", body = Page<VersionCaller>), CallersProblems),
)]
pub async fn callers(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPaths(api_id, id): ApiPaths<ApiId, VersionId>,
    ApiQuery(query): ApiQuery<CallersQuery>,
) -> Answer<Json<Page<VersionCaller>>> {
    let data = state.platform.version_callers(&actor, api_id, id, query);
    Ok(Json(Page {
        data: data.await?,
        next_cursor: None,
    }))
}

problems!(VersioningProblems: SIGNED_IN, ROLE, API);

/// Show how callers choose a version
#[utoipa::path(
    get, path = "/apis/{id}/versioning", operation_id = "get_versioning", tag = "versions",
    params(("id" = String, Path, format = Uuid, description = "Id of the API")),
    responses((status = 200, description = "The setting", body = Versioning), VersioningProblems),
)]
pub async fn versioning(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ApiId>,
) -> Answer<Json<Versioning>> {
    Ok(Json(state.platform.versioning_get(&actor, id).await?))
}

problems!(PutVersioningProblems: SIGNED_IN, CHANGE, BODY, API);

/// Set how callers choose a version
///
/// By the first segment of the path, a header or a query parameter. A call that names none gets
/// the version `default` names; one that names an unknown version in a header or parameter is
/// answered 404 `version_not_found`.
#[utoipa::path(
    put, path = "/apis/{id}/versioning", operation_id = "put_versioning", tag = "versions",
    params(("id" = String, Path, format = Uuid, description = "Id of the API")),
    request_body = Versioning,
    responses((status = 200, description = "The setting", body = Versioning), PutVersioningProblems),
)]
pub async fn put_versioning(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ApiId>,
    ApiJson(request): ApiJson<Versioning>,
) -> Answer<Json<Versioning>> {
    Ok(Json(
        state.platform.versioning_put(&actor, id, request).await?,
    ))
}
