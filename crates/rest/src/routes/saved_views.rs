//! Saved views of the console's pages.

use apiverse_contract::saved_views::{
    CreateSavedView, SavedView, SavedViewsQuery, UpdateSavedView,
};
use apiverse_contract::{ErrorCode, Page, SavedViewId};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::created;
use crate::openapi::problems::{BODY, CHANGE, ROLE, SIGNED_IN, problems};
use crate::{ApiJson, ApiPath, ApiProblem, ApiQuery, Authenticated, RestState};

type Answer<T> = Result<T, ApiProblem>;

const VIEW: &[ErrorCode] = &[ErrorCode::SavedViewNotFound];
const NAME: &[ErrorCode] = &[ErrorCode::SavedViewNameTaken];
const MANY: &[ErrorCode] = &[ErrorCode::InvalidRequest];

problems!(ListProblems: SIGNED_IN, ROLE, &[ErrorCode::ValidationFailed]);

/// List saved views
///
/// The caller's own, and those that are shared with the organization.
#[utoipa::path(
    get, path = "/saved-views", operation_id = "list_saved_views", tag = "usage",
    params(SavedViewsQuery),
    responses((status = 200, description = "All of them, by name", body = Page<SavedView>), ListProblems),
)]
pub async fn list(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiQuery(query): ApiQuery<SavedViewsQuery>,
) -> Answer<Json<Page<SavedView>>> {
    Ok(Json(state.platform.saved_views_list(&actor, query).await?))
}

problems!(CreateProblems: SIGNED_IN, CHANGE, BODY, NAME, MANY);

/// Save a view
///
/// A page's state under a name: what stands behind the `?` of its address. Sharing it needs
/// `usage:write`.
#[utoipa::path(
    post, path = "/saved-views", operation_id = "create_saved_view", tag = "usage",
    request_body = CreateSavedView,
    responses((status = 201, description = "The view", body = SavedView), CreateProblems),
)]
pub async fn create(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<CreateSavedView>,
) -> Answer<Response> {
    let view = state.platform.saved_view_create(&actor, request).await?;
    Ok(created("/saved-views", view.id, view))
}

problems!(UpdateProblems: SIGNED_IN, CHANGE, BODY, VIEW, NAME);

/// Change a saved view
///
/// Whom it belongs to may, and owners and admins when it is shared. `is_default` is the caller's
/// alone: whether the page opens with the view for them.
#[utoipa::path(
    patch, path = "/saved-views/{id}", operation_id = "update_saved_view", tag = "usage",
    params(("id" = String, Path, format = Uuid, description = "Id of the view")),
    request_body = UpdateSavedView,
    responses((status = 200, description = "The view", body = SavedView), UpdateProblems),
)]
pub async fn update(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<SavedViewId>,
    ApiJson(request): ApiJson<UpdateSavedView>,
) -> Answer<Json<SavedView>> {
    let view = state.platform.saved_view_update(&actor, id, request);
    Ok(Json(view.await?))
}

problems!(DeleteProblems: SIGNED_IN, CHANGE, VIEW);

/// Delete a saved view
#[utoipa::path(
    delete, path = "/saved-views/{id}", operation_id = "delete_saved_view", tag = "usage",
    params(("id" = String, Path, format = Uuid, description = "Id of the view")),
    responses((status = 204, description = "It is gone"), DeleteProblems),
)]
pub async fn delete(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<SavedViewId>,
) -> Answer<StatusCode> {
    state.platform.saved_view_delete(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
