//! API keys: the secrets consumers send to the gateway.

use apiverse_contract::keys::{
    ApiKeyCreated, ApiKeyView, CreateApiKey, KeyTicket, PatchApiKey, RotateApiKey,
};
use apiverse_contract::{ErrorCode, KeyId, ListQuery, Page};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::{created, no_store};
use crate::openapi::problems::{BODY, CHANGE, QUERY, ROLE, SIGNED_IN, problems};
use crate::{ApiJson, ApiPath, ApiProblem, ApiQuery, Authenticated, RestState};

type Answer<T> = Result<T, ApiProblem>;

problems!(ListProblems: SIGNED_IN, ROLE, QUERY);

/// List API keys
///
/// Newest first, expired and revoked ones included. `q` searches name and prefix.
#[utoipa::path(
    get, path = "/api-keys", operation_id = "list_api_keys", tag = "keys",
    params(ListQuery),
    responses((status = 200, description = "A page of keys", body = Page<ApiKeyView>), ListProblems),
)]
pub async fn list(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Answer<Json<Page<ApiKeyView>>> {
    Ok(Json(state.platform.key_list(&actor, query).await?))
}

problems!(CreateProblems: SIGNED_IN, CHANGE, BODY);

/// Create an API key
///
/// The answer carries `key`, the only time its text is shown. Empty `api_ids`, `methods` and
/// `allowed_ips` mean no restriction.
#[utoipa::path(
    post, path = "/api-keys", operation_id = "create_api_key", tag = "keys",
    request_body = CreateApiKey,
    responses((status = 201, description = "The key, with its text", body = ApiKeyCreated), CreateProblems),
)]
pub async fn create(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<CreateApiKey>,
) -> Answer<Response> {
    let key = state.platform.key_create(&actor, request).await?;
    Ok(no_store(created("/api-keys", key.view.id, key)))
}

problems!(GetProblems: SIGNED_IN, ROLE, &[ErrorCode::ApiKeyNotFound]);

/// Show an API key
#[utoipa::path(
    get, path = "/api-keys/{id}", operation_id = "get_api_key", tag = "keys",
    params(("id" = String, Path, format = Uuid, description = "Id of the key")),
    responses((status = 200, description = "The key without its text", body = ApiKeyView), GetProblems),
)]
pub async fn get(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<KeyId>,
) -> Answer<Json<ApiKeyView>> {
    Ok(Json(state.platform.key_get(&actor, id).await?))
}

problems!(ChangeProblems: SIGNED_IN, CHANGE, BODY, &[
    ErrorCode::ApiKeyNotFound, ErrorCode::ApiKeyRevoked,
]);

/// Change an API key
///
/// Only what is named changes. Effective on every node within a second.
#[utoipa::path(
    patch, path = "/api-keys/{id}", operation_id = "patch_api_key", tag = "keys",
    params(("id" = String, Path, format = Uuid, description = "Id of the key")),
    request_body = PatchApiKey,
    responses((status = 200, description = "The key", body = ApiKeyView), ChangeProblems),
)]
pub async fn patch(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<KeyId>,
    ApiJson(request): ApiJson<PatchApiKey>,
) -> Answer<Json<ApiKeyView>> {
    Ok(Json(state.platform.key_patch(&actor, id, request).await?))
}

problems!(RevokeProblems: SIGNED_IN, CHANGE, &[ErrorCode::ApiKeyNotFound]);

/// Revoke an API key
///
/// Final, and effective on every node within a second. The key stays in the list as revoked.
#[utoipa::path(
    delete, path = "/api-keys/{id}", operation_id = "revoke_api_key", tag = "keys",
    params(("id" = String, Path, format = Uuid, description = "Id of the key")),
    responses((status = 204, description = "Revoked"), RevokeProblems),
)]
pub async fn revoke(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<KeyId>,
) -> Answer<StatusCode> {
    state.platform.key_revoke(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rotate an API key
///
/// Makes a new secret under the same id and answers it once; the previous one goes on working for
/// `grace_seconds`. The body may be left out.
#[utoipa::path(
    post, path = "/api-keys/{id}/rotate", operation_id = "rotate_api_key", tag = "keys",
    params(("id" = String, Path, format = Uuid, description = "Id of the key")),
    request_body = Option<RotateApiKey>,
    responses((status = 200, description = "The key, with its new text", body = ApiKeyCreated), ChangeProblems),
)]
pub async fn rotate(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<KeyId>,
    request: Option<ApiJson<RotateApiKey>>,
) -> Answer<Response> {
    let request = request.map(|ApiJson(request)| request).unwrap_or_default();
    let key = state.platform.key_rotate(&actor, id, request).await?;
    Ok(no_store(Json(key).into_response()))
}

problems!(TicketProblems: SIGNED_IN, CHANGE, &[
    ErrorCode::ApiKeyNotFound, ErrorCode::ApiKeyRevoked,
]);

/// Get a ticket for an API key
///
/// The gateway takes a ticket in `X-API-Key` for about a minute and treats the call as the key's
/// own: so the console's explorer can call with a key whose text nobody knows any more.
#[utoipa::path(
    post, path = "/api-keys/{id}/ticket", operation_id = "create_key_ticket", tag = "keys",
    params(("id" = String, Path, format = Uuid, description = "Id of the key")),
    responses((status = 200, description = "The ticket", body = KeyTicket), TicketProblems),
)]
pub async fn ticket(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<KeyId>,
) -> Answer<Response> {
    let ticket = state.platform.key_ticket(&actor, id).await?;
    Ok(no_store(Json(ticket).into_response()))
}
