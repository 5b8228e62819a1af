//! Header fields of requests, wherever they lie, and helpers over those of responses.

use http::{HeaderMap, HeaderName};

/// The header fields of a request. A gateway may hold them as bytes or as a map.
pub trait RequestFields {
    /// Calls `found` with the value of every line of `name`, in order. `name` is in lower case.
    fn each(&self, name: &str, found: &mut dyn FnMut(&[u8]));

    /// Whether there is a line of `name`.
    fn has(&self, name: &str) -> bool {
        let mut is_there = false;
        self.each(name, &mut |_| is_there = true);
        is_there
    }

    /// All lines of `name`, combined as RFC 9110, 5.2 has it; `None` when there is none.
    fn combined(&self, name: &str) -> Option<Vec<u8>> {
        let mut all: Option<Vec<u8>> = None;
        self.each(name, &mut |value| match &mut all {
            None => all = Some(value.to_vec()),
            Some(all) => {
                all.extend_from_slice(b", ");
                all.extend_from_slice(value);
            }
        });
        all
    }
}

impl RequestFields for HeaderMap {
    fn each(&self, name: &str, found: &mut dyn FnMut(&[u8])) {
        for value in self.get_all(name) {
            found(value.as_bytes());
        }
    }
}

/// The lines of a response's field, combined.
pub(crate) fn combined(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    RequestFields::combined(headers, name)
}

/// Members of a comma-separated list; commas within quoted strings do not count.
pub(crate) fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        loop {
            let list = rest?;
            let end = member_end(list);
            rest = list.get(end + 1..);
            let member = list[..end].trim_ascii();
            if !member.is_empty() {
                return Some(member);
            }
        }
    })
}

fn member_end(list: &[u8]) -> usize {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, byte) in list.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => return at,
            _ => {}
        }
    }
    list.len()
}

/// Names that a response must not be stored with: they are about one connection (RFC 9110, 7.6.1)
/// or about a proxy (RFC 9111, 3.1).
const NEVER_STORED: [&str; 12] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
    "trailer",
    "x-request-id",
    "x-apiverse-error",
];

/// The response's fields that may be stored. `withheld`: names that its directives keep out.
pub(crate) fn stored(headers: &HeaderMap, withheld: &[HeaderName]) -> HeaderMap {
    let mut listed: Vec<Vec<u8>> = Vec::new();
    if let Some(options) = combined(headers, "connection") {
        listed.extend(members(&options).map(<[u8]>::to_ascii_lowercase));
    }
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let text = name.as_str();
        let is_out = NEVER_STORED.contains(&text)
            || withheld.contains(name)
            || listed.iter().any(|option| option == text.as_bytes());
        if !is_out {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn lists_end_where_quotes_do() {
        let found = |text: &'static str| members(text.as_bytes()).collect::<Vec<_>>();
        assert_eq!(found("a, b ,,c"), [&b"a"[..], b"b", b"c"]);
        assert_eq!(found(r#"a="x, y", b"#), [&br#"a="x, y""#[..], b"b"]);
        assert_eq!(found(r#""\", x", b"#), [&br#""\", x""#[..], b"b"]);
        assert_eq!(found(" , "), Vec::<&[u8]>::new());
        assert_eq!(found(r#"a="open, b"#), [&br#"a="open, b"#[..]]);
    }

    #[test]
    fn the_fields_of_a_hop_are_not_stored() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authentication-info", "x"),
            ("etag", "\"a\""),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=1"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let kept = stored(&headers, &[http::header::ETAG]);
        assert_eq!(kept.len(), 2);
        assert_eq!(kept.get_all("set-cookie").iter().count(), 2);
    }
}
