//! In front of every page, form and server function of the console: who asks, from where, with what.

use apiverse_contract::auth::Role;
use apiverse_contract::saved_views::ViewPage;
use apiverse_contract::{ErrorCode, Problem};
use apiverse_platform::{Actor, Fault, Permission, RequestInfo};
use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value};
use tower_sessions::Session;

use super::call::{PREFIX, SignedIn, log};
use super::forms::external;
use super::{ConsoleState, same_origin};
use crate::ambient;
use crate::forms::is_local_path;
use crate::page_context::{PageSeed, Who};
use crate::rpc::Named;
use crate::urlencoded::{decode, query};
use crate::zone::{Zone, ZoneOffset};

/// Forms and arguments are small; a megabyte holds the longest of them many times over.
pub const MAX_BODY: usize = 1 << 20;

/// The page that may open with a view.
const USAGE: &str = "/console/usage";

/// See the module.
pub async fn gate(State(state): State<ConsoleState>, mut request: Request, next: Next) -> Response {
    let info = request_info(&mut request);
    if !from_here(&request) {
        let problem = Problem::new(
            ErrorCode::CrossSiteRequest,
            "open the console itself and try again from there",
        );
        return problem_answer(problem, &info);
    }
    if request.uri().path().starts_with(PREFIX) {
        return match with_arguments(request).await {
            Ok(request) => next.run(request).await,
            Err(problem) => problem_answer(problem, &info),
        };
    }
    let path = request.uri().path().to_owned();
    let session = request.extensions().get::<Session>().cloned();
    let actor = match actor(&state, session, &info).await {
        Ok(actor) => actor,
        Err(problem) => return unavailable(&problem, &info),
    };
    let in_console = path == "/console" || path.starts_with("/console/");
    if in_console && actor.is_none() {
        return Redirect::to(&format!("/login{}", query(&[("next", &wanted(&request))])))
            .into_response();
    }
    if actor.is_some() && (path == "/login" || path == "/register") {
        return Redirect::to(&next_of(request.uri().query().unwrap_or_default())).into_response();
    }
    let mut seed = PageSeed {
        now: state.platform.now(),
        me: None,
        gateway_base: state.gateway_base.to_string(),
        flash: None,
        sign_in: Vec::new(),
        zone: Zone::default(),
    };
    if actor.is_none() {
        seed.sign_in = state.platform.sign_in_options();
        if path == "/login" && request.method() == http::Method::GET {
            seed.flash = external::waiting(&state, &request);
        }
    }
    if let Some(actor) = actor {
        match state.platform.me(&actor).await {
            Ok(me) => {
                if let Some(name) = &me.user.time_zone {
                    seed.zone = zone(name, seed.now);
                }
                let own = state.platform.organizations(&actor).await;
                let own = own.unwrap_or_else(|fault| {
                    log(&fault);
                    Vec::new()
                });
                // Without it the page opens as it does for everybody.
                let view = state.platform.default_view(&actor, ViewPage::Usage).await;
                let view = view.ok().flatten().map(|view| view.query);
                let usage_view = view.filter(|query| !query.is_empty());
                if let Some(query) = &usage_view
                    && path == USAGE
                    && request.method() == http::Method::GET
                    && request.uri().query().unwrap_or_default().is_empty()
                {
                    return Redirect::to(&format!("{USAGE}?{query}")).into_response();
                }
                seed.me = Some(Who {
                    usage_view,
                    email: me.user.email,
                    full_name: me.user.full_name,
                    organization: me.organization.name,
                    organization_id: me.organization.id.to_string(),
                    organizations: own
                        .into_iter()
                        .map(|one| Named {
                            id: one.id.to_string(),
                            name: one.name,
                        })
                        .collect(),
                    may: scopes_of(actor.role),
                    role: me.organization.role.as_str().to_owned(),
                });
            }
            Err(fault) => {
                log(&fault);
                return unavailable(&fault.problem(), &info);
            }
        }
        request.extensions_mut().insert(SignedIn(actor));
    }
    let zone = seed.zone.clone();
    request.extensions_mut().insert(seed);
    let mut response = ambient::in_zone(zone, next.run(request)).await;
    // Pages show what belongs to one person, and some of it only once.
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a page knows of the zone that was chosen. One that a newer tz database does not have any
/// more is UTC.
fn zone(name: &str, now: DateTime<Utc>) -> Zone {
    apiverse_platform::zone_offsets(name, now).map_or_else(Zone::default, |found| Zone {
        name: name.to_owned(),
        offsets: found
            .offsets
            .into_iter()
            .map(|offset| ZoneOffset {
                from: offset.from,
                seconds: i64::from(offset.seconds),
                name: offset.name,
            })
            .collect(),
        until: found.until,
    })
}

/// What a role may do, as the navigation asks for it. Whoever still has to set up a second factor
/// sees all of it: each page says what is missing.
pub fn scopes_of(role: Role) -> Vec<String> {
    Permission::ALL
        .into_iter()
        .filter(|permission| permission.roles().contains(&role))
        .map(|permission| permission.scope().to_owned())
        .collect()
}

/// What the layers outside found out; without them, what can be told from the request alone.
fn request_info(request: &mut Request) -> RequestInfo {
    if let Some(info) = request.extensions().get::<RequestInfo>() {
        return info.clone();
    }
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let info = RequestInfo {
        request_id: header("x-request-id").unwrap_or_default(),
        ip: None,
        user_agent: header("user-agent"),
    };
    request.extensions_mut().insert(info.clone());
    info
}

/// An access token is not sent by browsers on their own, so it needs no such defence.
fn from_here(request: &Request) -> bool {
    request.headers().contains_key(header::AUTHORIZATION)
        || same_origin::allowed(request.method(), request.headers())
}

async fn actor(
    state: &ConsoleState,
    session: Option<Session>,
    info: &RequestInfo,
) -> Result<Option<Actor>, Problem> {
    let Some(session) = session else {
        return Ok(None);
    };
    state
        .platform
        .actor_from_session(&session, info)
        .await
        .map_err(|fault| {
            log(&fault);
            fault.problem()
        })
}

/// Where a visitor wanted to go, if it can be gone to after signing in: a post cannot be repeated.
fn wanted(request: &Request) -> String {
    let uri = request.uri();
    match uri.path_and_query() {
        Some(path) if request.method() == http::Method::GET => path.as_str().to_owned(),
        _ => uri.path().to_owned(),
    }
}

/// `next` of a query or a form, if it leads into the console.
pub fn next_of(text: &str) -> String {
    decode(text)
        .into_iter()
        .find(|(name, _)| name == "next")
        .map(|(_, next)| next)
        .filter(|next| is_local_path(next))
        .unwrap_or_else(|| "/console".to_owned())
}

/// Server functions take their argument as the body itself, `{"name": …}`; the generated code wants
/// it under its parameter's name. The console's own calls come that way already.
async fn with_arguments(request: Request) -> Result<Request, Problem> {
    let (mut parts, body) = request.into_parts();
    let bytes = read(body).await?;
    let arguments = arguments(&parts.headers, &bytes)?;
    parts.headers.remove(header::CONTENT_LENGTH);
    // With `Accept: text/html` the generated code would redirect a failure to the page before.
    parts
        .headers
        .insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    Ok(Request::from_parts(
        parts,
        Body::from(arguments.to_string()),
    ))
}

fn arguments(headers: &HeaderMap, bytes: &[u8]) -> Result<Value, Problem> {
    if bytes.is_empty() {
        return Ok(serde_json::json!({ "input": {} }));
    }
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(
            ErrorCode::UnsupportedMediaType,
            "send JSON with `Content-Type: application/json`",
        ));
    }
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| Problem::new(ErrorCode::MalformedJson, error.to_string()))?;
    match value {
        Value::Object(map) if is_wrapped(&map) => Ok(Value::Object(map)),
        Value::Object(map) => Ok(serde_json::json!({ "input": map })),
        _ => Err(Problem::new(
            ErrorCode::ValidationFailed,
            "the body must be a JSON object",
        )),
    }
}

