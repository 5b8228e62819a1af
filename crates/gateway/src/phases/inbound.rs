//! `inbound`: which of the upstream's headers the caller gets to see.

use http::header::{CONTENT_LENGTH, CONTENT_SECURITY_POLICY, SET_COOKIE, UPGRADE};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use http_body::Body;
use hyper::body::Incoming;

use super::refusal::{X_APIVERSE_ERROR, X_REQUEST_ID};
use crate::call::CallRecord;

/// Turns the upstream's headers into the caller's, in place. `by_query`: the key came in the
/// address.
pub(crate) fn inbound(record: &CallRecord, parts: &mut Parts, body: &Incoming, by_query: bool) {
    // The server side chooses the version it answers in.
    parts.version = Version::HTTP_11;
    let headers = &mut parts.headers;
    strip_hop(headers);
    one_length(headers, body);
    headers.insert(&X_REQUEST_ID, record.request_id.clone());
    if record.applied.is_none() {
        seal(headers, &record.worker.gateway.config.own_cookies, by_query);
    }
}

/// Keeps an answer from acting for the console, whose host it comes from. The last that happens to
/// its headers.
pub(crate) fn seal(headers: &mut HeaderMap, own_cookies: &[String], by_query: bool) {
    if headers.contains_key(SET_COOKIE) {
        strip_own_cookies(headers, own_cookies);
    }
    if by_query {
        // An address with its key in it can be opened as a page, and would be one of the
        // console's origin: without this its scripts could act as the console.
        headers.append(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    }
}

/// The protocol an upstream has switched to, for the answer to the caller.
pub(crate) fn switched_protocol(parts: &Parts) -> Option<HeaderValue> {
    parts.headers.get(UPGRADE).cloned()
}

/// Removes what concerns the upstream's connection only, and what only the gateway may say.
pub(crate) fn strip_hop(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    headers.remove(&X_APIVERSE_ERROR);
}

/// Removes what concerns the upstream's connection only (RFC 9110, 7.6.1).
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let mut doomed: Vec<HeaderName> = Vec::new();
    for (name, value) in &*headers {
        match name.as_str() {
            "connection" => {
                let options = value.to_str().unwrap_or_default().split(',');
                doomed.extend(options.filter_map(|option| option.trim().parse().ok()));
            }
            "keep-alive" | "proxy-connection" | "proxy-authenticate" | "transfer-encoding"
            | "te" | "upgrade" => {}
            _ => continue,
        }
        doomed.push(name.clone());
    }
    for name in doomed {
        headers.remove(name);
    }
}

/// Leaves at most one `Content-Length`, and none that the body's framing overruled: passed on, it
/// would cut the answer.
fn one_length(headers: &mut HeaderMap, body: &Incoming) {
    if body.is_end_stream() {
        // The answer to a HEAD, or 304: the length is of what was not sent.
        return;
    }
    match body.size_hint().exact() {
        None => {
            headers.remove(CONTENT_LENGTH);
        }
        Some(length) => {
            if headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
        }
    }
}

/// Removes cookies that would replace ours: the gateway shares the console's host.
pub(crate) fn strip_own_cookies(headers: &mut HeaderMap, ours: &[String]) {
    let is_ours = |value: &HeaderValue| {
        let name = value.as_bytes().split(|byte| *byte == b'=').next();
        let name = name.unwrap_or_default().trim_ascii();
        ours.iter().any(|own| own.as_bytes() == name)
    };
    if !headers.get_all(SET_COOKIE).iter().any(is_ours) {
        return;
    }
    let all: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    for value in all.into_iter().filter(|value| !is_ours(value)) {
        headers.append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hop_by_hop_headers_stay_on_their_hop() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-private"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2"),
            ("x-private", "1"),
            ("trailer", "x-sum"),
            ("date", "now"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers.len(), 2);
        assert!(headers.contains_key("trailer") && headers.contains_key("date"));
    }

    #[test]
    fn upstreams_do_not_set_our_cookies() {
        let mut headers = HeaderMap::new();
        for value in ["a=1", "apiverse_session=evil; Path=/", "b=2"] {
            headers.append(SET_COOKIE, HeaderValue::from_static(value));
        }
        strip_own_cookies(&mut headers, &["apiverse_session".to_owned()]);
        let left: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(left, ["a=1", "b=2"]);
    }
}
