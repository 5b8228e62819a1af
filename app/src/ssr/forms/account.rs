//! Registering, signing in and out, the theme, and the settings.

use apiverse_contract::auth::{ChangePassword, LoginRequest, RegisterRequest, UpdateProfile};
use apiverse_contract::passkeys::{MfaToken, PasskeyAnswer};
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
    let outcome = async {
        readable?;
        let session = session(&posted)?;
        let info = posted.info();
        let (platform, fields) = (&state.platform, &posted.fields);
        let signed_in = match form.as_str() {
            "login-code" => {
                let input = second_half(fields);
                platform.sign_in_mfa(&session, &info, input).await
            }
            "login-passkey" => {
                let input = passkey_of(fields).ok_or_else(unknown_form)?;
                platform.sign_in_passkey(&session, &info, input).await
            }
            "login-sms" => {
                let mfa_token = fields.text("mfa_token");
                let sent = platform.phone_mfa_code(&info, MfaToken { mfa_token }).await;
                return sent.map_err(problem_of).map(|()| false);
            }
            _ => {
                let input = LoginRequest {
                    email: fields.text("email"),
                    password: fields.raw("password").to_owned(),
                };
                platform.sign_in(&session, &info, input).await
            }
        };
        signed_in.map_err(problem_of).map(|_| true)
    }
    .await;
    match outcome {
        Ok(true) => to(&next(&posted.fields)),
        Ok(false) => {
            let again = ["mfa_token", "methods", "next"];
            let mut values: Vec<(String, String)> = again
                .map(|name| (name.to_owned(), posted.fields.text(name)))
                .to_vec();
            values.push(("sent".to_owned(), "yes".to_owned()));
            posted.show(&state, "login-code", values).await
        }
        Err(problem) => {
            let form = match form.as_str() {
                "login-code" | "login-sms" => "login-code",
                "login-passkey" => "login-passkey",
                _ => "login",
            };
            posted.refuse(&state, form, problem).await
        }
    }
}

fn second_half(fields: &Fields) -> MfaRequest {
    let code = fields.text("code");
    let passkey = passkey_of(fields);
    let method = if passkey.is_some() {
        MfaMethod::Passkey
    } else {
        method_of(&code, fields.raw("method"))
    };
    MfaRequest {
        mfa_token: fields.text("mfa_token"),
        method,
        code,
        passkey,
    }
}

/// What an authenticator answered, if the form was posted with that.
pub(super) fn passkey_of(fields: &Fields) -> Option<PasskeyAnswer> {
    Some(PasskeyAnswer {
        ceremony: Some(fields.text("ceremony")).filter(|text| !text.is_empty())?,
        credential: serde_json::from_str(fields.raw("credential")).ok()?,
    })
}

/// Codes of an app, or of a message when the page asked for one, are digits; recovery codes are
/// longer, and have letters.
pub(super) fn method_of(code: &str, asked: &str) -> MfaMethod {
    let is_digits = code
        .chars()
        .all(|c| c.is_ascii_digit() || c.is_whitespace());
    match (is_digits, asked) {
        (true, "sms") => MfaMethod::Sms,
        (true, _) => MfaMethod::Totp,
        (false, _) => MfaMethod::RecoveryCode,
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

/// Where the post came from, if it is a page that can be gone back to.
fn page_before(posted: &Posted) -> String {
    let path = posted.came_from();
    if is_local_path(&path) || matches!(path.as_str(), "/login" | "/register" | "/forgot-password")
    {
        path
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
                    ..UpdateProfile::default()
                };
                state
                    .platform
                    .update_profile(&actor, changes)
                    .await
                    .map_err(problem_of)?;
                Ok("profile")
            }
            "zone" => {
                let changes = UpdateProfile {
                    time_zone: fields
                        .optional("time_zone")
                        .map_or(Patch::Null, Patch::Value),
                    ..UpdateProfile::default()
                };
                let changed = state.platform.update_profile(&actor, changes).await;
                changed.map_err(problem_of)?;
                Ok("zone")
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
