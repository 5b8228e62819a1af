//! `outbound`: which of the caller's headers the upstream gets to see, and which are ours.

use http::header::{AUTHORIZATION, COOKIE, FORWARDED, HOST, UPGRADE, VIA};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Version};

use super::refusal::Refusal;
use super::refusal::X_REQUEST_ID;
use super::trace::{TRACEPARENT, TRACESTATE, traceparent, traceparent_of};
use crate::call::CallRecord;
use crate::keys::{X_API_KEY, carries_our_key};
use crate::peer::X_FORWARDED_FOR;

static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Prefix of headers that only the gateway itself may say.
const OWN_PREFIX: &str = "x-apiverse-";
/// How often a call may come through gateways of this name before it is taken to go in a circle.
pub(crate) const MAX_PASSES: usize = 8;

/// What of the connection-level headers concerns the upstream's connection too.
pub(crate) struct Wishes {
    pub(crate) trailers: bool,
    /// The protocol the caller wants to switch to.
    pub(crate) upgrade: Option<HeaderValue>,
}

/// Turns the caller's headers into the upstream's, in place. `credential` is the API's own.
pub(crate) fn outbound(
    record: &CallRecord,
    parts: &mut Parts,
    credential: Option<(&HeaderName, &HeaderValue)>,
) -> Result<Wishes, Refusal> {
    let version = parts.version;
    let host = original_host(parts);
    let headers = &mut parts.headers;
    let wishes = strip_hop_by_hop(headers, version);

    headers.remove(&X_API_KEY);
    if headers.get_all(AUTHORIZATION).iter().any(carries_our_key) {
        headers.remove(AUTHORIZATION);
    }
    let own_cookies = &record.worker.gateway.config.own_cookies;
    if headers.contains_key(COOKIE) {
        strip_cookies(headers, own_cookies);
    }

    add_via(record, headers, version)?;
    add_forwarding(record, headers, host);
    headers.insert(&X_REQUEST_ID, record.request_id.clone());
    let (trace, goes_on) = match &record.trace {
        Some(context) => traceparent_of(context),
        None => traceparent(headers),
    };
    headers.insert(&TRACEPARENT, trace);
    if !goes_on {
        headers.remove(&TRACESTATE);
    }
    if let Some((name, value)) = credential {
        headers.insert(name, value.clone());
    }
    Ok(wishes)
}

/// The host the caller asked for: of the address in HTTP/2 and in absolute form, else of `Host`.
pub(crate) fn original_host(parts: &Parts) -> Option<HeaderValue> {
    match parts.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => parts.headers.get(HOST).cloned(),
    }
}

/// Removes what concerns the caller's connection only (RFC 9110, 7.6.1), and headers in our name.
fn strip_hop_by_hop(headers: &mut HeaderMap, version: Version) -> Wishes {
    let mut trailers = false;
    let mut wants_upgrade = false;
    let mut doomed: Vec<HeaderName> = Vec::new();
    for (name, value) in &*headers {
        match name.as_str() {
            "connection" => {
                for option in tokens(value) {
                    if option.eq_ignore_ascii_case("upgrade") {
                        wants_upgrade = true;
                    }
                    doomed.extend(option.parse::<HeaderName>().ok());
                }
            }
            "te" => trailers |= tokens(value).any(|coding| coding.eq_ignore_ascii_case("trailers")),
            "keep-alive"
            | "proxy-connection"
            | "proxy-authorization"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings" => {}
            // We have answered the expectation ourselves, by reading the body.
            "expect" => {}
            other if other.starts_with(OWN_PREFIX) => {}
            _ => continue,
        }
        doomed.push(name.clone());
    }
    let protocol = headers
        .get(UPGRADE)
        .filter(|_| wants_upgrade && version >= Version::HTTP_11)
        // Prior knowledge is how HTTP/2 is spoken without TLS (RFC 9113, 3.1).
        .filter(|protocol| !protocol.as_bytes().eq_ignore_ascii_case(b"h2c"))
        .cloned();
    for name in doomed {
        headers.remove(name);
    }
    Wishes {
        trailers,
        upgrade: protocol,
    }
}

/// Elements of a list of tokens.
fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value
        .to_str()
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

/// Removes our cookies and keeps the others.
fn strip_cookies(headers: &mut HeaderMap, ours: &[String]) {
    let is_ours = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default().trim();
        ours.iter().any(|own| own == name)
    };
    let all: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    let any = all.iter().any(|value| {
        String::from_utf8_lossy(value.as_bytes())
            .split(';')
            .any(is_ours)
    });
    if !any {
        return;
    }
    headers.remove(COOKIE);
    for value in all {
        // Bytes beyond ASCII are kept as they are: pairs are cut out, not rewritten.
        let kept: Vec<&[u8]> = value
            .as_bytes()
            .split(|byte| *byte == b';')
            .filter(|pair| !is_ours(&String::from_utf8_lossy(pair)))
            .collect();
        let joined = kept.join(&b';');
        if let Ok(value) = HeaderValue::from_bytes(joined.trim_ascii())
            && !value.is_empty()
        {
            headers.append(COOKIE, value);
        }
    }
}

