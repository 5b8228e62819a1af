//! Which address is which operation.

use apiverse_contract::ErrorCode;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use http::{Method, StatusCode, Uri};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::routes::{
    access_tokens, accounts, alerts, apis, audit, configuration, costs, documents, explain, health,
    insights, keys, limits, live, metrics, notifications, organizations, passkeys, policies,
    reports, saved_views, sessions, sign_in, slos, two_factor, usage, verify, versions,
};
use crate::{ApiProblem, RestState};

/// Where the operations live; they are served without it too.
pub(crate) const PREFIX: &str = "/api/v1";

/// What is below the bare paths and unknown is a problem document, not a page of the console.
/// Under the prefix, `/api/{*rest}` sees to that.
pub(crate) const UNKNOWN: [&str; 49] = [
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
    "/alerts",
    "/alerts/{*rest}",
    "/report-schedules/",
    "/report-schedules/{id}/{*rest}",
    "/reports/",
    "/reports/{id}/{*rest}",
    "/saved-views/",
    "/saved-views/{id}/{*rest}",
    "/slos/",
    "/slos/{id}/{*rest}",
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
    "/access-tokens/",
    "/access-tokens/{id}/{*rest}",
    "/service-accounts/",
    "/service-accounts/{id}/{*rest}",
    "/organizations/{id}",
    "/organizations/{id}/{*rest}",
    "/members/",
    "/members/{id}/{*rest}",
    "/invitations/",
    "/invitations/{id}/{*rest}",
    "/notifications/",
    "/notifications/{id}/{*rest}",
    "/webhooks/{*rest}",
];

/// The whole REST side, without the [`layers`](crate::layers()) around it and without a fallback,
/// so that the console can be merged in.
pub fn router(state: RestState) -> Router {
    crate::layers::describe();
    let operations: Router<RestState> = operations().into();
    let mut router = Router::new()
        .nest(PREFIX, operations.clone())
        .merge(operations)
        .merge(outside())
        .merge(webhooks())
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
        .routes(routes!(
            accounts::me,
            accounts::update_me,
            accounts::delete_me
        ))
        .routes(routes!(accounts::change_password))
        .routes(routes!(accounts::forgot_password))
        .routes(routes!(accounts::reset_password))
        .routes(routes!(accounts::password_strength))
        .routes(routes!(accounts::change_email))
        .routes(routes!(accounts::resend_verification))
        .routes(routes!(accounts::verify_email))
        .routes(routes!(accounts::confirm_email))
        .routes(routes!(accounts::export))
        .routes(routes!(sessions::list, sessions::revoke_others))
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
        .routes(routes!(alerts::rules, alerts::create_rule))
        .routes(routes!(
            alerts::get_rule,
            alerts::replace_rule,
            alerts::delete_rule
        ))
        .routes(routes!(alerts::test_rule))
        .routes(routes!(alerts::preview))
        .routes(routes!(alerts::history))
        .routes(routes!(alerts::silences, alerts::silence))
        .routes(routes!(alerts::unsilence))
        .routes(routes!(alerts::webhooks, alerts::create_webhook))
        .routes(routes!(alerts::delete_webhook))
        .routes(routes!(alerts::test_webhook))
        .routes(routes!(slos::list, slos::create))
        .routes(routes!(slos::get, slos::replace, slos::delete))
        .routes(routes!(reports::schedules, reports::create_schedule))
        .routes(routes!(
            reports::get_schedule,
            reports::patch_schedule,
            reports::delete_schedule
        ))
        .routes(routes!(reports::list, reports::create))
        .routes(routes!(reports::get, reports::delete))
        .routes(routes!(reports::html))
        .routes(routes!(reports::csv))
        .routes(routes!(saved_views::list, saved_views::create))
        .routes(routes!(saved_views::update, saved_views::delete))
        .routes(routes!(insights::list))
        .routes(routes!(insights::mutes, insights::mute))
        .routes(routes!(insights::unmute))
        .routes(routes!(insights::get))
        .routes(routes!(insights::acknowledge, insights::reopen))
        .routes(routes!(explain::get))
        .routes(routes!(explain::ask))
        .routes(routes!(audit::list))
        .routes(routes!(audit::export))
        .routes(routes!(two_factor::login))
        .routes(routes!(two_factor::step_up))
        .routes(routes!(two_factor::show))
        .routes(routes!(two_factor::begin, two_factor::remove))
        .routes(routes!(two_factor::confirm))
        .routes(routes!(two_factor::recovery_codes))
        .routes(routes!(two_factor::require))
        .routes(routes!(passkeys::list, passkeys::create))
        .routes(routes!(passkeys::begin))
        .routes(routes!(passkeys::rename, passkeys::remove))
        .routes(routes!(passkeys::sign_in_begin))
        .routes(routes!(passkeys::login))
        .routes(routes!(passkeys::mfa_begin))
        .routes(routes!(passkeys::step_up_begin))
        .routes(routes!(passkeys::add_phone, passkeys::remove_phone))
        .routes(routes!(passkeys::confirm_phone))
        .routes(routes!(passkeys::mfa_code))
        .routes(routes!(passkeys::step_up_code))
        .routes(routes!(access_tokens::list, access_tokens::create))
        .routes(routes!(access_tokens::revoke))
        .routes(routes!(
            access_tokens::accounts,
            access_tokens::create_account
        ))
        .routes(routes!(access_tokens::account_tokens))
        .routes(routes!(access_tokens::delete_account))
        .routes(routes!(organizations::list, organizations::create))
        .routes(routes!(organizations::switch))
        .routes(routes!(organizations::update, organizations::delete))
        .routes(routes!(organizations::leave))
        .routes(routes!(organizations::transfer))
        .routes(routes!(organizations::members))
        .routes(routes!(organizations::change_role, organizations::remove))
        .routes(routes!(organizations::invitations, organizations::invite))
        .routes(routes!(organizations::offer))
        .routes(routes!(organizations::accept))
        .routes(routes!(organizations::resend))
        .routes(routes!(organizations::revoke))
        .routes(routes!(notifications::list))
        .routes(routes!(
            notifications::preferences,
            notifications::put_preferences
        ))
        .routes(routes!(notifications::suppressions))
        .routes(routes!(notifications::remove_suppression))
        .routes(routes!(notifications::get))
        .routes(routes!(notifications::mailgun))
        .routes(routes!(notifications::twilio))
        .routes(routes!(sign_in::identities))
        .routes(routes!(sign_in::remove_identity))
        .routes(routes!(sign_in::clerk))
}

/// Where services post what they report, under the address that is usual for it too.
fn webhooks() -> Router<RestState> {
    Router::new()
        .route("/api/webhooks/mailgun", post(notifications::mailgun))
        .route("/api/webhooks/twilio", post(notifications::twilio))
        .route("/api/webhooks/clerk", post(sign_in::clerk))
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
