//! Passkeys, and codes by text message.

use apiverse_contract::auth::TokenResponse;
use apiverse_contract::passkeys::{
    CreatePasskey, MfaToken, PasskeyAnswer, PasskeyCeremony, PasskeyCreated, PasskeyView,
    RenamePasskey,
};
use apiverse_contract::two_factor::{AddPhone, RecoveryCodes, TotpCode};
use apiverse_contract::{ErrorCode, Page, PasskeyId};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::{created, no_store};
use crate::openapi::problems::{BODY, CHANGE, RECENT, SIGNED_IN, problems};
use crate::{ApiJson, ApiPath, ApiProblem, Authenticated, Caller, RestState};

type Answer<T> = Result<T, ApiProblem>;

problems!(ListProblems: SIGNED_IN);

/// List the own passkeys
///
/// Oldest first, all of them.
#[utoipa::path(
    get, path = "/auth/passkeys", operation_id = "list_passkeys", tag = "accounts",
    responses((status = 200, description = "The passkeys", body = Page<PasskeyView>), ListProblems),
)]
pub async fn list(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Json<Page<PasskeyView>>> {
    let data = state.platform.passkeys(&actor).await?;
    Ok(Json(Page {
        data,
        next_cursor: None,
    }))
}

problems!(BeginProblems: SIGNED_IN, CHANGE, RECENT, &[ErrorCode::InvalidRequest]);

/// Begin a passkey
///
/// Answers what the browser is to ask the authenticator (`navigator.credentials.create`). Good
/// once, for five minutes.
#[utoipa::path(
    post, path = "/auth/passkeys/register", operation_id = "begin_passkey", tag = "accounts",
    responses((status = 200, description = "What to ask", body = PasskeyCeremony), BeginProblems),
)]
pub async fn begin(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Response> {
    let asked = state.platform.passkey_begin(&actor).await?;
    Ok(no_store(Json(asked).into_response()))
}

problems!(CreateProblems: SIGNED_IN, CHANGE, BODY);

/// Add a passkey
///
/// With what the authenticator answered. The first second factor comes with ten recovery codes.
#[utoipa::path(
    post, path = "/auth/passkeys", operation_id = "create_passkey", tag = "accounts",
    request_body = CreatePasskey,
    responses((status = 201, description = "The passkey", body = PasskeyCreated), CreateProblems),
)]
pub async fn create(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(input): ApiJson<CreatePasskey>,
) -> Answer<Response> {
    let made = state.platform.passkey_create(&actor, input).await?;
    Ok(no_store(created("/auth/passkeys", made.passkey.id, made)))
}

problems!(RenameProblems: SIGNED_IN, CHANGE, BODY, &[ErrorCode::PasskeyNotFound]);

/// Rename a passkey
#[utoipa::path(
    patch, path = "/auth/passkeys/{id}", operation_id = "rename_passkey", tag = "accounts",
    params(("id" = String, Path, format = Uuid, description = "Id of the passkey")),
    request_body = RenamePasskey,
    responses((status = 204, description = "Renamed"), RenameProblems),
)]
pub async fn rename(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<PasskeyId>,
    ApiJson(input): ApiJson<RenamePasskey>,
) -> Answer<StatusCode> {
    state.platform.passkey_rename(&actor, id, input).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(RemoveProblems: SIGNED_IN, CHANGE, RECENT, &[ErrorCode::PasskeyNotFound]);

/// Remove a passkey
///
/// It is good for nothing from now on. With the last second factor the recovery codes end.
#[utoipa::path(
    delete, path = "/auth/passkeys/{id}", operation_id = "remove_passkey", tag = "accounts",
    params(("id" = String, Path, format = Uuid, description = "Id of the passkey")),
    responses((status = 204, description = "Removed"), RemoveProblems),
)]
pub async fn remove(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiPath(id): ApiPath<PasskeyId>,
) -> Answer<StatusCode> {
    state.platform.passkey_remove(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(SignInProblems: &[ErrorCode::InvalidRequest, ErrorCode::TooManyAttempts]);

/// Begin to sign in with a passkey
///
/// Answers what the browser is to ask (`navigator.credentials.get`). Good once, for five minutes.
#[utoipa::path(
    post, path = "/auth/login/passkey/begin", operation_id = "begin_login_passkey",
    tag = "accounts",
    responses((status = 200, description = "What to ask", body = PasskeyCeremony), SignInProblems),
    security(()),
)]
pub async fn sign_in_begin(
    State(state): State<RestState>,
    Caller(info): Caller,
) -> Answer<Response> {
    let asked = state.platform.passkey_sign_in_begin(&info).await?;
    Ok(no_store(Json(asked).into_response()))
}

problems!(LoginProblems: BODY, &[ErrorCode::InvalidCredentials]);

/// Sign in with a passkey
///
/// Without a password and without a second step: the authenticator checked who it is.
#[utoipa::path(
    post, path = "/auth/login/passkey", operation_id = "login_passkey", tag = "accounts",
    request_body = PasskeyAnswer,
    responses((status = 200, description = "The tokens", body = TokenResponse), LoginProblems),
    security(()),
)]
pub async fn login(
    State(state): State<RestState>,
    Caller(info): Caller,
    ApiJson(input): ApiJson<PasskeyAnswer>,
) -> Answer<Response> {
    let tokens = state.platform.login_passkey(&info, input).await?;
    Ok(no_store(Json(tokens).into_response()))
}