/// No function has an argument with a field called `input`.
fn is_wrapped(map: &Map<String, Value>) -> bool {
    map.len() == 1 && map.get("input").is_some_and(Value::is_object)
}

/// # Errors
/// 413 when the body is larger than anything the console takes.
pub async fn read(body: Body) -> Result<Bytes, Problem> {
    to_bytes(body, MAX_BODY).await.map_err(|_| {
        Problem::new(
            ErrorCode::BodyTooLarge,
            format!("at most {MAX_BODY} bytes are taken here"),
        )
    })
}

fn problem_answer(mut problem: Problem, info: &RequestInfo) -> Response {
    problem.request_id = Some(info.request_id.clone()).filter(|id| !id.is_empty());
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(problem)).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    response
}

/// Without the database nobody can be told apart, so no page can be drawn. This one needs nothing.
fn unavailable(problem: &Problem, info: &RequestInfo) -> Response {
    let body = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Not available · APIverse</title>\
         <meta name=\"viewport\" content=\"width=device-width\"></head><body><main><h1>The console is not available right now</h1>\
         <p>Its database does not answer. Calls through the gateway go on. Reload in a moment.</p><p>Request {}</p></main></body></html>",
        crate::ui::chart::escape(&info.request_id)
    );
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    (
        status,
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::RETRY_AFTER, "5"),
            (
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ],
        body,
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn json_headers() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        headers
    }

    #[test]
    fn arguments_may_be_bare_or_wrapped() {
        let headers = json_headers();
        let wrapped = json!({ "input": { "name": "a" } });
        assert_eq!(arguments(&headers, br#"{"name":"a"}"#), Ok(wrapped.clone()));
        assert_eq!(
            arguments(&headers, wrapped.to_string().as_bytes()),
            Ok(wrapped)
        );
        assert_eq!(
            arguments(&HeaderMap::new(), b""),
            Ok(json!({ "input": {} }))
        );
    }

    #[test]
    fn what_is_not_understood_is_told_apart() {
        let code = |headers: &HeaderMap, body: &[u8]| {
            arguments(headers, body).err().map(|problem| problem.code)
        };
        let headers = json_headers();
        assert_eq!(code(&headers, b"{").as_deref(), Some("malformed_json"));
        assert_eq!(code(&headers, b"\xff").as_deref(), Some("malformed_json"));
        assert_eq!(code(&headers, b"[]").as_deref(), Some("validation_failed"));
        assert_eq!(
            code(&HeaderMap::new(), b"{}").as_deref(),
            Some("unsupported_media_type")
        );
    }

    #[test]
    fn next_leads_into_the_console_or_to_its_front() {
        assert_eq!(next_of("next=%2Fconsole%2Fkeys"), "/console/keys");
        assert_eq!(next_of("next=https%3A%2F%2Fevil.example"), "/console");
        assert_eq!(next_of(""), "/console");
    }
}
