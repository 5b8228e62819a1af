//! Registering, signing in and out, the theme, and the settings.

use apiverse_contract::auth::{ChangePassword, LoginRequest, RegisterRequest, UpdateProfile};
use apiverse_contract::patch::Patch;
use apiverse_contract::two_factor::{MfaMethod, MfaRequest};
use apiverse_contract::{ErrorCode, FieldError, Problem, SessionId};
use apiverse_platform::Registered;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use tower_sessions::Session;

use super::{Posted, invalid, problem_of, to, unknown_form};
use crate::forms::{Fields, is_local_path};
use crate::ssr::ConsoleState;

pub async fn register(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let input = RegisterRequest {
        email: posted.fields.text("email"),
        password: posted.fields.raw("password").to_owned(),
        full_name: posted.fields.optional("full_name"),
    };
    let login = LoginRequest {
        email: input.email.clone(),
        password: input.password.clone(),
    };
    let outcome = async {
        readable?;
        let session = session(&posted)?;
        let info = posted.info();
        let registered = state
            .platform
            .register(&info, input)
            .await
            .map_err(problem_of)?;
        if matches!(registered, Registered::LinkSent) {
            return Ok(None);
        }
        state
            .platform
            .sign_in(&session, &info, login)
            .await
            .map(Some)
            .map_err(problem_of)
    }
    .await;
    match outcome {
        Ok(Some(_)) => to(&next(&posted.fields)),
        Ok(None) => to("/register?done=sent"),
        Err(problem) => posted.refuse(&state, "register", problem).await,
    }
}

pub async fn login(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let form = posted.form();
    let is_code = form == "login-code";
    let outcome = async {
        readable?;
        let session = session(&posted)?;
        let info = posted.info();
        let platform = &state.platform;
        if is_code {
            let input = second_half(&posted.fields);
            return platform
                .sign_in_mfa(&session, &info, input)
                .await
                .map_err(problem_of);
        }
        let input = LoginRequest {
            email: posted.fields.text("email"),
            password: posted.fields.raw("password").to_owned(),
        };
        platform
            .sign_in(&session, &info, input)
            .await
            .map_err(problem_of)
    }
    .await;
    match outcome {
        Ok(_) => to(&next(&posted.fields)),
        Err(problem) => {
            let form = if is_code { "login-code" } else { "login" };
            posted.refuse(&state, form, problem).await
        }
    }
}

/// Codes of an app are digits; recovery codes are longer, and have letters.
fn second_half(fields: &Fields) -> MfaRequest {
    let code = fields.text("code");
    MfaRequest {
        mfa_token: fields.text("mfa_token"),
        method: method_of(&code),
        code,
    }
}

pub(super) fn method_of(code: &str) -> MfaMethod {
    if code
        .chars()
        .all(|c| c.is_ascii_digit() || c.is_whitespace())
    {
        MfaMethod::Totp
    } else {
        MfaMethod::RecoveryCode
    }
}

pub async fn sign_out(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, _) = Posted::read(request).await;
    let outcome = async {
        let session = session(&posted)?;
        state
            .platform
            .sign_out(&session, &posted.info())
            .await
            .map_err(problem_of)
    }
    .await;
    match outcome {
        Ok(()) => to("/login"),
        Err(problem) => posted.refuse(&state, "sign-out", problem).await,
    }
}

/// Remembers the theme in a cookie and goes back to the page it was chosen on.
pub async fn theme(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, _) = Posted::read(request).await;
    let secure = if state.secure_cookies { "; Secure" } else { "" };
    let cookie = match posted.fields.raw("theme") {
        theme @ ("light" | "dark") => {
            format!("apiverse_theme={theme}; Path=/; Max-Age=31536000; SameSite=Lax{secure}")
        }
        _ => format!("apiverse_theme=; Path=/; Max-Age=0; SameSite=Lax{secure}"),
    };
    let mut response = to(&page_before(&posted)).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The path of `Referer`: the host is ours, or the post would not have been let in.
fn page_before(posted: &Posted) -> String {
    let referer = posted
        .parts
        .headers
        .get(header::REFERER)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let path = referer
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]))
        .unwrap_or("/");
    if is_local_path(path) || matches!(path, "/login" | "/register" | "/forgot-password") {
        path.to_owned()
    } else {
        "/".to_owned()
    }
}

/// Profile, password and sessions, told apart by the form's name.
pub async fn settings(State(state): State<ConsoleState>, request: Request) -> Response {
    let (posted, readable) = Posted::read(request).await;
    let form = posted.form();
    let outcome = async {
        readable?;
        let actor = posted.actor()?;
        let fields = &posted.fields;
        match form.as_str() {
            "profile" => {
                let changes = UpdateProfile {
                    full_name: fields
                        .optional("full_name")
                        .map_or(Patch::Null, Patch::Value),
                };
                state
                    .platform
                    .update_profile(&actor, changes)
                    .await
                    .map_err(problem_of)?;
                Ok("profile")
            }
            "password" => {
                let input = ChangePassword {
                    current_password: fields.raw("current_password").to_owned(),
                    new_password: fields.raw("new_password").to_owned(),
                };
                state
                    .platform
                    .change_password(&actor, input)
                    .await
                    .map_err(problem_of)?;
                Ok("password")
            }
            "session" => {
                let id: SessionId = fields
                    .text("id")
                    .parse()
                    .map_err(|_| invalid(vec![FieldError::new("id", "must be an id")]))?;
                state
                    .platform
                    .session_revoke(&actor, id)
                    .await
                    .map_err(problem_of)?;
                Ok("session")
            }
            _ => Err(unknown_form()),
        }
    }
    .await;
    match outcome {
        Ok(done) => to(&format!("/console/settings?done={done}")),
        Err(problem) => posted.refuse(&state, &form, problem).await,
    }
}

fn session(posted: &Posted) -> Result<Session, Problem> {
    posted
        .parts
        .extensions
        .get::<Session>()
        .cloned()
        .ok_or_else(|| {
            tracing::error!("a form came in without the session layer");
            Problem::new(ErrorCode::Internal, "the form could not be taken")
        })
}

fn next(fields: &Fields) -> String {
    let next = fields.text("next");
    if is_local_path(&next) {
        next
    } else {
        "/console".to_owned()
    }
}
