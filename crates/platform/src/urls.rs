//! Addresses of upstreams, as far as they can be judged before connecting.
//!
//! A name is resolved, and its addresses checked, each time the gateway connects; what is checked
//! here only spares people a wait for an answer that is already known.

use apiverse_connectors::egress::EgressPolicy;
use url::{Host, Url};

use crate::SAMPLE_BASE_URL;

const LONGEST: usize = 2048;

/// A base URL that was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// The way it is kept: without a slash at its end.
    pub text: String,
    /// It is the built-in sample's.
    pub is_sample: bool,
}

/// Checks a base URL. `sample` says whether the built-in sample runs.
///
/// # Errors
/// What is wrong, for people.
pub fn base_url(text: &str, policy: &EgressPolicy, sample: bool) -> Result<BaseUrl, &'static str> {
    // gRPC is HTTP/2; a URL parser knows neither what its hosts nor what its ports are.
    let (as_http, is_grpc) = match text.strip_prefix("grpc") {
        Some(rest) if rest.starts_with("://") || rest.starts_with("s://") => {
            (format!("http{rest}"), true)
        }
        _ => (text.to_owned(), false),
    };
    let url = parse(&as_http, policy)?;
    if url.query().is_some() {
        return Err("must not have a query");
    }
    let path_at = url[url::Position::BeforePath..].len();
    let whole = url.as_str();
    let (origin, path) = whole.split_at(whole.len() - path_at);
    let names_sample = url.host_str().is_some_and(|host| {
        SAMPLE_BASE_URL
            .strip_prefix("http://")
            .is_some_and(|name| name == host)
    });
    let is_sample = names_sample && sample && !is_grpc && origin == SAMPLE_BASE_URL;
    if names_sample && !is_sample {
        return Err("is the built-in sample's, which is http only and switched off in production");
    }
    let text = format!("{origin}{}", path.trim_end_matches('/'));
    let text = match text.strip_prefix("http") {
        Some(rest) if is_grpc => format!("grpc{rest}"),
        _ => text,
    };
    Ok(BaseUrl { text, is_sample })
}

/// Checks the token endpoint of OAuth 2.0.
///
/// # Errors
/// What is wrong, for people.
pub fn token_url(text: &str, policy: &EgressPolicy) -> Result<(), &'static str> {
    parse(text, policy).map(|_| ())
}

fn parse(text: &str, policy: &EgressPolicy) -> Result<Url, &'static str> {
    if text.len() > LONGEST {
        return Err("must have at most 2048 characters");
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("must not contain blanks or control characters");
    }
    let url = Url::parse(text).map_err(|_| "must be a URL such as https://api.example.com")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with http://, https://, grpc:// or grpcs://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain credentials; use auth_type basic");
    }
    if url.fragment().is_some() {
        return Err("must not have a fragment");
    }
    let address = match url.host() {
        None => return Err("must name a host"),
        Some(Host::Domain(_)) => None,
        Some(Host::Ipv4(v4)) => Some(std::net::IpAddr::V4(v4)),
        Some(Host::Ipv6(v6)) => Some(std::net::IpAddr::V6(v6)),
    };
    if address.is_some_and(|address| !policy.permits(address)) {
        return Err(
            "is a private or reserved address; ALLOW_PRIVATE_UPSTREAMS must name its network",
        );
    }
    if url.port() == Some(0) {
        return Err("must have a port other than 0");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<String, &'static str> {
        base_url(text, &EgressPolicy::new(Vec::new()), false).map(|url| url.text)
    }

    #[test]
    fn the_sample_is_for_all_while_it_runs() {
        let policy = EgressPolicy::new(Vec::new());
        let sample = |text: &str, runs| base_url(text, &policy, runs).map(|url| url.is_sample);
        assert_eq!(sample(SAMPLE_BASE_URL, true), Ok(true));
        assert_eq!(
            sample("http://SAMPLE.apiverse.internal/status/", true),
            Ok(true)
        );
        assert!(sample(SAMPLE_BASE_URL, false).is_err());
        assert!(sample("https://sample.apiverse.internal", true).is_err());
        assert!(sample("http://sample.apiverse.internal:81", true).is_err());
        assert_eq!(
            sample("http://sample.apiverse.internal.example.com", true),
            Ok(false)
        );
    }

    #[test]
    fn good_addresses_lose_their_last_slash() {
        for (text, kept) in [
            ("https://api.example.com", "https://api.example.com"),
            ("https://api.example.com/", "https://api.example.com"),
            ("HTTP://API.example.com:80/v1/", "http://api.example.com/v1"),
            (
                "https://api.example.com:8443/a/b",
                "https://api.example.com:8443/a/b",
            ),
            ("http://93.184.216.34/x", "http://93.184.216.34/x"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(check(text).as_deref(), Ok(kept), "{text}");
        }
    }

    #[test]
    fn hostile_addresses_are_refused() {
        for text in [
            "",
            "api.example.com",
            "ftp://example.com",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "http://",
            "http://user@example.com",
            "http://u:p@example.com",
            "http://example.com/?q=1",
            "http://example.com/#x",
            "http://example.com:99999",
            "http://example.com:0",
            "http://exa mple.com",
            "http://example.com\r\nHost: evil",
            "http://127.0.0.1",
            "http://0x7f.1",
            "http://2130706433",
            "http://017700000001",
            "http://[::1]",
            "http://[::ffff:10.0.0.1]",
            "http://169.254.169.254/latest",
            "http://0.0.0.0",
            "http://sample.apiverse.internal",
            "http://SAMPLE.apiverse.internal/x",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
        assert!(check(&format!("http://example.com/{}", "a".repeat(3000))).is_err());
    }

    #[test]
    fn named_networks_are_let_through() {
        let policy = EgressPolicy::new(vec!["10.0.0.0/8".parse().expect("a network")]);
        assert!(base_url("http://10.1.2.3", &policy, false).is_ok());
        assert!(base_url("http://192.168.0.1", &policy, false).is_err());
    }
}
