//! `/api/openapi.json` and `/api/docs`.

use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::RestState;
use crate::docs::Page;
use crate::openapi::openapi;

/// Both are made once, when the router is.
pub fn router(state: &RestState) -> Router<RestState> {
    let document = openapi(state.shared.settings.console);
    let page = Page::render(&document);
    let json = Bytes::from(document.to_json().unwrap_or_default());
    // Weak: the document may be compressed on its way.
    let tag = format!("W/\"{:08x}\"", checksum(&json));

    let openapi_json =
        move |headers: HeaderMap| async move { document_answer(&headers, json, &tag) };
    Router::new()
        .route("/api/openapi.json", get(openapi_json))
        .route("/api/docs", get(move || async move { page.answer() }))
        .route(
            "/api/docs/",
            get(|| async { Redirect::permanent("/api/docs") }),
        )
}

fn document_answer(headers: &HeaderMap, json: Bytes, tag: &str) -> Response {
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|tags| tags.split(',').any(|given| is_same(given.trim(), tag)));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], json).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Weak comparison (RFC 9110, 8.8.3.2).
fn is_same(one: &str, other: &str) -> bool {
    fn opaque(tag: &str) -> &str {
        tag.strip_prefix("W/").unwrap_or(tag)
    }
    opaque(one) == opaque(other)
}

/// FNV-1a: tells two builds' documents apart, which is all an entity tag must do.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}
