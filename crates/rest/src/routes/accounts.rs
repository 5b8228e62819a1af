//! Registering, signing in, and one's own account.

use apiverse_contract::ErrorCode;
use apiverse_contract::auth::{
    AccountExport, ChangeEmail, ChangePassword, DeleteAccount, EmailRequest, LinkRequest,
    LoginRequest, MeView, PasswordStrength, RefreshRequest, RegisterRequest, RegistrationPending,
    ResetPassword, StrengthRequest, TokenResponse, UpdateProfile, UserView,
};
use apiverse_platform::{Registered, Via};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::{HeaderValue, StatusCode, header};
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
///
/// Where accounts begin with a link (`REGISTRATION_BY_EMAIL`, by default when e-mail can be sent), the
/// answer is 202, and the account is made once the link is followed: `POST /auth/email/verify` with
/// its `token`. It is the same when there is an account with the address, whose owner is told by
/// e-mail instead.
#[utoipa::path(
    post, path = "/auth/register", operation_id = "register", tag = "accounts",
    request_body = RegisterRequest,
    responses(
        (status = 201, description = "The account", body = UserView),
        (status = 202, description = "A link was sent", body = RegistrationPending),
        RegisterProblems,
    ),
    security(()),
)]
pub async fn register(
    State(state): State<RestState>,
    Caller(info): Caller,
    ApiJson(request): ApiJson<RegisterRequest>,
) -> Answer<Response> {
    let email = request.email.clone();
    Ok(match state.platform.register(&info, request).await? {
        Registered::Account(user) => (StatusCode::CREATED, Json(user)).into_response(),
        Registered::LinkSent => {
            let pending = RegistrationPending::new(email);
            (StatusCode::ACCEPTED, Json(pending)).into_response()
        }
    })
}

problems!(LoginProblems: BODY, &[
    ErrorCode::InvalidCredentials, ErrorCode::MfaRequired, ErrorCode::TooManyAttempts,
]);

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

problems!(DeleteProblems: SIGNED_IN, CHANGE, BODY, &[
    ErrorCode::LastOwner, ErrorCode::TooManyAttempts,
]);

/// Delete the own account
///
/// With it go the organizations nobody else is in, with all they have. Whoever is the only owner
/// of an organization that others are in makes somebody else an owner first.
#[utoipa::path(
    delete, path = "/auth/me", operation_id = "delete_me", tag = "accounts",
    request_body = DeleteAccount,
    responses((status = 204, description = "Deleted"), DeleteProblems),
)]
pub async fn delete_me(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<DeleteAccount>,
) -> Answer<StatusCode> {
    state.platform.account_delete(&actor, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(ExportProblems: SIGNED_IN, &[ErrorCode::SessionNotFound]);

/// Export what is kept about the caller
///
/// Account, organizations, sessions, preferences, and what the audit log has of them.
#[utoipa::path(
    get, path = "/auth/export", operation_id = "export_me", tag = "accounts",
    responses((status = 200, description = "All of it", body = AccountExport), ExportProblems),
)]
pub async fn export(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<Response> {
    let export = state.platform.account_export(&actor).await?;
    let mut response = no_store(Json(export).into_response());
    response.headers_mut().insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"apiverse-account.json\""),
    );
    Ok(response)
}

problems!(VerificationProblems: SIGNED_IN, CHANGE, &[ErrorCode::TooManyAttempts]);

/// Send the mail that proves the address again
///
/// Nothing is sent when the address is proved already.
#[utoipa::path(
    post, path = "/auth/email/verification", operation_id = "resend_verification",
    tag = "accounts",
    responses((status = 202, description = "It is on its way"), VerificationProblems),
)]
pub async fn resend_verification(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
) -> Answer<StatusCode> {
    state.platform.verification_resend(&actor).await?;
    Ok(StatusCode::ACCEPTED)
}

problems!(LinkProblems: BODY, &[ErrorCode::InvalidLink]);

/// Prove an e-mail address
///
/// With the `token` of the link that was sent to it.
#[utoipa::path(
    post, path = "/auth/email/verify", operation_id = "verify_email", tag = "accounts",
    request_body = LinkRequest,
    responses((status = 204, description = "Proved"), LinkProblems),
    security(()),
)]
pub async fn verify_email(
    State(state): State<RestState>,
    Caller(info): Caller,
    ApiJson(request): ApiJson<LinkRequest>,
) -> Answer<StatusCode> {
    state.platform.email_verify(&info, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(ChangeEmailProblems: SIGNED_IN, CHANGE, BODY, &[ErrorCode::TooManyAttempts]);

/// Ask for another e-mail address
///
/// A link goes to the new address; the change happens when it is followed. The answer is the same
/// whether another account has that address or not.
#[utoipa::path(
    post, path = "/auth/email", operation_id = "change_email", tag = "accounts",
    request_body = ChangeEmail,
    responses((status = 202, description = "The link is on its way"), ChangeEmailProblems),
)]
pub async fn change_email(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<ChangeEmail>,
) -> Answer<StatusCode> {
    state.platform.email_change(&actor, request).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Take the new e-mail address
///
/// With the `token` of the link that was sent to it. The former address is told.
#[utoipa::path(
    post, path = "/auth/email/confirm", operation_id = "confirm_email", tag = "accounts",
    request_body = LinkRequest,
    responses((status = 204, description = "Changed"), LinkProblems),
    security(()),
)]
pub async fn confirm_email(
    State(state): State<RestState>,
    Caller(info): Caller,
    ApiJson(request): ApiJson<LinkRequest>,
) -> Answer<StatusCode> {
    state.platform.email_confirm(&info, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(ForgotProblems: BODY, &[ErrorCode::TooManyAttempts]);

/// Ask for a link to a new password
///
/// The answer is the same, and takes as long, whether there is such an account or not.
#[utoipa::path(
    post, path = "/auth/password/forgot", operation_id = "forgot_password", tag = "accounts",
    request_body = EmailRequest,
    responses(
        (status = 202, description = "If there is such an account, a link is on its way"),
        ForgotProblems,
    ),
    security(()),
)]
pub async fn forgot_password(
    State(state): State<RestState>,
    Caller(info): Caller,
    ApiJson(request): ApiJson<EmailRequest>,
) -> Answer<StatusCode> {
    state.platform.password_forgot(&info, request).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Set a new password by a link
///
/// With the `token` of the link. All sessions and refresh tokens of the account end.
#[utoipa::path(
    post, path = "/auth/password/reset", operation_id = "reset_password", tag = "accounts",
    request_body = ResetPassword,
    responses((status = 204, description = "Set"), LinkProblems),
    security(()),
)]
pub async fn reset_password(
    State(state): State<RestState>,
    Caller(info): Caller,
    ApiJson(request): ApiJson<ResetPassword>,
) -> Answer<StatusCode> {
    state
        .platform
        .password_reset_by_link(&info, request)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

problems!(StrengthProblems: BODY);

/// Tell how hard a password is to guess
///
/// For a meter beside the field. Nothing of the password is kept or logged.
#[utoipa::path(
    post, path = "/auth/password/strength", operation_id = "password_strength", tag = "accounts",
    request_body = StrengthRequest,
    responses((status = 200, description = "An estimate", body = PasswordStrength), StrengthProblems),
    security(()),
)]
pub async fn password_strength(
    State(state): State<RestState>,
    ApiJson(request): ApiJson<StrengthRequest>,
) -> Answer<Response> {
    let strength = state.platform.password_strength(request).await?;
    Ok(no_store(Json(strength).into_response()))
}
