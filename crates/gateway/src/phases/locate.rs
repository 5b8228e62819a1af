//! `locate`: taking the address apart, byte for byte.

use http::uri::PathAndQuery;

/// What stands before the API in an address.
const PREFIXES: [&str; 2] = ["/proxy/", "/api/v1/proxy/"];

/// Whether a path is the gateway's.
pub(crate) fn is_proxied(path: &str) -> bool {
    PREFIXES.iter().any(|prefix| path.starts_with(prefix))
}

/// An address below `/proxy/`. Nothing in it is decoded or normalised, here or later.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Located<'a> {
    /// Id or slug of the API, as it was sent.
    pub(crate) selector: &'a str,
    /// What follows the API: empty, or `/` and more.
    pub(crate) rest: &'a str,
    /// Without the question mark; an empty one is there too.
    pub(crate) query: Option<&'a str>,
    /// Where `rest` begins in the whole.
    pub(crate) below: usize,
}

/// `None` for a path that is not the gateway's.
pub(crate) fn locate(target: &PathAndQuery) -> Option<Located<'_>> {
    let path = target.path();
    let prefix = PREFIXES.iter().find(|prefix| path.starts_with(**prefix))?;
    let after = &path[prefix.len()..];
    let end = after.find('/').unwrap_or(after.len());
    Some(Located {
        selector: &after[..end],
        rest: &after[end..],
        query: target.query(),
        below: prefix.len() + end,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(target: &str) -> Option<(String, String, Option<String>)> {
        let target: PathAndQuery = target.parse().unwrap();
        locate(&target).map(|found| {
            assert_eq!(&target.path()[found.below..], found.rest);
            (
                found.selector.to_owned(),
                found.rest.to_owned(),
                found.query.map(str::to_owned),
            )
        })
    }

    #[test]
    fn addresses_are_taken_apart() {
        let some = |a: &str, b: &str, c: Option<&str>| {
            Some((a.to_owned(), b.to_owned(), c.map(str::to_owned)))
        };
        assert_eq!(parts("/proxy/x"), some("x", "", None));
        assert_eq!(parts("/proxy/x/"), some("x", "/", None));
        assert_eq!(parts("/proxy/x?"), some("x", "", Some("")));
        assert_eq!(
            parts("/proxy/x//a%2Fb;c/?a&b=/"),
            some("x", "//a%2Fb;c/", Some("a&b=/"))
        );
        assert_eq!(parts("/proxy/"), some("", "", None));
        assert_eq!(parts("/proxy//x"), some("", "/x", None));
        assert_eq!(parts("/api/v1/proxy/x/y"), some("x", "/y", None));
        assert_eq!(parts("/proxy"), None);
        assert_eq!(parts("/proxyx/"), None);
        assert_eq!(parts("//proxy/x"), None);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(selector in "[a-z0-9-]{1,20}", rest in "(/[!-~&&[^?#]]{0,40})?", query in "(\\?[!-~&&[^#]]{0,40})?") {
            let text = format!("/proxy/{selector}{rest}{query}");
            let Ok(target) = text.parse::<PathAndQuery>() else { return Ok(()) };
            let found = locate(&target).unwrap();
            prop_assert_eq!(found.selector, selector);
            prop_assert_eq!(found.rest, rest);
            prop_assert_eq!(found.query, query.strip_prefix('?'));
        }
    }
}
