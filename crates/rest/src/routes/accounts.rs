//! Registering, signing in, and one's own account.

use apiverse_contract::ErrorCode;
use apiverse_contract::auth::{
    ChangePassword, LoginRequest, MeView, RefreshRequest, RegisterRequest, TokenResponse,
    UpdateProfile, UserView,
};
use apiverse_platform::Via;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use tower_sessions::Session;

use super::no_store;
use crate::openapi::problems::{BODY, CHANGE, SIGNED_IN, problems};
use crate::{ApiJson, ApiProblem, Authenticated, Caller, RestState};

type Answer<T> = Result<T, ApiProblem>;

problems!(RegisterProblems: BODY, &[ErrorCode::EmailTaken, ErrorCode::TooManyAttempts]);

/// Register an account
///
/// Makes the account and a personal organization that it owns. The e-mail address is unique
/// whatever its letter case.
#[utoipa::path(
    post, path = "/auth/register", operation_id = "register", tag = "accounts",
    request_body = RegisterRequest,
    responses((status = 201, description = "The account", body = UserView), RegisterProblems),
    security(()),
)]
pub async fn register(
    State(state): State<RestState>,
    Caller(info): Caller,
    ApiJson(request): ApiJson<RegisterRequest>,
) -> Answer<Response> {
    let user = state.platform.register(&info, request).await?;
    Ok((StatusCode::CREATED, Json(user)).into_response())
}

problems!(LoginProblems: BODY, &[ErrorCode::InvalidCredentials, ErrorCode::TooManyAttempts]);

/// Sign in
///
/// Answers an access token for `Authorization: Bearer` and a refresh token. An unknown e-mail
/// address and a wrong password get the same answer after the same time.
#[utoipa::path(
    post, path = "/auth/login", operation_id = "login", tag = "accounts",
    request_body = LoginRequest,
    responses((status = 200, description = "The tokens", body = TokenResponse), LoginProblems),
    security(()),
)]
pub async fn login(
    State(state): State<RestState>,
    Caller(info): Caller,
    ApiJson(request): ApiJson<LoginRequest>,
) -> Answer<Response> {
    let tokens = state.platform.login(&info, request).await?;
    Ok(no_store(Json(tokens).into_response()))
}

problems!(RefreshProblems: BODY, &[ErrorCode::InvalidRefreshToken]);

/// Renew the access token
///
/// Each refresh token is good once and answered with the next. One that comes a second time ends
/// its whole family: either it was stolen, or the thief was first.
#[utoipa::path(
    post, path = "/auth/refresh", operation_id = "refresh", tag = "accounts",
    request_body = RefreshRequest,
    responses((status = 200, description = "New tokens", body = TokenResponse), RefreshProblems),
    security(()),
)]
pub async fn refresh(
    State(state): State<RestState>,
    Caller(info): Caller,
    ApiJson(request): ApiJson<RefreshRequest>,
) -> Answer<Response> {
    let tokens = state.platform.refresh(&info, request).await?;
    Ok(no_store(Json(tokens).into_response()))
}

problems!(LogoutProblems: SIGNED_IN, &[ErrorCode::CrossSiteRequest]);

/// Sign out
///
/// Ends the session this request belongs to, with its refresh tokens.
#[utoipa::path(
    post, path = "/auth/logout", operation_id = "logout", tag = "accounts",
    responses((status = 204, description = "Signed out"), LogoutProblems),
)]
pub async fn logout(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    session: Option<Extension<Session>>,
) -> Answer<StatusCode> {
    state.platform.logout(&actor).await?;
    if let (Via::Browser(_), Some(Extension(session))) = (actor.via, session) {
        // The browser need not go on sending a cookie that opens nothing.
        state.platform.sign_out(&session, &actor.request).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

problems!(MeProblems: SIGNED_IN);

/// Show the own account
///
/// The user, the organization the request acts in, and the role there.
#[utoipa::path(
    get, path = "/auth/me", operation_id = "me", tag = "accounts",
    responses((status = 200, description = "The account", body = MeView), MeProblems),
)]
pub async fn me(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Json<MeView>> {
    Ok(Json(state.platform.me(&actor).await?))
}

problems!(UpdateMeProblems: SIGNED_IN, CHANGE, BODY);

/// Change the own profile
///
/// Only what is named changes; `null` clears it.
#[utoipa::path(
    patch, path = "/auth/me", operation_id = "update_me", tag = "accounts",
    request_body = UpdateProfile,
    responses((status = 200, description = "The account", body = MeView), UpdateMeProblems),
)]
pub async fn update_me(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<UpdateProfile>,
) -> Answer<Json<MeView>> {
    Ok(Json(state.platform.update_profile(&actor, request).await?))
}

problems!(PasswordProblems: SIGNED_IN, CHANGE, BODY, &[
    ErrorCode::InvalidCredentials, ErrorCode::TooManyAttempts,
]);

/// Change the password
///
/// Every other session and every refresh token of the account ends.
#[utoipa::path(
    post, path = "/auth/password", operation_id = "change_password", tag = "accounts",
    request_body = ChangePassword,
    responses((status = 204, description = "Changed"), PasswordProblems),
)]
pub async fn change_password(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<ChangePassword>,
) -> Answer<StatusCode> {
    state.platform.change_password(&actor, request).await?;
    Ok(StatusCode::NO_CONTENT)
}
