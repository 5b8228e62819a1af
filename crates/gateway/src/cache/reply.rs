//! Answers made of what is stored.

use apiverse_cache::{Condition, Conditions, Entry, Ranged, RequestFields, StatusLine};
use bytes::Bytes;
use http::header::{AGE, CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::body::GatewayBody;

static CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Fields of the stored answer that its 304 repeats (RFC 9110, 15.4.5); what is about the body
/// that is not sent is left out.
const NOT_IN_304: [&str; 5] = [
    "content-length",
    "content-encoding",
    "content-type",
    "content-range",
    "content-md5",
];

/// The answer to a request from a whole stored one.
pub(super) fn reply(
    entry: &Entry,
    fields: &dyn RequestFields,
    is_get: bool,
    line: Option<StatusLine>,
    now_ms: i64,
) -> Response<GatewayBody> {
    let mut headers = entry.headers.clone();
    let age_s = entry.freshness.age_ms(now_ms) / 1000;
    headers.insert(AGE, HeaderValue::from(age_s));
    add_line(&mut headers, line);
    if Conditions::of(fields).check(entry) == Condition::NotModified {
        for name in NOT_IN_304 {
            headers.remove(name);
        }
        return whole(304, headers, None);
    }
    let ranged = if is_get {
        Ranged::of(fields, entry)
    } else {
        Ranged::Whole
    };
    match ranged {
        Ranged::Whole => whole(entry.status, headers, Some(entry.body.clone())),
        Ranged::Part(piece) => {
            let length = entry.body.len();
            let range = format!("bytes {}-{}/{length}", piece.from, piece.to - 1);
            let body = entry.body.slice(piece.from..piece.to);
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            if let Ok(range) = HeaderValue::from_str(&range) {
                headers.insert(CONTENT_RANGE, range);
            }
            whole(206, headers, Some(body))
        }
        Ranged::None => {
            let mut headers = HeaderMap::new();
            let range = format!("bytes */{}", entry.body.len());
            if let Ok(range) = HeaderValue::from_str(&range) {
                headers.insert(CONTENT_RANGE, range);
            }
            add_line(&mut headers, line);
            whole(416, headers, Some(Bytes::new()))
        }
    }
}

/// An answer without a body of its own.
pub(super) fn bare(status: u16, line: Option<StatusLine>) -> Response<GatewayBody> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
    add_line(&mut headers, line);
    whole(status, headers, None)
}

/// Adds what became of the request to what other caches said.
pub(super) fn add_line(headers: &mut HeaderMap, line: Option<StatusLine>) {
    let Some(line) = line else { return };
    let mut text = String::with_capacity(48);
    line.write(&mut text);
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.append(&CACHE_STATUS, value);
    }
}

fn whole(status: u16, headers: HeaderMap, body: Option<Bytes>) -> Response<GatewayBody> {
    let body = match body {
        Some(body) if !body.is_empty() => GatewayBody::Full(Some(body)),
        _ => GatewayBody::Empty,
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    *response.headers_mut() = headers;
    response
}
