//! `direct`: the address a call has at the upstream.

use std::borrow::Cow;

use apiverse_connectors::SecretString;
use bytes::Bytes;
use http::uri::PathAndQuery;

use super::locate::Located;
use crate::keys;
use crate::snapshot::Target;

/// The path would leave the API's base path, or is no path with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path is not allowed")]
pub(crate) struct InvalidPath;

/// The base path and what followed the API in the caller's address, the base query and the
/// caller's; the caller's key is taken out, the upstream's is put in.
///
/// Only path and query are made: scheme, host and port are the API's whatever the caller sends.
pub(crate) fn direct(
    target: &Target,
    located: &Located<'_>,
    credential: Option<(&str, &SecretString)>,
) -> Result<PathAndQuery, InvalidPath> {
    let mut address = Vec::new();
    write_address(&mut address, target, located, credential)?;
    PathAndQuery::from_maybe_shared(Bytes::from(address)).map_err(|_| InvalidPath)
}

/// The same, written behind what `address` holds. On an error part of it may be there.
pub(crate) fn write_address(
    address: &mut Vec<u8>,
    target: &Target,
    located: &Located<'_>,
    credential: Option<(&str, &SecretString)>,
) -> Result<(), InvalidPath> {
    let base = &*target.base_path;
    if base != "/" && climbs(located.rest) {
        return Err(InvalidPath);
    }
    let query = located.query.and_then(keys::without_our_keys);
    // A parameter of the credential's name would leave the choice to the upstream.
    let query = match (query, credential) {
        (Some(Cow::Borrowed(query)), Some((name, _))) => keys::without_parameter(query, name),
        (Some(Cow::Owned(query)), Some((name, _))) => {
            keys::without_parameter(&query, name).map(|query| Cow::Owned(query.into_owned()))
        }
        (query, None) => query,
        (None, Some(_)) => None,
    };

    let capacity = base.len() + located.rest.len() + query.as_ref().map_or(0, |q| q.len()) + 64;
    address.reserve(capacity);
    if located.rest.is_empty() {
        address.extend_from_slice(base.as_bytes());
    } else {
        address.extend_from_slice(base.strip_suffix('/').unwrap_or(base).as_bytes());
        address.extend_from_slice(located.rest.as_bytes());
    }
    let mut separator = b'?';
    let mut add = |part: &str| {
        address.push(separator);
        address.extend_from_slice(part.as_bytes());
        separator = b'&';
    };
    if let Some(base_query) = &target.base_query {
        add(base_query);
    }
    if let Some(query) = &query {
        add(query);
    }
    if let Some((name, value)) = credential {
        add(name);
        address.push(b'=');
        address.extend_from_slice(value.expose().as_bytes());
    }
    Ok(())
}

/// Whether a path has a segment that goes up, in any spelling that some server reads so: encoded,
/// after a backslash, or with parameters (`..;x`).
fn climbs(path: &str) -> bool {
    if !path.contains("..") && !path.contains("%2") {
        return false;
    }
    let bytes = path.as_bytes();
    // Length of the dots that the segment so far consists of; `None`: it has something else.
    let mut dots = Some(0);
    let mut at = 0;
    while at < bytes.len() {
        let (byte, length) = decoded(&bytes[at..]);
        at += length;
        match byte {
            b'/' | b'\\' => {
                if dots == Some(2) {
                    return true;
                }
                dots = Some(0);
            }
            b'.' => dots = dots.map(|count| count + 1),
            b';' if dots == Some(2) => return true,
            _ => dots = None,
        }
    }
    dots == Some(2)
}

