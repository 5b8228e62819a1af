//! Which address is which operation.

use apiverse_contract::ErrorCode;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{Method, StatusCode, Uri};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::routes::{
    accounts, apis, audit, configuration, costs, documents, explain, health, insights, keys,
    limits, live, metrics, policies, sessions, usage, verify, versions,
};
use crate::{ApiProblem, RestState};

/// Where the operations live; they are served without it too.
pub(crate) const PREFIX: &str = "/api/v1";

/// What is below the bare paths and unknown is a problem document, not a page of the console.
/// Under the prefix, `/api/{*rest}` sees to that.
pub(crate) const UNKNOWN: [&str; 26] = [
    "/api",
    "/api/",
    "/api/{*rest}",
    "/health/{*rest}",
    "/auth",
    "/auth/",
    "/auth/{*rest}",
    "/apis/",
    "/apis/{id}/{*rest}",
    "/api-keys/",
    "/api-keys/{id}/{*rest}",
    "/usage/",
    "/usage/{*rest}",
    "/costs/",
    "/costs/{*rest}",
    "/insights/",
    "/insights/{id}/{*rest}",
    "/audit/{*rest}",
    "/limits/{*rest}",
    "/configuration/{*rest}",
    "/policies/",
    "/policies/{level}",
    "/policies/{level}/{target_id}",
    "/policies/{level}/{target_id}/{kind}/{*rest}",
    "/explain/",
    "/organization/{*rest}",
];

/// The whole REST side, without the [`layers`](crate::layers()) around it and without a fallback,
/// so that the console can be merged in.
pub fn router(state: RestState) -> Router {
    let operations: Router<RestState> = operations().into();
    let mut router = Router::new()
        .nest(PREFIX, operations.clone())
        .merge(operations)
        .merge(outside())
        .merge(documents::router(&state));
    for path in UNKNOWN {
        router = router.route(path, any(not_found));
    }
    if let Some(path) = &state.shared.settings.metrics_path {
        router = router.route(path, axum::routing::get(metrics::metrics));
    }
    router
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(state)
}

/// The operations below the prefix, with their part of the OpenAPI document.
pub(crate) fn operations() -> OpenApiRouter<RestState> {
    OpenApiRouter::default()
        .routes(routes!(accounts::register))
        .routes(routes!(accounts::login))
        .routes(routes!(accounts::refresh))
        .routes(routes!(accounts::logout))
        .routes(routes!(accounts::me, accounts::update_me))
        .routes(routes!(accounts::change_password))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::revoke))
        .routes(routes!(apis::list, apis::create))
        .routes(routes!(apis::get, apis::replace, apis::patch, apis::delete))
        .routes(routes!(apis::purge_cache))
        .routes(routes!(apis::targets))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(verify::verify))
        .routes(routes!(keys::get, keys::patch, keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::ticket))
        .routes(routes!(limits::organization, limits::put_organization))
        .routes(routes!(limits::api, limits::put_api))
        .routes(routes!(limits::list_routes, limits::create_route))
        .routes(routes!(
            limits::get_route,
            limits::patch_route,
            limits::delete_route
        ))
        .routes(routes!(limits::key, limits::put_key))
        .routes(routes!(limits::effective))
        .routes(routes!(versions::list, versions::create))
        .routes(routes!(versions::get, versions::patch, versions::delete))
        .routes(routes!(versions::callers))
        .routes(routes!(versions::versioning, versions::put_versioning))
        .routes(routes!(configuration::export))
        .routes(routes!(configuration::diff))
        .routes(routes!(configuration::apply))
        .routes(routes!(configuration::plan))
        .routes(routes!(policies::list))
        .routes(routes!(policies::effective))
        .routes(routes!(policies::preview))
        .routes(routes!(policies::get, policies::put, policies::delete))
        .routes(routes!(policies::history))
        .routes(routes!(policies::roll_back))
        .routes(routes!(usage::report))
        .routes(routes!(usage::calls))
        .routes(routes!(usage::top))
        .routes(routes!(usage::breakdown))
        .routes(routes!(usage::latency))
        .routes(routes!(usage::errors))
        .routes(routes!(live::live))
        .routes(routes!(costs::report))
        .routes(routes!(costs::rules, costs::create_rule))
        .routes(routes!(costs::replace_rule, costs::delete_rule))
        .routes(routes!(costs::budgets, costs::create_budget))
        .routes(routes!(costs::replace_budget, costs::delete_budget))
        .routes(routes!(insights::list))
        .routes(routes!(insights::mutes, insights::mute))
        .routes(routes!(insights::unmute))
        .routes(routes!(insights::get))
        .routes(routes!(insights::acknowledge, insights::reopen))
        .routes(routes!(explain::get))
        .routes(routes!(explain::ask))
        .routes(routes!(audit::list))
}

/// The operations that never have the prefix.
pub(crate) fn outside() -> OpenApiRouter<RestState> {
    OpenApiRouter::default()
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
}

async fn not_found(uri: Uri) -> ApiProblem {
    let path: String = uri.path().chars().take(200).collect();
    ApiProblem::new(
        ErrorCode::NotFound,
        format!("there is nothing at `{path}`; `/api/docs` lists what there is"),
    )
}

/// axum adds `Allow` with the methods of the route.
async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    ApiProblem::new(
        ErrorCode::MethodNotAllowed,
        "this address does not take that method; `Allow` lists those it takes",
    )
    .into_response()
}
