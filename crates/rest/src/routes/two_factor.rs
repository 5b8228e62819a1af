//! The second factor, and proving who one is again.

use apiverse_contract::ErrorCode;
use apiverse_contract::auth::TokenResponse;
use apiverse_contract::two_factor::{
    MfaRequest, RecoveryCodes, RequireTwoFactor, StepUpRequest, TotpCode, TotpSetup, TwoFactorView,
};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::no_store;
use crate::openapi::problems::{BODY, CHANGE, RECENT, SIGNED_IN, problems};
use crate::{ApiJson, ApiProblem, Authenticated, Caller, RestState};

type Answer<T> = Result<T, ApiProblem>;

problems!(MfaProblems: BODY, &[
    ErrorCode::InvalidCredentials, ErrorCode::InvalidCode, ErrorCode::TooManyAttempts,
]);

/// Finish signing in
///
/// With the `mfa_token` of the answer `mfa_required` and a code. Five attempts, five minutes.
#[utoipa::path(
    post, path = "/auth/mfa", operation_id = "login_mfa", tag = "accounts",
    request_body = MfaRequest,
    responses((status = 200, description = "The tokens", body = TokenResponse), MfaProblems),
    security(()),
)]
pub async fn login(
    State(state): State<RestState>,
    Caller(info): Caller,
    ApiJson(request): ApiJson<MfaRequest>,
) -> Answer<Response> {
    let tokens = state.platform.login_mfa(&info, request).await?;
    Ok(no_store(Json(tokens).into_response()))
}

problems!(StepUpProblems: SIGNED_IN, CHANGE, BODY, &[
    ErrorCode::InvalidCode, ErrorCode::TooManyAttempts,
]);

/// Prove who one is again
///
/// With a code of the second factor, or without one the password. For ten minutes the session may
/// do what is answered `step_up_required` otherwise. A fresh sign-in counts too.
#[utoipa::path(
    post, path = "/auth/step-up", operation_id = "step_up", tag = "accounts",
    request_body = StepUpRequest,
    responses((status = 204, description = "Proved"), StepUpProblems),
)]
pub async fn step_up(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<StepUpRequest>,
) -> Answer<StatusCode> {
    state.platform.step_up(&actor, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(ShowProblems: SIGNED_IN);

/// Show how the second factor stands
#[utoipa::path(
    get, path = "/auth/two-factor", operation_id = "get_two_factor", tag = "accounts",
    responses((status = 200, description = "How it stands", body = TwoFactorView), ShowProblems),
)]
pub async fn show(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Json<TwoFactorView>> {
    Ok(Json(state.platform.two_factor(&actor).await?))
}

problems!(BeginProblems: SIGNED_IN, CHANGE, RECENT, &[ErrorCode::TwoFactorOn]);

/// Set an authenticator app up
///
/// Answers the secret as text, address and QR code, once. It is in force when a code of it was
/// confirmed.
#[utoipa::path(
    post, path = "/auth/two-factor/totp", operation_id = "begin_totp", tag = "accounts",
    responses((status = 200, description = "For the app", body = TotpSetup), BeginProblems),
)]
pub async fn begin(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Response> {
    let setup = state.platform.totp_begin(&actor).await?;
    Ok(no_store(Json(setup).into_response()))
}

problems!(ConfirmProblems: SIGNED_IN, CHANGE, BODY, &[
    ErrorCode::TwoFactorOn, ErrorCode::TwoFactorOff,
]);

/// Switch the second factor on
///
/// With a code the app shows. Answers ten recovery codes, once.
#[utoipa::path(
    post, path = "/auth/two-factor/totp/confirm", operation_id = "confirm_totp", tag = "accounts",
    request_body = TotpCode,
    responses((status = 200, description = "Recovery codes", body = RecoveryCodes), ConfirmProblems),
)]
pub async fn confirm(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<TotpCode>,
) -> Answer<Response> {
    let codes = state.platform.totp_confirm(&actor, request).await?;
    Ok(no_store(Json(codes).into_response()))
}

problems!(RemoveProblems: SIGNED_IN, CHANGE, RECENT, &[ErrorCode::TwoFactorOff]);

/// Switch the second factor off
#[utoipa::path(
    delete, path = "/auth/two-factor/totp", operation_id = "remove_totp", tag = "accounts",
    responses((status = 204, description = "Off"), RemoveProblems),
)]
pub async fn remove(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<StatusCode> {
    state.platform.totp_remove(&actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make new recovery codes
///
/// The former ones end.
#[utoipa::path(
    post, path = "/auth/two-factor/recovery-codes", operation_id = "renew_recovery_codes",
    tag = "accounts",
    responses((status = 200, description = "Recovery codes", body = RecoveryCodes), RemoveProblems),
)]
pub async fn recovery_codes(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Response> {
    let codes = state.platform.recovery_codes(&actor).await?;
    Ok(no_store(Json(codes).into_response()))
}

problems!(RequireProblems: SIGNED_IN, CHANGE, BODY, &[
    ErrorCode::TwoFactorOff, ErrorCode::OrganizationNotFound,
]);

/// Set whether members need a second factor
///
/// Those without one can do nothing in the organization but set one up. Whoever asks for it has
/// one.
#[utoipa::path(
    put, path = "/organization/two-factor", operation_id = "require_two_factor",
    tag = "organizations", request_body = RequireTwoFactor,
    responses((status = 204, description = "Set"), RequireProblems),
)]
pub async fn require(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<RequireTwoFactor>,
) -> Answer<StatusCode> {
    state
        .platform
        .organization_two_factor(&actor, request)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
