//! Addresses whose stored answers an unsafe request makes worthless (RFC 9111, 4.4).

use http::{HeaderMap, Method};

/// Whether a method may change something. What is not known may.
#[must_use]
pub fn is_unsafe(method: &Method) -> bool {
    !matches!(
        method.as_str(),
        "GET" | "HEAD" | "OPTIONS" | "TRACE" | "QUERY" | "PROPFIND" | "SEARCH" | "REPORT"
    )
}

/// The upstream's addresses, as path and query, that are to be forgotten after an unsafe request
/// was answered with `status`: its own, and those that `Location` and `Content-Location` name on
/// the same origin. `origin` is the upstream's, `scheme://host[:port]`; `path` the request's
/// there. A failure changes nothing.
#[must_use]
pub fn invalidated_by(status: u16, headers: &HeaderMap, origin: &str, path: &str) -> Vec<String> {
    if !(200..400).contains(&status) {
        return Vec::new();
    }
    let mut all = vec![path.to_owned()];
    for name in ["location", "content-location"] {
        for value in headers.get_all(name) {
            let found = value
                .to_str()
                .ok()
                .and_then(|text| resolve(text, origin, path));
            if let Some(found) = found
                && !all.contains(&found)
            {
                all.push(found);
            }
        }
    }
    all
}

/// A reference as path and query on the origin; `None`: it leads elsewhere.
fn resolve(reference: &str, origin: &str, base: &str) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or_default().trim();
    if let Some(rest) = strip_ignoring_case(reference, origin) {
        return match rest.chars().next() {
            None => Some("/".to_owned()),
            Some('/') => Some(rest.to_owned()),
            Some('?') => Some(format!("/{rest}")),
            // The name only begins like ours.
            Some(_) => None,
        };
    }
    let scheme = reference.split(['/', '?']).next().unwrap_or_default();
    if reference.starts_with("//") || scheme.contains(':') {
        return None;
    }
    if reference.starts_with('/') {
        return Some(reference.to_owned());
    }
    let path = base.split('?').next().unwrap_or_default();
    if reference.is_empty() {
        return Some(base.to_owned());
    }
    if reference.starts_with('?') {
        return Some(format!("{path}{reference}"));
    }
    let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
    Some(without_dots(&format!("{folder}{reference}")))
}

fn strip_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start
        .eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

/// A path without `.` and `..` (RFC 3986, 5.2.4).
fn without_dots(path: &str) -> String {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let mut out = format!("/{}", kept.join("/"));
    if let Some(query) = query {
        out.push('?');
        out.push_str(query);
    }
    out
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_are_resolved_on_the_origin() {
        let resolve = |reference: &str| resolve(reference, "http://h:81", "/a/b?c");
        for (reference, expected) in [
            ("/x?y", Some("/x?y")),
            ("x", Some("/a/x")),
            ("../x#z", Some("/x")),
            ("./?q", Some("/a/?q")),
            ("?q", Some("/a/b?q")),
            ("", Some("/a/b?c")),
            ("HTTP://H:81/x", Some("/x")),
            ("http://h:81", Some("/")),
            ("http://h:81?x", Some("/?x")),
            ("http://h:811/x", None),
            ("http://h/x", None),
            ("//h:81/x", None),
            ("https://h:81/x", None),
            ("mailto:a", None),
        ] {
            assert_eq!(resolve(reference).as_deref(), expected, "{reference}");
        }
    }

    #[test]
    fn failures_and_safe_methods_change_nothing() {
        let headers = HeaderMap::new();
        assert_eq!(invalidated_by(204, &headers, "http://h", "/a"), ["/a"]);
        for status in [100, 400, 404, 500] {
            assert!(invalidated_by(status, &headers, "http://h", "/a").is_empty());
        }
        let mut headers = HeaderMap::new();
        headers.insert("location", HeaderValue::from_static("/b"));
        headers.insert(
            "content-location",
            HeaderValue::from_static("http://other/c"),
        );
        assert_eq!(
            invalidated_by(201, &headers, "http://h", "/a"),
            ["/a", "/b"]
        );
        for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"] {
            assert!(is_unsafe(&method.parse().unwrap()), "{method}");
        }
        for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
            assert!(!is_unsafe(&method.parse().unwrap()), "{method}");
        }
    }

    proptest! {
        #[test]
        fn foreign_references_never_panic(reference in "\\PC{0,30}", base in "/[a-z/?]{0,10}") {
            if let Some(found) = resolve(&reference, "http://h", &base) {
                prop_assert!(found.starts_with('/'));
            }
        }
    }
}
