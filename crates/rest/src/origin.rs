//! Which site a request comes from: the defence of cookie sessions against other sites.

use http::{HeaderMap, Uri, header};
use url::Url;

/// The origins that count as ours besides the very host a request was sent to.
#[derive(Debug, Default)]
pub(crate) struct OriginRules {
    public: Option<String>,
    allowed: Vec<String>,
}

impl OriginRules {
    pub fn new(public_url: Option<&str>, allowed: &[String]) -> Self {
        Self {
            public: public_url.and_then(normal_origin),
            allowed: allowed
                .iter()
                .filter_map(|text| normal_origin(text))
                .collect(),
        }
    }

    /// Whether a browser page of this origin may call with credentials (CORS).
    pub fn allows(&self, origin: &str) -> bool {
        normal_origin(origin).is_some_and(|origin| {
            self.allowed.contains(&origin) || self.public.as_ref() == Some(&origin)
        })
    }

    pub fn any_allowed(&self) -> bool {
        !self.allowed.is_empty()
    }
}

/// What the headers tell about the page a request was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameOrigin {
    /// A page of ours, an allowed origin, or typed by the user.
    Yes,
    /// Another site's page.
    No,
    /// Neither `Sec-Fetch-Site` nor `Origin`: no browser of this decade.
    Unknown,
}

pub(crate) fn same_origin(headers: &HeaderMap, uri: &Uri, rules: &OriginRules) -> SameOrigin {
    let fetch_site = headers
        .get("sec-fetch-site")
        .and_then(|value| value.to_str().ok());
    if matches!(fetch_site, Some("same-origin" | "none")) {
        return SameOrigin::Yes;
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return match fetch_site {
            Some(_) => SameOrigin::No,
            None => SameOrigin::Unknown,
        };
    };
    // `Origin: null` (sandboxed frames, data URLs) has no host and is refused with the rest.
    let Some(origin) = origin.to_str().ok().and_then(|text| Url::parse(text).ok()) else {
        return SameOrigin::No;
    };
    if rules.allows(origin.as_str()) {
        return SameOrigin::Yes;
    }
    // The scheme that the browser used is not known behind a proxy that ends TLS, so the host
    // and port are compared under the origin's own scheme.
    let host = request_host(headers, uri)
        .and_then(|host| Url::parse(&format!("{}://{host}", origin.scheme())).ok());
    match host {
        Some(host) if host.origin().is_tuple() && host.origin() == origin.origin() => {
            SameOrigin::Yes
        }
        _ => SameOrigin::No,
    }
}

/// The same judgement for other crates' routes: `public_url` and `allowed` count as ours.
#[must_use]
pub fn is_same_origin(
    headers: &HeaderMap,
    uri: &Uri,
    public_url: Option<&str>,
    allowed: &[String],
) -> SameOrigin {
    same_origin(headers, uri, &OriginRules::new(public_url, allowed))
}

/// Host and port the request was sent to: `:authority` of HTTP/2, else `Host`.
pub(crate) fn request_host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(header::HOST)?.to_str().ok(),
    }
}

fn normal_origin(text: &str) -> Option<String> {
    let origin = Url::parse(text).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(pairs: &[(&str, &str)]) -> SameOrigin {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a header name");
            headers.insert(name, value.parse().expect("a header value"));
        }
        let rules = OriginRules::new(
            Some("https://api.example.com/"),
            &["https://console.example.org".to_owned()],
        );
        same_origin(&headers, &Uri::from_static("/apis"), &rules)
    }

    #[test]
    fn the_browsers_word_decides_first() {
        assert_eq!(judge(&[("sec-fetch-site", "same-origin")]), SameOrigin::Yes);
        assert_eq!(judge(&[("sec-fetch-site", "none")]), SameOrigin::Yes);
        assert_eq!(judge(&[("sec-fetch-site", "cross-site")]), SameOrigin::No);
        assert_eq!(judge(&[("sec-fetch-site", "same-site")]), SameOrigin::No);
    }

    #[test]
    fn an_origin_must_be_the_host_or_a_configured_one() {
        let host = ("host", "localhost:8000");
        assert_eq!(
            judge(&[host, ("origin", "http://localhost:8000")]),
            SameOrigin::Yes
        );
        assert_eq!(
            judge(&[host, ("origin", "http://LOCALHOST:8000")]),
            SameOrigin::Yes
        );
        assert_eq!(
            judge(&[host, ("origin", "http://localhost:8001")]),
            SameOrigin::No
        );
        assert_eq!(
            judge(&[host, ("origin", "https://api.example.com")]),
            SameOrigin::Yes
        );
        assert_eq!(
            judge(&[host, ("origin", "http://api.example.com")]),
            SameOrigin::No
        );
        assert_eq!(
            judge(&[host, ("origin", "https://console.example.org")]),
            SameOrigin::Yes
        );
        assert_eq!(judge(&[host, ("origin", "null")]), SameOrigin::No);
        assert_eq!(judge(&[host, ("origin", "garbage")]), SameOrigin::No);
        let default_port = ("host", "shop.example");
        assert_eq!(
            judge(&[default_port, ("origin", "https://shop.example")]),
            SameOrigin::Yes
        );
    }

    #[test]
    fn an_allowed_origin_may_be_another_site() {
        let fetch = ("sec-fetch-site", "cross-site");
        assert_eq!(
            judge(&[fetch, ("origin", "https://console.example.org")]),
            SameOrigin::Yes
        );
        assert_eq!(
            judge(&[fetch, ("origin", "https://evil.example")]),
            SameOrigin::No
        );
    }

    #[test]
    fn without_either_header_nothing_is_known() {
        assert_eq!(judge(&[("host", "localhost")]), SameOrigin::Unknown);
    }
}
