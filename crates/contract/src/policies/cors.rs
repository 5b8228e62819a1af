//! Which pages of other sites may call (the Fetch standard's CORS protocol).

use serde::{Deserialize, Serialize};

use super::{PolicyLevel, yes};
use crate::validation::is_token;
use crate::{FieldError, Validation};

/// What browsers are told about calls from pages of other sites. Preflight requests are answered
/// by the gateway, without a key: browsers send none with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CorsPolicy {
    /// False switches the policy off below.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub enabled: bool,
    /// Origins as `https://example.com`, all sub-domains as `https://*.example.com`, or `*` for
    /// all; at most 100.
    #[serde(default)]
    pub allow_origins: Vec<String>,
    /// Methods pages may use; GET, HEAD, POST, PUT, PATCH and DELETE when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_methods: Vec<String>,
    /// Header fields pages may send; every one that is asked for when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_headers: Vec<String>,
    /// Fields of answers pages may read, beside those that the standard lets them read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expose_headers: Vec<String>,
    /// Pages may send cookies. Not with the origin `*`.
    #[serde(default)]
    pub allow_credentials: bool,
    /// Pages of public sites may call where this gateway has a private address.
    #[serde(default)]
    pub allow_private_network: bool,
    /// Seconds a browser keeps the answer to a preflight request, up to a day; 600 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
}

impl CorsPolicy {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self, _level: PolicyLevel) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(
            (1..=100).contains(&self.allow_origins.len()),
            "allow_origins",
            "must have 1 to 100 entries",
        );
        for origin in &self.allow_origins {
            v.check(
                origin == "*" || is_origin(origin),
                "allow_origins",
                "must be origins such as https://example.com or https://*.example.com, or *",
            );
        }
        v.check(
            !(self.allow_credentials && self.allow_origins.iter().any(|origin| origin == "*")),
            "allow_credentials",
            "cannot be on for every origin: name the origins",
        );
        for (field, names) in [
            ("allow_methods", &self.allow_methods),
            ("allow_headers", &self.allow_headers),
            ("expose_headers", &self.expose_headers),
        ] {
            v.check(
                names.len() <= 100 && names.iter().all(|name| is_token(name)),
                field,
                "must be at most 100 names",
            );
        }
        v.check(
            self.max_age_seconds.is_none_or(|age| age <= 86_400),
            "max_age_seconds",
            "must be at most 86400",
        );
        v.finish()
    }
}

/// Scheme, host and port as a browser writes them; the host may begin with `*.`.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host_and_port)) = text.split_once("://") else {
        return false;
    };
    let scheme_ok = !scheme.is_empty()
        && scheme.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
        });
    let (host, port) = match host_and_port.strip_prefix('[') {
        // IPv6.
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => {
                let digits = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b) || b == b':';
                return scheme_ok && address.bytes().all(digits) && is_port(port);
            }
            None => return false,
        },
        None => match host_and_port.find(':') {
            Some(at) => host_and_port.split_at(at),
            None => (host_and_port, ""),
        },
    };
    let host = host.strip_prefix("*.").unwrap_or(host);
    let host_ok = !host.is_empty()
        && host.len() <= 253
        && host.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        });
    scheme_ok && host_ok && is_port(port)
}

/// Nothing, or a colon and a port.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        None => text.is_empty(),
        Some(port) => port
            .parse::<u16>()
            .is_ok_and(|number| number.to_string() == port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_write_them() {
        for good in [
            "https://example.com",
            "http://localhost:3000",
            "https://*.example.com",
            "http://127.0.0.1:8080",
            "http://[::1]:80",
            "chrome-extension://abcdef",
        ] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "null",
            "example.com",
            "https://",
            "https://Example.com",
            "https://example.com/",
            "https://a.*.com",
            "https://*",
            "https://x:99999",
            "https://x:080",
            "https://a b",
            "https://*.*.com",
            "https://x\r\n",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
