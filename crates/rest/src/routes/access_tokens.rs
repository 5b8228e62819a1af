//! Personal access tokens, and service accounts.

use apiverse_contract::access_tokens::{
    AccessTokenCreated, AccessTokenView, CreateAccessToken, CreateServiceAccount,
    ServiceAccountView,
};
use apiverse_contract::{AccessTokenId, ErrorCode, ListQuery, Page, ServiceAccountId};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::{created, no_store};
use crate::openapi::problems::{BODY, CHANGE, QUERY, ROLE, SIGNED_IN, problems};
use crate::{ApiJson, ApiPath, ApiProblem, ApiQuery, Authenticated, RestState};

type Answer<T> = Result<T, ApiProblem>;

problems!(ListProblems: SIGNED_IN, ROLE, QUERY);

/// List the own access tokens
///
/// Those for the organization this request acts in, newest first.
#[utoipa::path(
    get, path = "/access-tokens", operation_id = "list_access_tokens", tag = "access tokens",
    params(ListQuery),
    responses((status = 200, description = "A page of tokens", body = Page<AccessTokenView>), ListProblems),
)]
pub async fn list(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Answer<Json<Page<AccessTokenView>>> {
    Ok(Json(
        state.platform.access_tokens(&actor, query, false).await?,
    ))
}

problems!(CreateProblems: SIGNED_IN, CHANGE, BODY, &[ErrorCode::ServiceAccountNotFound]);

/// Create an access token
///
/// Of the caller, or of a service account. Its text is in this answer and nowhere else. It can do
/// nothing its owner or its maker may not; one made with a token ends no later than that token.
#[utoipa::path(
    post, path = "/access-tokens", operation_id = "create_access_token", tag = "access tokens",
    request_body = CreateAccessToken,
    responses((status = 201, description = "The token", body = AccessTokenCreated), CreateProblems),
)]
pub async fn create(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(input): ApiJson<CreateAccessToken>,
) -> Answer<Response> {
    let made = state.platform.access_token_create(&actor, input).await?;
    Ok(no_store(created("/access-tokens", made.view.id, made)))
}

problems!(RevokeProblems: SIGNED_IN, CHANGE, &[ErrorCode::AccessTokenNotFound]);

/// Revoke an access token
///
/// It stops working at once.
#[utoipa::path(
    delete, path = "/access-tokens/{id}", operation_id = "revoke_access_token",
    tag = "access tokens",
    params(("id" = String, Path, format = Uuid, description = "Id of the token")),
    responses((status = 204, description = "Revoked"), RevokeProblems),
)]
pub async fn revoke(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<AccessTokenId>,
) -> Answer<StatusCode> {
    state.platform.access_token_revoke(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the service accounts
#[utoipa::path(
    get, path = "/service-accounts", operation_id = "list_service_accounts", tag = "access tokens",
    params(ListQuery),
    responses((status = 200, description = "A page of them", body = Page<ServiceAccountView>), ListProblems),
)]
pub async fn accounts(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Answer<Json<Page<ServiceAccountView>>> {
    Ok(Json(state.platform.service_accounts(&actor, query).await?))
}

problems!(AccountProblems: SIGNED_IN, CHANGE, BODY, &[ErrorCode::ServiceAccountNameTaken]);

/// Create a service account
///
/// Somebody in the organization who is no person: it has a role and tokens, and never signs in.
#[utoipa::path(
    post, path = "/service-accounts", operation_id = "create_service_account",
    tag = "access tokens", request_body = CreateServiceAccount,
    responses((status = 201, description = "The account", body = ServiceAccountView), AccountProblems),
)]
pub async fn create_account(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(input): ApiJson<CreateServiceAccount>,
) -> Answer<Response> {
    let view = state.platform.service_account_create(&actor, input).await?;
    Ok(created("/service-accounts", view.id, view))
}

problems!(DeleteProblems: SIGNED_IN, CHANGE, &[ErrorCode::ServiceAccountNotFound]);

/// Delete a service account
///
/// Its tokens stop working at once.
#[utoipa::path(
    delete, path = "/service-accounts/{id}", operation_id = "delete_service_account",
    tag = "access tokens",
    params(("id" = String, Path, format = Uuid, description = "Id of the account")),
    responses((status = 204, description = "Deleted"), DeleteProblems),
)]
pub async fn delete_account(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<ServiceAccountId>,
) -> Answer<StatusCode> {
    state.platform.service_account_delete(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the service accounts' tokens
#[utoipa::path(
    get, path = "/service-accounts/tokens", operation_id = "list_service_account_tokens",
    tag = "access tokens", params(ListQuery),
    responses((status = 200, description = "A page of tokens", body = Page<AccessTokenView>), ListProblems),
)]
pub async fn account_tokens(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Answer<Json<Page<AccessTokenView>>> {
    Ok(Json(
        state.platform.access_tokens(&actor, query, true).await?,
    ))
}