problems!(MfaProblems: BODY, &[
    ErrorCode::InvalidRequest, ErrorCode::InvalidCredentials, ErrorCode::PasskeyNotFound,
]);

/// Ask for a passkey in the middle of a sign-in
#[utoipa::path(
    post, path = "/auth/mfa/passkey", operation_id = "begin_mfa_passkey", tag = "accounts",
    request_body = MfaToken,
    responses((status = 200, description = "What to ask", body = PasskeyCeremony), MfaProblems),
    security(()),
)]
pub async fn mfa_begin(
    State(state): State<RestState>,
    ApiJson(input): ApiJson<MfaToken>,
) -> Answer<Response> {
    let asked = state.platform.passkey_mfa_begin(input).await?;
    Ok(no_store(Json(asked).into_response()))
}

problems!(StepUpProblems: SIGNED_IN, CHANGE, &[
    ErrorCode::InvalidRequest, ErrorCode::PasskeyNotFound,
]);

/// Ask for a passkey to prove who one is again
#[utoipa::path(
    post, path = "/auth/step-up/passkey", operation_id = "begin_step_up_passkey", tag = "accounts",
    responses((status = 200, description = "What to ask", body = PasskeyCeremony), StepUpProblems),
)]
pub async fn step_up_begin(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Response> {
    let asked = state.platform.passkey_step_up_begin(&actor).await?;
    Ok(no_store(Json(asked).into_response()))
}

problems!(AddPhoneProblems: SIGNED_IN, CHANGE, RECENT, BODY, &[
    ErrorCode::InvalidRequest, ErrorCode::TwoFactorOn, ErrorCode::TooManyAttempts,
]);

/// Set a telephone up
///
/// Sends a code to it. It is in force when that code was confirmed.
#[utoipa::path(
    post, path = "/auth/two-factor/sms", operation_id = "begin_sms", tag = "accounts",
    request_body = AddPhone,
    responses((status = 202, description = "A code is on its way"), AddPhoneProblems),
)]
pub async fn add_phone(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(input): ApiJson<AddPhone>,
) -> Answer<StatusCode> {
    state.platform.phone_add(&actor, input).await?;
    Ok(StatusCode::ACCEPTED)
}

problems!(ConfirmPhoneProblems: SIGNED_IN, CHANGE, BODY, &[
    ErrorCode::InvalidCode, ErrorCode::TwoFactorOff,
]);

/// Confirm a telephone
///
/// With the code that was sent to it: five minutes, five attempts. The first second factor comes
/// with ten recovery codes.
#[utoipa::path(
    post, path = "/auth/two-factor/sms/confirm", operation_id = "confirm_sms", tag = "accounts",
    request_body = TotpCode,
    responses((status = 200, description = "Recovery codes, if it is the first second factor", body = RecoveryCodes), ConfirmPhoneProblems),
)]
pub async fn confirm_phone(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(input): ApiJson<TotpCode>,
) -> Answer<Response> {
    let codes = state.platform.phone_confirm(&actor, input).await?;
    Ok(no_store(Json(codes).into_response()))
}

problems!(RemovePhoneProblems: SIGNED_IN, CHANGE, RECENT, &[ErrorCode::TwoFactorOff]);

/// Send no more codes to the telephone
#[utoipa::path(
    delete, path = "/auth/two-factor/sms", operation_id = "remove_sms", tag = "accounts",
    responses((status = 204, description = "Off"), RemovePhoneProblems),
)]
pub async fn remove_phone(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<StatusCode> {
    state.platform.phone_remove(&actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(SmsProblems: BODY, &[
    ErrorCode::InvalidRequest, ErrorCode::InvalidCredentials, ErrorCode::TwoFactorOff,
    ErrorCode::TooManyAttempts,
]);

/// Send a code in the middle of a sign-in
#[utoipa::path(
    post, path = "/auth/mfa/sms", operation_id = "send_mfa_sms", tag = "accounts",
    request_body = MfaToken,
    responses((status = 202, description = "A code is on its way"), SmsProblems),
    security(()),
)]
pub async fn mfa_code(
    State(state): State<RestState>,
    Caller(info): Caller,
    ApiJson(input): ApiJson<MfaToken>,
) -> Answer<StatusCode> {
    state.platform.phone_mfa_code(&info, input).await?;
    Ok(StatusCode::ACCEPTED)
}

problems!(StepUpSmsProblems: SIGNED_IN, CHANGE, &[
    ErrorCode::InvalidRequest, ErrorCode::TwoFactorOff, ErrorCode::TooManyAttempts,
]);

/// Send a code to prove who one is again
#[utoipa::path(
    post, path = "/auth/step-up/sms", operation_id = "send_step_up_sms", tag = "accounts",
    responses((status = 202, description = "A code is on its way"), StepUpSmsProblems),
)]
pub async fn step_up_code(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<StatusCode> {
    state.platform.phone_step_up_code(&actor).await?;
    Ok(StatusCode::ACCEPTED)
}
