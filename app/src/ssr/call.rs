//! What a server function begins and ends with: who asks, and how it failed.

use apiverse_contract::{ErrorCode, FieldError, Problem};
use apiverse_platform::{Actor, Fault, Platform, RequestInfo};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use tower_sessions::Session;

use super::ConsoleState;
use crate::rpc::RpcError;

/// Addresses of server functions begin with this.
pub const PREFIX: &str = "/api/fn/";

/// Somebody who is signed in, and what they act through.
pub struct Member {
    pub platform: Platform,
    pub actor: Actor,
}

/// Somebody, signed in or not.
pub struct Visitor {
    pub state: ConsoleState,
    pub session: Session,
    pub request: RequestInfo,
}

/// Who the gate found the request to be from; set on the request's extensions.
#[derive(Clone)]
pub struct SignedIn(pub Actor);

/// # Errors
/// When the request came past the layers that a request has to come through: a fault of ours.
pub fn visitor() -> Result<Visitor, RpcError> {
    let found = use_context::<ConsoleState>().zip(use_context::<Parts>());
    let Some((state, parts)) = found else {
        return Err(miscomposed());
    };
    let session = parts.extensions.get::<Session>().cloned();
    let request = parts.extensions.get::<RequestInfo>().cloned();
    match session.zip(request) {
        Some((session, request)) => Ok(Visitor {
            state,
            session,
            request,
        }),
        None => Err(miscomposed()),
    }
}

fn miscomposed() -> RpcError {
    tracing::error!("a server function ran without the session layer");
    answer(
        Problem::new(ErrorCode::Internal, "the request could not be answered"),
        None,
    )
}

/// The one who asks: by access token when there is one, else by session cookie.
///
/// # Errors
/// 401 when nobody is signed in.
pub async fn member() -> Result<Member, RpcError> {
    let visitor = visitor()?;
    let platform = visitor.state.platform.clone();
    let parts = use_context::<Parts>();
    if let Some(SignedIn(actor)) = parts
        .as_ref()
        .and_then(|parts| parts.extensions.get::<SignedIn>())
    {
        let actor = actor.clone();
        return Ok(Member { platform, actor });
    }
    let authorization = parts.and_then(|parts| parts.headers.get(header::AUTHORIZATION).cloned());
    let actor = match authorization {
        Some(value) => {
            let token = bearer(&value).unwrap_or_default().to_owned();
            platform
                .actor_from_bearer(&visitor.request, &token)
                .await
                .map_err(fail)?
        }
        None => platform
            .actor_from_session(&visitor.session, &visitor.request)
            .await
            .map_err(fail)?
            .ok_or_else(|| {
                answer(
                    Problem::new(
                        ErrorCode::AuthenticationRequired,
                        "sign in, or send an access token as `Authorization: Bearer`",
                    ),
                    None,
                )
            })?,
    };
    Ok(Member { platform, actor })
}

/// The token of `Authorization: Bearer …` (RFC 6750); the scheme's letter case does not matter.
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Ends what the caller is signed in with.
///
/// # Errors
/// What the platform refuses.
pub async fn sign_out() -> Result<(), RpcError> {
    let visitor = visitor()?;
    let by_token = use_context::<Parts>()
        .is_some_and(|parts| parts.headers.contains_key(header::AUTHORIZATION));
    if by_token {
        let member = member().await?;
        return member.platform.logout(&member.actor).await.map_err(fail);
    }
    visitor
        .state
        .platform
        .sign_out(&visitor.session, &visitor.request)
        .await
        .map_err(fail)
}

/// A service's error as the answer of a server function.
pub fn fail(fault: impl Fault + 'static) -> RpcError {
    let retry_after = fault.retry_after();
    log(&fault);
    answer(fault.problem(), retry_after)
}

/// A service's error as a problem that a page shows; it is logged where it is ours.
pub fn problem_of(fault: impl Fault + 'static) -> Problem {
    log(&fault);
    fault.problem()
}

/// Fields that could not be read.
pub fn invalid(errors: Vec<FieldError>) -> Problem {
    Problem::new(ErrorCode::ValidationFailed, "some fields are not valid").with_errors(errors)
}

/// Faults of ours are logged here, once, with their cause; the answer does not carry it.
pub fn log(fault: &(impl Fault + 'static)) {
    if fault.code().status() >= 500 {
        let mut causes = String::new();
        let mut cause = std::error::Error::source(fault);
        while let Some(error) = cause {
            causes.push_str(": ");
            causes.push_str(&error.to_string());
            cause = error.source();
        }
        tracing::error!(error = %fault, causes, code = %fault.code(), "the console could not answer");
    }
}

/// Puts a problem's status on the answer, and its headers when the answer is JSON: a page that shows
/// a problem is still a page.
pub fn answer(mut problem: Problem, retry_after: Option<u32>) -> RpcError {
    let parts = use_context::<Parts>();
    if let Some(request) = parts
        .as_ref()
        .and_then(|parts| parts.extensions.get::<RequestInfo>())
    {
        problem.request_id = Some(request.request_id.clone());
    }
    let Some(response) = use_context::<ResponseOptions>() else {
        return RpcError(problem);
    };
    if let Ok(status) = StatusCode::from_u16(problem.status) {
        response.set_status(status);
    }
    let is_function = parts.is_some_and(|parts| parts.uri.path().starts_with(PREFIX));
    if is_function {
        response.insert_header(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = retry_after {
            response.insert_header(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if problem.status == 401 {
            response.insert_header(
                HeaderName::from_static("www-authenticate"),
                HeaderValue::from_static("Bearer"),
            );
        }
    }
    RpcError(problem)
}
