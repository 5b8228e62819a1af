//! Going to sign in elsewhere, and coming back.
//!
//! The browser goes by a link, not by a form: the policy of our pages keeps forms from leading
//! anywhere else. Linking is begun by a form all the same, as no other site may begin it; that one
//! is answered with a page that goes on by itself.

use apiverse_contract::{ErrorCode, Problem};
use apiverse_platform::{Actor, Arrival, Departure, ExternalSignInError, Fault, RequestInfo};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use tower_sessions::Session;

use super::to;
use crate::forms::is_local_path;
use crate::page_context::Flash;
use crate::ssr::ConsoleState;
use crate::ssr::call::{SignedIn, log};
use crate::ssr::gate::next_of;
use crate::urlencoded::{decode, query};

/// Keeps what was begun, or what a sign-in waits for. Sent to the sign-in pages only.
const COOKIE: &str = "apiverse_sign_in";
/// Where Clerk's handshake leaves its answer on a production instance.
const HANDSHAKE_COOKIE: &str = "__clerk_handshake";
const SECONDS: u32 = 900;

/// `/login/with/{slug}`: to the service.
pub async fn begin(
    State(state): State<ConsoleState>,
    Path(slug): Path<String>,
    request: Request,
) -> Response {
    let next = next_of(request.uri().query().unwrap_or_default());
    match state.platform.external_begin(&slug, &next, None).await {
        Ok(departure) => {
            let cookie = cookie(&state, &departure.cookie, SECONDS);
            with_cookie(to(&departure.url), &cookie)
        }
        Err(error) => {
            note(&error);
            refused(&state, &slug, error.word(), "/login")
        }
    }
}

/// `/login/with/{slug}/callback`: back from it.
pub async fn callback(
    State(state): State<ConsoleState>,
    Path(slug): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let Some(session) = parts.extensions.get::<Session>().cloned() else {
        tracing::error!("a sign-in came back without the session layer");
        return refused(&state, &slug, "failed", "/login");
    };
    let actor = parts.extensions.get::<SignedIn>();
    let actor = actor.map(|SignedIn(actor)| actor);
    let (kept, handshake) = (
        cookie_of(&parts.headers, COOKIE),
        cookie_of(&parts.headers, HANDSHAKE_COOKIE),
    );
    let arrival = state
        .platform
        .external_finish(
            (&slug, parts.uri.query().unwrap_or_default()),
            (kept.as_deref(), handshake.as_deref()),
            actor,
            &session,
            &info(&parts),
        )
        .await;
    let over = cookie(&state, "", 0);
    match arrival {
        Ok(Arrival::SignedIn { next }) => with_cookie(to(&local(&next)), &over),
        Ok(Arrival::Linked) => with_cookie(to("/console/settings/security?done=linked"), &over),
        // What was begun is still needed.
        Ok(Arrival::Onward { url }) => to(&url),
        Ok(Arrival::CodeWanted { token, next }) => {
            let kept = state.platform.keep_waiting(&token, &next);
            with_cookie(to("/login?step=code"), &cookie(&state, &kept, SECONDS))
        }
        Err(error) => {
            note(&error);
            let page = if actor.is_some() {
                "/console/settings/security"
            } else {
                "/login"
            };
            refused(&state, &slug, error.word(), page)
        }
    }
}

/// Sends a browser elsewhere from the answer to a form.
pub fn away(state: &ConsoleState, departure: &Departure) -> Response {
    let url = crate::ui::chart::escape(&departure.url);
    let body = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>One moment · APIverse</title>\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"refresh\" content=\"0;url={url}\"></head>\
         <body><main><h1>One moment</h1><p><a href=\"{url}\">Continue</a></p></main></body></html>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ];
    let response = (headers, body).into_response();
    with_cookie(response, &cookie(state, &departure.cookie, SECONDS))
}

/// What `/login?step=code` shows: the form for the code that a sign-in elsewhere waits for.
pub fn waiting(state: &ConsoleState, request: &Request) -> Option<Flash> {
    let asked = decode(request.uri().query().unwrap_or_default());
    if !asked
        .iter()
        .any(|(name, value)| name == "step" && value == "code")
    {
        return None;
    }
    let kept = cookie_of(request.headers(), COOKIE)?;
    let (token, next) = state.platform.waiting(&kept)?;
    let mut problem = Problem::new(ErrorCode::MfaRequired, "a second factor is wanted");
    problem.mfa_token = Some(token);
    Some(Flash {
        form: "login".to_owned(),
        values: vec![("next".to_owned(), local(&next))],
        problem: Some(problem),
        created: None,
    })
}

/// Back to the page it was begun on, with a word for what went wrong.
fn refused(state: &ConsoleState, slug: &str, word: &str, page: &str) -> Response {
    let options = state.platform.sign_in_options();
    // Only what is set up is named: the address is anybody's.
    let known = options.iter().any(|option| option.slug == slug);
    let with = if known { slug } else { "" };
    let back = format!("{page}{}", query(&[("problem", word), ("with", with)]));
    with_cookie(to(&back), &cookie(state, "", 0))
}

fn note(error: &ExternalSignInError) {
    if error.code().status() >= 500 {
        log(error);
    }
}

fn info(parts: &Parts) -> RequestInfo {
    let found = parts.extensions.get::<RequestInfo>();
    found.cloned().unwrap_or_default()
}

fn local(next: &str) -> String {
    if is_local_path(next) {
        next.to_owned()
    } else {
        "/console".to_owned()
    }
}

fn cookie(state: &ConsoleState, value: &str, seconds: u32) -> String {
    let secure = if state.secure_cookies { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/login; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

fn cookie_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value.to_owned())
}

/// Linking who is signed in here to who they are elsewhere.
///
/// # Errors
/// What the platform refuses.
pub async fn link(state: &ConsoleState, actor: &Actor, slug: &str) -> Result<Departure, Problem> {
    let begun = state.platform.external_begin(slug, "", Some(actor)).await;
    begun.map_err(super::problem_of)
}