/// The first byte, and how many characters it takes.
fn decoded(bytes: &[u8]) -> (u8, usize) {
    if let [b'%', high, low, ..] = bytes
        && let (Some(high), Some(low)) = (hex(*high), hex(*low))
    {
        return (high << 4 | low, 3);
    }
    (bytes[0], 1)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::locate::locate;
    use super::*;
    use crate::snapshot::target_for_tests;

    fn at(base_url: &str, address: &str) -> Result<String, InvalidPath> {
        let target = target_for_tests(base_url);
        let address: PathAndQuery = address.parse().unwrap();
        direct(&target, &locate(&address).unwrap(), None).map(|made| made.as_str().to_owned())
    }

    #[test]
    fn bases_and_paths_are_joined() {
        for (base, address, expected) in [
            ("http://h", "/proxy/x", "/"),
            ("http://h", "/proxy/x/", "/"),
            ("http://h", "/proxy/x?", "/?"),
            ("http://h", "/proxy/x//evil.com/", "//evil.com/"),
            (
                "http://h",
                "/proxy/x/a%2Fb/../c;d?q=%20&&",
                "/a%2Fb/../c;d?q=%20&&",
            ),
            ("http://h/v1", "/proxy/x", "/v1"),
            ("http://h/v1", "/proxy/x/", "/v1/"),
            ("http://h/v1/", "/proxy/x", "/v1/"),
            ("http://h/v1/", "/proxy/x/a", "/v1/a"),
            ("http://h/v1", "/proxy/x//a", "/v1//a"),
            ("http://h/v1?k=v", "/proxy/x/a?b", "/v1/a?k=v&b"),
            ("http://h/v1?k=v", "/proxy/x", "/v1?k=v"),
            (
                "http://h/v1",
                "/proxy/x/a?api_key=apv_live_1&b=2",
                "/v1/a?b=2",
            ),
            ("http://h/v1", "/proxy/x/a?api_key=apv_live_1", "/v1/a"),
            (
                "http://h/v1",
                "/proxy/x/.../..a/a../.;",
                "/v1/.../..a/a../.;",
            ),
        ] {
            assert_eq!(
                at(base, address).as_deref(),
                Ok(expected),
                "{base} {address}"
            );
        }
    }

    #[test]
    fn paths_that_climb_are_refused_below_a_base_path() {
        for rest in [
            "/..",
            "/../",
            "/a/../b",
            "/%2e%2e/",
            "/.%2E",
            "/%2E./x",
            "/a/..%2fb",
            "/a%2f..%2Fb",
            "/..%5cx",
            "/a%5C..",
            "/..;x/",
            "/..%3b",
            "/%2e%2e;a=b/c",
        ] {
            let address = format!("/proxy/x{rest}");
            assert_eq!(at("http://h/v1", &address), Err(InvalidPath), "{rest}");
            assert!(at("http://h", &address).is_ok(), "{rest}");
        }
        assert!(climbs("/a\\..\\b"));
    }

    #[test]
    fn a_credential_replaces_the_callers() {
        let target = target_for_tests("http://h/v1");
        let secret = SecretString::from("s%26");
        for (address, expected) in [
            ("/proxy/x/a", "/v1/a?key=s%26"),
            ("/proxy/x/a?key=mine&b&key", "/v1/a?b&key=s%26"),
            ("/proxy/x/a?api_key=apv_1&key=mine", "/v1/a?key=s%26"),
            ("/proxy/x/a?", "/v1/a?&key=s%26"),
        ] {
            let parsed: PathAndQuery = address.parse().unwrap();
            let made = direct(&target, &locate(&parsed).unwrap(), Some(("key", &secret)));
            assert_eq!(made.unwrap().as_str(), expected, "{address}");
        }
    }

    proptest! {
        #[test]
        fn every_byte_arrives(rest in "(/[!-~&&[^?#]]{0,60})?", query in "(\\?[!-~&&[^#]]{0,60})?") {
            prop_assume!(!query.contains("api_key=apv"));
            let text = format!("/proxy/x{rest}{query}");
            let Ok(address) = text.parse::<PathAndQuery>() else { return Ok(()) };
            let target = target_for_tests("http://h");
            let made = direct(&target, &locate(&address).unwrap(), None).unwrap();
            let path = if rest.is_empty() { "/" } else { &rest };
            prop_assert_eq!(made.as_str(), format!("{path}{query}"));
        }

        #[test]
        fn no_path_leaves_its_base(rest in "(/|%2[fFeE5]|%5[cC]|\\.|;|a|%){0,12}") {
            let text = format!("/proxy/x/{rest}");
            let Ok(address) = text.parse::<PathAndQuery>() else { return Ok(()) };
            let target = target_for_tests("http://h/base");
            if let Ok(made) = direct(&target, &locate(&address).unwrap(), None) {
                // Read as generously as any server might.
                let mut depth = 0i32;
                let plain = made.path().replace("%2e", ".").replace("%2E", ".")
                    .replace("%2f", "/").replace("%2F", "/")
                    .replace("%5c", "/").replace("%5C", "/");
                for segment in plain.split('/').filter(|s| !s.is_empty()) {
                    let name = segment.split(';').next().unwrap();
                    depth += if name == ".." { -1 } else { i32::from(name != ".") };
                    prop_assert!(depth >= 1, "{} climbs to {}", made, depth);
                }
            }
        }
    }
}