fn add_via(record: &CallRecord, headers: &mut HeaderMap, version: Version) -> Result<(), Refusal> {
    let worker = &record.worker;
    if headers.contains_key(VIA) {
        let name = worker.gateway.config.via;
        let passes = headers
            .get_all(VIA)
            .iter()
            .flat_map(tokens)
            .filter(|hop| hop.split_ascii_whitespace().nth(1) == Some(name))
            .count();
        if passes >= MAX_PASSES {
            return Err(Refusal::Loop);
        }
    }
    let [http10, http11, http2] = &worker.via;
    let via = match version {
        Version::HTTP_2 => http2,
        Version::HTTP_10 => http10,
        _ => http11,
    };
    headers.append(VIA, via.clone());
    Ok(())
}

/// Says who called, to what host, and how. What was there before counts only when a proxy of the
/// operator's sent it; from anyone else it is overwritten.
fn add_forwarding(record: &CallRecord, headers: &mut HeaderMap, host: Option<HeaderValue>) {
    let peer = &record.peer;
    let element = peer.forwarded(host.as_ref().map(HeaderValue::as_bytes));
    if !peer.is_trusted {
        headers.remove(&X_REAL_IP);
        headers.insert(&X_FORWARDED_FOR, peer.forwarded_for.clone());
        headers.insert(&X_FORWARDED_PROTO, peer.scheme());
        headers.insert(FORWARDED, element);
        match host {
            Some(host) => headers.insert(&X_FORWARDED_HOST, host),
            None => headers.remove(&X_FORWARDED_HOST),
        };
        return;
    }
    let mut list: Vec<u8> = Vec::new();
    for value in headers.get_all(&X_FORWARDED_FOR) {
        list.extend_from_slice(value.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(peer.forwarded_for.as_bytes());
    if let Ok(list) = HeaderValue::from_bytes(&list) {
        headers.insert(&X_FORWARDED_FOR, list);
    }
    headers.append(FORWARDED, element);
    headers
        .entry(&X_FORWARDED_PROTO)
        .or_insert_with(|| peer.scheme());
    if let Some(host) = host {
        headers.entry(&X_FORWARDED_HOST).or_insert(host);
    }
}

#[cfg(test)]
mod tests {
    use http::header::CONNECTION;
    use proptest::prelude::*;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn hop_by_hop_headers_stay_on_their_hop() {
        let mut headers = map(&[
            ("connection", "keep-alive, X-Private"),
            ("connection", "close"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("te", "gzip, Trailers"),
            ("expect", "100-continue"),
            ("x-private", "1"),
            ("x-apiverse-error", "spoofed"),
            ("x-apiverse-anything", "spoofed"),
            ("accept", "*/*"),
            ("trailer", "x-sum"),
            ("content-length", "5"),
        ]);
        let wishes = strip_hop_by_hop(&mut headers, Version::HTTP_11);
        assert!(wishes.trailers);
        assert!(
            wishes.upgrade.is_none(),
            "the connection did not ask for it"
        );
        assert_eq!(names(&headers), ["accept", "content-length", "trailer"]);
    }

    #[test]
    fn upgrades_are_told_apart() {
        let upgrade = |connection: &str, protocol: &str, version| {
            let mut headers = map(&[("connection", connection), ("upgrade", protocol)]);
            let wish = strip_hop_by_hop(&mut headers, version).upgrade;
            assert!(headers.is_empty());
            wish
        };
        let websocket = upgrade("keep-alive, Upgrade", "websocket", Version::HTTP_11);
        assert_eq!(websocket.unwrap(), "websocket");
        assert!(upgrade("upgrade", "websocket", Version::HTTP_10).is_none());
        assert!(upgrade("upgrade, http2-settings", "h2c", Version::HTTP_11).is_none());
    }

    #[test]
    fn only_our_cookies_are_taken_out() {
        let ours = ["apiverse_session".to_owned()];
        let strip = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(COOKIE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            strip_cookies(&mut headers, &ours);
            headers
                .get_all(COOKIE)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(strip(&["a=1; apiverse_session=x; b=ä"]), ["a=1; b=ä"]);
        assert_eq!(strip(&["apiverse_session=x"]), Vec::<String>::new());
        assert_eq!(strip(&["apiverse_session=x; a=1", "b=2"]), ["a=1", "b=2"]);
        assert_eq!(strip(&["xapiverse_session=x;a"]), ["xapiverse_session=x;a"]);
    }

    proptest! {
        #[test]
        fn end_to_end_headers_are_untouched(
            pairs in proptest::collection::vec(("x-[a-z]{1,8}", "[!-~]{0,20}"), 0..20),
            listed in "x-[a-z]{1,8}",
        ) {
            prop_assume!(pairs.iter().all(|(name, _)| !name.starts_with(OWN_PREFIX)));
            let mut headers = HeaderMap::new();
            for (name, value) in &pairs {
                headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            let mut expected = headers.clone();
            expected.remove(&listed);
            headers.insert(CONNECTION, listed.parse().unwrap());
            strip_hop_by_hop(&mut headers, Version::HTTP_11);
            prop_assert_eq!(headers, expected);
        }
    }
}
