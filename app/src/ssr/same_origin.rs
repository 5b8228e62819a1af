//! Keeping other sites from using a visitor's cookie.
//!
//! `SameSite=Lax` already keeps the cookie off cross-site posts; this is the second lock. Browsers
//! say where a request comes from in `Sec-Fetch-Site` (Fetch Metadata) or at least in `Origin`, and
//! no page can change either. Whoever sends neither is not a browser, so there is no visitor whose
//! cookie could be used against them.

use http::{HeaderMap, Method, header};

/// Whether a request with a cookie may change something.
#[must_use]
pub fn allowed(method: &Method, headers: &HeaderMap) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    if let Some(site) = headers.get("sec-fetch-site") {
        // `none` is the user's own doing: the address bar, a bookmark.
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let (Ok(origin), Some(host)) = (
        origin.to_str(),
        headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok()),
    ) else {
        return false;
    };
    // The scheme is not compared: behind a proxy that ends TLS it is not known here.
    origin
        .split_once("://")
        .is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, http::HeaderValue::from_static(value));
        }
        allowed(&Method::POST, &headers)
    }

    #[test]
    fn other_sites_are_refused() {
        assert!(!post(&[("sec-fetch-site", "cross-site")]));
        assert!(!post(&[("sec-fetch-site", "same-site")]));
        assert!(!post(&[
            ("origin", "https://evil.example"),
            ("host", "api.example")
        ]));
        assert!(!post(&[("origin", "null"), ("host", "api.example")]));
        assert!(!post(&[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://api.example"),
            ("host", "api.example"),
        ]));
    }

    #[test]
    fn the_console_itself_is_not() {
        assert!(post(&[("sec-fetch-site", "same-origin")]));
        assert!(post(&[
            ("origin", "http://127.0.0.1:8000"),
            ("host", "127.0.0.1:8000")
        ]));
        assert!(post(&[]));
        let mut headers = HeaderMap::new();
        headers.insert(
            "sec-fetch-site",
            http::HeaderValue::from_static("cross-site"),
        );
        assert!(allowed(&Method::GET, &headers));
    }
}
