//! Where a request carries its key, and how it is taken out again.

use std::borrow::Cow;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{KEY_TAG, TICKET_TAG};

/// The header a key comes in.
pub(crate) static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// The query parameter a key comes in, where an API allows it.
const PARAMETER: &str = "api_key";

/// What a request offers as its key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Candidate<'a> {
    None,
    /// The text of a key or ticket, perhaps.
    Text(&'a [u8]),
    /// More than one `X-API-Key`: which one counts would be a guess.
    Ambiguous,
}

/// `X-API-Key` if there is one, else a bearer token that looks like a key of ours. Other
/// authorization is the upstream's business.
pub(crate) fn from_headers(headers: &HeaderMap) -> Candidate<'_> {
    let mut own = headers.get_all(&X_API_KEY).iter();
    if let Some(first) = own.next() {
        return match own.next() {
            None => Candidate::Text(first.as_bytes()),
            Some(_) => Candidate::Ambiguous,
        };
    }
    for value in headers.get_all(AUTHORIZATION) {
        if let Some(token) = bearer(value).filter(|token| token.starts_with(KEY_TAG)) {
            return Candidate::Text(token);
        }
    }
    Candidate::None
}

/// The first `api_key` in a query. Keys have no character that would be encoded.
pub(crate) fn from_query(query: Option<&str>) -> Candidate<'_> {
    let Some(query) = query else {
        return Candidate::None;
    };
    parameters(query)
        .find(|(name, _)| *name == PARAMETER)
        .map_or(Candidate::None, |(_, value)| {
            Candidate::Text(value.as_bytes())
        })
}

/// Whether an `Authorization` value is a key or ticket of ours, which no upstream may see.
pub(crate) fn carries_our_key(value: &HeaderValue) -> bool {
    bearer(value).is_some_and(is_ours)
}

/// `None`: the `Authorization` value is none of ours. Else the token, when it may be a key: a
/// ticket is ours too, but comes in its own header only.
#[expect(
    clippy::option_option,
    reason = "ours or not, and then usable as a key or not"
)]
pub(crate) fn bearer_of_ours(value: &[u8]) -> Option<Option<&[u8]>> {
    let token = bearer_token(value).filter(|token| is_ours(token))?;
    Some(token.starts_with(KEY_TAG).then_some(token))
}

/// The query without any `api_key` that holds a key of ours; every other byte stays as it is.
/// `None` when nothing is left.
pub(crate) fn without_our_keys(query: &str) -> Option<Cow<'_, str>> {
    without(query, |name, value| {
        name == PARAMETER && is_ours(value.as_bytes())
    })
}

/// The query without the parameters named `unwanted`.
pub(crate) fn without_parameter<'a>(query: &'a str, unwanted: &str) -> Option<Cow<'a, str>> {
    without(query, |name, _| name == unwanted)
}

fn without<'a>(query: &'a str, is_unwanted: impl Fn(&str, &str) -> bool) -> Option<Cow<'a, str>> {
    if !parameters(query).any(|(name, value)| is_unwanted(name, value)) {
        return Some(Cow::Borrowed(query));
    }
    let kept: Vec<&str> = query
        .split('&')
        .filter(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            !is_unwanted(name, value)
        })
        .collect();
    (!kept.is_empty()).then(|| Cow::Owned(kept.join("&")))
}

fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .map(|part| part.split_once('=').unwrap_or((part, "")))
}

fn is_ours(token: &[u8]) -> bool {
    token.starts_with(KEY_TAG) || token.starts_with(TICKET_TAG)
}

/// The token of a `Bearer` credential (RFC 6750, 2.1).
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    bearer_token(value.as_bytes())
}

fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_first_chunk::<7>()?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn the_header_comes_first() {
        let both = headers(&[("x-api-key", "one"), ("authorization", "Bearer apv_two")]);
        assert_eq!(from_headers(&both), Candidate::Text(b"one"));
        let bearer = headers(&[("authorization", "bEARER  apv_two ")]);
        assert_eq!(from_headers(&bearer), Candidate::Text(b"apv_two"));
        for foreign in [
            "Bearer eyJ",
            "Basic apv_two",
            "apv_two",
            "Bearer",
            "Bearer\tapv_two",
        ] {
            let map = headers(&[("authorization", foreign)]);
            assert_eq!(from_headers(&map), Candidate::None, "{foreign}");
        }
        let twice = headers(&[("x-api-key", "one"), ("x-api-key", "one")]);
        assert_eq!(from_headers(&twice), Candidate::Ambiguous);
    }

    #[test]
    fn only_our_keys_leave_the_query() {
        let cases = [
            ("api_key=apv_live_x", None),
            ("api_key=apvt_x&b", Some("b")),
            ("a=1&api_key=apv_test_x&b=%2F&&c", Some("a=1&b=%2F&&c")),
            ("api_key=theirs&a", Some("api_key=theirs&a")),
            ("", Some("")),
            ("&", Some("&")),
            ("xapi_key=apv_1", Some("xapi_key=apv_1")),
        ];
        for (query, expected) in cases {
            assert_eq!(without_our_keys(query).as_deref(), expected, "{query}");
        }
        assert_eq!(
            from_query(Some("a&api_key=k&api_key=l")),
            Candidate::Text(b"k")
        );
        assert_eq!(from_query(Some("")), Candidate::None);
    }

    proptest! {
        #[test]
        fn a_query_without_our_keys_is_untouched(query in "[ -~&&[^#]]{0,60}") {
            prop_assume!(!query.contains("api_key=apv"));
            let kept = without_our_keys(&query);
            prop_assert_eq!(kept.as_deref(), Some(query.as_str()));
        }

        #[test]
        fn a_key_is_cut_out_of_any_query(
            before in proptest::collection::vec("[a-z=%;/?]{0,8}", 0..4),
            after in proptest::collection::vec("[a-z=%;/?]{0,8}", 0..4),
        ) {
            let mut parts = before.clone();
            parts.push("api_key=apv_live_secret".to_owned());
            parts.extend(after.clone());
            let rest: Vec<String> = before.into_iter().chain(after).collect();
            let expected = (!rest.is_empty()).then(|| rest.join("&"));
            let query = parts.join("&");
            let kept = without_our_keys(&query).map(Cow::into_owned);
            prop_assert_eq!(kept, expected);
        }
    }
}
